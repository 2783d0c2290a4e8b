"""Fuel and time of the rules of one event.

Rules run one after the other, so each is a stretch of the transition's fuel. Where a stretch ends
is sought by stopping; how long it takes is the difference between running to its end and to its
start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from picomesh.cli.calibration.rulesets import Bench, Timed
from picomesh.engine.places import SourceMap
from picomesh.engine.spending import Sampler, rule_of

STOPS = 64
TRIES = 15


@dataclass(frozen=True, slots=True)
class Part:
    """A rule, or what runs around the rules."""

    rule: str
    fuel: int
    elapsed_ns: int

    def row(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "fuel": self.fuel,
            "us": round(self.elapsed_ns / 1e3, 1),
            "ns_per_fuel": round(self.elapsed_ns / max(self.fuel, 1), 3),
        }


def parts_of(bench: Bench, timed: Timed, raw: bytes, places: SourceMap | None) -> list[Part]:
    """The parts of an event in the order in which they first run."""
    if places is None or timed.fuel < STOPS:
        return []
    sampler = Sampler(bench.engine.programs, bench.engine.store, timed.work, raw, places)
    found: dict[str, tuple[int, int]] = {}
    for name, start, end in _stretches(sampler, timed.fuel):
        elapsed_ns = bench.best_ns(timed.work, TRIES, end) - bench.best_ns(timed.work, TRIES, start)
        fuel, before_ns = found.get(name, (0, 0))
        found[name] = fuel + end - start, before_ns + max(elapsed_ns, 0)
    return [Part(name, *figures) for name, figures in found.items()]


def _stretches(sampler: Sampler, fuel: int) -> list[tuple[str, int, int]]:
    """Stretches of fuel that one part spends: from here to before there."""
    marks = [fuel * at // STOPS for at in range(STOPS)]
    names = [rule_of(sampler.stack_at(mark)) for mark in marks]
    found: list[tuple[str, int, int]] = []
    start = 0
    for at in range(1, STOPS):
        if names[at] != names[at - 1]:
            end = _border(sampler, marks[at - 1], marks[at], names[at - 1])
            found.append((names[at - 1], start, end))
            start = end
    return [*found, (names[-1], start, fuel)]


def _border(sampler: Sampler, low: int, high: int, name: str) -> int:
    """The first unit between two that another part spends."""
    while high - low > 1:
        middle = (low + high) // 2
        if rule_of(sampler.stack_at(middle)) == name:
            low = middle
        else:
            high = middle
    return high
