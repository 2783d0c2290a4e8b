"""Mechanical fixes: old rulesets become new ones that mean the same, and nothing gets worse."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krl import fix
from krl.compiler import check_source
from krl.diagnostic import Diagnostic, Fix, Source, apply_fixes
from krl.fix import Fixed, fix_source
from krl.lower.show import show
from krl.syntax.tree import Span

# Everything of the old dialect that compiles, with a warning for each.
ACCEPTED = """\
ruleset io.example.old {
  meta {
    logging on
    use module io.other alias other with a = 1
    shares add, more
  }
  global {
    add = function(a, b) { a + b };
    more = function(a) {
      add(1) with
        b = a * 2
    }
    act = defaction(one, two) {
      c = add() with a = one and b = two;
      send_directive("act") with c = c and two = two
    };
  }
  rule first {
    select when old event name re#^(.*)$# where name == "x" setting(name);
    pre { all = event:attrs(); one = event:attrs("name"); };
    every {
      act(1) with two = event:attrs()
      send_directive("done") with
        name = name
        and
        all = all
    };
    fired {
      ent:seen := add(1) with b = 2;
      raise old event "next" with name = name and count = 1;
      clear ent:gone;
    };
  };
}
"""

# Everything that does not compile until it is rewritten.
REFUSED = """\
ruleset io.example.older {
  meta { sharing on }
  global {
    function twice(x) { x * 2 }
    size := 3
    m = {a: 1, b: twice(size)}
  }
  rule first {
    select when older event where kind == 'x' & count > 1
    pre { }
    {
      send_directive("a"),
      send_directive("b")
    }
    fired {
      set ent:x 1
      ent:y = 2
      log "text"
    } else {
      log info "none"
    }
  }
}
"""


def fixed(text: str) -> Fixed:
    return fix_source(Source("case.krl", text))


def meaning(text: str) -> str:
    """The program as text, without the places of its source."""
    compilation = check_source(Source("case.krl", text))
    assert compilation.program is not None, [item.title for item in compilation.diagnostics]
    return re.sub(r"function at \d+", "function", show(compilation.program))


def test_what_compiles_with_warnings_becomes_what_compiles_without_and_means_the_same() -> None:
    result = fixed(ACCEPTED)
    assert result.compilation.diagnostics.items == []
    assert meaning(result.compilation.source.text) == meaning(ACCEPTED)
    assert len(result.rewrites) == 17


def test_what_an_older_compiler_took_compiles_after_several_rounds() -> None:
    assert not check_source(Source("case.krl", REFUSED)).ok
    result = fixed(REFUSED)
    assert [item.title for item in result.compilation.diagnostics] == []
    text = result.compilation.source.text
    assert 'where event:attrs{"kind"} == "x" && event:attrs{"count"} > 1' in text
    assert "twice = function(x)" in text and 'm = {"a": 1' in text
    assert "sharing" not in text


@pytest.mark.parametrize("text", [ACCEPTED, REFUSED])
def test_a_second_run_finds_nothing_to_do(text: str) -> None:
    once = fixed(text).compilation.source
    again = fix_source(once)
    assert again.rewrites == () and again.compilation.source == once


def test_lines_and_columns_of_rewrites_are_those_of_the_round_before() -> None:
    places = [(item.title, item.line, item.column) for item in fixed(REFUSED).rewrites]
    assert ("`sharing` is no longer a meta property", 2, 10) in places
    assert ("`:=` in a declaration", 5, 10) in places


def test_a_fix_that_waits_for_another_round_is_counted_once() -> None:
    """The name in the `where` that moves behind the `setting` is rewritten when it has moved."""
    text = "ruleset a { rule r { select when a b x re#.# where y == 1 setting(x) noop() } }"
    result = fixed(text)
    assert 'setting(x) where event:attrs{"y"} == 1 noop()' in result.compilation.source.text
    assert [item.title for item in result.rewrites] == [
        "`where` before `setting`",
        "undefined id: y",
    ]


def test_application_variables_become_entity_variables_everywhere() -> None:
    rule = "select when a b always { app:x{1} := app:x.length(); clear app:x; clear app : y }"
    result = fixed(f"ruleset a {{ rule r {{ {rule} }} }}")
    assert "{ ent:x{1} := ent:x.length(); clear ent:x; clear ent : y }" in (
        result.compilation.source.text
    )
    assert result.compilation.ok and result.compilation.diagnostics.items == []


def test_an_application_variable_does_not_become_an_entity_variable_that_exists() -> None:
    rule = "select when a b always { app:x := 1; ent:x := 2; app:y := 3 }"
    result = fixed(f"ruleset a {{ rule r {{ {rule} }} }}")
    assert "app:x := 1; ent:x := 2; ent:y := 3" in result.compilation.source.text


def test_what_is_deprecated_but_means_something_else_is_left_alone() -> None:
    text = 'ruleset a { rule r { select when a b pre { x = event:attr("x") y = {}.z } } }'
    result = fixed(text)
    assert result.rewrites == () and len(result.compilation.diagnostics.items) == 2


def test_a_fix_that_would_break_a_ruleset_is_not_made_and_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "ruleset a { rule r { select when a b; pre { x = 1 } noop() } };"
    bad = Diagnostic("warning", "bad advice", Span(0, 7), fixes=(Fix(Span(0, 7), "rulset"),))
    real = check_source

    def check(source: Source) -> object:
        compilation = real(source)
        compilation.diagnostics.items.insert(1, bad)
        return compilation

    monkeypatch.setattr(fix, "check_source", check)
    result = fixed(text)
    assert result.compilation.source.text == (
        "ruleset a { rule r { select when a b pre { x = 1 } noop() } }"
    )
    assert "bad advice" not in [item.title for item in result.rewrites]


WORDS = sorted({*ACCEPTED.split(), *REFUSED.split(), ";", ",", "'", "with", "app:x", "sharing on"})


@settings(max_examples=60)
@given(st.data())
def test_no_damage_makes_a_fix_break_what_compiles(data: st.DataObject) -> None:
    """Words are put into a ruleset at random; whatever compiled must compile after the fixes."""
    text = data.draw(st.sampled_from([ACCEPTED, REFUSED]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + " " + data.draw(st.sampled_from(WORDS)) + " " + text[at:]
    before = check_source(Source("case.krl", text))
    result = fixed(text)
    assert result.compilation.ok or not before.ok
    assert (result.compilation.source.text == text) == (not result.rewrites)


# ---- removals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "removed", "left"),
    [
        ("a ;\nb", ";", "a\nb"),
        ("a;\r\nb", ";", "a\r\nb"),
        ("a\n  ;\nb", ";", "a\nb"),
        ("a\r\n;\r\nb", ";", "a\r\nb"),
        ("a\n;", ";", "a\n"),
        (";\nb", ";", "b"),
        (";b", ";", "b"),
        ("a;b", ";", "a b"),
        ("a;_b", ";", "a _b"),
        ("a;$", ";", "a $"),
        ("a;{", ";", "a{"),
        ("a; // why\nb", ";", "a // why\nb"),
        ("a\n  ; b", ";", "a\n   b"),
        ("a; ;b", "; ;", "a b"),
        (";", ";", ""),
    ],
)
def test_a_removal_leaves_no_blanks_behind_and_glues_no_words(
    text: str, removed: str, left: str
) -> None:
    at = text.index(removed)
    removal = Fix(Span(at, at + len(removed)), "")
    diagnostics = [Diagnostic("warning", "stray", removal.span, fixes=(removal,))]
    assert apply_fixes(Source("case.krl", text), diagnostics) == left


def test_a_removal_leaves_its_line_to_a_fix_that_follows_on_it() -> None:
    fixes = (Fix(Span(2, 3), ""), Fix(Span(3, 4), "\n\n"), Fix(Span(4, 4), "c"))
    diagnostic = Diagnostic("warning", "stray", Span(2, 3), fixes=fixes)
    assert apply_fixes(Source("case.krl", "a ;\nb"), [diagnostic]) == "a \n\ncb"
