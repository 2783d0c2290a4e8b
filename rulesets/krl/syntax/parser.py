"""The whole ruleset: the entry to the syntax pass.

`parse` answers the tree only when nothing was wrong; every mistake it met is in the diagnostics,
in the order of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from krl.diagnostic import Diagnostics, Fix, Source
from krl.syntax.blocks import complain_unclosed, parse_block
from krl.syntax.cursor import Cursor, Stop
from krl.syntax.declarations import parse_declaration_item
from krl.syntax.dialect import skip_braces
from krl.syntax.expressions import PREFIX
from krl.syntax.expressions import parse_expression as _parse_expression
from krl.syntax.functions import FUNCTION_FORMS
from krl.syntax.meta import parse_meta, parse_rid
from krl.syntax.primaries import PRIMARY_FORMS, take_string
from krl.syntax.rules import at_part, parse_rule
from krl.syntax.tree import Declaration, Expression, Meta, Rule, Ruleset, Span, String

PREFIX.update(PRIMARY_FORMS | FUNCTION_FORMS)

_ORDER = ("version", "meta", "global", "rule")


def parse(source: Source, diagnostics: Diagnostics) -> Ruleset | None:
    """The ruleset in `source`, or None when there is an error, which `diagnostics` then has."""
    ruleset = parse_what_is_clear(source, diagnostics)
    return None if diagnostics.has_errors else ruleset


def parse_what_is_clear(source: Source, diagnostics: Diagnostics) -> Ruleset | None:
    """As `parse`, but in spite of errors gives what could be understood, for more complaints."""
    found = Diagnostics()
    cursor = Cursor(source, found)
    try:
        ruleset: Ruleset | None = _parse_ruleset(cursor)
    except Stop:
        ruleset = None
    _hand_over(found, diagnostics)
    return ruleset


def parse_expression(source: Source, diagnostics: Diagnostics) -> Expression | None:
    """The one expression that is the whole of `source`, or None when there is an error."""
    found = Diagnostics()
    cursor = Cursor(source, found)
    try:
        expression: Expression | None = _parse_expression(cursor)
        if cursor.kinds[cursor.at] != "end":
            cursor.fail_expected("the end of the expression")
    except Stop:
        expression = None
    _hand_over(found, diagnostics)
    return None if found.has_errors else expression


def _hand_over(found: Diagnostics, diagnostics: Diagnostics) -> None:
    diagnostics.items.extend(sorted(found.items, key=lambda item: item.span.start))


def _parse_ruleset(cursor: Cursor) -> Ruleset:
    start = cursor.starts[cursor.at]
    if not cursor.take_word("ruleset"):
        cursor.fail_expected("`ruleset`", "a file holds one ruleset: ruleset name { ... }")
    rid, rid_span = parse_rid(cursor)
    cursor.expect("{")
    parts = _Parts()
    _parse_parts(cursor, parts)
    return Ruleset(
        cursor.span_from(start),
        rid,
        rid_span,
        parts.version,
        parts.meta,
        tuple(parts.declarations),
        tuple(parts.rules),
    )


@dataclass(slots=True)
class _Parts:
    """What the ruleset has had so far; `stage` is the index in _ORDER of the last part."""

    version: String | None = None
    meta: Meta | None = None
    declarations: list[Declaration] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    stage: int = -1

    def parse_part(self, cursor: Cursor) -> None:
        word = cursor.texts[cursor.at] if cursor.kinds[cursor.at] == "symbol" else ""
        match word:
            case "rule":
                self.stage = 3
                self.rules.append(parse_rule(cursor))
            case "global":
                self._advance(cursor, 2)
                cursor.at += 1
                self.declarations += parse_block(
                    cursor, parse_declaration_item, Cursor.at_declaration
                )
            case "meta":
                self._advance(cursor, 1)
                self.meta = parse_meta(cursor)
            case "version":
                self._advance(cursor, 0)
                self.version = _parse_version(cursor)
            case "dispatch" if cursor.next_kind() == "{":
                _skip_dispatch(cursor)
            case _:
                hint = cursor.hint_spelling(_ORDER)
                if at_part(cursor):
                    hint = "a rule's part: is there a `}` too many before it?"
                cursor.fail_expected("a part of the ruleset: meta, global or rule", hint)

    def _advance(self, cursor: Cursor, stage: int) -> None:
        word = cursor.texts[cursor.at]
        if stage == self.stage:
            cursor.complain(f"second `{word}` block", "", "put everything into the first")
        elif stage < self.stage:
            cursor.complain(
                f"`{word}` after `{_ORDER[self.stage]}`",
                "the parts of a ruleset come in the order meta, global, rules",
            )
        self.stage = max(self.stage, stage)


def _parse_parts(cursor: Cursor, parts: _Parts) -> None:
    """After the ruleset's `{`, up to the end of the file."""
    opening = cursor.at - 1
    failures = cursor.failures
    unmatched = False
    while True:
        cursor.skip_semicolons()
        kind = cursor.kinds[cursor.at]
        if kind == "end":
            if not unmatched:
                complain_unclosed(cursor, opening)
            return
        if kind == "}" and _is_last(cursor):
            return
        if kind == "}":
            if cursor.failures == failures:
                _complain_unmatched(cursor)
            unmatched = True
            cursor.at += 1
            _skip_to_part(cursor)
            continue
        failures = cursor.failures
        depth = cursor.depth
        try:
            parts.parse_part(cursor)
        except Stop:
            cursor.depth = depth
            _skip_to_part(cursor)


