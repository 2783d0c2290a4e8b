"""The `meta` block: what a ruleset says about itself and what it needs from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from krl.syntax.cursor import Cursor
from krl.syntax.expressions import parse_declaration, parse_expression
from krl.syntax.tree import (
    Declaration,
    Meta,
    MetaConfigure,
    MetaLogging,
    MetaNames,
    MetaProperty,
    MetaText,
    MetaUnsupported,
    MetaUse,
    Span,
)


def parse_meta(cursor: Cursor) -> Meta:
    """At the word `meta`."""
    start = cursor.starts[cursor.at]
    cursor.at += 1
    cursor.expect("{")
    properties: list[MetaProperty] = []
    while cursor.kinds[cursor.at] != "}":
        properties.append(_parse_property(cursor))
    cursor.at += 1
    return Meta(cursor.span_from(start), tuple(properties))


def _parse_property(cursor: Cursor) -> MetaProperty:
    at = cursor.at
    parse = _PROPERTIES.get(cursor.texts[at]) if cursor.kinds[at] == "symbol" else None
    if parse is None:
        cursor.fail_expected("a meta property")
    cursor.at = at + 1
    return parse(cursor, cursor.starts[at])


def _parse_text(cursor: Cursor, start: int) -> MetaText:
    key = cursor.texts[cursor.at - 1]
    value = parse_expression(cursor)
    return MetaText(cursor.span_from(start), key, value)


def _parse_logging(cursor: Cursor, start: int) -> MetaLogging:
    on = cursor.take_word("on")
    if not on and not cursor.take_word("off"):
        cursor.fail_expected("`on` or `off`")
    return MetaLogging(cursor.span_from(start), on)


def _parse_use(cursor: Cursor, start: int) -> MetaUse:
    cursor.expect_word("module")
    rid, _ = parse_rid(cursor)
    alias = cursor.expect_name("the module's alias").name if cursor.take_word("alias") else None
    configuration: list[Declaration] = []
    if cursor.take_word("with"):
        if not cursor.at_declaration():
            cursor.fail_expected("`name = value` after `with`")
        configuration.append(parse_declaration(cursor))
        while cursor.at_declaration() or cursor.is_word("and"):
            if not cursor.at_declaration():
                cursor.at += 1
            if not cursor.at_declaration():
                cursor.fail_expected("`name = value` after `and`")
            configuration.append(parse_declaration(cursor))
    return MetaUse(cursor.span_from(start), rid, alias, tuple(configuration))


def _parse_configure(cursor: Cursor, start: int) -> MetaConfigure:
    cursor.expect_word("using")
    declarations: list[Declaration] = []
    while cursor.at_declaration():
        declarations.append(parse_declaration(cursor))
    return MetaConfigure(cursor.span_from(start), tuple(declarations))


def _parse_names(cursor: Cursor, start: int) -> MetaNames | MetaUnsupported:
    key: Literal["shares", "provides"] = (
        "shares" if cursor.texts[cursor.at - 1].startswith("share") else "provides"
    )
    names = [cursor.expect_name("a name to share")]
    if key == "provides" and names[0].name == "keys" and cursor.kinds[cursor.at] == "symbol":
        return _parse_provided_keys(cursor, start)
    while cursor.take(","):
        names.append(cursor.expect_name("a name to share"))
    return MetaNames(cursor.span_from(start), key, tuple(names))


def _parse_provided_keys(cursor: Cursor, start: int) -> MetaUnsupported:
    cursor.expect_name()
    while cursor.take(","):
        cursor.expect_name()
    cursor.expect_word("to")
    parse_rid(cursor)
    while cursor.take(","):
        parse_rid(cursor)
    return _unsupported(cursor, start, "provides keys")


def _parse_keys(cursor: Cursor, start: int) -> MetaUnsupported:
    cursor.expect_name("the key's name")
    parse_expression(cursor)
    return _unsupported(cursor, start, "keys")


def _parse_errors(cursor: Cursor, start: int) -> MetaUnsupported:
    cursor.expect_word("to")
    parse_rid(cursor)
    return _unsupported(cursor, start, "errors")


def _unsupported(cursor: Cursor, start: int, key: str) -> MetaUnsupported:
    span = cursor.span_from(start)
    cursor.diagnostics.error(
        "meta property not supported", span, f"No engine of this generation has `{key}`."
    )
    return MetaUnsupported(span, key)


def parse_rid(cursor: Cursor) -> tuple[str, Span]:
    """A ruleset's identifier: words joined by `.` or `-`, without spaces."""
    kinds = cursor.kinds
    first = cursor.at
    at = first
    if not _is_word(cursor, at):
        cursor.fail_expected("a ruleset identifier such as `com.example.name`")
    while kinds[at + 1] in (".", "-") and cursor.starts[at + 1] == cursor.ends[at]:
        at += 2
        if not _is_word(cursor, at) or cursor.starts[at] != cursor.ends[at - 1]:
            cursor.at = at
            cursor.fail(
                f"a ruleset identifier cannot end in `{kinds[at - 1]}`",
                "It is words joined by dots, without spaces, such as `com.example.name`.",
            )
    cursor.at = at + 1
    span = cursor.span_from(cursor.starts[first])
    return cursor.source.text[span.start : span.end], span


def _is_word(cursor: Cursor, at: int) -> bool:
    return cursor.texts[at][:1].isalpha() or cursor.texts[at][:1] in ("_", "$")


_PROPERTIES: dict[str, Callable[[Cursor, int], MetaProperty]] = {
    "name": _parse_text,
    "description": _parse_text,
    "author": _parse_text,
    "version": _parse_text,
    "logging": _parse_logging,
    "use": _parse_use,
    "configure": _parse_configure,
    "shares": _parse_names,
    "share": _parse_names,
    "provides": _parse_names,
    "provide": _parse_names,
    "key": _parse_keys,
    "keys": _parse_keys,
    "errors": _parse_errors,
}
