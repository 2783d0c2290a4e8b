"""Makes the mechanical fixes of a ruleset, round after round, until nothing is left to rewrite.

A fix can bring to light what an earlier mistake hid: the resolver sees nothing of a text that does
not parse. A round whose text is worse than the one before it is taken apart, so that one bad fix
does not keep the others from being made: a text that compiles never becomes one that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from krl.compiler import Compilation, check_source
from krl.diagnostic import Diagnostic, Source, apply_fixes, without_clashes

ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One fix that was made; line and column are those of the text it was made in."""

    title: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """What came of a text: the check of the last one, and how it got there."""

    compilation: Compilation
    rewrites: tuple[Rewrite, ...]


def fix_source(source: Source) -> Fixed:
    """The text with all its mechanical fixes made, checked again."""
    compilation = check_source(source)
    rewrites: list[Rewrite] = []
    for _ in range(ROUNDS_MAX):
        fixable = without_clashes(item for item in compilation.diagnostics if item.fixes)
        if not fixable:
            break
        made, after = _make(compilation, [], fixable)
        if after.source.text == compilation.source.text:
            break
        rewrites += [_rewrite(compilation.source, item) for item in made]
        compilation = after
    return Fixed(compilation, tuple(rewrites))


def _rewrite(source: Source, item: Diagnostic) -> Rewrite:
    return Rewrite(item.title, *source.position(item.span.start))


def _make(
    before: Compilation, made: list[Diagnostic], more: Sequence[Diagnostic]
) -> tuple[list[Diagnostic], Compilation]:
    """As many of `more` beside `made` as do no harm, and the check of the text with them."""
    after = check_source(_apply(before.source, [*made, *more]))
    if not _is_worse(after, before):
        return [*made, *more], after
    if len(more) == 1:
        return made, check_source(_apply(before.source, made))
    middle = len(more) // 2
    made, _ = _make(before, made, more[:middle])
    return _make(before, made, more[middle:])


def _apply(source: Source, items: Sequence[Diagnostic]) -> Source:
    return Source(source.name, apply_fixes(source, items))


def _is_worse(after: Compilation, before: Compilation) -> bool:
    if after.ok or before.ok:
        return not after.ok
    if after.parsed != before.parsed:
        return before.parsed
    return _error_count(after) > _error_count(before)


def _error_count(compilation: Compilation) -> int:
    return sum(item.severity == "error" for item in compilation.diagnostics)
