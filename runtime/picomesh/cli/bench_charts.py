"""Charts of what the benches found: bars by kind, and curves over a number.

Logarithmic, for what is compared are ratios: the same distance is the same ratio everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from picomesh.cli.drawing import CHARACTER_WIDTH, Sheet

Row = dict[str, Any]
COLORS = {
    "picomesh": "#3b7dd8",
    "picomesh in memory": "#7fb2f0",
    "reference": "#e08a2c",
    "reference core": "#e08a2c",
    "reference whole": "#b8571c",
    "the floor in C": "#6f9e58",
}
_OTHER = "#8c6bb1"
_TIMES = {"us": "µs", "ms": "ms"}
WIDTH, TOP, BAR, GAP, MARGIN = 900, 74, 13, 9, 16
_FIGURE_WIDTH = 96
CURVE_HEIGHT, CURVE_LEFT, CURVE_RIGHT, CURVE_BOTTOM = 480, 90, 40, 60


def chart(rows: Sequence[Row]) -> str:
    """An SVG of a bench's rows: curves where they have an `x` that grows, bars otherwise."""
    head, *figures = rows
    if not figures:
        figures = _figures_of(head)
        head = {"question": f"The bench {head['bench']}", "commit": "", **head}
    is_curve = len({row["x"] for row in figures if "x" in row}) > 2
    return _curves(head, figures) if is_curve else _bars(head, figures)


def _figures_of(row: Row) -> list[Row]:
    """The times in a row that has all of a bench's figures."""
    found = []
    for name, value in row.items():
        label, _, unit = name.rpartition("_")
        amount = value["median"] if isinstance(value, dict) and "median" in value else value
        if unit in _TIMES and isinstance(amount, float | int):
            sides = {"reference" if label == "reference" else "picomesh": {"value": amount}}
            found.append({"label": label, "unit": _TIMES[unit], "sides": sides})
    return found


def _name(row: Row) -> str:
    return f"{row['label']}, {row['mode']}" if "mode" in row else str(row["label"])


def _value(row: Row, side: str) -> float:
    found = row["sides"][side]
    return float(found.get("per_s", found.get("value", 0.0)))


def _unit(row: Row) -> str:
    return str(row.get("unit", "a second; longer is better"))


def _title(sheet: Sheet, head: Row, unit: str, sides: Sequence[str]) -> None:
    sheet.words(MARGIN, 22, head["question"])
    sheet.words(MARGIN, 40, f"{unit}, logarithmic. {head['machine']}, {_commit(head)}")
    x = float(MARGIN)
    for side in sides:
        sheet.box(x, 50, 10, 10, COLORS.get(side, _OTHER))
        sheet.words(x + 15, 59, side)
        x += 30 + CHARACTER_WIDTH * len(side)


def _commit(head: Row) -> str:
    return f"commit {head['commit']}" if head["commit"] else f"picomesh {head['picomesh']}"


def _sides(figures: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(side for row in figures for side in row["sides"]))


def _bars(head: Row, figures: Sequence[Row]) -> str:
    """Bars of all sides, below each kind's name."""
    sides = _sides(figures)
    heights = [BAR * (len(row["sides"]) + 1) + GAP for row in figures]
    sheet = Sheet(WIDTH, TOP + sum(heights) + MARGIN, head["question"])
    units = list(dict.fromkeys(_unit(row) for row in figures))
    _title(sheet, head, ", ".join(units), sides)
    y = float(TOP)
    for row, height in zip(figures, heights, strict=True):
        alike = [row for row in figures if _unit(row) == units[0]] if len(units) == 1 else [row]
        scale = _Scale([_value(other, side) for other in alike for side in other["sides"]])
        sheet.words(MARGIN, y + BAR - 2, _name(row) + _ratio(row))
        for at, side in enumerate(row["sides"], 1):
            value = _value(row, side)
            length = max(scale(value) * (WIDTH - 2 * MARGIN - _FIGURE_WIDTH), 1)
            hint = f"{side}: {value:,g}"
            top = y + BAR * at
            sheet.box(MARGIN, top, length, BAR - 2, COLORS.get(side, _OTHER), hint)
            sheet.words(MARGIN + length + 5, top + BAR - 3, _short(value))
        y += height
    return sheet.text()


