"""`picomesh fuel`: which lines of a ruleset an event's fuel goes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import SequenceCommand, Step, json_option, parse_event, sequence
from picomesh.cli.output import print_json, print_response
from picomesh.cli.problems import Answered, fail
from picomesh.cli.progress import progress_bar
from picomesh.cli.rulesets import load_module

if TYPE_CHECKING:
    from picomesh.cli.rulesets import Module
    from picomesh.engine.spending import Spending

WAYS = ("line", "rule", "function")
ROWS_SHOWN = 40


@click.command(cls=SequenceCommand)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--event", multiple=True, metavar="DOMAIN:TYPE", help="The event. Repeatable.")
@click.option("--attr", multiple=True, metavar="K=V", help="Attribute of the event before it.")
@click.option(
    "--by", type=click.Choice(WAYS), default="line", show_default=True, help="What rows are."
)
@click.option(
    "--stops",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="At how many units of the fuel to look.",
)
@click.option("--flame", type=click.Path(path_type=Path), help="Write a flame graph (SVG).")
@click.option(
    "--stacks",
    "stacks_file",
    type=click.Path(path_type=Path),
    help="Write the stacks as text, for other viewers of flame graphs.",
)
@json_option
@click.pass_context
def fuel(
    ctx: click.Context,
    source: Path,
    event: tuple[str, ...],
    attr: tuple[str, ...],
    by: str,
    stops: int,
    flame: Path | None,
    stacks_file: Path | None,
    as_json: bool,
) -> None:
    """Show which lines of a ruleset the fuel of an event goes to.

    The ruleset is installed on a pico that lives only now and gets the events; the last one is
    looked at. It runs again and again, each time to another unit of its fuel, evenly spaced: where
    it stops, that unit is spent. A line's fuel is that of all it calls.

    \b
    picomesh fuel cart.krl --event cart:line_added --attr sku=TEA-12 --attr cents:=499
    picomesh fuel cart.krl --event cart:line_added --by function --flame cart.svg
    """
    steps = sequence(ctx)
    if not steps:
        raise fail("there is no event to look at", "add --event domain:type")
    module = load_module(source)
    found = _spending(module, steps, stops, as_json)
    for path, text in _files(found, flame, stacks_file, f"{source.name}: {steps[-1].target}"):
        try:
            path.write_text(text, "utf-8")
        except OSError as problem:
            raise fail(f"cannot write {path}: {problem.strerror}") from problem
    rows = _rows(found, by, module.source or "")
    if as_json:
        print_json({"fuel": found.fuel, "stops": found.stops, "by": by, "rows": rows})
    else:
        _print_table(found, by, rows)


def _spending(module: Module, steps: list[Step], stops: int, quiet: bool) -> Spending:
    """Runs the events, and the last of them as often as it is stopped."""
    from picomesh.engine import Engine
    from picomesh.engine.places import source_map
    from picomesh.engine.replay import work_of
    from picomesh.engine.spending import spending

    places = source_map(module.raw)
    if places is None:
        raise fail("the module has no source map", "give a .krl file")
    with Engine.ephemeral() as engine:
        pico = engine.create().pico
        response = engine.install_module(pico, module.raw, source=module.source, url=module.url)
        for step in steps:
            if response.transition.outcome == "ok":
                domain, name = parse_event(step.target)
                response = engine.send(pico, domain, name, step.given)
        if response.transition.outcome not in ("ok", "throw", "trap"):
            print_response(response)
            raise Answered
        core = response.receipt.core
        work = work_of(core, engine.store)
        with progress_bar(stops, "looking", quiet) as tell:
            return spending(
                engine.programs, engine.store, work, core.fuel, module.raw, places, stops, tell
            )


def _files(
    found: Spending, flame: Path | None, stacks: Path | None, title: str
) -> list[tuple[Path, str]]:
    from picomesh.cli.flame import collapsed, flame_graph

    files = []
    if flame is not None:
        text = f"{title}, {found.fuel:,} fuel"
        files.append((flame, flame_graph(found.stacks, text, "fuel")))
    if stacks is not None:
        files.append((stacks, collapsed(found.stacks)))
    return files


def _rows(found: Spending, by: str, source: str) -> list[dict[str, Any]]:
    """The dearest first."""
    from picomesh.engine.spending import by_function, by_line, by_rule

    match by:
        case "line":
            lines = source.split("\n")
            rows: list[dict[str, Any]] = [
                {
                    "fuel": amount,
                    "line": line,
                    "function": name,
                    "text": "" if line is None else lines[line - 1].strip(),
                }
                for (line, name), amount in by_line(found).items()
            ]
        case "rule":
            rows = [{"fuel": amount, "rule": name} for name, amount in by_rule(found).items()]
        case _:
            rows = [
                {"fuel": whole, "own": own, "function": name}
                for name, (own, whole) in by_function(found).items()
            ]
            return sorted(rows, key=lambda row: (-row["own"], row["function"]))
    return sorted(rows, key=lambda row: (-row["fuel"], str(row)))


def _print_table(found: Spending, by: str, rows: list[dict[str, Any]]) -> None:
    each = max(found.fuel // found.stops, 1)
    click.echo(f"fuel {found.fuel:,}, looked at {found.stops} times: each stands for {each:,}")
    for row in rows[:ROWS_SHOWN]:
        amount = row["own"] if by == "function" else row["fuel"]
        share = f"{100 * amount / max(found.fuel, 1):5.1f} %"
        match by:
            case "line":
                where = row["function"] if row["line"] is None else f"line {row['line']:<4}"
                click.echo(f"{amount:>12,} {share}  {where}  {row['text']}".rstrip())
            case "rule":
                click.echo(f"{amount:>12,} {share}  {row['rule']}")
            case _:
                whole = f"{row['fuel']:,} with what it calls"
                calls = "" if row["fuel"] == amount else f"  ({whole})"
                click.echo(f"{amount:>12,} {share}  {row['function']}{calls}")
    if len(rows) > ROWS_SHOWN:
        click.echo(f"and {len(rows) - ROWS_SHOWN} more rows; --json prints all")
