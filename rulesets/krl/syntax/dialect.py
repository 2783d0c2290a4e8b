"""The KRL that older engines took, and what is made of it now.

Thousands of published rulesets hold `with` behind an action, stray semicolons and blocks of the
first engine. Where the meaning is certain the tree gets it and the author a warning; where it is
not, an error that says what to write. Both carry the fix when it is mechanical.
"""

from __future__ import annotations

from dataclasses import dataclass

from krl.diagnostic import Fix
from krl.syntax.cursor import Cursor
from krl.syntax.expressions import parse_expression
from krl.syntax.tree import Call, Expression, Map, MapPair, NamedArgument, Span, String


@dataclass(frozen=True, slots=True)
class WithPair:
    """`name = value` of a `with`; `value_span` counts parentheses around the value in."""

    name: str
    name_span: Span
    value: Expression
    value_span: Span


def at_with(cursor: Cursor) -> bool:
    """At `with name =`."""
    return (
        cursor.is_word("with")
        and cursor.kinds[cursor.at + 1] == "symbol"
        and cursor.kinds[cursor.at + 2] == "="
    )


def parse_value(cursor: Cursor) -> Expression:
    """An expression; if it is a call, `with name = value and ..` behind it names arguments."""
    value = parse_expression(cursor)
    close = cursor.at - 1
    if not isinstance(value, Call) or value.span.end != cursor.ends[close] or not at_with(cursor):
        return value
    word = cursor.span_here()
    pairs = parse_with(cursor, needs_and=True)
    before = "" if cursor.kinds[close - 1] in (",", "(") else ", "
    cursor.warn(
        "`with` after a call", word, "the arguments of a function stand in its parentheses",
        "write them as named arguments: name = value",
        rewrite_as_named(pairs, cursor.starts[close], before),
    )  # fmt: skip
    named = (*value.named, *as_named(pairs))
    return Call(cursor.span_from(value.span.start), value.callee, value.positional, named)


def parse_with(cursor: Cursor, needs_and: bool) -> list[WithPair]:
    """At `with name =`: the pairs, joined by `and`, by a comma or, where allowed, by nothing."""
    cursor.at += 1
    pairs = [_parse_pair(cursor)]
    while True:
        joined = cursor.is_word("and") or cursor.kinds[cursor.at] == ","
        if joined and cursor.next_kind() == "symbol" and cursor.kinds[cursor.at + 2] == "=":
            cursor.at += 1
        elif needs_and or not cursor.at_declaration():
            return pairs
        pairs.append(_parse_pair(cursor))


def _parse_pair(cursor: Cursor) -> WithPair:
    at = cursor.at
    name_span = cursor.span_here()
    cursor.at += 2
    start = cursor.starts[cursor.at]
    value = parse_expression(cursor)
    return WithPair(cursor.texts[at], name_span, value, cursor.span_from(start))


def as_map(pairs: list[WithPair]) -> Map:
    span = Span(pairs[0].name_span.start, pairs[-1].value_span.end)
    return Map(
        span,
        tuple(
            MapPair(
                Span(pair.name_span.start, pair.value_span.end),
                String(pair.name_span, pair.name),
                pair.value,
            )
            for pair in pairs
        ),
    )


def as_named(pairs: list[WithPair]) -> tuple[NamedArgument, ...]:
    return tuple(
        NamedArgument(Span(pair.name_span.start, pair.value_span.end), pair.name, pair.value)
        for pair in pairs
    )


def rewrite_as_map(pairs: list[WithPair], start: int, before: str, after: str) -> tuple[Fix, ...]:
    """Fixes from `start` on that leave `before`, the pairs as a map, and `after`."""
    return _rewrite(pairs, start, before + "{", '"{}": ', "}" + after)


def rewrite_as_named(
    pairs: list[WithPair], start: int, before: str, after: str = ")"
) -> tuple[Fix, ...]:
    return _rewrite(pairs, start, before, "{} = ", after)


def _rewrite(
    pairs: list[WithPair], start: int, before: str, name_form: str, after: str
) -> tuple[Fix, ...]:
    # The values stay untouched, so that fixes inside them can be made too.
    fixes: list[Fix] = []
    for pair in pairs:
        name = name_form.format(pair.name)
        fixes.append(Fix(Span(start, pair.value_span.start), before + name))
        start, before = pair.value_span.end, ", "
    fixes.append(Fix(Span(start, start), after))
    return tuple(fixes)


def skip_braces(cursor: Cursor) -> None:
    """From a `{` past the `}` that belongs to it, or as far as there is anything."""
    depth = 0
    while cursor.kinds[cursor.at] != "end":
        kind = cursor.kinds[cursor.at]
        depth += (kind == "{") - (kind == "}")
        cursor.at += 1
        if depth <= 0:
            return
