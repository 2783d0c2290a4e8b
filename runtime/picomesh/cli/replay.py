"""Replay: recorded histories, run again and compared."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import backend_option, home_option, json_option
from picomesh.cli.histories import Histories, history_option, open_histories
from picomesh.cli.output import print_json, visible
from picomesh.cli.problems import Answered, fail
from picomesh.cli.progress import progress_bar

if TYPE_CHECKING:
    from picomesh.engine.rerun import Rerun


JOBS_FROM = 4_000  # receipts


@click.command()
@click.argument("pico", required=False)
@click.option("--from", "first", type=click.IntRange(min=0), default=0, help="First receipt.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last receipt.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    show_default="one for each processor when there is much to do, else 1",
    help="How many picos to replay side by side.",
)
@home_option
@history_option
@backend_option
@json_option
def replay(
    pico: str | None,
    first: int,
    last: int | None,
    jobs: int | None,
    home: Path | None,
    history: str | None,
    backend: str,
    as_json: bool,
) -> None:
    """Run recorded histories again and compare every receipt, field by field.

    Without PICO, all picos, several at a time. First everything that is stored is checked, as
    `picomesh verify` does. Any backend, release and machine must come to the same receipts. Names
    the first receipt and field that differ, and exits with 1. A replay from the first receipt on
    trusts nothing; one that begins later trusts the state it begins with.
    """
    with open_histories(home, history, backend) as histories:
        picos = histories.picos(pico)
        total = sum(len(histories.source.receipts(item, first, last)) for item, _ in picos)
        if not total:
            raise fail(f"there are no receipts from {first}", "`picomesh log` lists them")
        if jobs is None:  # a process takes longer to start than to replay a thousand receipts
            jobs = (os.cpu_count() or 1) if total >= JOBS_FROM else 1
        with progress_bar(total, "replaying", as_json) as progress:
            results = list(_run(histories, picos, first, last, jobs, backend, history, progress))
    order = [item for item, _ in picos]
    results.sort(key=lambda item: order.index(item.pico))
    if as_json:
        print_json({**_totals(results, backend), "picos": [rerun_json(item) for item in results]})
    else:
        _print(results, backend)
    if not all(item.is_equal for item in results):
        raise Answered


def _run(
    histories: Histories,
    picos: list[tuple[str, str]],
    first: int,
    last: int | None,
    jobs: int,
    backend: str,
    history: str | None,
    progress: Any,
) -> Iterator[Rerun]:
    from picomesh.cli.cache import cache_folder
    from picomesh.engine.export import ExportedHistories
    from picomesh.engine.rerun import Job, as_files, run_jobs

    source, engine = histories.source, histories.engine
    chosen = [item for item in picos if source.receipts(item[0], first, last)]
    stored = list(_check_stored(histories, chosen))
    yield from stored
    good = [item for item in chosen if item[0] not in {found.pico for found in stored}]
    if jobs == 1 or len(good) == 1:
        yield from (_one(histories, item, first, last, progress) for item, _ in good)
        return
    cache = str(cache_folder())
    if isinstance(source, ExportedHistories) and history is not None:
        files = [Job(history, item, first, last, backend, cache) for item, _ in good]
        yield from run_jobs(files, jobs, progress)
        return
    with as_files(source, engine, good, first, last) as paths:
        rows = [Job(paths[item], item, first, last, backend, cache) for item, _ in good]
        yield from run_jobs(rows, jobs, progress)


def _one(histories: Histories, pico: str, first: int, last: int | None, progress: Any) -> Rerun:
    from picomesh.engine.export import ExportedHistories
    from picomesh.engine.rerun import rerun

    source = histories.source
    start = source.start(pico, first) if isinstance(source, ExportedHistories) else first
    gc.freeze()  # what is loaded stays: Python need not look for garbage in it again and again
    return rerun(source, histories.engine, histories.programs, pico, start, last, progress)


def _check_stored(histories: Histories, picos: list[tuple[str, str]]) -> Iterator[Rerun]:
    """What of a home's stored bytes cannot be believed."""
    from picomesh.engine.history import verify_pico
    from picomesh.engine.rerun import Problem, Rerun
    from picomesh.ledger.errors import BrokenHistory
    from picomesh.store.store import Store

    for pico, name in picos:
        if not isinstance(histories.source, Store):
            continue
        try:
            verify_pico(histories.source, histories.engine, pico, name)
        except BrokenHistory as broken:
            problem = Problem(broken.seq, broken.field, broken.text, broken.fault)
            yield Rerun(pico, 0, 0, 0.0, problem)


def _totals(results: list[Rerun], backend: str) -> dict[str, Any]:
    """What all picos together came to; of the first that is wrong, its place."""
    totals: dict[str, Any] = {
        "ok": all(item.is_equal for item in results),
        "replayed": sum(item.receipts for item in results),
        "fuel": sum(item.fuel for item in results),
        "backend": backend,
    }
    wrong = next((item for item in results if not item.is_equal), None)
    if wrong is not None:
        row = rerun_json(wrong)
        places = ("pico", "seq", "field", "text", "fault", "recorded", "replayed")
        totals |= {key: row[key] for key in places if key in row}
    return totals


def rerun_json(item: Rerun) -> dict[str, Any]:
    """One pico's replay for a program."""
    row: dict[str, Any] = {
        "pico": item.pico,
        "ok": item.is_equal,
        "replayed": item.receipts,
        "fuel": item.fuel,
        "seconds": round(item.seconds, 3),
    }
    if item.problem is not None:
        problem = item.problem
        row |= {"seq": problem.seq, "field": problem.field}
        row |= {"text": problem.text, "fault": problem.fault}
    if item.divergence is not None:
        divergence = item.divergence
        row |= {"seq": divergence.seq, "field": divergence.field}
        row |= {"recorded": divergence.recorded, "replayed": divergence.replayed}
    return row


def _print(results: list[Rerun], backend: str) -> None:
    count, fuel = sum(item.receipts for item in results), sum(item.fuel for item in results)
    for item in results:
        where = f"pico {item.pico}, " if len(results) > 1 else ""
        if item.problem is not None:
            problem = item.problem
            place = f"receipt {problem.seq}, {problem.field}"
            click.echo(visible(f"{where}{place}: {problem.text}"))
            if problem.fault:
                click.echo(f"  {problem.fault}")
        if item.divergence is not None:
            divergence = item.divergence
            click.echo(f"{where}receipt {divergence.seq} differs in {divergence.field}")
            click.echo(visible(f"  recorded {divergence.recorded}"))
            click.echo(visible(f"  replayed {divergence.replayed}"))
    if all(item.is_equal for item in results):
        of = f" of {len(results)} picos" if len(results) > 1 else ""
        click.echo(f"{count} receipts{of} replayed with {backend}, all equal; {fuel:,} fuel")
