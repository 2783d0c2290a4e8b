"""Flame graphs and collapsed stacks: who called whom, as wide as what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from picomesh.cli.drawing import Sheet, shortened
from picomesh.engine.spending import Spot, Stack

WIDTH, MARGIN, ROW = 1200, 10, 17
_OWN, _LIBRARY, _HOST = "#f2a154", "#a8c3dd", "#b9d8b0"  # ruleset, library, engine and its calls
_INK = "#1b1b1b"  # on frames, whose colors are light in the dark as well
_WIDTH_MIN = 0.3  # narrower ones nobody sees


def collapsed(stacks: Mapping[Stack, int]) -> str:
    """The text that flame graph viewers read: frames by semicolons, then the amount."""
    lines: dict[str, int] = {}
    for stack, amount in stacks.items():
        text = ";".join(str(spot).replace(";", ",") for spot in stack)
        lines[text] = lines.get(text, 0) + amount
    return "".join(f"{text} {amount}\n" for text, amount in sorted(lines.items()))


@dataclass(slots=True)
class _Node:
    amount: int = 0
    below: dict[Spot, _Node] = field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((node.depth() for node in self.below.values()), default=0)


def flame_graph(stacks: Mapping[Stack, int], title: str, unit: str) -> str:
    """An SVG: the outermost function at the bottom, what it calls on top of it."""
    root = _Node()
    for stack, amount in stacks.items():
        node = root
        node.amount += amount
        for spot in stack:
            node = node.below.setdefault(spot, _Node())
            node.amount += amount
    height = (root.depth() + 2) * ROW + 2 * MARGIN
    sheet = Sheet(WIDTH, height, title)
    sheet.words(MARGIN, MARGIN + ROW / 2 + 4, title)
    _draw(sheet, root, "all", MARGIN, height - MARGIN, (root.amount, unit))
    return sheet.text()


def _draw(
    sheet: Sheet, node: _Node, name: str | Spot, x: float, bottom: float, whole: tuple[int, str]
) -> None:
    total, unit = whole
    width = node.amount / max(total, 1) * (WIDTH - 2 * MARGIN)
    if width < _WIDTH_MIN:
        return
    share = 100 * node.amount / max(total, 1)
    hint = f"{name}: {node.amount:,} {unit}, {share:.1f} %"
    sheet.box(x, bottom - ROW, max(width - 0.5, _WIDTH_MIN), ROW - 1, _color(name), hint)
    sheet.words(x + 3, bottom - 5, shortened(str(name), width - 6), color=_INK)
    for spot, below in sorted(node.below.items(), key=lambda item: str(item[0])):
        _draw(sheet, below, spot, x, bottom - ROW, whole)
        x += below.amount / max(total, 1) * (WIDTH - 2 * MARGIN)


def _color(name: str | Spot) -> str:
    if isinstance(name, Spot) and name.line is not None:
        return _OWN
    text = str(name)
    return _HOST if text.startswith("(") or "." in text or text == "all" else _LIBRARY
