"""Actions and the blocks they stand in: `if condition then every { ... }`."""

from __future__ import annotations

from typing import Literal

from krl.diagnostic import Fix
from krl.syntax import dialect
from krl.syntax.blocks import parse_block
from krl.syntax.cursor import Cursor
from krl.syntax.expressions import MEMBER_POWER, parse_arguments, parse_expression
from krl.syntax.tree import (
    Action,
    ActionBlock,
    DomainIdentifier,
    Expression,
    Identifier,
    NamedArgument,
    SettingName,
    Span,
)

BlockKind = Literal["every", "sample", "choose"]

# Where an action may begin these words are something else, whatever follows them.
BLOCK_WORDS = ("if", "every", "sample", "choose")
POSTLUDE_WORDS = ("fired", "notfired", "always")


def at_action(cursor: Cursor) -> bool:
    """At `name(`, `domain:name(` or `label =>`."""
    return cursor.kinds[cursor.at] == "symbol" and cursor.next_kind() in ("(", ":", "=>")


def at_action_block(cursor: Cursor) -> bool:
    if cursor.kinds[cursor.at] == "symbol" and cursor.texts[cursor.at] in BLOCK_WORDS:
        return True
    return at_action(cursor) and cursor.texts[cursor.at] not in POSTLUDE_WORDS


def parse_action_block(cursor: Cursor) -> ActionBlock:
    """At the beginning of one."""
    start = cursor.starts[cursor.at]
    condition: Expression | None = None
    if cursor.take_word("if"):
        condition = parse_expression(cursor)
        cursor.expect_word("then")
    kind, discriminant, actions = _parse_block(cursor, conditional=condition is not None)
    return ActionBlock(cursor.span_from(start), condition, kind, discriminant, actions)


def _parse_block(
    cursor: Cursor, conditional: bool
) -> tuple[BlockKind, Expression | None, tuple[Action, ...]]:
    kind: BlockKind = "every"
    discriminant: Expression | None = None
    if cursor.is_word("choose") and cursor.next_kind() == "{" and _at_old_choose(cursor):
        _complain_old_choose(cursor)
        kind = "sample"
    elif cursor.take_word("choose"):
        kind = "choose"
        # Only calls bind tighter than this; anything else needs parentheses.
        discriminant = parse_expression(cursor, MEMBER_POWER)
        if cursor.kinds[cursor.at] in (".", "["):
            cursor.fail_expected("`{`", "put the value to choose by in parentheses")
    elif cursor.take_word("sample"):
        kind = "sample"
    elif cursor.kinds[cursor.at] == "{":
        _complain_missing_every(cursor)
    elif not cursor.take_word("every"):
        if not at_action(cursor) or cursor.texts[cursor.at] in POSTLUDE_WORDS:
            cursor.fail_expected("an action after `then`" if conditional else "an action")
        return kind, None, (parse_action(cursor),)
    return kind, discriminant, tuple(parse_block(cursor, parse_action, at_action))


def _at_old_choose(cursor: Cursor) -> bool:
    """At a `choose {` that is no choice by a map: the first engine's word for `sample`."""
    return cursor.kinds[cursor.at + 2] == "symbol"


def _complain_old_choose(cursor: Cursor) -> None:
    cursor.complain(
        "`choose` without a value to choose by",
        "",
        "write `sample {` to do one of the actions at random",
        fixes=(Fix(cursor.span_here(), "sample"),),
    )
    cursor.at += 1


def _complain_missing_every(cursor: Cursor) -> None:
    here = cursor.starts[cursor.at]
    cursor.complain(
        "missing `every`",
        "a block of actions says how many of them are done",
        "write `every {` to do them all, `sample {` to do one of them",
        fixes=(Fix(Span(here, here), "every "),),
    )


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
    opening = cursor.at
    cursor.expect("(")
    cursor.descend(2)
    positional, named = parse_arguments(cursor, opening)
    cursor.depth -= 2
    close = cursor.at - 1
    setting = parse_setting(cursor)
    if dialect.at_with(cursor):
        positional, named = _parse_action_with(cursor, action, close, positional, named)
        setting = setting or parse_setting(cursor)
    span = cursor.span_from(start)
    _end_item(cursor)
    return Action(span, label, action, positional, named, setting)


def _end_item(cursor: Cursor) -> None:
    if cursor.kinds[cursor.at] == "," and cursor.next_kind() in ("symbol", "}"):
        cursor.complain(
            "`,` between actions", "", "actions follow each other without a separator, or with `;`",
            fixes=(Fix(cursor.span_here(), ";"),),
        )  # fmt: skip
        cursor.at += 1
    else:
        cursor.take(";")


def _parse_action_with(
    cursor: Cursor,
    action: Identifier | DomainIdentifier,
    close: int,
    positional: tuple[Expression, ...],
    named: tuple[NamedArgument, ...],
) -> tuple[tuple[Expression, ...], tuple[NamedArgument, ...]]:
    """`action(..) with name = value and ..`: named arguments, or send_directive's map."""
    word = cursor.span_here()
    # The arguments go before the `)` and before a `setting` that stands between the two.
    after = cursor.source.text[cursor.starts[close] : cursor.ends[cursor.at - 1]]
    pairs = dialect.parse_with(cursor, needs_and=False)
    before = "" if cursor.kinds[close - 1] in (",", "(") else ", "
    if isinstance(action, Identifier) and action.name == "send_directive":
        hint = "write send_directive(name, {...})"
        fixes = dialect.rewrite_as_map(pairs, cursor.starts[close], before, after)
        if len(positional) == 1 and not named:
            positional = (*positional, dialect.as_map(pairs))
        else:
            named, fixes = (*named, *dialect.as_named(pairs)), ()
    else:
        hint = "write them as named arguments: name = value"
        named = (*named, *dialect.as_named(pairs))
        fixes = dialect.rewrite_as_named(pairs, cursor.starts[close], before, after)
    text = "the arguments of an action stand in its parentheses"
    closed = cursor.kinds[close] == ")"
    cursor.warn("`with` after an action", word, text, hint, fixes if closed else ())
    return positional, named


def parse_setting(cursor: Cursor) -> tuple[SettingName, ...]:
    """`setting(name, name)`, if it is next."""
    if not cursor.take("setting"):
        return ()
    return parse_setting_names(cursor)


def parse_setting_names(cursor: Cursor) -> tuple[SettingName, ...]:
    """After the word `setting`, or an aggregator: `(name, name)`."""
    opening = cursor.at
    if cursor.kinds[opening] == "symbol":
        return _parse_bare_name(cursor)
    cursor.expect("(")
    names: list[SettingName] = []
    while True:
        name = cursor.expect_name("a variable's name")
        names.append(SettingName(name.span, name.name))
        if not cursor.take(","):
            break
        if cursor.kinds[cursor.at] == ")":
            complain_last_comma(cursor)
            break
    cursor.expect_close(")", opening)
    return tuple(names)


def complain_last_comma(cursor: Cursor) -> None:
    comma = cursor.at - 1
    span = Span(cursor.starts[comma], cursor.ends[comma])
    cursor.complain("a name is missing after the `,`", span=span, fixes=(Fix(span, ""),))


def _parse_bare_name(cursor: Cursor) -> tuple[SettingName, ...]:
    span = cursor.span_here()
    name = cursor.texts[cursor.at]
    cursor.complain(
        "`setting` without parentheses",
        "",
        f"write setting({name})",
        fixes=(Fix(span, f"({name})"),),
    )
    cursor.at += 1
    return (SettingName(span, name),)
