"""The statements of a postlude: they set variables, raise and schedule events, log and stop."""

from __future__ import annotations

from collections.abc import Callable

from krl.diagnostic import Fix
from krl.syntax import dialect
from krl.syntax.cursor import Cursor
from krl.syntax.declarations import parse_bare_declaration
from krl.syntax.expressions import parse_expression
from krl.syntax.tree import (
    Array,
    Assign,
    Clear,
    Error,
    Expression,
    Guarded,
    Last,
    Log,
    Number,
    OnFinal,
    Raise,
    Schedule,
    SettingName,
    Span,
    Statement,
    String,
)

_LEVELS = ("error", "warn", "info", "debug")


def at_statement(cursor: Cursor) -> bool:
    at = cursor.at
    if cursor.kinds[at] != "symbol":
        return False
    match cursor.kinds[at + 1]:
        case "=":
            return True
        case ":":
            return cursor.kinds[at + 2] == "symbol" and cursor.kinds[at + 3] in (":=", "{")
        case _:
            is_part = at > 0 and cursor.kinds[at - 1] in (":", ".")
            return cursor.texts[at] in _STATEMENTS and not is_part


def parse_statement(cursor: Cursor) -> Statement:
    start = cursor.starts[cursor.at]
    statement = _parse_unguarded(cursor)
    if cursor.is_words("on", "final"):
        guard = cursor.starts[cursor.at]
        cursor.at += 2
        condition: Expression | OnFinal = OnFinal(cursor.span_from(guard))
        statement = Guarded(cursor.span_from(start), condition, statement)
    elif cursor.take_word("if"):
        condition = parse_expression(cursor)
        statement = Guarded(cursor.span_from(start), condition, statement)
    cursor.take(";")
    return statement


def _parse_unguarded(cursor: Cursor) -> Statement:
    at = cursor.at
    if cursor.kinds[at] != "symbol":
        cursor.fail_expected("a postlude statement")
    word = cursor.texts[at]
    # The words of statements win over variables of their name, as they do in the reference.
    parse = _STATEMENTS.get(word)
    if parse is not None:
        cursor.at = at + 1
        return parse(cursor, cursor.starts[at])
    following = cursor.kinds[at + 1]
    if following == "=":
        return parse_bare_declaration(cursor)
    if following == ":":
        return _parse_assign(cursor)
    if following == ":=":
        span = Span(cursor.starts[at + 1], cursor.ends[at + 1])
        cursor.fail(
            "`:=` sets an entity variable", f"`{word}` is not one",
            f"write ent:{word} := ... to keep the value, {word} = ... to name it here", span,
        )  # fmt: skip
    if word in ("ent", "app") and following == ".":
        dot = Span(cursor.starts[at + 1], cursor.ends[at + 1])
        hint = f"an entity variable is written {word}:name"
        cursor.fail(f"`{word}.` in a statement", "", hint, dot, (Fix(dot, ":"),))
    if word == "set" and following == "symbol" and cursor.kinds[at + 2] == ":":
        return _parse_set(cursor)
    if following in ("(", "=>"):
        _fail_action(cursor)
    if word == "if":
        cursor.fail(
            "`if` before a postlude statement",
            "",
            "the condition comes last: statement if condition",
        )
    cursor.fail_expected("a postlude statement", cursor.hint_spelling(_STATEMENTS))


def _fail_action(cursor: Cursor) -> None:
    cursor.fail("action in a postlude", "actions come before the postlude")


# ---- entity variables --------------------------------------------------------------------------


def _parse_persistent(cursor: Cursor) -> tuple[str, str, Span, Expression | None]:
    start = cursor.starts[cursor.at]
    domain = cursor.expect_name("an entity variable: ent:name").name
    cursor.expect(":")
    name = cursor.expect_name("a name after the `:`").name
    span = cursor.span_from(start)
    path: Expression | None = None
    opening = cursor.at
    if cursor.take("{"):
        path = parse_expression(cursor)
        cursor.expect_close("}", opening)
    return domain, name, span, path


def _parse_assign(cursor: Cursor) -> Assign:
    start = cursor.starts[cursor.at]
    domain, name, name_span, path = _parse_persistent(cursor)
    if cursor.kinds[cursor.at] in ("[", "{"):
        path = _parse_longer_path(cursor, f"{domain}:{name}", path)
    if cursor.kinds[cursor.at] == "=":
        span = cursor.span_here()
        cursor.complain("`=` sets no entity variable", "", "write `:=`", fixes=(Fix(span, ":="),))
        cursor.at += 1
    elif not cursor.take(":="):
        _fail_assign(cursor, f"{domain}:{name}")
    value = dialect.parse_value(cursor)
    return Assign(cursor.span_from(start), domain, name, name_span, path, value)


def _fail_assign(cursor: Cursor, variable: str) -> None:
    match cursor.kinds[cursor.at]:
        case "+" | "-" as sign if cursor.next_kind() == "=":
            cursor.fail_expected("`:=`", f"write {variable} := {variable} {sign} ...")
        case "(":
            _fail_action(cursor)
    cursor.fail_expected("`:=`")


