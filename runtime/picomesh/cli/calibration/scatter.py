"""Fuel against time, as points on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from picomesh.cli.drawing import Sheet

WIDTH, HEIGHT = 760, 480
LEFT, RIGHT, TOP, BOTTOM = 74, 150, 40, 54
_COLORS = (
    *("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f"),
    *("#b6992d", "#b07aa1", "#ff9da7", "#9c755f", "#79706e"),
)


@dataclass(frozen=True, slots=True)
class Dot:
    """One event."""

    group: str
    label: str
    fuel: int
    microseconds: float


def scatter(dots: Sequence[Dot], title: str) -> str:
    """An SVG: fuel to the right, time upwards, one color for each group."""
    sheet = Sheet(WIDTH, HEIGHT, title)
    x = _Axis([dot.fuel for dot in dots], LEFT, WIDTH - RIGHT)
    y = _Axis([dot.microseconds for dot in dots], HEIGHT - BOTTOM, TOP)
    sheet.words(LEFT, TOP / 2 + 4, title)
    for value in x.marks():
        at = x.place(value)
        sheet.line(at, TOP, at, HEIGHT - BOTTOM)
        sheet.words(at, HEIGHT - BOTTOM + 16, f"{value:,.0f}", "middle")
    for value in y.marks():
        at = y.place(value)
        sheet.line(LEFT, at, WIDTH - RIGHT, at)
        sheet.words(LEFT - 6, at + 4, f"{value:,.0f}", "end")
    sheet.words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "fuel", "middle")
    sheet.words(10, TOP - 8, "µs")
    _middle_line(sheet, dots, x, y)
    groups = sorted({dot.group for dot in dots})
    colors = {name: _COLORS[at % len(_COLORS)] for at, name in enumerate(groups)}
    for dot in dots:
        hint = f"{dot.group} {dot.label}: {dot.fuel:,} fuel, {dot.microseconds:,.0f} µs"
        sheet.dot(x.place(dot.fuel), y.place(dot.microseconds), colors[dot.group], hint)
    for at, name in enumerate(groups):
        sheet.dot(WIDTH - RIGHT + 20, TOP + 8 + 18 * at, colors[name])
        sheet.words(WIDTH - RIGHT + 30, TOP + 12 + 18 * at, name)
    return sheet.text()


class _Axis:
    """From a value to a place, by its logarithm."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        good = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(good)) * 2) / 2
        self._high = max(math.ceil(math.log10(max(good)) * 2) / 2, self._low + 0.5)
        self._start, self._end = start, end
        self.low, self.high = 10.0**self._low, 10.0**self._high

    def place(self, value: float) -> float:
        share = (math.log10(max(value, 1e-9)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def marks(self) -> list[float]:
        found = []
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            found += [factor * 10.0**power for factor in (1, 2, 5)]
        low, high = self._low - 1e-9, self._high + 1e-9
        return [value for value in found if low <= math.log10(value) <= high]


def _middle_line(sheet: Sheet, dots: Sequence[Dot], x: _Axis, y: _Axis) -> None:
    """Where events would be if each unit took what it takes in the middle one."""
    rates = sorted(dot.microseconds / dot.fuel for dot in dots if dot.fuel)
    if not rates:
        return
    rate = rates[len(rates) // 2]
    low = max(x.low, y.low / rate)
    high = min(x.high, y.high / rate)
    if low < high:
        ends = [(x.place(fuel), y.place(fuel * rate)) for fuel in (low, high)]
        sheet.line(*ends[0], *ends[1], color="#888888")
    sheet.words(
        WIDTH - RIGHT + 10, HEIGHT - BOTTOM, f"{1000 * rate:.2f} ns a unit", color="#555555"
    )
