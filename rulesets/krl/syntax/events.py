"""Event expressions: what a rule waits for. They have an operator table of their own."""

from __future__ import annotations

from typing import Literal, cast

from krl.diagnostic import Fix
from krl.syntax.actions import parse_setting_names
from krl.syntax.cursor import HEIGHT_MAX, Cursor
from krl.syntax.expressions import parse_expression
from krl.syntax.primaries import take_regexp
from krl.syntax.tree import (
    AttributeMatch,
    EventAggregator,
    EventBase,
    EventExpression,
    EventGroup,
    EventOperator,
    Expression,
    Identifier,
    SelectWhen,
    SelectWhere,
    SettingName,
    Span,
    Within,
)

_POWER = {"or": 20, "and": 30, "before": 40, "then": 40, "after": 40, "between": 50, "not": 50}
_PREFIX_OPERATORS = ("and", "or", "before", "then", "after")
# Words that may follow an event, and be followed by a string.
_BEFORE_VALUES = ("where", "within", "foreach", "if", "choose")
_AGGREGATORS = ("max", "min", "sum", "avg", "push")
_PERIODS = ("day", "hour", "minute", "month", "second", "week", "year")
# No counter of events ever gets here; a longer number could not be kept exactly.
_COUNT_MAX = 10**15

_Operator = Literal["or", "and", "before", "then", "after", "between", "not between", "any"]


def parse_select(cursor: Cursor) -> SelectWhen | SelectWhere:
    """After the word `select`."""
    start = cursor.starts[cursor.at - 1]
    if cursor.take_word("where"):
        condition = parse_expression(cursor)
        return SelectWhere(cursor.span_from(start), condition)
    if cursor.is_word("using"):
        cursor.fail("`select using` is gone", "", "write select when domain type")
    if not cursor.take_word("when"):
        cursor.fail_expected("`when` or `where`", cursor.hint_spelling(["when", "where"]))
    event = parse_event(cursor)
    within = _parse_within(cursor)
    return SelectWhen(cursor.span_from(start), event, within)


def parse_event(cursor: Cursor, power: int = 0) -> EventExpression:
    """The event expression at the cursor, up to an operator that binds no tighter than `power`.

    Depth and height are kept as for other expressions.
    """
    start = cursor.starts[cursor.at]
    depth = cursor.depth
    height_before = cursor.height
    cursor.height = 0
    cursor.descend()
    left = _parse_prefix(cursor)
    height = cursor.height + 1
    while cursor.kinds[cursor.at] in ("symbol", "not"):
        operator = cursor.texts[cursor.at]
        binding = _POWER.get(operator, 0)
        if binding <= power:
            break
        cursor.height = 0
        cursor.at += 1
        if operator in ("between", "not"):
            if operator == "not":
                cursor.expect_word("between")
                operator = "not between"
            bounds = _parse_bounds(cursor)
            operands: tuple[EventExpression, ...] = (left, *bounds)
        else:
            operands = (left, parse_event(cursor, binding))
        left = EventOperator(cursor.span_from(start), cast(_Operator, operator), operands)
        height = max(height, cursor.height) + 1
        if height > HEIGHT_MAX:
            cursor.fail_too_deep()
    cursor.depth = depth
    cursor.height = max(height, height_before)
    return left


def _parse_bounds(cursor: Cursor) -> tuple[EventExpression, EventExpression]:
    opening = cursor.expect("(")
    first = parse_event(cursor)
    cursor.expect(",")
    last = parse_event(cursor)
    cursor.expect_close(")", opening)
    return first, last


def _parse_prefix(cursor: Cursor) -> EventExpression:
    start = cursor.starts[cursor.at]
    opening = cursor.at
    if cursor.take("("):
        inner = parse_event(cursor)
        cursor.expect_close(")", opening)
        return inner
    if cursor.kinds[cursor.at] not in ("symbol", "return", "setting"):
        cursor.fail_expected("an event: a domain and a type")
    word = cursor.texts[cursor.at]
    if word in _PREFIX_OPERATORS:
        cursor.at += 1
        operands = _parse_operands(cursor)
        return EventOperator(cursor.span_from(start), cast(_Operator, word), operands)
    if word == "any":
        cursor.at += 1
        count = _parse_count(cursor)
        operands = _parse_operands(cursor)
        return EventOperator(cursor.span_from(start), "any", operands, count)
    if word in ("count", "repeat"):
        return _parse_group(cursor)
    if word in ("between", "like", "cmp"):
        cursor.fail_expected("an event: a domain and a type")
    return _parse_base(cursor)


def _parse_operands(cursor: Cursor) -> tuple[EventExpression, ...]:
    opening = cursor.expect("(")
    operands = [parse_event(cursor)]
    while cursor.take(","):
        operands.append(parse_event(cursor))
    cursor.expect_close(")", opening)
    return tuple(operands)


def _parse_count(cursor: Cursor) -> int:
    text = cursor.texts[cursor.at]
    if cursor.kinds[cursor.at] != "number" or "." in text:
        cursor.fail_expected("a whole number of events")
    cursor.at += 1
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= 15 else _COUNT_MAX


