"""`picomesh bench`: what this machine needs for a unit of fuel, and the suite of bench/."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import (
    SequenceCommand,
    Step,
    json_option,
    parse_event,
    sequence,
)
from picomesh.cli.backends import BACKENDS
from picomesh.cli.bench_suite import add_to
from picomesh.cli.output import print_json
from picomesh.cli.problems import fail

if TYPE_CHECKING:
    from picomesh.cli.calibration.prices import Calibrated

DEFAULT_BACKENDS = ("cranelift", "pulley", "winch")
Note = Callable[[dict[str, Any]], None]


@click.group()
def bench() -> None:
    """Measure this machine.

    Numbers are for comparing: machines, releases, backends, and picomesh with the engine that it
    replaces. They decide nothing, for fuel is counted and not measured.

    \b
    picomesh bench events --only counter
    picomesh bench all --results bench/results
    """


@bench.command(cls=SequenceCommand)
@click.argument("ruleset", required=False, type=click.Path(path_type=Path))
@click.option("--event", multiple=True, metavar="DOMAIN:TYPE", help="An event of the ruleset.")
@click.option("--attr", multiple=True, metavar="K=V", help="Attribute of the event before it.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(BACKENDS),
    help=f"A backend to measure. Repeatable. Default: {', '.join(DEFAULT_BACKENDS)}.",
)
@click.option(
    "--fuel",
    "fuel_wanted",
    type=click.IntRange(min=10_000),
    default=4_000_000,
    show_default=True,
    help="Fuel to burn for each kind of instruction.",
)
@click.option(
    "--search",
    type=click.IntRange(min=1),
    default=150,
    show_default=True,
    help="Mixes to try in the search for the worst, on each backend.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Save the raw data, as JSON lines.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw fuel against time.")
@json_option
@click.pass_context
def fuel(
    ctx: click.Context,
    ruleset: Path | None,
    event: tuple[str, ...],
    attr: tuple[str, ...],
    backends: tuple[str, ...],
    fuel_wanted: int,
    search: int,
    out: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """How long a unit of fuel takes: by instruction, by event, at worst.

    Measures kinds of instructions on each backend (differences against an empty module, at several
    sizes), and says which price the slowest backend would ask for each. Runs the events of the ten
    example rulesets. Searches for the mix of instructions that takes longest for its fuel: a
    hostile ruleset would use it.

    \b
    picomesh bench fuel --out fuel.jsonl --svg fuel.svg
    picomesh bench fuel cart.krl --event cart:line_added --attr sku=TEA-12

    With a RULESET, shows fuel and time of its events and of their rules instead. Without --event,
    it gets each event that it selects, without attributes.
    """
    from picomesh.cli.circumstances import circumstances, one_core

    rows: list[dict[str, Any]] = [{"kind": "circumstances", **circumstances()}]

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        if as_json:
            print_json(row)

    if as_json:
        print_json(rows[0])
    steps = sequence(ctx)
    if steps and ruleset is None:
        raise fail("an event without a ruleset", "picomesh bench fuel RULESET.krl --event …")
    _save(rows, out, svg)  # a name that cannot be written is told before the work, not behind it
    with one_core():
        if ruleset is not None:
            _ruleset(ruleset, steps, backends or DEFAULT_BACKENDS[:1], note, as_json)
        else:
            _instructions(backends or DEFAULT_BACKENDS, fuel_wanted, search, note, as_json)
            _examples((backends or DEFAULT_BACKENDS)[0], note, as_json, fuel_wanted)
    _save(rows, out, svg)


def _instructions(
    backends: tuple[str, ...], fuel_wanted: int, tries: int, note: Note, quiet: bool
) -> None:
    """Prices by backend, and the worst mix of each."""
    from picomesh.cli.calibration.adversary import search
    from picomesh.cli.calibration.measure import Stopwatch, first_touch
    from picomesh.cli.calibration.prices import calibrate, proposed
    from picomesh.cli.calibration.workloads import CALIBRATION
    from picomesh.cli.progress import progress_bar
    from picomesh.sandbox.backends import BackendOptions
    from picomesh.sandbox.direct import open_sandbox

    found: list[Calibrated] = []
    worst: list[dict[str, Any]] = []
    for backend in backends:
        sandbox = open_sandbox(BackendOptions(backend))
        watch = Stopwatch(sandbox, fuel_wanted)
        label = f"measuring {backend}"
        with progress_bar(len(CALIBRATION) + tries, label, quiet, shown_from=1) as tell:
            found.append(calibrate(backend, watch, tell))
            for row in found[-1].rows():
                note(row)
            adversary = search(watch, tries, 1, lambda measured: tell(1))
        row = {"kind": "worst mix", "backend": backend, "mix": adversary.worst.name}
        row |= {
            "tried": adversary.tried,
            "ns_per_fuel": round(adversary.worst.ns_per_fuel, 4),
            "median_ns_per_fuel": round(adversary.median_ns_per_fuel, 4),
            "ratio": round(adversary.ratio, 2),
        }
        worst.append(row | {"touch": first_touch(sandbox).row()})
        note(worst[-1])
    asked = proposed(found)
    for row in asked:
        note(row)
    if not quiet:
        _print_prices(found, asked)
        _print_worst(worst)


def _print_prices(found: list[Calibrated], asked: list[dict[str, Any]]) -> None:
    click.echo("units that an instruction takes; a unit is what `i32.add` takes on that backend")
    names = "".join(f"{item.backend:>16}" for item in found)
    click.echo(f"{'class':<22}{names}{'price':>8}{'asked':>8}")
    for row in asked:
        name = row["class"]
        units = "".join(
            f"{item.class_ns[name] / item.base_ns:>16.1f}" if name in item.class_ns else " " * 16
            for item in found
        )
        click.echo(f"{name:<22}{units}{row['price']:>8g}{row['asked']:>8.1f}")
    bases = "".join(f"{item.base_ns:>13.2f} ns" for item in found)
    click.echo(f"{'a unit':<22}{bases}")


def _print_worst(worst: list[dict[str, Any]]) -> None:
    click.echo()
    for row in worst:
        click.echo(
            f"{row['backend']}: the worst of {row['tried']} mixes takes {row['ns_per_fuel']:.2f} ns"
            f" a unit, {row['ratio']:.1f} times the middle one: {row['mix']}"
        )
        page_ns = row["touch"]["ns_per_page"]
        click.echo(f"{row['backend']}: the first touch of 4 KiB of memory takes {page_ns:.0f} ns")


def _examples(backend: str, note: Note, quiet: bool, fuel_wanted: int) -> None:
    """Fuel and time of the examples' events; a small run takes a few."""
    from picomesh.cli.calibration.rulesets import EXAMPLES, examples
    from picomesh.cli.progress import progress_bar

    count = len(list(EXAMPLES.glob("*.krl"))) if fuel_wanted >= 100_000 else 1
    found = []
    with progress_bar(count, "running examples", quiet, shown_from=1) as tell:
        for item in examples(backend, count, tell):
            found.append(item)
            note({"kind": "event", "backend": backend, **item.row()})
    rates = sorted(item.ns_per_fuel for item in found)
    middle, most = rates[len(rates) // 2], rates[-1]
    row = {"kind": "events", "backend": backend, "events": len(rates)}
    row |= {"median_ns_per_fuel": round(middle, 3), "most_ns_per_fuel": round(most, 3)}
    note(row)
    if not quiet:
        click.echo(
            f"\n{len(rates)} events of the examples, host functions and receipts included: "
            f"{middle:.2f} ns a unit in the middle, {most:.2f} at most"
        )


def _ruleset(
    path: Path, steps: list[Step], backends: tuple[str, ...], note: Note, quiet: bool
) -> None:
    """Fuel and time of a ruleset's events, and of the rules that they select."""
    from picomesh.cli.calibration.parts import parts_of
    from picomesh.cli.calibration.rulesets import Bench, Given, own_events
    from picomesh.cli.problems import Answered
    from picomesh.cli.rulesets import load_module
    from picomesh.engine.places import source_map

    module = load_module(path)
    places = source_map(module.raw)
    for backend in backends:
        bench = Bench(module.raw, module.source, module.url, backend)
        if bench.installed.transition.outcome != "ok":
            click.echo(f"install ended with {bench.installed.transition.outcome}", err=True)
            raise Answered
        given = [Given(*parse_event(step.target), step.given) for step in steps]
        if not quiet:
            click.echo(f"{backend}\n{'':<36}{'fuel':>12}{'µs':>10}{'ns a unit':>12}")
        for item in given or own_events(bench.manifest):
            timed = bench.time(path.stem, item)
            note({"kind": "event", "backend": backend, **timed.row()})
            parts = parts_of(bench, timed, module.raw, places)
            for part in parts:
                note({"kind": "rule", "backend": backend, "event": timed.event, **part.row()})
            if not quiet:
                _print_event(timed.row(), [part.row() for part in parts])


def _print_event(event: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    outcome = "" if event["outcome"] == "ok" else f" ({event['outcome']})"
    rows = [{**event, "name": f"{event['event']}{outcome}"}]
    rows += [{**part, "name": f"  {part['rule']}"} for part in parts]
    for row in rows:
        figures = f"{row['fuel']:>12,}{row['us']:>10,.1f}{row['ns_per_fuel']:>12.2f}"
        click.echo(f"{row['name']:<36}{figures}")


def _save(rows: list[dict[str, Any]], out: Path | None, svg: Path | None) -> None:
    from picomesh.cli.calibration.scatter import Dot, scatter

    try:
        if out is not None:
            out.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        if svg is not None:
            dots = [
                Dot(row["ruleset"], row["event"], row["fuel"], row["us"])
                for row in rows
                if row["kind"] == "event"
            ]
            svg.write_text(scatter(dots, f"fuel against time, {rows[0]['machine']}"), "utf-8")
    except OSError as problem:
        raise fail(f"cannot write {problem.filename}: {problem.strerror}") from problem


add_to(bench)
