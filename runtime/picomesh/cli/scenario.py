"""`picomesh scenario`: recorded cases, and what picomesh answers to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from picomesh.cli.backends import BACKENDS
from picomesh.cli.output import print_json
from picomesh.cli.problems import fail
from picomesh.cli.rulesets import read_bytes

FASTEST_TO_COMPILE = "winch"  # a case makes many modules and runs each for a moment


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--stdin", is_flag=True, help="Read one case from each line of standard input.")
@click.option("--pretty", is_flag=True, help="Indent the results.")
@click.option(
    "--backend",
    type=click.Choice(["auto", *BACKENDS]),
    default="auto",
    show_default=True,
    help="The WASM engine; auto takes the one that compiles fastest.",
)
def scenario(files: tuple[Path, ...], stdin: bool, pretty: bool, backend: str) -> None:
    """Run cases on a virtual clock and print the result of each as JSON.

    A case is a JSON map with rulesets, steps (event, query, advance, install, dump, …), exprs,
    compile and options (start, stepMs, seed, logs). The results have the shape of recordings of
    the reference engine, so that the two can be compared.
    """

    if bool(files) == stdin:
        raise fail("give case files, or --stdin", "picomesh scenario case.json")
    for case in _cases(files):
        result = _run(case, backend)
        if pretty:
            click.echo(json.dumps(result, indent=2, ensure_ascii=False))
        else:
            print_json(result)


def _run(case: dict[str, Any], backend: str) -> dict[str, Any]:
    """A case that is not in the format has a result as well, so that the others are answered."""
    from picomesh.sandbox.interface import EngineFault
    from picomesh.scenario import BadCase, run_case
    from picomesh.store.home import default_home

    cache = default_home() / "cache"
    try:
        try:
            return run_case(case, cache, FASTEST_TO_COMPILE if backend == "auto" else backend)
        except EngineFault:
            if backend != "auto":
                raise
            return run_case(case, cache, BACKENDS[0])  # it does not exist for every processor
    except BadCase as problem:
        return {"error": f"Error: {problem}", "phase": "case"}


def _cases(files: tuple[Path, ...]) -> Iterator[dict[str, Any]]:
    if not files:
        for number, line in enumerate(sys.stdin.buffer, 1):
            if line.strip():
                yield _parse(line, f"standard input, line {number}")
    for path in files:
        yield _parse(read_bytes(path), str(path))


def _parse(text: bytes, where: str) -> dict[str, Any]:
    try:
        case = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise fail(f"{where}: not JSON: {problem}") from problem
    if not isinstance(case, dict):
        raise fail(f"{where}: a case is a map")
    return case
