"""Postludes: what a rule does to its pico after its actions, `fired`, `notfired` and `always`."""

from __future__ import annotations

from collections.abc import Callable

from krl.syntax.cursor import Cursor
from krl.syntax.expressions import parse_expression
from krl.syntax.tree import (
    Assign,
    Clear,
    Declaration,
    Error,
    Expression,
    Guarded,
    Last,
    Log,
    OnFinal,
    Postlude,
    Raise,
    Schedule,
    SettingName,
    Span,
    Statement,
)

_LEVELS = ("error", "warn", "info", "debug")


def parse_postlude(cursor: Cursor) -> Postlude | None:
    start = cursor.starts[cursor.at]
    if cursor.take_word("always"):
        always = _parse_statements(cursor)
        return Postlude(cursor.span_from(start), None, None, always)
    if cursor.is_word("fired") or cursor.is_word("notfired"):
        fired_first = cursor.take_word("fired")
        if not fired_first:
            cursor.at += 1
        first = _parse_statements(cursor)
        second = _parse_statements(cursor) if cursor.take_word("else") else None
        last = _parse_statements(cursor) if cursor.take_word("finally") else None
        span = cursor.span_from(start)
        if fired_first:
            return Postlude(span, first, second, last)
        return Postlude(span, second, first, last)
    return None


def _parse_statements(cursor: Cursor) -> tuple[Statement, ...]:
    cursor.expect("{")
    statements: list[Statement] = []
    while cursor.kinds[cursor.at] != "}":
        statements.append(parse_statement(cursor))
    cursor.at += 1
    return tuple(statements)


def parse_statement(cursor: Cursor) -> Statement:
    start = cursor.starts[cursor.at]
    statement = _parse_unguarded(cursor)
    if cursor.is_word("on") and cursor.texts[cursor.at + 1] == "final":
        guard = cursor.starts[cursor.at]
        cursor.at += 2
        condition: Expression | OnFinal = OnFinal(cursor.span_from(guard))
        statement = Guarded(cursor.span_from(start), condition, statement)
    elif cursor.take_word("if"):
        condition = parse_expression(cursor)
        statement = Guarded(cursor.span_from(start), condition, statement)
    cursor.take(";")
    return statement


def _parse_unguarded(cursor: Cursor) -> Statement:
    at = cursor.at
    if cursor.kinds[at] == "symbol":
        following = cursor.kinds[at + 1]
        if following == "=":
            return _parse_declaration(cursor)
        if following == ":":
            return _parse_assign(cursor)
        parse = _STATEMENTS.get(cursor.texts[at])
        if parse is not None:
            cursor.at = at + 1
            return parse(cursor, cursor.starts[at])
    cursor.fail_expected("a postlude statement")


def _parse_declaration(cursor: Cursor) -> Declaration:
    at = cursor.at
    cursor.at += 2
    value = parse_expression(cursor)
    name_span = Span(cursor.starts[at], cursor.ends[at])
    return Declaration(cursor.span_from(name_span.start), cursor.texts[at], name_span, value)


def _parse_persistent(cursor: Cursor) -> tuple[str, str, Expression | None]:
    domain = cursor.expect_name("a persistent variable such as ent:name").name
    cursor.expect(":")
    name = cursor.expect_name("a name after the `:`").name
    path: Expression | None = None
    if cursor.take("{"):
        path = parse_expression(cursor)
        cursor.expect("}")
    return domain, name, path


def _parse_assign(cursor: Cursor) -> Assign:
    start = cursor.starts[cursor.at]
    domain, name, path = _parse_persistent(cursor)
    cursor.expect(":=")
    value = parse_expression(cursor)
    return Assign(cursor.span_from(start), domain, name, path, value)


def _parse_clear(cursor: Cursor, start: int) -> Clear:
    domain, name, path = _parse_persistent(cursor)
    return Clear(cursor.span_from(start), domain, name, path)


def _parse_event_name(cursor: Cursor) -> tuple[str | None, Expression]:
    """`domain event type`, or `event` and one expression for both."""
    if cursor.take_word("event"):
        return None, parse_expression(cursor)
    domain = cursor.expect_name("a domain or `event`").name
    cursor.expect_word("event")
    return domain, parse_expression(cursor)


def _parse_attributes(cursor: Cursor) -> Expression | None:
    return parse_expression(cursor) if cursor.take_word("attributes") else None


def _parse_raise(cursor: Cursor, start: int) -> Raise:
    domain, event = _parse_event_name(cursor)
    for_ruleset = parse_expression(cursor) if cursor.take_word("for") else None
    attributes = _parse_attributes(cursor)
    return Raise(cursor.span_from(start), domain, event, for_ruleset, attributes)


def _parse_schedule(cursor: Cursor, start: int) -> Schedule:
    domain, event = _parse_event_name(cursor)
    at = cursor.take_word("at")
    if not at and not cursor.take_word("repeat"):
        cursor.fail_expected("`at` or `repeat`")
    timing = parse_expression(cursor)
    attributes = _parse_attributes(cursor)
    setting: SettingName | None = None
    if cursor.take("setting"):
        cursor.expect("(")
        name = cursor.expect_name("a variable's name")
        setting = SettingName(name.span, name.name)
        cursor.expect(")")
    span = cursor.span_from(start)
    return Schedule(span, domain, event, "at" if at else "repeat", timing, attributes, setting)


def _parse_level(cursor: Cursor) -> str:
    if cursor.kinds[cursor.at] != "symbol" or cursor.texts[cursor.at] not in _LEVELS:
        cursor.fail_expected("a level: " + ", ".join(_LEVELS))
    cursor.at += 1
    return cursor.texts[cursor.at - 1]


def _parse_log(cursor: Cursor, start: int) -> Log:
    level = _parse_level(cursor)
    value = parse_expression(cursor)
    return Log(cursor.span_from(start), level, value)


def _parse_error(cursor: Cursor, start: int) -> Error:
    level = _parse_level(cursor)
    value = parse_expression(cursor)
    return Error(cursor.span_from(start), level, value)


def _parse_last(cursor: Cursor, start: int) -> Last:
    return Last(cursor.span_from(start))


_STATEMENTS: dict[str, Callable[[Cursor, int], Statement]] = {
    "raise": _parse_raise,
    "schedule": _parse_schedule,
    "clear": _parse_clear,
    "log": _parse_log,
    "error": _parse_error,
    "last": _parse_last,
}
