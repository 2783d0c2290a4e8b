"""`function` and `defaction`: the expressions that have parameters and a body."""

from __future__ import annotations

from krl.syntax.actions import parse_action_block
from krl.syntax.cursor import Cursor
from krl.syntax.expressions import parse_declarations, parse_expression
from krl.syntax.tree import Defaction, Expression, Function, Parameter


def parse_function(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    cursor.at += 1
    parameters = _parse_parameters(cursor)
    cursor.expect("{")
    body = parse_declarations(cursor)
    cursor.take("return")
    if cursor.kinds[cursor.at] == "}":
        cursor.fail(
            "function without a result",
            "The last thing in a function is the expression it answers.",
        )
    result = parse_expression(cursor)
    cursor.take(";")
    cursor.expect("}")
    return Function(cursor.span_from(start), parameters, body, result)


def parse_defaction(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    cursor.at += 1
    parameters = _parse_parameters(cursor)
    cursor.expect("{")
    body = parse_declarations(cursor)
    block = parse_action_block(cursor)
    result = _parse_result(cursor)
    cursor.expect("}")
    return Defaction(cursor.span_from(start), parameters, body, block, result)


def _parse_result(cursor: Cursor) -> Expression | None:
    if cursor.is_word("returns"):
        cursor.fail("`returns` in a defaction", "", "write `return` and one value")
    if not cursor.take("return"):
        return None
    result = parse_expression(cursor)
    if cursor.kinds[cursor.at] == ",":
        cursor.fail(
            "a defaction can only return one value", "", "return an array or a map of the values"
        )
    cursor.take(";")
    return result


def _parse_parameters(cursor: Cursor) -> tuple[Parameter, ...]:
    cursor.expect("(")
    parameters: list[Parameter] = []
    while cursor.kinds[cursor.at] != ")":
        name = cursor.expect_name("a parameter's name")
        default = parse_expression(cursor) if cursor.take("=") else None
        span = cursor.span_from(name.span.start)
        parameters.append(Parameter(span, name.name, default))
        if not cursor.take(","):
            break
    cursor.expect(")")
    return tuple(parameters)


FUNCTION_FORMS = {"function": parse_function, "defaction": parse_defaction}
