"""Expressions, by precedence climbing over one table of binding powers (after Pratt).

`parse_expression(cursor, power)` parses a prefix form and then every operator that binds tighter
than `power`. Functions and defactions are expressions too, with action blocks inside; they live in
`functions`; the parser enters them into `PREFIX`, so that this module need not know actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from krl.diagnostic import Fix
from krl.syntax import literals
from krl.syntax.cursor import HEIGHT_MAX, Cursor
from krl.syntax.patterns import PatternError, check_pattern
from krl.syntax.tree import (
    Array,
    Boolean,
    Call,
    Chevron,
    Conditional,
    Declaration,
    DomainIdentifier,
    Expression,
    Identifier,
    Infix,
    Map,
    MapPair,
    Member,
    NamedArgument,
    Null,
    Number,
    Regexp,
    Span,
    String,
    Unary,
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

_POWER = {
    **INFIX_POWER,
    "=>": CONDITIONAL_POWER,
    ".": MEMBER_POWER,
    "[": MEMBER_POWER,
    "{": MEMBER_POWER,
    "(": CALL_POWER,
}


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
            if kind not in ("like", "cmp") or kinds[cursor.at + 1] == "=":
                break
        binding = _POWER.get(kind, 0)
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
    """The consequent binds tighter than `=>`, so a `=>` in it needs parentheses."""
    consequent = parse_expression(cursor, CONDITIONAL_POWER)
    if cursor.kinds[cursor.at] != "|":
        hint = "`condition => value | other value` has both values"
        if cursor.kinds[cursor.at] == "=>":
            hint = "a conditional within a conditional's first value needs parentheses"
        cursor.fail_expected("`|`", hint)
    cursor.at += 1
    alternate = parse_expression(cursor)
    return Conditional(cursor.span_from(start), test, consequent, alternate)


def _parse_dot(cursor: Cursor, start: int, left: Expression) -> Expression:
    name = cursor.expect_name("a name after the `.`")
    named: Identifier | DomainIdentifier = name
    if cursor.kinds[cursor.at] == ":":
        named = _parse_domain_rest(cursor, name)
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
    cursor.expect_close(")", opening)
    return tuple(positional), tuple(named)


# ---- prefix forms ------------------------------------------------------------------------------


def fail_expression(cursor: Cursor) -> NoReturn:
    if cursor.kinds[cursor.at] in ("return", "setting"):
        cursor.check_reserved()
    cursor.fail_expected("an expression")


def _parse_symbol(cursor: Cursor) -> Expression:
    at = cursor.at
    if cursor.kinds[at + 1] == "=" and cursor.begins_line():
        cursor.fail("expected an expression", f"found the declaration of `{cursor.texts[at]}`")
    cursor.at = at + 1
    name = Identifier(Span(cursor.starts[at], cursor.ends[at]), cursor.texts[at])
    if cursor.kinds[at + 1] == ":":
        return _parse_domain_rest(cursor, name)
    return name


def _parse_domain_rest(cursor: Cursor, domain: Identifier) -> DomainIdentifier:
    cursor.at += 1
    name = cursor.expect_name("a name after the `:`")
    return DomainIdentifier(cursor.span_from(domain.span.start), domain.name, name.name)


def _parse_string(cursor: Cursor) -> Expression:
    return take_string(cursor)


def take_string(cursor: Cursor) -> String:
    span = cursor.span_here()
    value = literals.string_value(cursor.texts[cursor.at])
    cursor.at += 1
    return String(span, value)


def _parse_number(cursor: Cursor) -> Expression:
    span = cursor.span_here()
    value = float(cursor.texts[cursor.at])
    cursor.at += 1
    return Number(span, value)


def _parse_regexp(cursor: Cursor) -> Expression:
    return take_regexp(cursor)


def take_regexp(cursor: Cursor) -> Regexp:
    span = cursor.span_here()
    source, flags = literals.regexp_value(cursor.texts[cursor.at])
    try:
        check_pattern(source)
    except PatternError as error:
        cursor.complain("invalid regular expression", str(error))
    if len(set(flags)) < len(flags):
        cursor.complain("regular expression with a flag twice", f"the flags are `{flags}`")
    cursor.at += 1
    return Regexp(span, source, flags)


def _parse_constant(cursor: Cursor) -> Expression:
    span = cursor.span_here()
    kind = cursor.kinds[cursor.at]
    cursor.at += 1
    return Null(span) if kind == "null" else Boolean(span, kind == "true")


def _parse_chevron(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    pieces: list[Expression] = []
    opening = cursor.at
    cursor.at += 1
    while True:
        kind = cursor.kinds[cursor.at]
        if kind == "text":
            text = literals.chevron_value(cursor.texts[cursor.at])
            pieces.append(String(cursor.span_here(), text))
            cursor.at += 1
        elif kind == "#{":
            beesting = cursor.at
            cursor.at += 1
            pieces.append(parse_expression(cursor))
            cursor.expect_close("}#", beesting)
        else:
            cursor.expect_close(">>", opening)
            return Chevron(cursor.span_from(start), tuple(pieces))


def _parse_group(cursor: Cursor) -> Expression:
    opening = cursor.at
    cursor.at += 1
    inner = parse_expression(cursor)
    cursor.expect_close(")", opening)
    return inner


def _parse_array(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    opening = cursor.at
    cursor.at += 1
    items: list[Expression] = []
    while cursor.kinds[cursor.at] != "]":
        items.append(parse_expression(cursor))
        if not cursor.take(","):
            break
    cursor.expect_close("]", opening)
    return Array(cursor.span_from(start), tuple(items))


def _parse_map(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    opening = cursor.at
    cursor.at += 1
    pairs: list[MapPair] = []
    while cursor.kinds[cursor.at] != "}":
        pairs.append(_parse_pair(cursor))
        if not cursor.take(","):
            break
    cursor.expect_close("}", opening)
    return Map(cursor.span_from(start), tuple(pairs))


def _parse_pair(cursor: Cursor) -> MapPair:
    start = cursor.starts[cursor.at]
    key = _parse_key(cursor)
    if cursor.kinds[cursor.at] in _POWER or cursor.texts[cursor.at] in _POWER:
        cursor.fail(
            "computed map key",
            "the key of a map is a plain string",
            "write {}.put(key, value) for a key that is computed",
        )
    cursor.expect(":")
    value = parse_expression(cursor)
    return MapPair(cursor.span_from(start), key, value)


def _parse_key(cursor: Cursor) -> String:
    if cursor.kinds[cursor.at] == "string":
        return take_string(cursor)
    span = cursor.span_here()
    if cursor.next_kind() != ":" or cursor.kinds[cursor.at] not in ("symbol", "number"):
        cursor.fail_expected("a string as the key of a map")
    text = cursor.texts[cursor.at]
    hint = f'write "{text}": ...'
    cursor.complain("map key without quotes", "", hint, fixes=(Fix(span, f'"{text}"'),))
    cursor.at += 1
    return String(span, text)


def _parse_unary(cursor: Cursor) -> Expression:
    start = cursor.starts[cursor.at]
    operator = cursor.kinds[cursor.at]
    cursor.at += 1
    operand = parse_expression(cursor, UNARY_POWER)
    return Unary(cursor.span_from(start), operator, operand)


PREFIX: dict[str, Callable[[Cursor], Expression]] = {
    "symbol": _parse_symbol,
    "string": _parse_string,
    "number": _parse_number,
    "regexp": _parse_regexp,
    "null": _parse_constant,
    "true": _parse_constant,
    "false": _parse_constant,
    "<<": _parse_chevron,
    "(": _parse_group,
    "[": _parse_array,
    "{": _parse_map,
    "+": _parse_unary,
    "-": _parse_unary,
    "not": _parse_unary,
}


# ---- declarations ------------------------------------------------------------------------------


def parse_declaration(cursor: Cursor) -> Declaration:
    """`name = value [;]`, at the name."""
    declaration = parse_bare_declaration(cursor)
    _end_declaration(cursor)
    return declaration


def _end_declaration(cursor: Cursor) -> None:
    following = cursor.kinds[cursor.at + 1 : cursor.at + 3]
    if cursor.kinds[cursor.at] == "," and (following == ["symbol", "="] or following[0] == "}"):
        cursor.complain(
            "`,` between declarations", "", "they follow each other without a separator",
            fixes=(Fix(cursor.span_here(), ";"),),
        )  # fmt: skip
        cursor.at += 1
    cursor.take(";")


def parse_bare_declaration(cursor: Cursor) -> Declaration:
    at = cursor.at
    name_span = Span(cursor.starts[at], cursor.ends[at])
    cursor.at = at + 2
    value = parse_expression(cursor)
    return Declaration(cursor.span_from(name_span.start), cursor.texts[at], name_span, value)


def parse_declaration_item(cursor: Cursor) -> Declaration:
    """What stands between the braces of `global` and `pre`."""
    kind = cursor.kinds[cursor.at]
    if kind == "symbol" and cursor.next_kind() == "=":
        declaration = parse_bare_declaration(cursor)
    elif kind in ("function", "defaction") and cursor.next_kind() == "symbol":
        declaration = _parse_named_function(cursor)
    elif kind == "symbol" and cursor.next_kind() == ":=":
        operator = Span(cursor.starts[cursor.at + 1], cursor.ends[cursor.at + 1])
        cursor.complain(
            "`:=` in a declaration", "", "a declaration is written name = value",
            operator, (Fix(operator, "="),),
        )  # fmt: skip
        declaration = parse_bare_declaration(cursor)
    else:
        _fail_declaration(cursor)
    _end_declaration(cursor)
    return declaration


def _fail_declaration(cursor: Cursor) -> NoReturn:
    hint = ""
    if cursor.next_kind() == "=":
        cursor.check_reserved()
    elif cursor.kinds[cursor.at] == "symbol" and cursor.next_kind() in ("{", "["):
        name = cursor.texts[cursor.at]
        hint = f"values do not change; a changed copy is {name}.set(path, value)"
    cursor.fail_expected("a declaration: name = value", hint)


def _parse_named_function(cursor: Cursor) -> Declaration:
    """`function name(..) {..}`: KRL gives a function its name by a declaration."""
    at = cursor.at
    name_span = Span(cursor.starts[at + 1], cursor.ends[at + 1])
    name = cursor.texts[at + 1]
    head = Span(cursor.starts[at], name_span.end)
    form = f"{name} = {cursor.texts[at]}"
    cursor.complain(
        "a function has no name of its own", "", f"write {form}(...) {{ ... }}",
        head, (Fix(head, form),),
    )  # fmt: skip
    cursor.failed_at = at + 1  # lest the parameters' parser say it again
    value = parse_expression(cursor)
    return Declaration(cursor.span_from(head.start), name, name_span, value)
