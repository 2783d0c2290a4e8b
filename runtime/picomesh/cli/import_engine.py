"""A home of the reference engine becomes picos of this one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.arguments import home_option, json_option
from picomesh.cli.homes import open_engine
from picomesh.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from picomesh.engine import Engine
    from picomesh.engine.migration.report import Left, Report

NAMES_SHOWN_MAX = 5


@click.command("import-engine")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Do it all, say what would come, and keep nothing.")
@click.option("--no-fetch", is_flag=True, help="Get no ruleset from its URL; DIR has most of them.")
@home_option
@json_option
def import_engine(
    source: Path, dry_run: bool, no_fetch: bool, home: Path | None, as_json: bool
) -> None:
    """Bring the picos of a stopped reference engine (pico-engine 1.x) into a home.

    DIR is its home, by default ~/.pico-engine; it is read and never written. In its place may
    stand a dump: docs/migration.md has the few lines of Node that write one. Reading DIR needs
    `pip install 'picomesh[import]'`.

    Picos come with parents and children, channels, rulesets (compiled here), entity variables
    and schedules; each keeps its channels' identifiers and gets a new id. What cannot be brought
    is named with the reason. Everything is checked first, and comes at once or not at all.
    """
    from picomesh.engine.library import fetch_from
    from picomesh.engine.migration.bring import bring_home
    from picomesh.engine.migration.files import read_rows
    from picomesh.engine.migration.origin import read_home
    from picomesh.engine.migration.report import Report
    from picomesh.engine.migration.rulesets import Library

    report = Report()
    found = read_home(read_rows(source), report)
    with _engine(home, dry_run) as engine:
        network = engine.options.answerer.network
        library = Library(found.sources, None if no_fetch else fetch_from(network))
        bring_home(engine, found, library, report, dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **report.as_json()})
    else:
        _print(report, dry_run)


@contextmanager
def _engine(home: Path | None, dry_run: bool) -> Iterator[Engine]:
    """The engine of a home; a home that was not there before is gone again after a failure."""
    from picomesh.engine import Engine
    from picomesh.store.home import default_home

    folder = home or default_home()
    is_new = not folder.exists()
    if is_new and dry_run:
        with Engine.ephemeral() as engine:
            yield engine
        return
    try:
        with open_engine(home) as engine:
            yield engine
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _print(report: Report, dry_run: bool) -> None:
    for item in report.picos:
        brought = ", ".join(f"{count} {kind}" for kind, count in item.brought.items() if count)
        click.echo(f"{item.pico}  {item.name or '(no name)'}  was {item.was}: {brought}")
    for note in report.notes:
        click.echo(f"note: {note}")
    if report.left:
        click.echo("\nnot brought:")
    reasons: dict[tuple[str, str, str], list[Left]] = {}
    for one in report.left:
        reasons.setdefault((one.kind, one.rid, one.why), []).append(one)
    for (kind, rid, why), left in reasons.items():
        click.echo(f"  {_where(left)}: {kind} {_names(left, rid)}: {why}")
    click.echo()
    for kind, counts in report.as_json()["counts"].items():
        click.echo(f"{counts['brought']:>6} of {counts['found']} {kind}")
    if dry_run:
        click.echo("nothing was kept (--dry-run)")


def _where(left: list[Left]) -> str:
    """The pico, or how many there are."""
    picos = {item.pico for item in left}
    return f"{len(picos)} picos" if len(picos) > 1 else left[0].pico or "home"


def _names(left: list[Left], rid: str) -> str:
    names = list(dict.fromkeys(item.name for item in left))
    some = ", ".join(names[:NAMES_SHOWN_MAX]) + (", …" if len(names) > NAMES_SHOWN_MAX else "")
    return some if rid in ("", names[0]) else f"{some} of {rid}"
