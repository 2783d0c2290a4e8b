"""Postludes: what a rule does to its pico after its actions, `fired`, `notfired` and `always`."""

from __future__ import annotations

from krl.diagnostic import Fix
from krl.syntax.blocks import parse_block
from krl.syntax.cursor import Cursor
from krl.syntax.statements import at_statement, parse_statement
from krl.syntax.tree import Postlude, Span, Statement

Statements = tuple[Statement, ...]


def parse_postlude(cursor: Cursor) -> Postlude:
    """At `fired`, `notfired` or `always`."""
    start = cursor.starts[cursor.at]
    first_word = cursor.texts[cursor.at]
    cursor.at += 1
    return _parse_blocks(cursor, start, first_word)


def parse_bare_postlude(cursor: Cursor) -> Postlude:
    """At a `{` that should have had `fired` or `always` before it."""
    start = cursor.starts[cursor.at]
    hint = "write `always {`, or `fired {` where it depends on the actions"
    cursor.complain("postlude without its word", "", hint)
    return _parse_blocks(cursor, start, "fired")


def _parse_blocks(cursor: Cursor, start: int, first_word: str) -> Postlude:
    """After the first word."""
    blocks: dict[str, Statements] = {first_word: _parse_block(cursor)}
    opposite = {"fired": "notfired", "notfired": "fired"}.get(first_word)
    while True:
        word = _next_word(cursor)
        if word is None:
            break
        if word == "else" and opposite is not None and opposite not in blocks:
            cursor.at += 1
            blocks[opposite] = _parse_block(cursor)
        elif word == "finally" and opposite is not None and "always" not in blocks:
            cursor.at += 1
            blocks["always"] = _parse_block(cursor)
        else:
            _complain_block(cursor, word, opposite, blocks)
    span = cursor.span_from(start)
    return Postlude(span, blocks.get("fired"), blocks.get("notfired"), blocks.get("always"))


def _parse_block(cursor: Cursor) -> Statements:
    return tuple(parse_block(cursor, parse_statement, at_statement))


def _next_word(cursor: Cursor) -> str | None:
    """The word of the next postlude block, over semicolons before it."""
    ahead = cursor.at
    while cursor.kinds[ahead] == ";":
        ahead += 1
    word = cursor.texts[ahead]
    known = word in ("else", "finally", "fired", "notfired", "always")
    if cursor.kinds[ahead] != "symbol" or not known:
        return None
    cursor.skip_semicolons()
    return word


def _complain_block(
    cursor: Cursor, word: str, opposite: str | None, blocks: dict[str, Statements]
) -> None:
    """A block out of its place: understood where it can be, and an error all the same."""
    span = cursor.span_here()
    title = f"`{word}` block out of place"
    if word == opposite and word not in blocks:
        cursor.complain(title, "", "write `else`", fixes=(Fix(span, "else"),))
        cursor.at += 1
        blocks[word] = _parse_block(cursor)
    elif word == "always" and opposite is not None and word not in blocks:
        cursor.complain(title, "", "write `finally`", fixes=(Fix(span, "finally"),))
        cursor.at += 1
        blocks[word] = _parse_block(cursor)
    else:
        hint = "a postlude is `always {}`, or `fired {} else {} finally {}`"
        cursor.complain(title, "a rule has one postlude", hint)
        cursor.at += 1
        _parse_block(cursor)


def at_misplaced(cursor: Cursor) -> bool:
    """At an `else` or `finally` that no postlude comes before."""
    return (cursor.is_word("else") or cursor.is_word("finally")) and cursor.next_kind() == "{"


def skip_misplaced(cursor: Cursor) -> None:
    span: Span = cursor.span_here()
    word = cursor.texts[cursor.at]
    hint = "a postlude begins with `fired`, `notfired` or `always`"
    cursor.complain(f"`{word}` block out of place", "", hint, span)
    cursor.at += 1
    _parse_block(cursor)
