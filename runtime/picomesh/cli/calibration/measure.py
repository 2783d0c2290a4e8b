"""Runs workloads and takes the time: differences against an empty module, at several sizes.

The time is the thread's own, so that what else the machine does counts less.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pico_abi
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh.cli.calibration.workloads import PAGES, REPEATS, SNIPPETS, Snippet, module
from picomesh.sandbox.interface import Guest, Meter, Sandbox

FUEL_LIMIT = 10**12
SIZES = (1, 2, 4)  # times the smallest number of turns
TRIES = 3  # the best counts: whatever disturbs a run makes it longer


@dataclass(frozen=True, slots=True)
class Point:
    """One size of one workload, without what the empty module takes."""

    turns: int
    fuel: int
    elapsed_ns: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A workload at all sizes, and the straight line through them."""

    name: str
    points: tuple[Point, ...]

    @property
    def ns_per_repeat(self) -> float:
        """The slope of the line through the origin that fits best."""
        repeats = [(point.turns * REPEATS, point.elapsed_ns) for point in self.points]
        return max(sum(n * t for n, t in repeats) / sum(n * n for n, _ in repeats), 0.0)

    @property
    def straightness(self) -> float:
        """R²: 1 if time is in proportion to turns, much less if something else was measured."""
        slope = self.ns_per_repeat * REPEATS
        times = [point.elapsed_ns for point in self.points]
        mean = sum(times) / len(times)
        off = sum((point.elapsed_ns - slope * point.turns) ** 2 for point in self.points)
        spread = sum((elapsed_ns - mean) ** 2 for elapsed_ns in times)
        return 1 - off / spread if spread else 0.0

    @property
    def fuel_per_repeat(self) -> float:
        last = self.points[-1]
        return last.fuel / (last.turns * REPEATS)

    @property
    def ns_per_fuel(self) -> float:
        return self.ns_per_repeat / self.fuel_per_repeat

    def row(self) -> dict[str, Any]:
        """As raw data."""
        return {
            "workload": self.name,
            "turns": [point.turns for point in self.points],
            "fuel": [point.fuel for point in self.points],
            "ns": [point.elapsed_ns for point in self.points],
            "ns_per_repeat": round(self.ns_per_repeat, 4),
            "ns_per_fuel": round(self.ns_per_fuel, 4),
            "straightness": round(self.straightness, 4),
        }


class Stopwatch:
    """Workloads on one backend."""

    def __init__(self, sandbox: Sandbox, fuel: int) -> None:
        self._sandbox = sandbox
        self._fuel = fuel
        self._empty = self._program(())
        self._empty_runs: dict[int, tuple[int, int]] = {}

    def measure(self, name: str, snippets: Sequence[Snippet]) -> Measured:
        """Some snippets in a row; together they are one repeat."""
        program = self._program(snippets)
        probe, _ = self._run(program, 4)
        turns = max(1, self._fuel * 4 // max(probe, 1) // SIZES[-1])
        return Measured(name, tuple([self._point(program, turns * size) for size in SIZES]))

    def _program(self, snippets: Sequence[Snippet]) -> Any:
        return self._sandbox.load(pico_abi.meter(module(snippets)))

    def _point(self, program: Any, turns: int) -> Point:
        if turns not in self._empty_runs:
            self._empty_runs[turns] = self._run(self._empty, turns)
        empty_fuel, empty_ns = self._empty_runs[turns]
        fuel, elapsed_ns = self._run(program, turns)
        return Point(turns, fuel - empty_fuel, elapsed_ns - empty_ns)

    def _run(self, program: Any, turns: int) -> tuple[int, int]:
        """Fuel and nanoseconds of one `handle`."""
        meter = Meter(FUEL_LIMIT, STACK_WORDS_MAX)
        machine = self._sandbox.machine(meter)
        try:
            guest: Guest = machine.start(program, NoCalls())
            event = turns.to_bytes(4, "little")
            guest.handle((1).to_bytes(4, "little"))  # the first touch of code and memory
            before = meter.fuel
            best_ns = 0
            for _ in range(TRIES):
                before = meter.fuel
                started_ns = time.thread_time_ns()
                guest.handle(event)
                elapsed_ns = time.thread_time_ns() - started_ns
                best_ns = min(best_ns or elapsed_ns, elapsed_ns)
            return before - meter.fuel, best_ns
        finally:
            machine.close()


@dataclass(frozen=True, slots=True)
class FirstTouch:
    """What memory costs when an instance touches it for the first time."""

    pages: int  # of 4 KiB
    fuel: int
    elapsed_ns: int  # the first time, less the second

    def row(self) -> dict[str, Any]:
        ns_per_page = round(self.elapsed_ns / self.pages, 1)
        return {"pages": self.pages, "fuel": self.fuel, "ns_per_page": ns_per_page}


def first_touch(sandbox: Sandbox) -> FirstTouch:
    """One store on each page of a fresh instance's memory, twice."""
    snippet = next(item for item in SNIPPETS if item.name == "a store on every page")
    program = sandbox.load(pico_abi.meter(module((snippet,))))
    turns = PAGES * 16 // REPEATS - 1
    best: FirstTouch | None = None
    for _ in range(TRIES):
        meter = Meter(FUEL_LIMIT, STACK_WORDS_MAX)
        machine = sandbox.machine(meter)
        try:
            guest: Guest = machine.start(program, NoCalls())
            times = []
            for _ in range(2):
                before, started_ns = meter.fuel, time.thread_time_ns()
                guest.handle(turns.to_bytes(4, "little"))
                times.append(time.thread_time_ns() - started_ns)
        finally:
            machine.close()
        found = FirstTouch(turns * REPEATS, before - meter.fuel, max(times[0] - times[1], 0))
        if best is None or found.elapsed_ns < best.elapsed_ns:
            best = found
    assert best is not None, "it was tried"
    return best


class NoCalls:
    """A workload calls nobody."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a workload called {name}")
