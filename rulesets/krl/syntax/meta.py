"""The `meta` block: what a ruleset says about itself and what it needs from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from krl.diagnostic import Fix
from krl.syntax.actions import complain_last_comma
from krl.syntax.blocks import parse_block
from krl.syntax.cursor import Cursor
from krl.syntax.declarations import parse_bare_declaration, parse_declaration
from krl.syntax.expressions import parse_expression
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
    properties: list[MetaProperty] = parse_block(cursor, _parse_property, _at_property)
    return Meta(cursor.span_from(start), tuple(properties))


def _at_property(cursor: Cursor) -> bool:
    return cursor.kinds[cursor.at] == "symbol" and cursor.texts[cursor.at] in _PROPERTIES


def _parse_property(cursor: Cursor) -> MetaProperty | None:
    at = cursor.at
    if cursor.kinds[at] != "symbol":
        cursor.fail_expected("a meta property")
    word = cursor.texts[at]
    parse = _PROPERTIES.get(word)
    if parse is not None:
        cursor.at = at + 1
        return parse(cursor, cursor.starts[at])
    if word == "sharing" and cursor.texts[at + 1] in ("on", "off"):
        _skip_sharing(cursor)
        return None
    hint = cursor.hint_spelling(_PROPERTIES)
    cursor.fail(f"unknown meta property `{word}`", "", hint)


def _skip_sharing(cursor: Cursor) -> None:
    span = Span(cursor.starts[cursor.at], cursor.ends[cursor.at + 1])
    cursor.complain(
        "`sharing` is no longer a meta property",
        "what queries may ask for is said name by name",
        "list the names in `shares`",
        span,
        (Fix(span, ""),),
    )
    cursor.at += 2


def _parse_text(cursor: Cursor, start: int) -> MetaText:
    key = cursor.texts[cursor.at - 1]
    cursor.skip_mistaken(":", "`:` in a meta property")
    cursor.skip_mistaken("=", "`=` in a meta property")
    value = parse_expression(cursor)
    return MetaText(cursor.span_from(start), key, value)


def _parse_logging(cursor: Cursor, start: int) -> MetaLogging:
    on = cursor.take_word("on")
    if not on and not cursor.take_word("off"):
        cursor.fail_expected("`on` or `off`")
    return MetaLogging(cursor.span_from(start), on)


# ---- modules and configuration -----------------------------------------------------------------


def _parse_use(cursor: Cursor, start: int) -> MetaUse | None:
    if cursor.is_words("javascript", "resource") or cursor.is_words("css", "resource"):
        _skip_resource(cursor, start)
        return None
    if not cursor.is_word("module"):
        cursor.fail_expected("`module`", "only modules can be used: use module name alias short")
    cursor.at += 1
    rid, _ = parse_rid(cursor)
    _skip_module_version(cursor)
    alias = cursor.expect_name("the module's alias").name if cursor.take_word("alias") else None
    configuration = _parse_configuration(cursor) if cursor.take_word("with") else []
    return MetaUse(cursor.span_from(start), rid, alias, tuple(configuration))


def _skip_resource(cursor: Cursor, start: int) -> None:
    """What the first engine loaded into the page that it ran in."""
    here = cursor.at
    cursor.at += 2
    parse_expression(cursor)
    span = cursor.span_from(start)
    after, cursor.at = cursor.at, here
    title = f"`use {cursor.texts[here]}` is no longer a meta property"
    text = "rulesets run in no page of a browser any more"
    cursor.complain(title, text, "remove it", span, (Fix(span, ""),))
    cursor.at = after


def _skip_module_version(cursor: Cursor) -> None:
    """`version "x"` before the alias; anywhere else it is the ruleset's own version."""
    at = cursor.at
    if not cursor.is_word("version") or cursor.texts[at + 2] not in ("alias", "with"):
        return
    span = Span(cursor.starts[at], cursor.starts[at + 2])
    cursor.complain(
        "a module has no version",
        "a module is known by its ruleset identifier alone",
        "remove it",
        fixes=(Fix(span, ""),),
    )
    cursor.at += 2


def _parse_configuration(cursor: Cursor) -> list[Declaration]:
    if not cursor.at_declaration():
        cursor.fail_expected("`name = value` after `with`")
    found = [parse_bare_declaration(cursor)]
    while True:
        if cursor.is_word("and") and cursor.next_kind() != "=":
            cursor.at += 1
            if not cursor.at_declaration():
                cursor.fail_expected("`name = value` after `and`")
        elif cursor.kinds[cursor.at] == "," and cursor.kinds[cursor.at + 2] == "=":
            fix = Fix(cursor.span_here(), " and")
            cursor.complain("`,` in a `with`", "", "write `and`", fixes=(fix,))
            cursor.at += 1
        elif not cursor.at_declaration():
            return found
        found.append(parse_bare_declaration(cursor))


def _parse_configure(cursor: Cursor, start: int) -> MetaConfigure:
    cursor.expect_word("using")
    declarations: list[Declaration] = []
    while cursor.at_declaration():
        declarations.append(parse_declaration(cursor))
        if cursor.is_word("and") and cursor.next_kind() == "symbol":
            span = cursor.span_here()
            cursor.complain("`and` in `configure`", "", "remove it", fixes=(Fix(span, ""),))
            cursor.at += 1
    return MetaConfigure(cursor.span_from(start), tuple(declarations))


# ---- names -------------------------------------------------------------------------------------


def _parse_names(cursor: Cursor, start: int) -> MetaNames | MetaUnsupported:
    key: Literal["shares", "provides"] = (
        "shares" if cursor.texts[cursor.at - 1].startswith("share") else "provides"
    )
    names = [cursor.expect_name("a name to share")]
    if key == "provides" and names[0].name == "keys" and _is_unfinished(cursor):
        return _parse_provided_keys(cursor, start)
    while cursor.take(","):
        if cursor.kinds[cursor.at] == "}":
            complain_last_comma(cursor)
            break
        names.append(cursor.expect_name("a name to share"))
    return MetaNames(cursor.span_from(start), key, tuple(names))


def _is_unfinished(cursor: Cursor) -> bool:
    """After `provides keys`: does a list of keys follow?"""
    return cursor.kinds[cursor.at] == "symbol" and not _at_property(cursor)


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
    fixes: tuple[Fix, ...] = ()
    hint = "pass values to a module with `configure using` and `use module ... with`"
    if key == "errors":
        hint, fixes = "leave it out", (Fix(span, ""),)
    cursor.diagnostics.error(
        f"meta property not supported: {key}",
        span,
        "it parses, but no engine of this generation has it",
        hint,
        fixes,
    )
    return MetaUnsupported(span, key)


def parse_rid(cursor: Cursor) -> tuple[str, Span]:
    """A ruleset's identifier: words joined by `.` or `-`, without spaces."""
    kinds = cursor.kinds
    first = cursor.at
    at = first
    if not cursor.is_any_word():
        cursor.fail_expected("a ruleset identifier such as `com.example.name`")
    while kinds[at + 1] in (".", "-") and cursor.starts[at + 1] == cursor.ends[at]:
        at += 2
        if not cursor.is_any_word(at - first) or cursor.starts[at] != cursor.ends[at - 1]:
            cursor.at = at - 1
            cursor.fail(
                f"a ruleset identifier cannot end in `{kinds[at - 1]}`",
                "it is words joined by dots, without spaces, such as `com.example.name`",
            )
    cursor.at = at + 1
    span = cursor.span_from(cursor.starts[first])
    return cursor.source.text[span.start : span.end], span


_PROPERTIES: dict[str, Callable[[Cursor, int], MetaProperty | None]] = {
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
