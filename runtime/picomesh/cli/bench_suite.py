"""`picomesh bench events` and its like: runs a file of bench/, shows its rows, draws its chart.

The benches are programs of the repository and not of the package: they compare with the reference
engine and carry rulesets, results and a loop in C that nobody needs to run picos.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from picomesh.cli.arguments import json_option
from picomesh.cli.output import print_json
from picomesh.cli.problems import Answered, fail

FOLDER_VARIABLE = "PICOMESH_BENCH"
_IN_THE_REPOSITORY = Path(__file__).resolve().parents[3] / "bench"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """A file of bench/ and what it asks, in a line and in a paragraph."""

    script: str
    line: str
    text: str
    has_reference: bool = True
    is_plain: bool = False  # prints one row of figures, and takes no argument but --small


SUITE = {
    "events": Bench(
        "events",
        "Events a second, by kind of rule.",
        "A rule without action, one that counts, one key of a large map, recursion, lists, text,"
        " attributes, raised events, foreach, a query: pipelined and one at a time.",
    ),
    "keys": Bench(
        "keys",
        "Events a second, by number of keys that the pico keeps.",
        "One entry of a map of 10 to 1,000,000 is read and written by each event.",
    ),
    "picos": Bench(
        "picos",
        "Events a second, by number of picos on the engine.",
        "Events to the newest pico, and to all in turn, on engines of 1 to 10,000.",
    ),
    "rulesets": Bench(
        "rulesets",
        "What a ruleset costs that an event does not concern.",
        "A counter beside 0 to 100 rulesets that select other events.",
    ),
    "sizes": Bench(
        "sizes",
        "Events a second, by size of the event.",
        "An attribute of 10 to 900,000 bytes.",
    ),
    "queries": Bench(
        "queries",
        "Queries a second.",
        "A function without state, one entry of a large map, all of it, recursion.",
    ),
    "http": Bench(
        "serving",
        "Events a second over HTTP.",
        "`picomesh engine` on a home on disk, with 1 and 32 connections, each of which waits for"
        " its answers.",
    ),
    "start": Bench(
        "starting",
        "Time and memory of an engine's start.",
        "From the start of the process to the answer to its first event over HTTP.",
    ),
    "install": Bench(
        "installing",
        "How long a new pico and a new ruleset take.",
        "A pico; a ruleset that the engine has not seen; one that another pico has.",
    ),
    "memory": Bench(
        "memory",
        "Memory of idle and of busy picos.",
        "The growth of a process by 5,000 picos, and after events to each of them.",
    ),
    "storage": Bench(
        "storing",
        "Bytes that an event leaves on disk.",
        "The growth of a home by events of the counter. The reference keeps no history.",
        has_reference=False,
    ),
    "floor": Bench(
        "against_floor",
        "An event against the same work in C.",
        "A loop in C over the same libwasmtime: instantiate, call, hash as many bytes, append.",
        has_reference=False,
    ),
    "replay": Bench(
        "checking",
        "What it costs to check a history.",
        "Verify, replay, export, prove and audit, against running it the first time.",
        has_reference=False,
        is_plain=True,
    ),
    "compile": Bench(
        "compile",
        "How long a ruleset takes to compile.",
        "From source to raw and metered module and to native code; a large ruleset; the cache.",
        is_plain=True,
    ),
    "cores": Bench(
        "cores",
        "What worker processes and a second core come to.",
        "Sixteen picos on one core and on two, with and without workers.",
        has_reference=False,
        is_plain=True,
    ),
}


def folder() -> Path:
    """Where the benches are. Fails with what to do where they are not."""
    named = os.environ.get(FOLDER_VARIABLE)
    found = Path(named) if named else _IN_THE_REPOSITORY
    if not (found / "events.py").is_file():
        raise fail(
            f"the benches are not in {found}: they are in the repository, not in the package",
            f"clone it and run there, or name its folder bench in {FOLDER_VARIABLE}",
        )
    return found


def rows_of(script: str, arguments: list[str]) -> Iterator[Row]:
    """Runs a bench; its rows as they come, its complaints straight to standard error."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, str(folder() / f"{script}.py"), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            yield json.loads(line)
    if process.wait():
        raise fail(f"the bench {script} ended with {process.returncode}", "it says why above")


def tell_row(row: Row) -> None:
    """One row for people."""
    if "kind" not in row:
        for name, value in row.items():
            has_median = isinstance(value, dict) and "median" in value
            click.echo(f"{name}: {value['median'] if has_median else value}")
        return
    if row["kind"] == "circumstances":
        click.echo(row["question"])
        click.echo(f"{row['machine']}, {row['picomesh']} at {row['commit']}\n")
        return
    name = f"{row['label']}, {row['mode']}" if "mode" in row else row["label"]
    sides = row["sides"]
    parts = [f"{side} {_amount(row, found)}" for side, found in sides.items()]
    click.echo(f"{name}\n    {'; '.join(parts)}{_verdict(row)}")


