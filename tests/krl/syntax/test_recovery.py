"""Whatever the text, parsing ends with a tree or with diagnostics that can be shown, and soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krl.diagnostic import Diagnostics, Source, apply_fixes, render, to_json
from krl.syntax.cursor import DEPTH_MAX, HEIGHT_MAX
from krl.syntax.lexer import read_tokens
from krl.syntax.parser import parse, parse_expression
from krl.syntax.tree import Ruleset

RULESET = """\
ruleset io.example {
  meta {
    name "example" description <<It #{"is"} one>>
    use module io.other alias other with key = 1 and value = {"a": [1, 2.5]}
    shares f, g
  }
  global {
    f = function(x, y = 2) { z = x => y | -x.g(); z{["a", "b"]} + "c" }
    g = defaction(a) { if a then every { l => noop() setting(b); other:act(a, b = 1) } return a }
  }
  rule one {
    select when a b c re#(.*)#i setting(d) where d > 1 or any 2 (a b, c:d, e f) within 5 minutes
    foreach f(1) setting(v, k)
    pre { w = <<#{v} and #{k}>>; }
    choose w { x => send_directive("x", {"y": w}) }
    fired { ent:x{w} := 1 if w; raise c event "d" attributes {} on final; log info w }
    else { clear ent:x; schedule event "a:b" at time:now() setting(id) }
    finally { last }
  }
}
"""


def diagnose(text: str) -> tuple[Ruleset | None, Diagnostics]:
    diagnostics = Diagnostics()
    return parse(Source("case.krl", text), diagnostics), diagnostics


def titles(text: str) -> list[str]:
    return [item.title for item in diagnose(text)[1]]


def check(text: str) -> None:
    """Parse, and use whatever is told in every way there is."""
    source = Source("case.krl", text)
    diagnostics = Diagnostics()
    tree = parse(source, diagnostics)
    assert (tree is None) == diagnostics.has_errors
    for item in diagnostics:
        assert 0 <= item.span.start <= item.span.end <= len(text)
        assert item.title[0] == "`" or item.title[0].islower()
        assert not item.title.endswith(".")
        assert render(item, source, color=True)
        assert to_json(item, source)["line"]
    apply_fixes(source, diagnostics)


def test_the_ruleset_the_tests_break_is_whole() -> None:
    tree, diagnostics = diagnose(RULESET)
    assert tree is not None and not diagnostics.items


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    check(text)
    parse_expression(Source("case.krl", text), Diagnostics())


@given(st.binary())
def test_any_bytes_are_answered(data: bytes) -> None:
    check("ruleset a { global { x = " + data.decode("utf-8", "surrogateescape"))


WORDS = sorted({*RULESET.split(), *"()[]{};,:.<>|'\"\\#&=!?", "<<", ">>", "#{", ":=", "=>", "/*"})


@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from([" ", "\n", ""]))
def test_any_heap_of_tokens_is_answered(words: list[str], space: str) -> None:
    check("ruleset a { rule b { " + space.join(words))


@settings(max_examples=300)
@given(st.data())
def test_any_damage_to_a_ruleset_is_answered(data: st.DataObject) -> None:
    text = RULESET
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *WORDS])) + text[end:]
    check(text)


@pytest.mark.parametrize("cut", range(0, len(RULESET), 7))
def test_a_ruleset_cut_off_anywhere_has_one_diagnostic_or_two(cut: int) -> None:
    check(RULESET[:cut])
    assert 1 <= len(titles(RULESET[:cut])) <= 2


def test_a_missing_token_is_told_once() -> None:
    """Of all tokens: most are missed, nearly always once, and never with a flood of words."""
    tokens = read_tokens(Source("case.krl", RULESET), Diagnostics())
    counts = []
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        told = titles(RULESET[:start] + RULESET[end:])
        counts.append(len(told))
    assert max(counts) <= 4
    assert sum(count == 1 for count in counts) > 0.9 * sum(count > 0 for count in counts)


# ---- depth and length --------------------------------------------------------------------------

NESTED = {
    "parentheses": ("(", "1", ")"),
    "arrays": ("[", "1", "]"),
    "maps": ('{"a":', "1", "}"),
    "calls": ("f(", "1", ")"),
    "chevrons": ("<<#{", "1", "}>>"),
    "functions": ("function(){", "1", "}"),
    "functions on lines": ("\nfunction(){\nx = ", "1", "\nx}"),
    "defactions": ("defaction(){x(", "1", ")}"),
    "signs": ("-", "1", ""),
    "conditionals": ("a => b | ", "1", ""),
    "paths": ("a{", "1", "}"),
    "opened and never closed": ("(", "", ""),
}


@pytest.mark.parametrize("form", NESTED.values(), ids=NESTED)
def test_expressions_nested_ten_thousand_deep_are_refused(form: tuple[str, str, str]) -> None:
    opening, inner, closing = form
    text = f"ruleset a {{ global {{ x = {opening * 10_000}{inner}{closing * 10_000} }} }}"
    assert "nested too deeply" in titles(text)
    assert len(titles(text)) <= 3


def test_events_nested_ten_thousand_deep_are_refused() -> None:
    for opening, closing in (("(", ")"), ("or(", ")"), ("a b between(", ", c d)")):
        event = opening * 10_000 + "a b" + closing * 10_000
        assert titles(f"ruleset a {{ rule b {{ select when {event} }} }}") == ["nested too deeply"]


def test_the_deepest_nesting_is_accepted_and_one_more_is_not() -> None:
    for depth, accepted in ((DEPTH_MAX - 1, True), (DEPTH_MAX, False)):
        diagnostics = Diagnostics()
        parse_expression(Source("case.krl", "(" * depth + "1" + ")" * depth), diagnostics)
        assert diagnostics.has_errors != accepted


@pytest.mark.parametrize("link", [" + 1", " => b | c", ".f", "[1]", "{1}", "(1)", " && a"])
def test_the_longest_chain_is_accepted_and_one_more_is_not(link: str) -> None:
    for length, accepted in ((HEIGHT_MAX - 1, True), (HEIGHT_MAX, False)):
        diagnostics = Diagnostics()
        parse_expression(Source("case.krl", "a" + link * length), diagnostics)
        assert diagnostics.has_errors != accepted


def test_chains_within_chains_cannot_make_a_higher_tree() -> None:
    text = "a"
    for _ in range(100):
        text = f"({text}{' + 1' * 20})"
    diagnostics = Diagnostics()
    parse_expression(Source("case.krl", text), diagnostics)
    assert [item.title for item in diagnostics] == ["nested too deeply"]


LONG = {
    "declarations": "ruleset a { global { " + "x = 1 " * 40_000 + "} }",
    "one string": 'ruleset a { global { x = "' + "\\" * 400_000 + '" } }',
    "an unclosed string": 'ruleset a { global { x = "' + "a\\" * 200_000,
    "quotes": "ruleset a { global { x = " + '"\\\n' * 50_000,
    "comment openings": "ruleset a { " + "/*\n" * 80_000,
    "chevron openings": "ruleset a { global { x = " + "<<#{" * 50_000,
    "illegal characters": "ruleset a { global { " + "? " * 40_000 + "} }",
    "mistakes": "ruleset a { global { " + "x = ) " * 15_000 + "} }",
    "mistakes on lines": "ruleset a { global {\n" + "x = f(1\n" * 15_000 + "} }",
    "semicolons": "ruleset a { global { " + "; " * 100_000 + "} }",
    "closing braces": "ruleset a { global { " + "} " * 80_000,
    "opening braces": "ruleset a { global { x = " + "{ " * 80_000,
    "rules": "ruleset a { " + "rule b { select when a b } " * 6_000 + "}",
    "unclosed rules": "ruleset a { " + "rule b { select when a b\n" * 6_000,
    "blank space": "ruleset a { global { x = " + " " * 500_000 + "1 } }",
    "letters": "ruleset a { global { x = " + "\u00e9" * 200_000 + " } }",
    "single quotes": "ruleset a { global { x = " + "'a" * 60_000 + " } }",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_take_time_in_proportion(text: str) -> None:
    started = time.process_time()
    diagnose(text)
    assert time.process_time() - started < 4
