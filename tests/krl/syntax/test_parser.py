"""The parser against the reference's recorded verdicts, and the spans it gives its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from golden import load
from krl.diagnostic import Diagnostics, Source, apply_fixes
from krl.syntax import tree
from krl.syntax.parser import parse, parse_expression

CASES = Path(__file__).parent / "cases"


def verdicts(heading: str) -> list[str]:
    """The rulesets below the heading that begins so."""
    sections = (CASES / "acceptance.txt").read_text("utf-8").split("\n# ")
    (section,) = [section for section in sections if section.startswith(heading)]
    return section.split("\n")[1:-1] if section.endswith("\n") else section.split("\n")[1:]


def outcome(text: str) -> tuple[tree.Ruleset | None, Diagnostics]:
    diagnostics = Diagnostics()
    return parse(Source("case.krl", text), diagnostics), diagnostics


def expression(text: str) -> tree.Expression:
    found = parse_expression(Source("case.krl", text), Diagnostics())
    assert found is not None
    return found


# ---- the reference's verdicts ------------------------------------------------------------------


def test_what_the_reference_accepts_is_accepted() -> None:
    assert [text for text in verdicts("both accept") if text and not outcome(text)[0]] == []


def test_what_the_reference_refuses_is_refused_with_a_diagnostic() -> None:
    for text in filter(None, verdicts("both refuse")):
        ruleset, diagnostics = outcome(text)
        assert ruleset is None and diagnostics.has_errors, text


def test_more_is_accepted_where_the_meaning_is_clear() -> None:
    for text in filter(None, verdicts("picomesh alone accepts")):
        ruleset, diagnostics = outcome(text)
        assert ruleset is not None, text
        assert bool(diagnostics.items) == ("any" not in text and "count" not in text), text


def test_less_is_accepted_where_the_reference_compiles_nonsense() -> None:
    for text in filter(None, verdicts("picomesh alone refuses")):
        assert outcome(text)[0] is None, text


def test_what_a_fix_rewrites_means_what_it_meant() -> None:
    for text in filter(None, verdicts("picomesh alone accepts")):
        ruleset, diagnostics = outcome(text)
        rewritten = apply_fixes(Source("case.krl", text), diagnostics)
        again, left = outcome(rewritten)
        assert not left.items
        assert again is not None and ruleset is not None
        assert [rule.name for rule in again.rules] == [rule.name for rule in ruleset.rules]


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\nb"', "a\\nb"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"\\"', "\\"),
        (r'"\\n"', "\\n"),
        ('"one\r\ntwo"', "one\r\ntwo"),
        ('"\U0001f600"', "\U0001f600"),
    ],
)
def test_only_the_quote_and_the_backslash_are_escaped_in_a_string(text: str, value: str) -> None:
    found = expression(text)
    assert isinstance(found, tree.String)
    assert found.value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"<<a\>>b>>", "a>>b"),
        (r"<<a\\>b>>", "a\\>b"),
        (r"<<a\\>>", "a\\"),
        (r"<<\#{a}>>", "#{a}"),
        (r"<<a\x\n#b>>", "a\\x\\n#b"),
        ("<< \n >>", " \n "),
        ("<<// no comment>>", "// no comment"),
    ],
)
def test_a_chevron_has_its_own_escapes(text: str, value: str) -> None:
    found = expression(text)
    assert isinstance(found, tree.Chevron)
    (piece,) = found.pieces
    assert isinstance(piece, tree.String)
    assert piece.value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("007", 7.0), (".5", 0.5), ("1.50", 1.5), ("9" * 400, float("inf"))],
)
def test_a_number_is_read_as_decimal(text: str, value: float) -> None:
    found = expression(text)
    assert isinstance(found, tree.Number)
    assert found.value == value


def test_a_count_of_events_may_have_any_number_of_digits() -> None:
    ruleset, _ = outcome(f"ruleset a {{ rule b {{ select when count {'9' * 5000} (a b) }} }}")
    assert ruleset is not None
    select = ruleset.rules[0].select
    assert isinstance(select, tree.SelectWhen) and isinstance(select.event, tree.EventGroup)
    assert select.event.count == 10**15


# ---- spans -------------------------------------------------------------------------------------


def nodes(value: object, inside: tree.Span) -> Iterator[tuple[object, tree.Span, tree.Span]]:
    """Every node with a span, its span, and the span of the node around it."""
    if isinstance(value, tuple):
        for item in value:
            yield from nodes(item, inside)
    elif is_dataclass(value) and not isinstance(value, tree.Span):
        span = getattr(value, "span")  # noqa: B009 - any node has one
        yield value, span, inside
        for field in fields(value):
            yield from nodes(getattr(value, field.name), span)


SPANNED = [
    case.source for case in load(CASES / "rulesets.test") if outcome(case.source)[0] is not None
]


@pytest.mark.parametrize("text", SPANNED)
def test_a_node_lies_within_the_node_it_belongs_to(text: str) -> None:
    ruleset, _ = outcome(text)
    for node, span, inside in nodes(ruleset, tree.Span(0, len(text))):
        assert inside.start <= span.start <= span.end <= inside.end
        if not isinstance(node, tree.String):  # a piece of a chevron may begin with a space
            assert text[span.start : span.end].strip() == text[span.start : span.end]


@pytest.mark.parametrize("text", SPANNED)
def test_a_name_s_span_holds_the_name(text: str) -> None:
    ruleset, _ = outcome(text)
    for node, span, _ in nodes(ruleset, tree.Span(0, len(text))):
        match node:
            case tree.Identifier(name=name) | tree.SettingName(name=name):
                assert text[span.start : span.end] == name
            case tree.Declaration(name=name, name_span=at) | tree.Rule(name=name, name_span=at):
                assert text[at.start : at.end] == name
            case tree.Ruleset(rid=rid, rid_span=at):
                assert text[at.start : at.end] == rid


def test_the_span_of_an_operator_takes_in_parentheses() -> None:
    text = "(a + b) * (c)"
    assert expression(text).span == tree.Span(0, len(text))


def test_the_same_text_gives_an_equal_tree() -> None:
    for text in SPANNED:
        assert outcome(text)[0] == outcome(text)[0]
