"""The whole ruleset: the entry to the syntax pass.

`parse` answers the tree only when nothing was wrong; every mistake it met is in the diagnostics,
in the order of the text.
"""

from __future__ import annotations

from krl.diagnostic import Diagnostics, Source
from krl.syntax.cursor import Cursor, Stop
from krl.syntax.expressions import PREFIX, parse_declarations, take_string
from krl.syntax.expressions import parse_expression as _parse_expression
from krl.syntax.functions import FUNCTION_FORMS
from krl.syntax.meta import parse_meta, parse_rid
from krl.syntax.rules import parse_rule
from krl.syntax.tree import Declaration, Expression, Meta, Rule, Ruleset, String

PREFIX.update(FUNCTION_FORMS)


def parse(source: Source, diagnostics: Diagnostics) -> Ruleset | None:
    """The ruleset in `source`, or None when `diagnostics` has an error."""
    found = Diagnostics()
    cursor = Cursor(source, found)
    try:
        ruleset: Ruleset | None = _parse_ruleset(cursor)
    except Stop:
        ruleset = None
    _hand_over(found, diagnostics)
    return None if found.has_errors else ruleset


def parse_expression(source: Source, diagnostics: Diagnostics) -> Expression | None:
    """The one expression that is the whole of `source`, or None when there is an error."""
    found = Diagnostics()
    cursor = Cursor(source, found)
    try:
        expression: Expression | None = _parse_expression(cursor)
        if cursor.kinds[cursor.at] != "end":
            cursor.fail_expected("the end of the expression")
    except Stop:
        expression = None
    _hand_over(found, diagnostics)
    return None if found.has_errors else expression


def _hand_over(found: Diagnostics, diagnostics: Diagnostics) -> None:
    diagnostics.items.extend(sorted(found.items, key=lambda item: item.span.start))


def _parse_ruleset(cursor: Cursor) -> Ruleset:
    start = cursor.starts[cursor.at]
    cursor.expect_word("ruleset")
    rid, rid_span = parse_rid(cursor)
    cursor.expect("{")
    version = _parse_version(cursor)
    meta: Meta | None = parse_meta(cursor) if cursor.is_word("meta") else None
    declarations: tuple[Declaration, ...] = ()
    if cursor.take_word("global"):
        cursor.expect("{")
        declarations = parse_declarations(cursor)
        cursor.expect("}")
    rules: list[Rule] = []
    while cursor.is_word("rule"):
        rules.append(parse_rule(cursor))
    cursor.expect("}")
    span = cursor.span_from(start)
    if cursor.kinds[cursor.at] != "end":
        cursor.fail_expected("the end of the file after the ruleset")
    return Ruleset(span, rid, rid_span, version, meta, declarations, tuple(rules))


def _parse_version(cursor: Cursor) -> String | None:
    if not cursor.is_word("version"):
        return None
    span = cursor.span_here()
    cursor.at += 1
    if cursor.kinds[cursor.at] != "string":
        cursor.fail_expected("a string after `version`")
    cursor.diagnostics.warning("`version` outside of meta", span, "", "move it into the meta block")
    return take_string(cursor)
