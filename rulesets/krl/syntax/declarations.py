"""Declarations, `name = value`: in `global`, in `pre`, in functions and in postludes."""

from __future__ import annotations

from typing import NoReturn

from krl.diagnostic import Fix
from krl.syntax.cursor import Cursor
from krl.syntax.dialect import parse_value
from krl.syntax.expressions import parse_expression
from krl.syntax.tree import Declaration, Span


def parse_declaration(cursor: Cursor) -> Declaration:
    """`name = value [;]`, at the name."""
    declaration = parse_bare_declaration(cursor)
    _end_declaration(cursor)
    return declaration


def _end_declaration(cursor: Cursor) -> None:
    following = cursor.kinds[cursor.at + 1 : cursor.at + 3]
    if cursor.kinds[cursor.at] == "," and (following == ["symbol", "="] or following[0] == "}"):
        cursor.complain(
            "`,` between declarations", "", "they follow each other without a separator",
            fixes=(Fix(cursor.span_here(), ";"),),
        )  # fmt: skip
        cursor.at += 1
    cursor.take(";")


def parse_bare_declaration(cursor: Cursor) -> Declaration:
    at = cursor.at
    name_span = Span(cursor.starts[at], cursor.ends[at])
    cursor.at = at + 2
    value = parse_value(cursor)
    return Declaration(cursor.span_from(name_span.start), cursor.texts[at], name_span, value)


def parse_declaration_item(cursor: Cursor) -> Declaration:
    """What stands between the braces of `global` and `pre`."""
    kind = cursor.kinds[cursor.at]
    if kind == "symbol" and cursor.next_kind() == "=":
        declaration = parse_bare_declaration(cursor)
    elif kind in ("function", "defaction") and cursor.next_kind() == "symbol":
        declaration = _parse_named_function(cursor)
    elif kind == "symbol" and cursor.next_kind() == ":=":
        operator = Span(cursor.starts[cursor.at + 1], cursor.ends[cursor.at + 1])
        cursor.complain(
            "`:=` in a declaration", "", "a declaration is written name = value",
            operator, (Fix(operator, "="),),
        )  # fmt: skip
        declaration = parse_bare_declaration(cursor)
    else:
        _fail_declaration(cursor)
    _end_declaration(cursor)
    return declaration


def _fail_declaration(cursor: Cursor) -> NoReturn:
    hint = ""
    if cursor.next_kind() == "=":
        cursor.check_reserved()
    elif cursor.kinds[cursor.at] == "symbol" and cursor.next_kind() in ("{", "["):
        name = cursor.texts[cursor.at]
        hint = f"values do not change; a changed copy is {name}.set(path, value)"
    cursor.fail_expected("a declaration: name = value", hint)


def _parse_named_function(cursor: Cursor) -> Declaration:
    """`function name(..) {..}`: KRL gives a function its name by a declaration."""
    at = cursor.at
    name_span = Span(cursor.starts[at + 1], cursor.ends[at + 1])
    name = cursor.texts[at + 1]
    head = Span(cursor.starts[at], name_span.end)
    form = f"{name} = {cursor.texts[at]}"
    cursor.complain(
        "a function has no name of its own", "", f"write {form}(...) {{ ... }}",
        head, (Fix(head, form),),
    )  # fmt: skip
    cursor.failed_at = at + 1  # lest the parameters' parser say it again
    value = parse_expression(cursor)
    return Declaration(cursor.span_from(head.start), name, name_span, value)
