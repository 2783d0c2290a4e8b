"""Rules, part by part: select, foreach, pre, action block, postlude."""

from __future__ import annotations

from krl.syntax.actions import parse_action_block, parse_setting_names
from krl.syntax.cursor import Cursor
from krl.syntax.events import parse_select
from krl.syntax.expressions import parse_declarations, parse_expression
from krl.syntax.postludes import parse_postlude
from krl.syntax.tree import Declaration, Foreach, Rule


def parse_rule(cursor: Cursor) -> Rule:
    """At the word `rule`."""
    start = cursor.starts[cursor.at]
    cursor.at += 1
    name = cursor.expect_name("the rule's name")
    active = _parse_state(cursor)
    cursor.expect("{")
    select = parse_select(cursor) if cursor.take_word("select") else None
    foreach: list[Foreach] = []
    while cursor.is_word("foreach"):
        foreach.append(_parse_foreach(cursor))
    prelude: tuple[Declaration, ...] = ()
    if cursor.is_word("pre") and cursor.next_kind() == "{":
        cursor.at += 2
        prelude = parse_declarations(cursor)
        cursor.expect("}")
    block = parse_action_block(cursor)
    postlude = parse_postlude(cursor)
    cursor.expect("}")
    return Rule(
        cursor.span_from(start),
        name.name,
        name.span,
        active,
        select,
        tuple(foreach),
        prelude,
        block,
        postlude,
    )


def _parse_state(cursor: Cursor) -> bool:
    if not cursor.take_word("is"):
        return True
    if cursor.take_word("inactive"):
        return False
    if not cursor.take_word("active"):
        cursor.fail_expected("`active` or `inactive`")
    return True


def _parse_foreach(cursor: Cursor) -> Foreach:
    start = cursor.starts[cursor.at]
    cursor.at += 1
    collection = parse_expression(cursor)
    cursor.expect("setting")
    names = parse_setting_names(cursor)
    return Foreach(cursor.span_from(start), collection, names)
