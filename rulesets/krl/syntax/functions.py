"""`function` and `defaction`: the expressions that have parameters and a body."""

from __future__ import annotations

from dataclasses import dataclass, field

from krl.diagnostic import Fix
from krl.syntax.actions import at_action_block, parse_action_block
from krl.syntax.blocks import parse_block
from krl.syntax.cursor import Cursor
from krl.syntax.declarations import parse_declaration
from krl.syntax.dialect import parse_value
from krl.syntax.expressions import parse_expression
from krl.syntax.tree import (
    ActionBlock,
    Declaration,
    Defaction,
    Expression,
    Function,
    Null,
    Parameter,
)


@dataclass(slots=True)
class _Body:
    """What the braces of a function or defaction have held so far."""

    is_defaction: bool
    declarations: list[Declaration] = field(default_factory=list)
    block: ActionBlock | None = None
    blocks: int = 0
    result: Expression | None = None

    def parse_item(self, cursor: Cursor) -> None:
        if cursor.next_kind() == "=":
            cursor.check_reserved()
        if cursor.at_declaration():
            self._check_order(cursor, self.result is None and self.block is None)
            self.declarations.append(parse_declaration(cursor))
        elif self.is_defaction:
            self._parse_defaction_item(cursor)
        else:
            self._check_order(cursor, self.result is None)
            cursor.take("return")
            self.result = parse_value(cursor)
            cursor.take(";")

    def _parse_defaction_item(self, cursor: Cursor) -> None:
        if cursor.is_word("returns") and cursor.next_kind() not in ("(", ":", "=>"):
            span = cursor.span_here()
            fix = Fix(span, "return")
            cursor.complain("`returns` in a defaction", "", "write `return`", span, (fix,))
            cursor.at += 1
            self.result = _parse_result(cursor)
        elif cursor.kinds[cursor.at] == "return":
            if self.block is None:
                cursor.complain(
                    "defaction without an action", "an action comes before the `return`",
                    "for a computed value alone, write a function",
                )  # fmt: skip
            cursor.at += 1
            self.result = _parse_result(cursor)
        elif at_action_block(cursor) or cursor.kinds[cursor.at] == "{":
            self.blocks += 1
            if self.blocks == 2:
                complain_second_block(cursor, "defaction")
            self.block = parse_action_block(cursor)
        else:
            cursor.fail_expected("a declaration, an action or `return`")

    def _check_order(self, cursor: Cursor, in_order: bool) -> None:
        if in_order:
            return
        self.result = None  # whatever comes next is not one more mistake
        if self.is_defaction:
            cursor.fail("declaration after the actions", "", "declarations come first in a block")
        cursor.fail(
            "a function ends with its result",
            f"found {cursor.describe()} after the expression that is the result",
        )


def complain_second_block(cursor: Cursor, what: str) -> None:
    cursor.complain(
        "second action block",
        f"a {what} has one action block",
        "put the actions into one: every { ... }",
    )


def starts_body_item(cursor: Cursor) -> bool:
    return cursor.at_declaration() or cursor.kinds[cursor.at] == "return"


def parse_function(cursor: Cursor) -> Expression:
    body, start, parameters = _parse_form(cursor, is_defaction=False)
    span = cursor.span_from(start)
    # In a body with a mistake the result may be what was skipped.
    result = body.result or Null(span)
    return Function(span, parameters, tuple(body.declarations), result)


def parse_defaction(cursor: Cursor) -> Expression:
    body, start, parameters = _parse_form(cursor, is_defaction=True)
    declarations = tuple(body.declarations)
    return Defaction(cursor.span_from(start), parameters, declarations, body.block, body.result)


def _parse_form(cursor: Cursor, is_defaction: bool) -> tuple[_Body, int, tuple[Parameter, ...]]:
    start = cursor.starts[cursor.at]
    cursor.at += 1
    parameters = _parse_parameters(cursor)
    failures = cursor.failures
    body = _Body(is_defaction)
    cursor.descend(2)
    parse_block(cursor, body.parse_item, starts_body_item)
    cursor.depth -= 2
    if body.result is None and not is_defaction and cursor.failures == failures:
        cursor.at -= 1
        cursor.complain(
            "function without a result",
            "the last thing in a function is the expression it answers",
        )
        cursor.at += 1
    return body, start, parameters


def _parse_result(cursor: Cursor) -> Expression:
    result = parse_expression(cursor)
    if cursor.kinds[cursor.at] == ",":
        cursor.fail(
            "a defaction can only return one value", "", "return an array or a map of the values"
        )
    cursor.take(";")
    return result


def _parse_parameters(cursor: Cursor) -> tuple[Parameter, ...]:
    opening = cursor.at
    if cursor.kinds[opening] == "symbol" and cursor.next_kind() == "(":
        word = cursor.texts[opening - 1]
        cursor.complain(
            "a function has no name of its own",
            f"found {cursor.describe()}",
            f"write {cursor.texts[opening]} = {word}(...) {{ ... }}",
        )
        cursor.at = opening = opening + 1
    cursor.expect("(")
    parameters: list[Parameter] = []
    while cursor.kinds[cursor.at] != ")":
        name = cursor.expect_name("a parameter's name")
        default = parse_expression(cursor) if cursor.take("=") else None
        span = cursor.span_from(name.span.start)
        parameters.append(Parameter(span, name.name, default))
        if not cursor.take(","):
            break
    cursor.expect_close(")", opening, after_items=True)
    return tuple(parameters)


FUNCTION_FORMS = {"function": parse_function, "defaction": parse_defaction}
