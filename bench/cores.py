"""How much faster does an engine with worker processes get with a second core?

Sixteen picos get the same events in turn, 64 outstanding for each, on a home on disk with
everything on: receipts, signatures, durable groups. Each workload runs without workers on one core,
with one worker on one core, and with one and two workers on two cores; the cases take turns, so a
noisy neighbour meets all of them. `per_s` is events a second by the clock, `speedup` that of a case
over no workers on one core, medians over the rounds. `receipts` is a hash of all outcomes, fuel and
writes in order; it is the same in all cases, or the bench fails. `taken` says which part of the
transitions workers ran. `engine_us` and `workers_us` are what the processes worked for an event, by
their own time, all workers together; where neighbours take the cores away, `bound` tells more than
`speedup`: the work of no workers on one core over that of the busier of the two cores, if the
engine had one for itself and the workers the other, or shared both when there are more of them.

Goals: 1.6 times as fast on two cores where rules compute (`fib`), and not slower for the counter.

Non-goals: other machines' many cores, which a disk and one writer would bound; one pico alone,
whose events follow each other.

    python bench/cores.py            # the figures, appended to results/cores.jsonl
    python bench/cores.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.cli.circumstances import circumstances
from picomesh.engine import Engine, Options
from picomesh.engine.model import Response, Sending

WORKLOADS = Path(__file__).parent / "workloads"
RESULTS = Path(__file__).parent / "results" / "cores.jsonl"
PICOS, OUTSTANDING = 16, 64
GOALS = {"fib": 1.6, "counter": 1.0}
CASES = ((0, 1), (1, 1), (1, 2), (2, 2))  # workers, cores
SETTLING = 1  # rounds that are not counted: modules are compiled, workers start


@dataclass(frozen=True, slots=True)
class Workload:
    """A rule, and how many of its events a round is."""

    name: str
    file: str
    domain: str
    event: str
    attrs: dict[str, Any]
    events: int


ALL = (
    Workload("counter", "counter.krl", "counter", "count", {}, PICOS * OUTSTANDING),
    Workload("fib", "compute.krl", "work", "fib", {"n": 22}, PICOS * 16),
)


class Side:
    """An engine of one case."""

    def __init__(self, workload: Workload, workers: int, cores: int, folder: Path) -> None:
        self.workload = workload
        self.cores = allowed()[:cores]
        self.hash = blake2b(digest_size=16)
        self.times: list[float] = []
        self.engine_us: list[float] = []
        self.workers_us: list[float] = []
        pin(self.cores)  # workers inherit it
        self.engine = Engine.open(folder, Options(workers=workers))
        path = WORKLOADS / workload.file
        module = compile_source(Source(path.name, path.read_text("utf-8"))).module
        assert module is not None, "the workloads compile"
        self.picos = [self.engine.create().pico for _ in range(PICOS)]
        for pico in self.picos:
            self.engine.install_module(pico, module)

    def round(self, is_counted: bool, events: int) -> None:
        given = self.workload
        sendings = [
            Sending(self.picos[at % PICOS], given.domain, given.event, given.attrs)
            for at in range(events)
        ]
        pin(self.cores)
        worked, others = time.process_time(), self.workers_s()
        started = time.perf_counter()
        for at in range(0, events, PICOS * OUTSTANDING):
            for done in self.engine.send_many(sendings[at : at + PICOS * OUTSTANDING]):
                self._note(done)
        if is_counted:
            self.times.append((time.perf_counter() - started) / events)
            self.engine_us.append(1e6 * (time.process_time() - worked) / events)
            self.workers_us.append(1e6 * (self.workers_s() - others) / events)

    def workers_s(self) -> float:
        """What the worker processes have worked so far, where the system tells it."""
        hands = [] if self.engine.workers is None else self.engine.workers.hands
        return sum(worked_s(hand.pid) for hand in hands)

    def _note(self, done: Response | Exception) -> None:
        assert isinstance(done, Response), done
        run = done.transition
        assert run.rules, "the event selects a rule"
        self.hash.update(repr((run.outcome, run.fuel, run.writes)).encode())

    @property
    def taken(self) -> int:
        return 0 if self.engine.workers is None else self.engine.workers.taken


def worked_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def allowed() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]


def pin(cores: list[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def measure(workload: Workload, rounds: int, events: int, folder: Path) -> dict[str, Any]:
    mine = allowed()
    cases = [(workers, cores) for workers, cores in CASES if cores <= len(mine)]
    sides: list[Side] = []
    try:
        for workers, cores in cases:
            pin(mine)
            place = folder / f"{workload.name}-{workers}-{cores}"
            sides.append(Side(workload, workers, cores, place))
        for number in range(SETTLING + rounds):
            for side in sides:
                pin(mine)
                side.round(number >= SETTLING, events)
        hashes = {side.hash.hexdigest() for side in sides}
        assert len(hashes) == 1, "workers came to something else"
        return row(workload, cases, sides, hashes.pop(), (SETTLING + rounds) * events)
    finally:
        pin(mine)
        for side in sides:
            side.engine.close()


def row(
    workload: Workload, cases: list[tuple[int, int]], sides: list[Side], receipts: str, total: int
) -> dict[str, Any]:
    alone = statistics.median(sides[0].times)
    alone_us = statistics.median(sides[0].engine_us)
    found: dict[str, Any] = {"workload": workload.name, "receipts": receipts}
    for (workers, cores), side in zip(cases, sides, strict=True):
        median = statistics.median(side.times)
        engine_us, workers_us = map(statistics.median, (side.engine_us, side.workers_us))
        total_us = engine_us + workers_us
        busier_us = max(engine_us, total_us / cores, workers_us if workers == 1 else 0)
        found[f"{workers} workers, {cores} cores"] = {
            "per_s": round(1 / median),
            "speedup": round(alone / median, 2),
            "engine_us": round(engine_us, 1),
            "workers_us": round(workers_us, 1),
            "bound": round(alone_us / busier_us, 2),
            "taken": round(side.taken / total, 2),
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    rounds = 1 if small else 9
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(item, rounds, 64 if small else item.events, Path(folder))
            for item in (ALL[1:] if small else ALL)
        ]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    about = {"goals": GOALS, "rounds": rounds, "load": load, "rows": rows}
    line = json.dumps({"bench": "cores", **circumstances(), **about})
    print(line)
    if not small:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