def _is_last(cursor: Cursor) -> bool:
    """Step over the `}` at the cursor if only semicolons follow it."""
    at = cursor.at
    cursor.at += 1
    if cursor.kinds[cursor.at] == "end":
        return True
    if cursor.kinds[cursor.at] == ";":
        end = cursor.at
        while cursor.kinds[end] == ";":
            end += 1
        if cursor.kinds[end] == "end":
            cursor.skip_semicolons()
            return True
    cursor.at = at
    return False


def _complain_unmatched(cursor: Cursor) -> None:
    cursor.at += 1
    if cursor.is_word("ruleset"):
        cursor.complain("second ruleset", "a file holds one ruleset")
    else:
        span = Span(cursor.starts[cursor.at - 1], cursor.ends[cursor.at - 1])
        text = f"it closes the ruleset, and {cursor.describe()} follows"
        cursor.complain("unmatched `}`", text, "", span)
    cursor.at -= 1


def _skip_to_part(cursor: Cursor) -> None:
    """Over whatever is no rule and no block of a ruleset, or to the `}` that ends the file."""
    heads = cursor.layout().heads
    while cursor.kinds[cursor.at] != "end":
        if cursor.at_rule():
            break
        if heads[cursor.at] and cursor.texts[cursor.at] in ("global", "meta"):
            break
        if cursor.kinds[cursor.at] == "}" and cursor.next_kind() == "end":
            break
        cursor.at += 1
    cursor.failed_at = max(cursor.failed_at, cursor.at)


def _parse_version(cursor: Cursor) -> String:
    span = cursor.span_here()
    cursor.at += 1
    if cursor.kinds[cursor.at] != "string":
        cursor.fail_expected("a string after `version`")
    version = take_string(cursor)
    fixes: tuple[Fix, ...] = ()
    if cursor.is_words("meta", "{"):
        gap = Span(span.start, cursor.starts[cursor.at])
        inside = cursor.ends[cursor.at + 1]
        text = cursor.source.text[span.start : version.span.end]
        fixes = (Fix(gap, ""), Fix(Span(inside, inside), f" {text}"))
    cursor.warn("`version` outside of `meta`", span, "", "move it into the meta block", fixes)
    return version


def _skip_dispatch(cursor: Cursor) -> None:
    start = cursor.starts[cursor.at]
    here = cursor.at
    cursor.at += 1
    skip_braces(cursor)
    span = cursor.span_from(start)
    after, cursor.at = cursor.at, here
    cursor.complain(
        "`dispatch` is no longer part of a ruleset",
        "every event reaches every ruleset that selects it",
        "remove the block",
        fixes=(Fix(span, ""),),
    )
    cursor.at = after
