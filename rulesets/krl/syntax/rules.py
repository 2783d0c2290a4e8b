"""Rules, part by part: select, foreach, pre, action block, postlude."""

from __future__ import annotations

from dataclasses import dataclass, field

from krl.diagnostic import Fix
from krl.syntax.actions import (
    BLOCK_WORDS,
    POSTLUDE_WORDS,
    at_action,
    at_action_block,
    parse_action_block,
    parse_setting_names,
)
from krl.syntax.blocks import parse_block
from krl.syntax.cursor import Cursor
from krl.syntax.declarations import parse_declaration_item
from krl.syntax.events import parse_select
from krl.syntax.expressions import parse_expression
from krl.syntax.functions import complain_second_block
from krl.syntax.postludes import (
    at_misplaced,
    parse_bare_postlude,
    parse_postlude,
    skip_misplaced,
)
from krl.syntax.statements import at_statement
from krl.syntax.tree import (
    ActionBlock,
    Declaration,
    Foreach,
    Postlude,
    Rule,
    SelectWhen,
    SelectWhere,
    Span,
)

_ORDER = ("select", "foreach", "pre", "action block", "postlude")
_PART_WORDS = ("select", "foreach", "pre", *BLOCK_WORDS, *POSTLUDE_WORDS)


@dataclass(slots=True)
class _Parts:
    """What the rule has had so far; `stage` is the index in _ORDER of the last part."""

    select: SelectWhen | SelectWhere | None = None
    foreach: list[Foreach] = field(default_factory=list)
    prelude: tuple[Declaration, ...] = ()
    block: ActionBlock | None = None
    postlude: Postlude | None = None
    stage: int = -1
    blocks: int = 0
    stops: int = 0  # the cursor's, when the rule began

    def parse_item(self, cursor: Cursor) -> None:
        match self._next_part(cursor):
            case "select":
                self._advance(cursor, 0)
                cursor.at += 1
                self.select = parse_select(cursor)
            case "foreach":
                self._advance(cursor, 1)
                self.foreach.append(_parse_foreach(cursor))
            case "pre":
                self._advance(cursor, 2)
                cursor.at += 1
                self._parse_prelude(cursor)
            case "postlude":
                self._advance(cursor, 4)
                self.postlude = parse_postlude(cursor)
            case "block" if _at_bare_prelude(cursor):
                here = cursor.starts[cursor.at]
                cursor.complain("missing `pre`", fixes=(Fix(Span(here, here), "pre "),))
                self._parse_prelude(cursor)
            case "block" if _at_bare_postlude(cursor):
                self._advance(cursor, 4)
                self.postlude = parse_bare_postlude(cursor)
            case "block":
                self._parse_block(cursor)
            case _:
                self._fail(cursor)

    def _parse_prelude(self, cursor: Cursor) -> None:
        found = parse_block(cursor, parse_declaration_item, Cursor.at_declaration)
        self.prelude = tuple(found)

    def _next_part(self, cursor: Cursor) -> str:
        """A part's word begins that part, unless its turn is over and it can name an action."""
        if cursor.kinds[cursor.at] == "{":
            return "block"
        if cursor.kinds[cursor.at] != "symbol":
            return ""
        word = cursor.texts[cursor.at]
        if word in ("select", "foreach", "pre"):
            # Of these parts only foreach may come again.
            over = self.stage > _ORDER.index(word) or (
                word != "foreach" and self.stage == _ORDER.index(word)
            )
            return "block" if over and at_action(cursor) else word
        if word in POSTLUDE_WORDS:
            return "postlude"
        return "block" if at_action_block(cursor) and word not in ("else", "finally") else ""

    def _advance(self, cursor: Cursor, stage: int) -> None:
        word = cursor.texts[cursor.at]
        if cursor.stops > self.stops:
            pass  # the order of what is left says nothing
        elif stage < self.stage:
            cursor.complain(
                f"`{word}` after the {_ORDER[self.stage]}" if self.stage > 2
                else f"`{word}` after `{_ORDER[self.stage]}`",
                f"the parts of a rule come in the order {', '.join(_ORDER)}",
            )  # fmt: skip
        elif stage == self.stage and stage not in (1, 3):
            name = "postlude" if stage == 4 else f"`{word}` block"
            cursor.complain(f"second {name}", f"a rule has one {name}")
        self.stage = max(self.stage, stage)

    def _parse_block(self, cursor: Cursor) -> None:
        if self.blocks == 0:
            self._advance(cursor, 3)
        elif self.blocks == 1 and cursor.stops == self.stops:
            complain_second_block(cursor, "rule")
        self.stage = max(self.stage, 3)
        self.block = parse_action_block(cursor)
        self.blocks += 1

    def _fail(self, cursor: Cursor) -> None:
        if at_misplaced(cursor):
            if cursor.stops > self.stops:
                cursor.failed_at = max(cursor.failed_at, cursor.at)  # its beginning was lost
            skip_misplaced(cursor)
            return
        if cursor.at_declaration():
            cursor.fail("declaration outside of `pre`", "", "put it into pre { ... }")
        hint = cursor.hint_spelling(_PART_WORDS)
        if cursor.is_word("else"):
            hint = "`else` belongs to a postlude: fired { ... } else { ... }"
        cursor.fail_expected("a part of the rule", hint)


