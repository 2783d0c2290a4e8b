"""Pictures as SVG text: shapes and words on a sheet, nothing else.

Written here because the pictures there are (flame graphs, points, bars, curves) need less than a
plotting library's import, and must be the same bytes wherever they are drawn.
"""

from __future__ import annotations

from html import escape

FONT = "ui-monospace, Menlo, Consolas, monospace"
FONT_SIZE = 12
CHARACTER_WIDTH = 7.3  # of the font at that size, about
# Whoever reads in the dark gets dark paper; colors of boxes and dots stand out on both.
_STYLE = (
    ".paper{fill:#ffffff}.ink{fill:#1b1b1b}.rule{stroke:#d0d0d0}"
    "@media(prefers-color-scheme:dark)"
    "{.paper{fill:#16181c}.ink{fill:#e4e4e4}.rule{stroke:#44484f}}"
)


def number(value: float) -> str:
    """A coordinate with no more digits than an eye can see."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Sheet:
    """A drawing in the making; the origin is at the top left."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        size = f'width="{number(width)}" height="{number(height)}"'
        box = f'viewBox="0 0 {number(width)} {number(height)}"'
        style = f'font-family="{FONT}" font-size="{FONT_SIZE}"'
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} {style}>',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" class="paper"/>',
        ]

    def box(
        self, x: float, y: float, width: float, height: float, color: str, hint: str = ""
    ) -> None:
        """A filled rectangle, with words that show when a pointer rests on it."""
        place = f'x="{number(x)}" y="{number(y)}"'
        size = f'width="{number(width)}" height="{number(height)}"'
        self._parts.append(f'<rect {place} {size} fill="{color}">{_hint(hint)}</rect>')

    def words(
        self, x: float, y: float, text: str, anchor: str = "start", color: str | None = None
    ) -> None:
        place = f'x="{number(x)}" y="{number(y)}"'
        ink = f'fill="{color}"' if color else 'class="ink"'
        style = f'text-anchor="{anchor}" {ink} pointer-events="none"'
        self._parts.append(f"<text {place} {style}>{escape(text)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, color: str = "") -> None:
        ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
        ink = f'stroke="{color}" stroke-width="1.5"' if color else 'class="rule"'
        self._parts.append(f"<line {ends} {ink}/>")

    def dot(self, x: float, y: float, color: str, hint: str = "", radius: float = 3) -> None:
        place = f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"'
        self._parts.append(
            f'<circle {place} fill="{color}" fill-opacity="0.75">{_hint(hint)}</circle>'
        )

    def text(self) -> str:
        """The whole file."""
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def _hint(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def shortened(text: str, width: float) -> str:
    """As much of a text as fits, or nothing."""
    fits = int(width / CHARACTER_WIDTH)
    if len(text) <= fits:
        return text
    return text[: fits - 1] + "…" if fits >= 3 else ""