def _parse_group(cursor: Cursor) -> EventGroup:
    start = cursor.starts[cursor.at]
    word: Literal["count", "repeat"] = "count" if cursor.is_word("count") else "repeat"
    cursor.at += 1
    count = _parse_count(cursor)
    opening = cursor.expect("(")
    base = _parse_base(cursor)
    cursor.expect_close(")", opening)
    aggregator = _parse_aggregator(cursor)
    return EventGroup(cursor.span_from(start), word, count, base, aggregator)


def _parse_aggregator(cursor: Cursor) -> EventAggregator | None:
    start = cursor.starts[cursor.at]
    word = cursor.texts[cursor.at]
    if cursor.kinds[cursor.at] != "symbol" or word not in _AGGREGATORS:
        return None
    cursor.at += 1
    names = parse_setting_names(cursor)
    operator = cast(Literal["max", "min", "sum", "avg", "push"], word)
    return EventAggregator(cursor.span_from(start), operator, names)


def _parse_base(cursor: Cursor) -> EventBase:
    start = cursor.starts[cursor.at]
    domain = cursor.texts[cursor.at]
    if cursor.kinds[cursor.at] not in ("symbol", "return", "setting"):
        cursor.fail_expected("an event's domain")
    cursor.at += 1
    cursor.take(":")
    type_ = cursor.texts[cursor.at]
    if not cursor.is_any_word() or (type_ == "setting" and cursor.next_kind() == "("):
        cursor.fail_expected("an event's type")
    cursor.at += 1
    matches = _parse_matches(cursor)
    where_at = cursor.at
    where = parse_expression(cursor) if cursor.take_word("where") else None
    where_span = cursor.span_from(cursor.starts[where_at])
    setting: tuple[SettingName, ...] = ()
    if cursor.take("setting") or (matches and _complain_missing_setting(cursor)):
        setting = parse_setting_names(cursor)
        if where is not None:
            _warn_order(cursor, start, where_span)
    if where is None and cursor.take_word("where"):
        where = parse_expression(cursor)
    return EventBase(cursor.span_from(start), domain, type_, matches, where, setting)


def _complain_missing_setting(cursor: Cursor) -> bool:
    if cursor.kinds[cursor.at] != "(":
        return False
    here = cursor.starts[cursor.at]
    fix = Fix(Span(here, here), "setting")
    cursor.complain("missing `setting`", "", "write setting before the names", fixes=(fix,))
    return True


def _parse_matches(cursor: Cursor) -> tuple[AttributeMatch, ...]:
    """`attribute re#..#`, as often as it comes."""
    matches: list[AttributeMatch] = []
    while True:
        kind = cursor.kinds[cursor.at]
        if kind == "," and _at_match(cursor, 1):
            fix = Fix(cursor.span_here(), "")
            cursor.complain("`,` between attribute matches", "", "remove it", fixes=(fix,))
            cursor.at += 1
        elif kind == "string":
            _fail_string_match(cursor)
        elif _at_slashed(cursor):
            cursor.at += 1
            cursor.fail("regexp in slashes", "", "a regexp is written re#...#")
        elif not _at_match(cursor, 0):
            return tuple(matches)
        name = Identifier(cursor.span_here(), cursor.texts[cursor.at])
        cursor.at += 1
        if cursor.kinds[cursor.at] == "string":
            _fail_string_match(cursor)
        pattern = take_regexp(cursor)
        matches.append(AttributeMatch(cursor.span_from(name.span.start), name.name, pattern))


def _at_slashed(cursor: Cursor) -> bool:
    """At `name re/`, which the first engine took for the beginning of a regexp."""
    at = cursor.at
    return cursor.is_any_word() and cursor.texts[at + 1] == "re" and cursor.kinds[at + 2] == "/"


def _at_match(cursor: Cursor, ahead: int) -> bool:
    if not cursor.is_any_word(ahead):
        return False
    pattern = cursor.kinds[cursor.at + ahead + 1]
    is_part = cursor.texts[cursor.at + ahead] in _BEFORE_VALUES
    return pattern == "regexp" or (pattern == "string" and not is_part)


def _fail_string_match(cursor: Cursor) -> None:
    """The first engine matched attributes with strings, and took them for patterns."""
    cursor.fail(
        "attribute match by a string",
        "an attribute is matched by a regular expression",
        "write attribute re#...#, or where event:attrs{name} == value",
    )


def _warn_order(cursor: Cursor, start: int, where: Span) -> None:
    end = cursor.ends[cursor.at - 1]
    setting = cursor.source.text[where.end : end].strip()
    condition = cursor.source.text[where.start : where.end]
    cursor.diagnostics.warning(
        "`where` before `setting`",
        Span(start, where.end),
        "the condition comes last in an event expression",
        "move the `where` behind the `setting`",
        (Fix(Span(where.start, end), f"{setting} {condition}"),),
    )


def _parse_within(cursor: Cursor) -> Within | None:
    start = cursor.starts[cursor.at]
    if not cursor.take_word("within"):
        return None
    amount: Expression = parse_expression(cursor)
    word = cursor.texts[cursor.at]
    period = word if word in _PERIODS else word.removesuffix("s")
    if cursor.kinds[cursor.at] != "symbol" or period not in _PERIODS:
        words = [f"{period}s" for period in _PERIODS]
        hint = cursor.hint_spelling([*words, *_PERIODS])
        cursor.fail_expected("a period of time", hint or "one of " + ", ".join(words))
    cursor.at += 1
    return Within(cursor.span_from(start), amount, period)
