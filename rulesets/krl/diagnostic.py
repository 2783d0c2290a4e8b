"""What a ruleset author is told: one class for errors and warnings of every pass.

A diagnostic has a title (what is wrong), a span (where), a text (why) and a hint (what to do).
Passes collect them in a `Diagnostics`, go on as far as they can, and the compiler stops between
passes when there is an error. Rendering lives here too, so that all of them look alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from krl.syntax.tree import Span

Severity = Literal["error", "warning"]

# A source line is shown up to this width; a longer one only around the mistake.
LINE_COLUMNS_MAX = 120
# Of a longer span only the first lines and the last are shown.
SPAN_LINES_MAX = 5
TAB_COLUMNS = 4

_BLANKS = re.compile(r"[ \t]*(\r?\n)?")
_WORDS = re.compile(r"[\w$][\w$]")


@dataclass(frozen=True, slots=True)
class Fix:
    """A mechanical rewrite: replace the text of `span` by `replacement`."""

    span: Span
    replacement: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    severity: Severity
    title: str
    span: Span
    text: str = ""
    hint: str = ""
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A ruleset's text with the name a person knows it by."""

    name: str
    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        return line, column


@dataclass(slots=True)
class Diagnostics:
    """The diagnostics of one compilation, in the order they were found."""

    items: list[Diagnostic] = field(default_factory=list)

    def error(
        self, title: str, span: Span, text: str = "", hint: str = "", fixes: tuple[Fix, ...] = ()
    ) -> None:
        self.items.append(Diagnostic("error", title, span, text, hint, fixes))

    def warning(
        self, title: str, span: Span, text: str = "", hint: str = "", fixes: tuple[Fix, ...] = ()
    ) -> None:
        self.items.append(Diagnostic("warning", title, span, text, hint, fixes))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    @property
    def has_errors(self) -> bool:
        return any(item.severity == "error" for item in self.items)


# ---- for people ------------------------------------------------------------------------------

_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "gutter": "\x1b[34m", "bold": "\x1b[1m"}


def render(diagnostic: Diagnostic, source: Source, color: bool = False) -> str:
    """Title, place, the source lines with the span underlined, text and hint; no newline last."""
    line, column = source.position(diagnostic.span.start)
    last_line, _ = source.position(max(diagnostic.span.start, diagnostic.span.end - 1))
    margin = " " * len(str(last_line))

    def paint(text: str, name: str) -> str:
        return f"{_COLORS[name]}{text}\x1b[0m" if color else text

    mark = paint(diagnostic.severity, diagnostic.severity)
    bar = paint("|", "gutter")
    out = [
        f"{mark}{paint(': ' + diagnostic.title, 'bold')}",
        f"{margin}{paint('-->', 'gutter')} {printable(source.name)}:{line}:{column}",
        f"{margin} {bar}",
    ]
    for number, shown, underline in _excerpt(diagnostic.span, source, line, last_line):
        if number is None:
            out.append(paint("...", "gutter"))
            continue
        gutter = paint(str(number).rjust(len(margin)), "gutter")
        out.append(f"{gutter} {bar} {shown}".rstrip())
        if underline.strip():
            out.append(f"{margin} {bar} {paint(underline, diagnostic.severity)}")
    if diagnostic.text:
        out.append(f"{margin} {paint('=', 'gutter')} {diagnostic.text}")
    if diagnostic.hint:
        out.append(f"{margin} {paint('=', 'gutter')} {paint('hint', 'bold')}: {diagnostic.hint}")
    return "\n".join(out)


def _excerpt(
    span: Span, source: Source, first: int, last: int
) -> Iterator[tuple[int | None, str, str]]:
    """Line number, line and underline for each line to show; None stands for lines left out."""
    start = source.text.rfind("\n", 0, span.start) + 1
    for number in range(first, last + 1):
        end = source.text.find("\n", start)
        end = len(source.text) if end < 0 else end
        if last - first < SPAN_LINES_MAX or number == last or number < first + SPAN_LINES_MAX - 2:
            yield number, *_show_line(source.text[start:end], span.start - start, span.end - start)
        elif number == last - 1:
            yield None, "", ""
        start = end + 1