def at_part(cursor: Cursor) -> bool:
    if cursor.kinds[cursor.at] != "symbol":
        return False
    word = cursor.texts[cursor.at]
    if word in ("pre", "every", "sample", "else", "finally", *POSTLUDE_WORDS):
        return cursor.next_kind() == "{"
    if word in ("select", "foreach", "if", "choose"):
        return cursor.next_kind() not in ("=", ":")
    # Within a failed part an action looks like any call, but not where a line begins.
    return at_action(cursor) and cursor.layout().heads[cursor.at]


def _at_bare_prelude(cursor: Cursor) -> bool:
    """At `{ name =`."""
    at = cursor.at
    return cursor.kinds[at] == "{" and cursor.kinds[at + 1 : at + 3] == ["symbol", "="]


def _at_bare_postlude(cursor: Cursor) -> bool:
    """At a `{` and then a statement."""
    if cursor.kinds[cursor.at] != "{":
        return False
    cursor.at += 1
    found = at_statement(cursor)
    cursor.at -= 1
    return found


def parse_rule(cursor: Cursor) -> Rule:
    """At the word `rule`."""
    start = cursor.starts[cursor.at]
    cursor.at += 1
    name = cursor.expect_name("the rule's name")
    if cursor.kinds[cursor.at] in ("-", "."):
        cursor.fail(
            "a rule's name is one word",
            f"found {cursor.describe()}",
            "a name is made of letters, digits, `_` and `$`",
        )
    active = _parse_state(cursor)
    parts = _Parts(stops=cursor.stops)
    parse_block(cursor, parts.parse_item, at_part)
    return Rule(
        cursor.span_from(start),
        name.name,
        name.span,
        active,
        parts.select,
        tuple(parts.foreach),
        parts.prelude,
        parts.block,
        parts.postlude,
    )


def _parse_state(cursor: Cursor) -> bool:
    if not cursor.take_word("is"):
        return True
    if cursor.take_word("inactive"):
        return False
    if not cursor.take_word("active"):
        hint = cursor.hint_spelling(["active", "inactive"])
        cursor.fail_expected("`active` or `inactive`", hint)
    return True


def _parse_foreach(cursor: Cursor) -> Foreach:
    start = cursor.starts[cursor.at]
    cursor.at += 1
    collection = parse_expression(cursor)
    cursor.expect("setting")
    names = parse_setting_names(cursor)
    return Foreach(cursor.span_from(start), collection, names)