def _amount(row: Row, found: Row) -> str:
    if "per_s" in found:
        return f"{found['per_s']:,.0f}/s ({found['cpu_us']:,.1f} µs of processor)"
    return f"{found['value']:,g} {row['unit']}"


def _verdict(row: Row) -> str:
    """The ratio and whether it is what was aimed at."""
    ratio, aim = row.get("ratio"), row.get("aim")
    if ratio is None:
        return ""
    text = f"\n    {ratio:g} times the reference"
    if "cpu_ratio" in row:
        text += f", {row['cpu_ratio']:g} by processor time"
    if aim is None:
        return text
    return f"{text}; the aim is {aim:g}: {'reached' if ratio >= aim else 'MISSED'}"


def run_bench(
    bench: Bench, arguments: list[str], as_json: bool, out: Path | None, svg: Path | None
) -> list[Row]:
    """Runs a bench to its end, and leaves its rows and its chart where they are wanted."""
    from picomesh.cli.bench_charts import chart

    rows: list[Row] = []
    if bench.is_plain:
        arguments = [word for word in arguments if word == "--small"]
    for row in rows_of(bench.script, arguments):
        rows.append(row)
        (print_json if as_json else tell_row)(row)
    if out is not None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        out.write_text(text, "utf-8")
    if svg is not None:
        svg.write_text(chart(rows), "utf-8")
    return rows


def _small(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--small", is_flag=True, help="Only find out whether it runs here.")(
        command
    )
    return json_option(command)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--rounds", type=click.IntRange(min=1), help="Slices of each side. Default: 5."
        ),
        click.option("--only", multiple=True, help="Rows whose label has this text. Repeatable."),
        click.option("--no-reference", is_flag=True, help="Measure picomesh alone."),
    ):
        command = option(command)
    return _small(command)


def _arguments(small: bool, rounds: int | None, only: tuple[str, ...], alone: bool) -> list[str]:
    found = [*(["--small"] if small else []), *(["--no-reference"] if alone else [])]
    found += [f"--rounds={rounds}"] if rounds else []
    return found + [f"--only={text}" for text in only]


def _command(name: str, bench: Bench) -> click.Command:
    options = _small if bench.is_plain else _options

    @options
    @click.option("--out", type=click.Path(path_type=Path), help="Save the rows, as JSON lines.")
    @click.option("--svg", type=click.Path(path_type=Path), help="Draw a chart.")
    def run(
        small: bool,
        as_json: bool,
        out: Path | None,
        svg: Path | None,
        rounds: int | None = None,
        only: tuple[str, ...] = (),
        no_reference: bool = False,
    ) -> None:
        run_bench(bench, _arguments(small, rounds, only, no_reference), as_json, out, svg)

    return click.command(name, help=_help(name, bench), short_help=bench.line)(run)


def _help(name: str, bench: Bench) -> str:
    peer = (
        "\n\nCompares with the reference engine from the npm registry, both on one core and in"
        " turn; PICOMESH_REFERENCE names a folder with its node_modules, and without that the"
        " bench says how to get them and measures picomesh alone."
        if bench.has_reference
        else ""
    )
    example = f"\n\n\b\npicomesh bench {name} --out {name}.jsonl --svg {name}.svg"
    return f"{bench.line}\n\n{bench.text}{peer}{example}"


@click.command("all", short_help="Every bench of the suite, one after the other.")
@_options
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the rows and charts of each. Default: none are kept.",
)
def all_(
    small: bool,
    rounds: int | None,
    only: tuple[str, ...],
    no_reference: bool,
    as_json: bool,
    results: Path | None,
) -> None:
    """Every bench of the suite, one after the other.

    Takes about a quarter of an hour. What fails is told at the end; the others run all the same.

    \b
    picomesh bench all --results bench/results
    picomesh bench all --small
    """
    folder()
    if results is not None:
        results.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    for at, (name, bench) in enumerate(SUITE.items(), 1):
        click.echo(f"{at}/{len(SUITE)} {name}", err=True)
        out = None if results is None else results / f"{bench.script}.jsonl"
        svg = None if results is None else results / f"{bench.script}.svg"
        try:
            arguments = _arguments(small, rounds, only, no_reference)
            run_bench(bench, arguments, as_json, out, svg)
        except click.UsageError as problem:
            failed.append(f"{name}: {problem.message}")
    for text in failed:
        click.echo(text, err=True)
    if failed:
        raise Answered


def add_to(group: click.Group) -> None:
    """The suite's commands, below `picomesh bench`."""
    for name, bench in SUITE.items():
        group.add_command(_command(name, bench))
    group.add_command(all_)