def _show_line(line: str, start: int, end: int) -> tuple[str, str]:
    """The line as a terminal shows it, and carets below the characters start..end of it."""
    line = line.removesuffix("\r")
    if start < 0:  # a line within a longer span: its indentation is not underlined
        start = len(line) - len(line.lstrip())
    end = min(max(end, start + 1), max(len(line), start + 1))
    prefix = suffix = ""
    if len(line) > LINE_COLUMNS_MAX:
        cut = max(0, min(start - LINE_COLUMNS_MAX // 4, len(line) - LINE_COLUMNS_MAX))
        suffix = "..." if cut + LINE_COLUMNS_MAX < len(line) else ""
        line = line[cut : cut + LINE_COLUMNS_MAX]
        start, end = start - cut, min(end - cut, len(line))
        prefix = "..." if cut else ""
    before = _display(line[:start], len(prefix))
    marked = _display(line[start:end], len(prefix) + display_width(before))
    after = _display(line[end:], len(prefix) + display_width(before + marked))
    shown = prefix + before + marked + after + suffix
    carets = "^" * max(1, display_width(marked)) if start <= len(line) else ""
    return shown, " " * (len(prefix) + display_width(before)) + carets


def _display(text: str, column: int) -> str:
    """Tabs spread to the next stop; what would move the cursor of a terminal made visible."""
    out = ""
    for character in text:
        if character == "\t":
            out += " " * (TAB_COLUMNS - (column + display_width(out)) % TAB_COLUMNS)
        else:
            out += printable(character)
    return out


def printable(text: str) -> str:
    """Control and format characters as their code, so that hostile text stays text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def display_width(text: str) -> int:
    """Columns the text takes on a terminal: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


# ---- for machines ----------------------------------------------------------------------------


def to_json(diagnostic: Diagnostic, source: Source) -> dict[str, str | int]:
    """The diagnostic as plain data; lines and columns from 1, the end exclusive."""
    line, column = source.position(diagnostic.span.start)
    end_line, end_column = source.position(diagnostic.span.end)
    return {
        "severity": diagnostic.severity,
        "title": diagnostic.title,
        "file": source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "text": diagnostic.text,
        "hint": diagnostic.hint,
    }


def apply_fixes(source: Source, diagnostics: Iterable[Diagnostic]) -> str:
    """The source text with every fix made that does not overlap an earlier one.

    The fixes of one diagnostic are made together or not at all.
    """
    accepted = [fix for diagnostic in without_clashes(diagnostics) for fix in diagnostic.fixes]
    # Insertions at one place keep their order, and come before a replacement that starts there.
    accepted.sort(key=lambda fix: (fix.span.start, fix.span.end))
    out: list[str] = []
    at = 0
    limits = [*(fix.span.start for fix in accepted[1:]), len(source.text)]
    for fix, limit in zip(accepted, limits, strict=False):
        fix = _tidy(fix, source.text, at, limit)
        out.append(source.text[at : fix.span.start])
        out.append(fix.replacement)
        at = fix.span.end
    out.append(source.text[at:])
    return "".join(out)


def without_clashes(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those whose fixes can be made together: where two overlap, the first."""
    chosen: list[Diagnostic] = []
    accepted: list[Fix] = []
    for diagnostic in diagnostics:
        if not any(_clashes(fix, other) for fix in diagnostic.fixes for other in accepted):
            accepted.extend(diagnostic.fixes)
            chosen.append(diagnostic)
    return chosen


def _clashes(fix: Fix, other: Fix) -> bool:
    if fix == other:
        return True
    return fix.span.start < other.span.end and other.span.start < fix.span.end


def _tidy(fix: Fix, text: str, start: int, limit: int) -> Fix:
    """A removal takes along the blanks, or the line, that it would leave behind.

    Between `start` and `limit` the text is not touched by other fixes.
    """
    first, end = fix.span.start, fix.span.end
    if fix.replacement or first == end:
        return fix
    while first > start and text[first - 1] in " \t":
        first -= 1
    begins_line = first == 0 or text[first - 1] == "\n"
    blanks = _BLANKS.match(text, end, limit)
    assert blanks is not None, "it matches nothing at all"
    if blanks[1] or blanks.end() == len(text):
        return Fix(Span(first, blanks.end() if begins_line else end), "")
    is_glued = _WORDS.fullmatch(text[max(fix.span.start - 1, 0) : fix.span.start] + text[end])
    return Fix(fix.span, " ") if is_glued else fix


# ---- spelling --------------------------------------------------------------------------------


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a slip of the fingers away from `name`, if there is one."""
    best: str | None = None
    limit = max(1, min(3, len(name) // 3))
    for candidate in candidates:
        if candidate == name or abs(len(candidate) - len(name)) > limit:
            continue
        distance = 0 if candidate.lower() == name.lower() else edit_distance(name, candidate)
        if distance <= limit and distance < max(len(name), len(candidate)) - 1:
            best, limit = candidate, distance - 1
    return best


def edit_distance(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that lead from one to other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
