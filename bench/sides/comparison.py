"""Measures sides in turn, A B C A B C, and says what the medians come to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sides.cases import Case, source
from sides.given import Effort
from sides.processes import IN_MEMORY, OURS, PEER, Here, Side
from sides.progress import busy_with

OUTSTANDING = 64
AnySide = Side | Here


@dataclass(slots=True)
class Measured:
    """What one side needed, slice by slice."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        self.rates.append(answer["done"] / answer["wall_s"])
        self.cpu_us.append(1e6 * answer["cpu_s"] / answer["done"])

    def row(self) -> dict[str, float]:
        return {
            "per_s": round(statistics.median(self.rates), 1),
            "per_s_least": round(min(self.rates), 1),
            "per_s_most": round(max(self.rates), 1),
            "cpu_us": round(statistics.median(self.cpu_us), 2),
        }


def prepare(sides: Sequence[AnySide], case: Case) -> None:
    """The pico and the ruleset of a case, on every side."""
    for side in sides:
        busy_with(f"{case.label}: preparing {side.name}")
        side.ask("create", count=1)
        side.ask("install", source=source(case.ruleset), picos=[0])
        if case.setup:
            side.ask("check", calls=case.setup)


def same_answers(sides: Sequence[AnySide], case: Case, effort: Effort) -> str:
    """The hash of what the first calls answer, which is the same on every side."""
    count = min(case.checked, effort.checked_max)
    calls = [case.calls[at % len(case.calls)] for at in range(count)]
    hashes = {side.name: side.ask("check", calls=calls)["hash"] for side in sides}
    assert len(set(hashes.values())) == 1, f"{case.label}: the sides differ: {hashes}"
    found: str = hashes[sides[0].name]
    return found


def measure(
    sides: Sequence[AnySide],
    case: Case,
    outstanding: int,
    effort: Effort,
    peer_outstanding: int | None = None,
) -> dict[str, dict[str, float]]:
    """Slices in turn; what each side needed."""
    starts = dict.fromkeys([side.name for side in sides], 0)

    def run(side: AnySide, ms: float) -> dict[str, Any]:
        start = starts[side.name]
        count = peer_outstanding if side.name == PEER and peer_outstanding else outstanding
        answer = side.ask("run", calls=case.calls, ms=ms, outstanding=count, start=start)
        starts[side.name] += answer["done"]
        return answer

    for side in sides:
        run(side, effort.warm_ms)
    found = {side.name: Measured() for side in sides}
    for turn in range(effort.rounds):
        for side in sides:
            busy_with(f"{case.label}, slice {turn + 1} of {effort.rounds}: {side.name}")
            found[side.name].add(run(side, effort.slice_ms))
    return {name: measured.row() for name, measured in found.items()}


def figure(
    label: str, found: dict[str, dict[str, float]], aim: float | None, **more: Any
) -> dict[str, Any]:
    """A row of results: every side, and the ratios of their medians."""
    row = {"kind": "figure", "label": label, **more, "sides": found, "aim": aim}
    peer = found.get(PEER)
    if peer is not None:
        row["ratio"] = round(found[OURS]["per_s"] / peer["per_s"], 2)
        row["cpu_ratio"] = round(peer["cpu_us"] / found[OURS]["cpu_us"], 2)
        row["memory_ratio"] = round(found[IN_MEMORY]["per_s"] / peer["per_s"], 2)
    return row


def amounts(
    label: str, unit: str, found: dict[str, list[float]], aim: float | None, **more: Any
) -> dict[str, Any]:
    """A row of what less is better of; `ratio` is the first reference's median to picomesh's."""
    sides = {
        name: {"value": round(statistics.median(values), 4), "most": round(max(values), 4)}
        for name, values in found.items()
    }
    row = {"kind": "figure", "label": label, "unit": unit, **more, "sides": sides, "aim": aim}
    peers = [name for name in sides if name.startswith(PEER)]
    if peers:
        peer = sides[peers[-1]]["value"]
        row["ratio"] = round(peer / sides[OURS]["value"], 2) if sides[OURS]["value"] else None
    return row
