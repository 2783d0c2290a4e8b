"""Lists of items between braces, and how parsing goes on behind a mistake in one.

Declarations, actions, statements, meta properties and the parts of a rule all stand in such lists.
A mistake costs the item it is in: `parse_items` skips to where the next one begins, going by
brackets where they can be trusted and by indentation where they cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from krl.syntax.cursor import Cursor, Stop
from krl.syntax.lexer import RESERVED
from krl.syntax.tree import Span

Item = TypeVar("Item")

# Words that begin a line in the middle of an item.
_CONTINUING = frozenset(
    {"and", "or", "before", "then", "after", "between", "within", "where", "like", "cmp",
     "attributes", "for", "with", "at", "repeat", "on", "alias", "else", "finally"}
)  # fmt: skip


def parse_block(
    cursor: Cursor, parse_item: Callable[[Cursor], Item | None], starts: Callable[[Cursor], bool]
) -> list[Item]:
    """`{` items `}`; a missing `{` is told, and passed over where an item begins."""
    if not cursor.take("{"):
        if not starts(cursor):
            cursor.fail_expected("`{`")
        cursor.complain("missing `{`", f"found {cursor.describe()}")
        cursor.failed_at = cursor.at - 1
    return parse_items(cursor, parse_item, starts)


def parse_items(
    cursor: Cursor, parse_item: Callable[[Cursor], Item | None], starts: Callable[[Cursor], bool]
) -> list[Item]:
    """The items between braces, the `{` taken, up to and including the `}`.

    `starts` recognises the beginning of an item where parsing may resume: a mistake costs the
    item it is in. A missing `}` is noticed by the indentation.
    """
    opening = cursor.at - 1
    items: list[Item] = []
    is_broken = False
    while True:
        cursor.skip_semicolons()
        if cursor.take("}"):
            return items
        if cursor.kinds[cursor.at] in ("end", "}#") or cursor.at_rule():
            complain_unclosed(cursor, opening)
            return items
        first = cursor.at
        depth = cursor.depth
        told = len(cursor.diagnostics.items)
        failed_at = cursor.failed_at
        try:
            item = parse_item(cursor)
            is_broken = False
            if item is not None:
                items.append(item)
        except Stop:
            cursor.depth = depth
            cursor.stops += 1
            if cursor.failed_at <= first + 1 and _is_outside(cursor, opening, first):
                # It was no item at all, but what comes after the block.
                del cursor.diagnostics.items[told:]
                cursor.at = first
                cursor.failed_at = failed_at
                complain_unclosed(cursor, opening)
                return items
            if is_broken and cursor.failed_at == first and not cursor.layout().heads[first]:
                # No item, right behind a failed one and on its line, is a part of that.
                del cursor.diagnostics.items[told:]
            is_broken = True
            _recover(cursor, opening, first, starts)


def complain_unclosed(cursor: Cursor, opening: int) -> None:
    span = Span(cursor.starts[opening], cursor.ends[opening])
    where = cursor.describe()
    if cursor.kinds[cursor.at] != "end":
        where += f" on line {cursor.line_of(cursor.at)}"
    cursor.complain("missing `}`", f"the `{{` is still open at {where}", "", span)


def _recover(cursor: Cursor, opening: int, first: int, starts: Callable[[Cursor], bool]) -> None:
    """Skip from a failure to the next item of a list, or to the list's end.

    `first` is the token the failed item began with. The next item begins at the same bracket
    depth, or else at the head of a line that is indented no deeper: brackets may be what the
    author got wrong.
    """
    layout = cursor.layout()
    level = layout.brackets[first]
    indent = layout.indents[first]
    cursor.at = max(cursor.at, first + 1)
    while True:
        at = cursor.at
        kind = cursor.kinds[at]
        depth = layout.brackets[at]
        is_head = layout.heads[at]
        if kind == "end" or _closes(cursor, opening, at, level):
            break
        if is_head and (
            cursor.at_rule() or (kind == "symbol" and _is_outside(cursor, opening, at))
        ):
            break
        if depth <= level and kind == ";":
            cursor.at += 1
            return
        if depth <= level and (starts(cursor) or _at_line(cursor, at, indent)):
            return
        if is_head and layout.indents[at] <= indent and starts(cursor):
            return
        cursor.at += 1
    # The list ends here, and not to the author's surprise.
    cursor.failed_at = max(cursor.failed_at, cursor.at)


def _closes(cursor: Cursor, opening: int, at: int, level: int) -> bool:
    """Is this the brace that closes a block? Where braces fail, the indentation says."""
    layout = cursor.layout()
    if cursor.kinds[at] not in ("}", "}#"):
        return False
    if layout.is_indented(opening) and not layout.balanced:
        return layout.heads[at] and layout.indents[at] <= layout.indents[opening]
    return layout.brackets[at] <= level


def _at_line(cursor: Cursor, at: int, indent: int) -> bool:
    """Does a line begin here that looks like an item, whatever it is?"""
    layout = cursor.layout()
    if not layout.heads[at] or layout.indents[at] != indent:
        return False
    kind = cursor.kinds[at]
    return kind in RESERVED or (kind == "symbol" and cursor.texts[at] not in _CONTINUING)


def _is_outside(cursor: Cursor, opening: int, at: int) -> bool:
    """Does a token stand too far left for the block that opened at the index `opening`?"""
    layout = cursor.layout()
    first = opening + 1
    is_flat = layout.heads[first] and layout.indents[first] <= layout.indents[opening]
    return layout.heads[at] and layout.indents[at] <= layout.indents[opening] and not is_flat
