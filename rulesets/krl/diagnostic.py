"""What a ruleset author is told: one class for errors and warnings of every pass.

A diagnostic has a title (what is wrong), a span (where), a text (why) and a hint (what to do).
Passes collect them in a `Diagnostics`, go on as far as they can, and the compiler stops between
passes when there is an error. Rendering lives here too, so that all of them look alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from krl.syntax.tree import Span

Severity = Literal["error", "warning"]


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