def _ratio(row: Row) -> str:
    if row.get("ratio") is None:
        return ""
    aim = "" if row.get("aim") is None else f", aim {row['aim']:g}"
    return f": {row['ratio']:g} times the reference{aim}"


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


class _Scale:
    """From a value to its share of the width, by its logarithm from a tenth of the smallest on."""

    def __init__(self, values: Sequence[float]) -> None:
        good = [value for value in values if value > 0] or [1.0]
        self.low = math.log10(min(good) / 10)
        self.high = max(math.log10(max(good)), self.low + 1)

    def __call__(self, value: float) -> float:
        if value <= 0:
            return 0.0
        return (math.log10(value) - self.low) / (self.high - self.low)


def _curves(head: Row, figures: Sequence[Row]) -> str:
    """Microseconds of processor time for an event, over a number of things."""
    drawn = [row for row in figures if "x" in row]
    sheet = Sheet(WIDTH, CURVE_HEIGHT, head["question"])
    sides = _sides(drawn)
    _title(sheet, head, "µs of processor time for an event; lower is better", sides)
    xs = sorted({row["x"] for row in drawn})
    ys = [row["sides"][side]["cpu_us"] for row in drawn for side in row["sides"]]
    x_of = _Axis(xs, CURVE_LEFT, WIDTH - CURVE_RIGHT)
    y_of = _Axis(ys, CURVE_HEIGHT - CURVE_BOTTOM, TOP + 10)
    for x in xs:
        sheet.line(x_of(x), TOP, x_of(x), CURVE_HEIGHT - CURVE_BOTTOM)
        sheet.words(x_of(x), CURVE_HEIGHT - CURVE_BOTTOM + 18, f"{x:,}", "middle")
    for y in y_of.marks():
        sheet.line(CURVE_LEFT, y_of(y), WIDTH - CURVE_RIGHT, y_of(y))
        sheet.words(CURVE_LEFT - 8, y_of(y) + 4, f"{y:,g}", "end")
    unit = str(drawn[-1]["label"]).split(" ", 1)[-1]
    sheet.words(WIDTH / 2, CURVE_HEIGHT - 18, unit, "middle")
    modes = list(dict.fromkeys(row.get("mode", "") for row in drawn))
    for mode in modes:
        for side in sides:
            points = [
                (row["x"], row["sides"][side]["cpu_us"])
                for row in drawn
                if row.get("mode", "") == mode and side in row["sides"]
            ]
            _curve(sheet, points, (x_of, y_of), side, mode)
            if len(modes) > 1 and points:
                x, y = points[-1]
                sheet.words(x_of(x) - 6, y_of(y) - 6, mode, "end")
    return sheet.text()


def _curve(
    sheet: Sheet,
    points: Sequence[tuple[float, float]],
    axes: tuple[_Axis, _Axis],
    side: str,
    mode: str,
) -> None:
    x_of, y_of = axes
    color = COLORS.get(side, _OTHER)
    places = [(x_of(x), y_of(y)) for x, y in points]
    for (x1, y1), (x2, y2) in pairwise(places):
        sheet.line(x1, y1, x2, y2, color)
    for (x, y), (left, top) in zip(points, places, strict=True):
        sheet.dot(left, top, color, f"{side}, {mode}, {x:,}: {y:,.1f} µs", radius=4)


class _Axis:
    """From a value to a place, by its logarithm; nothing has its place beside one."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = math.log10(min(max(value, 0.5) for value in values))
        self._high = max(math.log10(max(values)), self._low + 0.3)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log10(max(value, 0.5)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def marks(self) -> list[float]:
        """1, 2, 5 of every power of ten in it."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        return [value for value in found if self._low <= math.log10(value) <= self._high]
