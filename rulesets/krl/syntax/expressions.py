"""Expressions, by precedence climbing over one table of binding powers (after Pratt).

`parse_expression(cursor, power)` parses a prefix form and then every operator that binds tighter
than `power`. What an expression may begin with is known to `primaries` and `functions`, which need
this module; the parser brings them together in `PREFIX`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from krl.diagnostic import Fix
from krl.syntax.cursor import HEIGHT_MAX, Cursor
from krl.syntax.tree import (
    Call,
    Conditional,
    DomainIdentifier,
    Expression,
    Identifier,
    Infix,
    Member,
    NamedArgument,
)

CONDITIONAL_POWER = 10
UNARY_POWER = 70
MEMBER_POWER = 80
CALL_POWER = 90

INFIX_POWER = {
    "||": 20,
    "&&": 30,
    "==": 40,
    "!=": 40,
    "<": 40,
    "<=": 40,
    ">": 40,
    ">=": 40,
    "><": 40,
    "<=>": 40,
    "like": 40,
    "cmp": 40,
    "+": 50,
    "-": 50,
    "*": 60,
    "/": 60,
    "%": 60,
}

OPERATOR_POWER = {
    **INFIX_POWER,
    "=>": CONDITIONAL_POWER,
    ".": MEMBER_POWER,
    "[": MEMBER_POWER,
    "{": MEMBER_POWER,
    "(": CALL_POWER,
}

# Comparisons of the first engine, and what they are now.
_WORDS_OF_OLD = {"eq": "==", "neq": "!="}

PREFIX: dict[str, Callable[[Cursor], Expression]] = {}


def parse_expression(cursor: Cursor, power: int = 0) -> Expression:
    """The expression at the cursor, up to the first operator that binds no tighter than `power`.

    Heights are kept because a chain of operators, parsed by a loop, makes a tree as high as the
    chain is long.
    """
    kinds = cursor.kinds
    start = cursor.starts[cursor.at]
    depth = cursor.depth
    height_before = cursor.height
    cursor.height = 0
    cursor.descend()
    prefix = PREFIX.get(kinds[cursor.at])
    if prefix is None:
        fail_expression(cursor)
    left = prefix(cursor)
    height = cursor.height + 1
    if height > HEIGHT_MAX:
        cursor.fail_too_deep()
    while True:
        kind = kinds[cursor.at]
        if kind == "symbol":
            kind = cursor.texts[cursor.at]
            if kinds[cursor.at + 1] == "=":
                break
            if kind in _WORDS_OF_OLD and kinds[cursor.at + 1] in PREFIX:
                kind = _complain_word(cursor, kind)
            elif kind not in ("like", "cmp"):
                break
        binding = OPERATOR_POWER.get(kind, 0)
        if binding <= power:
            break
        cursor.height = 0
        left = _parse_operator(cursor, start, left, kind, binding)
        height = max(height, cursor.height) + 1
        if height > HEIGHT_MAX:
            cursor.fail_too_deep()
    cursor.depth = depth
    cursor.height = max(height, height_before)
    return left


def _complain_word(cursor: Cursor, word: str) -> str:
    """At `eq` or `neq` between two values; answers the operator that is meant."""
    meant = _WORDS_OF_OLD[word]
    fixes = (Fix(cursor.span_here(), meant),)
    cursor.complain(f"`{word}` is no operator", "", f"write `{meant}`", fixes=fixes)
    return meant


def _parse_operator(
    cursor: Cursor, start: int, left: Expression, kind: str, binding: int
) -> Expression:
    opening = cursor.at
    cursor.at += 1
    match kind:
        case ".":
            return _parse_dot(cursor, start, left)
        case "(":
            positional, named = parse_arguments(cursor, opening)
            return Call(cursor.span_from(start), left, positional, named)
        case "[":
            key = parse_expression(cursor)
            cursor.expect_close("]", opening)
            return Member(cursor.span_from(start), left, "index", key)
        case "{":
            key = parse_expression(cursor)
            cursor.expect_close("}", opening)
            return Member(cursor.span_from(start), left, "path", key)
        case "=>":
            return _parse_conditional(cursor, start, left)
        case _:
            right = parse_expression(cursor, binding)
            return Infix(cursor.span_from(start), kind, left, right)


def _parse_conditional(cursor: Cursor, start: int, test: Expression) -> Expression:
    """After `test =>`. A long chain of alternates is parsed by a loop, like other chains."""
    arms: list[tuple[int, Expression, Expression]] = []
    while True:
        # The consequent binds tighter than `=>`, so a `=>` in it needs parentheses.
        consequent = parse_expression(cursor, CONDITIONAL_POWER)
        arms.append((start, test, consequent))
        if cursor.kinds[cursor.at] != "|":
            _fail_conditional(cursor)
        cursor.at += 1
        start = cursor.starts[cursor.at]
        alternate = parse_expression(cursor, CONDITIONAL_POWER)
        if not cursor.take("=>"):
            break
        test = alternate
    cursor.height += len(arms) - 1
    for start, test, consequent in reversed(arms):
        alternate = Conditional(cursor.span_from(start), test, consequent, alternate)
    return alternate


def _fail_conditional(cursor: Cursor) -> NoReturn:
    hint = "`condition => value | other value` has both values"
    if cursor.kinds[cursor.at] == "=>":
        hint = "a conditional within a conditional's first value needs parentheses"
    cursor.fail_expected("`|`", hint)


def _parse_dot(cursor: Cursor, start: int, left: Expression) -> Expression:
    name = cursor.expect_name("a name after the `.`")
    named: Identifier | DomainIdentifier = name
    if cursor.kinds[cursor.at] == ":":
        named = parse_domain_rest(cursor, name)
    return Member(cursor.span_from(start), left, "dot", named)


def parse_arguments(
    cursor: Cursor, opening: int
) -> tuple[tuple[Expression, ...], tuple[NamedArgument, ...]]:
    """After the `(`, whose index is `opening`, up to and including the `)`."""
    positional: list[Expression] = []
    named: list[NamedArgument] = []
    kinds = cursor.kinds
    while kinds[cursor.at] != ")":
        if cursor.at_declaration():
            start = cursor.starts[cursor.at]
            name = cursor.texts[cursor.at]
            cursor.at += 2
            value = parse_expression(cursor)
            named.append(NamedArgument(cursor.span_from(start), name, value))
        else:
            if named:
                cursor.complain(
                    "positional argument after a named one",
                    "once an argument is named, all that follow must be",
                )
            positional.append(parse_expression(cursor))
        if not cursor.take(","):
            break
    cursor.expect_close(")", opening, after_items=True)
    return tuple(positional), tuple(named)


def parse_domain_rest(cursor: Cursor, domain: Identifier) -> DomainIdentifier:
    cursor.at += 1
    name = cursor.expect_name("a name after the `:`")
    return DomainIdentifier(cursor.span_from(domain.span.start), domain.name, name.name)


def fail_expression(cursor: Cursor) -> NoReturn:
    if cursor.kinds[cursor.at] in ("return", "setting"):
        cursor.check_reserved()
    cursor.fail_expected("an expression")