def _parse_longer_path(cursor: Cursor, variable: str, first: Expression | None) -> Expression:
    """`["a"]`, or several keys one behind the other, where `{["a", "b"]}` is meant.

    It is rewritten if every key is a literal; any other could be an array of keys itself.
    """
    here = cursor.at
    start, end = cursor.ends[here - 1], 0
    keys: list[Expression] = []
    if first is not None:
        keys, start = [first], first.span.start - 1
    while (opening := cursor.kinds[cursor.at]) in ("[", "{"):
        at = cursor.at
        cursor.at += 1
        keys.append(parse_expression(cursor))
        cursor.expect_close("]" if opening == "[" else "}", at)
    end = cursor.ends[cursor.at - 1]
    text = cursor.source.text
    shown = ", ".join(text[key.span.start : key.span.end] for key in keys)
    meant = f"{{[{shown}]}}" if len(keys) > 1 else f"{{{shown}}}"
    is_plain = all(isinstance(key, String | Number) for key in keys)
    span = Span(start, end)
    fixes = (Fix(span, meant),) if is_plain and text[start] in "[{" else ()
    after, cursor.at = cursor.at, here
    what = "path in brackets" if len(keys) == 1 else "several keys behind a variable"
    hint = f"write {variable}{meant} := ..."
    cursor.complain(what, "a path stands in one pair of braces", hint, span, fixes)
    cursor.at = after
    return Array(span, tuple(keys))


def _parse_set(cursor: Cursor) -> Assign:
    """`set ent:name value`, from the first engine."""
    start = cursor.starts[cursor.at]
    word = Span(start, cursor.starts[cursor.at + 1])
    here = cursor.at
    cursor.at += 1
    domain, name, name_span, path = _parse_persistent(cursor)
    gap = Span(cursor.ends[cursor.at - 1], cursor.starts[cursor.at])
    after, cursor.at = cursor.at, here
    fixes = (Fix(word, ""), Fix(gap, " := "))
    hint = f"write {domain}:{name} := value"
    cursor.complain("`set` is no longer a statement", "", hint, fixes=fixes)
    cursor.at = after
    value = parse_expression(cursor)
    return Assign(cursor.span_from(start), domain, name, name_span, path, value)


def _parse_clear(cursor: Cursor, start: int) -> Clear:
    domain, name, name_span, path = _parse_persistent(cursor)
    return Clear(cursor.span_from(start), domain, name, name_span, path)


# ---- events ------------------------------------------------------------------------------------


def _parse_event_name(cursor: Cursor) -> tuple[str | None, Expression]:
    """`domain event type`, or `event` and one expression for both."""
    if cursor.take_word("event"):
        return None, parse_expression(cursor)
    domain = cursor.expect_name("a domain or `event`").name
    if not cursor.is_word("event"):
        hint = 'write raise event "domain:type", or raise domain event "type"'
        cursor.fail_expected("`event`", cursor.hint_spelling(["event"]) or hint)
    cursor.at += 1
    return domain, parse_expression(cursor)


def _parse_attributes(cursor: Cursor) -> Expression | None:
    if cursor.take_word("attributes"):
        cursor.skip_mistaken("=", "`=` after `attributes`")
        return parse_expression(cursor)
    if not dialect.at_with(cursor):
        return None
    word = cursor.span_here()
    pairs = dialect.parse_with(cursor, needs_and=True)
    fixes = dialect.rewrite_as_map(pairs, word.start, "attributes ", "")
    cursor.warn(
        "`with` instead of `attributes`",
        word,
        "the attributes of an event are one map",
        "write attributes {...}",
        fixes,
    )
    return dialect.as_map(pairs)


def _parse_raise(cursor: Cursor, start: int) -> Raise:
    domain, event = _parse_event_name(cursor)
    for_ruleset = parse_expression(cursor) if cursor.take_word("for") else None
    attributes = _parse_attributes(cursor)
    return Raise(cursor.span_from(start), domain, event, for_ruleset, attributes)


def _parse_schedule(cursor: Cursor, start: int) -> Schedule:
    domain, event = _parse_event_name(cursor)
    at = cursor.take_word("at")
    if not at and not cursor.take_word("repeat"):
        cursor.fail_expected("`at` or `repeat`")
    timing = parse_expression(cursor)
    attributes = _parse_attributes(cursor)
    setting: SettingName | None = None
    if cursor.take("setting"):
        opening = cursor.expect("(")
        name = cursor.expect_name("a variable's name")
        setting = SettingName(name.span, name.name)
        cursor.expect_close(")", opening)
    span = cursor.span_from(start)
    return Schedule(span, domain, event, "at" if at else "repeat", timing, attributes, setting)


# ---- the rest ----------------------------------------------------------------------------------


def _parse_level(cursor: Cursor) -> str:
    if cursor.kinds[cursor.at] in ("string", "<<", "("):
        here = cursor.starts[cursor.at]
        word = cursor.texts[cursor.at - 1]
        fix = Fix(Span(here, here), "info " if cursor.begins_word() else " info ")
        levels = ", ".join(_LEVELS)
        text = f"a level stands behind the word: {levels}"
        cursor.complain(f"`{word}` without a level", text, f"write {word} info ...", fixes=(fix,))
        return "info"
    if cursor.kinds[cursor.at] != "symbol" or cursor.texts[cursor.at] not in _LEVELS:
        hint = cursor.hint_spelling(_LEVELS)
        cursor.fail_expected("a level: " + ", ".join(_LEVELS), hint)
    cursor.at += 1
    return cursor.texts[cursor.at - 1]


def _parse_log(cursor: Cursor, start: int) -> Log:
    level = _parse_level(cursor)
    value = parse_expression(cursor)
    return Log(cursor.span_from(start), level, value)


def _parse_error(cursor: Cursor, start: int) -> Error:
    level = _parse_level(cursor)
    value = parse_expression(cursor)
    return Error(cursor.span_from(start), level, value)


def _parse_last(cursor: Cursor, start: int) -> Last:
    return Last(cursor.span_from(start))


_STATEMENTS: dict[str, Callable[[Cursor, int], Statement]] = {
    "raise": _parse_raise,
    "schedule": _parse_schedule,
    "clear": _parse_clear,
    "log": _parse_log,
    "error": _parse_error,
    "last": _parse_last,
}
