"""Replays whole histories, several picos at a time, and says what came of each.

A pico's history is one chain, so one pico is one job; a home's picos are independent. Workers are
processes of their own that read a file: a home has one connection to its database, and a WASM
engine does not survive a fork.
"""

from __future__ import annotations

import gc
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picomesh.engine.again import Again, Made
from picomesh.engine.export import ExportedHistories, export_histories
from picomesh.engine.makers import check_maker
from picomesh.engine.programs import Programs
from picomesh.engine.replay import Divergence, Replayer
from picomesh.engine.sealing import read_receipt
from picomesh.engine.sources import Source, each_stretch
from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import BrokenHistory
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.verify import Chain
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from picomesh.store.opening import Stretch
from picomesh.store.store import Store, StoredReceipt

Progress = Callable[[int], None]
_POLL_S = 0.1
_counter: Any = None  # of a worker process: how many receipts all workers have run


@dataclass(frozen=True, slots=True)
class Problem:
    """What a history cannot be believed for: the place, and by whose fault, as far as known."""

    seq: int
    field: str
    text: str
    fault: str


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a replay of one pico came to."""

    pico: str
    receipts: int
    fuel: int
    seconds: float
    problem: Problem | None = None
    divergence: Divergence | None = None

    @property
    def is_equal(self) -> bool:
        return self.problem is None and self.divergence is None


def rerun(
    source: Source,
    engine: bytes,
    programs: Programs,
    pico: str,
    first: int = 0,
    last: int | None = None,
    progress: Progress | None = None,
    made: dict[Cid, bytes] | None = None,
) -> Rerun:
    """Believes a pico's receipts by the rules and runs each again; what that makes goes to `made`.

    A run that begins later than 0 trusts the receipt before it and the state that it left.
    """
    started = time.perf_counter()
    known = Made(source, keeps_all=made is not None)
    count = fuel = 0
    problem: Problem | None = None
    divergence: Divergence | None = None
    try:
        for item in _checked(source, engine, programs, pico, first, last, known):
            if isinstance(item, Divergence):
                divergence = item
                break
            count, fuel = count + len(item), fuel + sum(item)
            if progress is not None:
                progress(len(item))
    except BrokenHistory as broken:
        problem = Problem(broken.seq, broken.field, broken.text, broken.fault)
    if made is not None:
        made.update(known.blocks())
    return Rerun(pico, count, fuel, time.perf_counter() - started, problem, divergence)


def _checked(
    source: Source,
    engine: bytes,
    programs: Programs,
    pico: str,
    first: int,
    last: int | None,
    made: Made,
) -> Iterator[list[int] | Divergence]:
    """The fuel of each receipt, some at a time, or where one parts."""
    running = _Running(source, engine, programs, pico, first, made)
    check_maker(source, pico, engine, first)
    for item in each_stretch(source, pico, first, last):
        if not isinstance(item, Stretch):
            yield _alone(running.one(item))
            continue
        rest: Stretch | None = item
        while rest is not None:
            together = running.together(rest)
            yield together or _alone(running.one(rest.receipt()))
            rest = rest.behind(len(together) or 1)


def _alone(item: int | Divergence) -> list[int] | Divergence:
    return item if isinstance(item, Divergence) else [item]


class _Running:
    """The replay of one pico: what is like most goes the quick way, what is not the strict one."""

    def __init__(
        self,
        source: Source,
        engine: bytes,
        programs: Programs,
        pico: str,
        first: int,
        made: Made,
    ) -> None:
        before = source.receipt(pico, first - 1) if first else None
        head = None if before is None else read_receipt(before)
        start = None if head is None else (head.core, head.cid)
        past = source.past if isinstance(source, Store) else None
        self._pico, self._engine, self._made = pico, engine, made
        self._chain = Chain(pico, engine, head, source)
        self._replayer = Replayer(programs, made, start, made.keep)
        self._again = Again(programs, made, past, pico, engine)
        # The last ones, if only `again` has seen them.
        self._ahead: StoredReceipt | Stretch | None = None

    def together(self, stretch: Stretch) -> list[int]:
        """The fuel of the first ones, as far as one call comes to all of them."""
        fuels = self._again.run_together(stretch)
        if fuels:
            self._ahead = Stretch(stretch.span, stretch.at + len(fuels) - 1, 1)
        return fuels

    def one(self, row: StoredReceipt) -> int | Divergence:
        """The fuel of a receipt, or where it parts. Raises BrokenHistory."""
        fuel = self._again.run(row)
        if fuel is not None:
            self._ahead = row
            return fuel
        self._catch_up()
        receipt = self._chain.accept(row.core, row.envelope)
        replayed = self._replayer.run(receipt.core, row.core)
        self._again.begin(receipt.core, receipt.cid)
        return replayed.fuel if replayed.divergence is None else replayed.divergence

    def _catch_up(self) -> None:
        """Has the strict way go on behind what it has not seen."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            row = ahead.receipt() if isinstance(ahead, Stretch) else ahead
            head = Receipt(row.core, row.envelope)
            self._chain = Chain(self._pico, self._engine, head, self._made)
            self._replayer.last = head.core, head.cid


# -- several at a time


@dataclass(frozen=True, slots=True)
class Job:
    """One pico's replay, for a process that knows nothing else."""

    file: str
    pico: str
    first: int
    last: int | None
    backend: str
    cache: str | None


def run_job(job: Job) -> Rerun:
    """What a worker does."""
    histories = ExportedHistories(Path(job.file).read_bytes())
    cache = None if job.cache is None else Path(job.cache)
    programs = Programs(open_sandbox(BackendOptions(job.backend), cache))
    first = histories.start(job.pico, job.first)
    gc.freeze()  # what is loaded stays
    return rerun(histories, histories.engine, programs, job.pico, first, job.last, _count)


def _count(receipts: int) -> None:
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += receipts


def _begin(counter: Any) -> None:
    global _counter
    _counter = counter


def run_jobs(jobs: Sequence[Job], processes: int, progress: Progress) -> Iterator[Rerun]:
    """Runs jobs side by side and gives each result when it is there."""
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    told = 0
    with ProcessPoolExecutor(processes, context, _begin, (counter,)) as pool:
        waiting = {pool.submit(run_job, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, _POLL_S, FIRST_COMPLETED)
            progress(counter.value - told)
            told = counter.value
            yield from (future.result() for future in done)


@contextmanager
def as_files(
    source: Source, engine: bytes, picos: list[tuple[str, str]], first: int, last: int | None
) -> Iterator[dict[str, str]]:
    """A file for each pico, for workers; gone when they are done."""
    with tempfile.TemporaryDirectory(prefix="picomesh-") as folder:
        files: dict[str, str] = {}
        for number, (pico, name) in enumerate(picos):
            path = Path(folder) / f"{number}.car"
            with path.open("wb") as file:
                for part in export_histories(source, engine, [(pico, name)], first, last, False):
                    file.write(part)
            files[pico] = str(path)
        yield files
