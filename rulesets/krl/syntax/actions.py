"""Actions and the blocks they stand in: `if condition then every { ... }`."""

from __future__ import annotations

from typing import Literal

from krl.syntax.cursor import Cursor
from krl.syntax.expressions import MEMBER_POWER, parse_arguments, parse_expression
from krl.syntax.tree import (
    Action,
    ActionBlock,
    DomainIdentifier,
    Expression,
    Identifier,
    SettingName,
)


def parse_action_block(cursor: Cursor) -> ActionBlock | None:
    start = cursor.starts[cursor.at]
    condition: Expression | None = None
    if cursor.take_word("if"):
        condition = parse_expression(cursor)
        cursor.expect_word("then")
    kind: Literal["every", "sample", "choose"] = "every"
    discriminant: Expression | None = None
    if _at_block(cursor, "every"):
        cursor.at += 1
    elif _at_block(cursor, "sample"):
        cursor.at += 1
        kind = "sample"
    elif cursor.is_word("choose") and not _at_action(cursor):
        cursor.at += 1
        kind = "choose"
        discriminant = parse_expression(cursor, MEMBER_POWER)
    elif _at_action(cursor):
        action = parse_action(cursor)
        return ActionBlock(cursor.span_from(start), condition, "every", None, (action,))
    elif condition is not None:
        cursor.fail_expected("an action after `then`")
    else:
        return None
    actions = _parse_actions(cursor)
    return ActionBlock(cursor.span_from(start), condition, kind, discriminant, actions)


def _parse_actions(cursor: Cursor) -> tuple[Action, ...]:
    cursor.expect("{")
    actions: list[Action] = []
    while cursor.kinds[cursor.at] != "}":
        actions.append(parse_action(cursor))
    cursor.at += 1
    return tuple(actions)


def _at_block(cursor: Cursor, word: str) -> bool:
    return cursor.is_word(word) and cursor.next_kind() not in (":", "=>")


def _at_action(cursor: Cursor) -> bool:
    if cursor.kinds[cursor.at] != "symbol" or cursor.next_kind() not in ("(", ":", "=>"):
        return False
    return not (cursor.is_word("choose") and cursor.next_kind() == "(")


def parse_action(cursor: Cursor) -> Action:
    start = cursor.starts[cursor.at]
    label: str | None = None
    name = cursor.expect_name("an action")
    if cursor.take("=>"):
        label = name.name
        name = cursor.expect_name("an action")
    action: Identifier | DomainIdentifier = name
    if cursor.take(":"):
        rest = cursor.expect_name("a name after the `:`")
        span = cursor.span_from(name.span.start)
        action = DomainIdentifier(span, name.name, rest.name)
    cursor.expect("(")
    positional, named = parse_arguments(cursor)
    setting = parse_setting(cursor)
    span = cursor.span_from(start)
    cursor.take(";")
    return Action(span, label, action, positional, named, setting)


def parse_setting(cursor: Cursor) -> tuple[SettingName, ...]:
    """`setting(name, name)`, if it is next."""
    if not cursor.take("setting"):
        return ()
    return parse_setting_names(cursor)


def parse_setting_names(cursor: Cursor) -> tuple[SettingName, ...]:
    cursor.expect("(")
    names: list[SettingName] = []
    while True:
        name = cursor.expect_name("a variable's name")
        names.append(SettingName(name.span, name.name))
        if not cursor.take(","):
            break
    cursor.expect(")")
    return tuple(names)
