"""What an expression may begin with: names, literals, chevrons, brackets and signs."""

from __future__ import annotations

from collections.abc import Callable

from krl.diagnostic import Fix
from krl.syntax import literals
from krl.syntax.cursor import Cursor
from krl.syntax.expressions import (
    OPERATOR_POWER,
    UNARY_POWER,
    parse_domain_rest,
    parse_expression,
)
from krl.syntax.patterns import PatternError, check_pattern
from krl.syntax.tree import (
    Array,
    Boolean,
    Chevron,
    Expression,
    Identifier,
    Map,
    MapPair,
    Null,
    Number,
    Regexp,
    Span,
    String,
    Unary,
)


def _parse_symbol(cursor: Cursor) -> Expression:
    at = cursor.at
    if cursor.kinds[at + 1] == "=" and cursor.begins_line():
        cursor.fail("expected an expression", f"found the declaration of `{cursor.texts[at]}`")
    cursor.at = at + 1
    name = Identifier(Span(cursor.starts[at], cursor.ends[at]), cursor.texts[at])
    if cursor.kinds[at + 1] == ":":
        return parse_domain_rest(cursor, name)
    return name


def _parse_string(cursor: Cursor) -> Expression:
    return take_string(cursor)


def take_string(cursor: Cursor) -> String:
    span = cursor.span_here()
    value = literals.string_value(cursor.texts[cursor.at])
    cursor.at += 1
    return String(span, value)


def _parse_number(cursor: Cursor) -> Expression:
    span = cursor.span_here()
    value = float(cursor.texts[cursor.at])
    cursor.at += 1
    return Number(span, value)


def _parse_regexp(cursor: Cursor) -> Expression:
    return take_regexp(cursor)


def take_regexp(cursor: Cursor) -> Regexp:
    span = cursor.span_here()
    source, flags = literals.regexp_value(cursor.texts[cursor.at])
    try:
        check_pattern(source)
    except PatternError as error:
        cursor.complain("invalid regular expression", str(error))
    if len(set(flags)) < len(flags):
        cursor.complain("regular expression with a flag twice", f"the flags are `{flags}`")
    cursor.at += 1
    return Regexp(span, source, flags)


def _parse_constant(cursor: Cursor) -> Expression:
    span = cursor.span_here()
    kind = cursor.kinds[cursor.at]
    cursor.at += 1
    return Null(span) if kind == "null" else Boolean(span, kind == "true")


def _parse_chevron(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    pieces: list[Expression] = []
    opening = cursor.at
    cursor.at += 1
    while True:
        kind = cursor.kinds[cursor.at]
        if kind == "text":
            text = literals.chevron_value(cursor.texts[cursor.at])
            pieces.append(String(cursor.span_here(), text))
            cursor.at += 1
        elif kind == "#{":
            beesting = cursor.at
            cursor.at += 1
            pieces.append(parse_expression(cursor))
            cursor.expect_close("}#", beesting)
        else:
            cursor.expect_close(">>", opening)
            return Chevron(cursor.span_from(start), tuple(pieces))


def _parse_group(cursor: Cursor) -> Expression:
    opening = cursor.at
    cursor.at += 1
    inner = parse_expression(cursor)
    cursor.expect_close(")", opening)
    return inner


def _parse_array(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    opening = cursor.at
    cursor.at += 1
    items: list[Expression] = []
    while cursor.kinds[cursor.at] != "]":
        items.append(parse_expression(cursor))
        if not cursor.take(","):
            break
    cursor.expect_close("]", opening, after_items=True)
    return Array(cursor.span_from(start), tuple(items))


def _parse_map(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    opening = cursor.at
    cursor.at += 1
    pairs: list[MapPair] = []
    while cursor.kinds[cursor.at] != "}":
        pairs.append(_parse_pair(cursor))
        if not cursor.take(","):
            break
    cursor.expect_close("}", opening, after_items=True)
    return Map(cursor.span_from(start), tuple(pairs))


def _parse_pair(cursor: Cursor) -> MapPair:
    start = cursor.starts[cursor.at]
    key = _parse_key(cursor)
    if cursor.kinds[cursor.at] in OPERATOR_POWER or cursor.texts[cursor.at] in OPERATOR_POWER:
        cursor.fail(
            "computed map key",
            "the key of a map is a plain string",
            "write {}.put(key, value) for a key that is computed",
        )
    cursor.expect(":")
    value = parse_expression(cursor)
    return MapPair(cursor.span_from(start), key, value)


def _parse_key(cursor: Cursor) -> String:
    if cursor.kinds[cursor.at] == "string":
        return take_string(cursor)
    span = cursor.span_here()
    if cursor.next_kind() != ":" or cursor.kinds[cursor.at] not in ("symbol", "number"):
        cursor.fail_expected("a string as the key of a map")
    text = cursor.texts[cursor.at]
    hint = f'write "{text}": ...'
    cursor.complain("map key without quotes", "", hint, fixes=(Fix(span, f'"{text}"'),))
    cursor.at += 1
    return String(span, text)


def _parse_unary(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    operator = cursor.kinds[cursor.at]
    cursor.at += 1
    operand = parse_expression(cursor, UNARY_POWER)
    return Unary(cursor.span_from(start), operator, operand)


PRIMARY_FORMS: dict[str, Callable[[Cursor], Expression]] = {
    "symbol": _parse_symbol,
    "string": _parse_string,
    "number": _parse_number,
    "regexp": _parse_regexp,
    "null": _parse_constant,
    "true": _parse_constant,
    "false": _parse_constant,
    "<<": _parse_chevron,
    "(": _parse_group,
    "[": _parse_array,
    "{": _parse_map,
    "+": _parse_unary,
    "-": _parse_unary,
    "not": _parse_unary,
}
