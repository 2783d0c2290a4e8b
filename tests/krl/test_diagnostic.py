"""How a diagnostic looks to a person and to a program, and what its fixes do."""

from __future__ import annotations

import pytest

from krl.diagnostic import (
    Diagnostic,
    Fix,
    Source,
    apply_fixes,
    edit_distance,
    nearest,
    render,
    to_json,
)
from krl.syntax.tree import Span


def shown(text: str, start: int, end: int) -> list[str]:
    diagnostic = Diagnostic("error", "title", Span(start, end))
    return render(diagnostic, Source("a.krl", text)).split("\n")[3:]


def test_title_place_line_text_and_hint_are_shown() -> None:
    diagnostic = Diagnostic("warning", "odd word", Span(6, 9), "why", "what to do")
    assert render(diagnostic, Source("a.krl", "one\ntwo three")) == (
        "warning: odd word\n"
        " --> a.krl:2:3\n"
        "  |\n"
        "2 | two three\n"
        "  |   ^^^\n"
        "  = why\n"
        "  = hint: what to do"
    )


def test_color_adds_escapes_and_nothing_else() -> None:
    diagnostic = Diagnostic("error", "title", Span(0, 1), "text", "hint")
    source = Source("a.krl", "abc")
    colored = render(diagnostic, source, color=True)
    assert "\x1b[1;31m" in colored
    for code in ("1;31", "1;33", "34", "1", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == render(diagnostic, source)


def test_tabs_reach_the_next_stop_in_the_line_and_below_it() -> None:
    assert shown("a\tb\tc", 4, 5) == ["1 | a   b   c", "  |         ^"]


def test_wide_characters_count_twice_and_combining_ones_not() -> None:
    assert shown("日本 = x", 5, 6) == ["1 | 日本 = x", "  |        ^"]
    assert shown("日本 = x", 0, 2) == ["1 | 日本 = x", "  | ^^^^"]
    assert shown("e\u0301 x", 3, 4) == ["1 | e\u0301 x", "  |   ^"]


def test_a_carriage_return_is_no_part_of_the_line() -> None:
    assert shown("one\r\ntwo\r\n", 0, 3) == ["1 | one", "  | ^^^"]


def test_a_span_at_the_end_of_a_line_or_file_points_behind_it() -> None:
    assert shown("one\ntwo", 3, 3) == ["1 | one", "  |    ^"]
    assert shown("one", 3, 3) == ["1 | one", "  |    ^"]
    assert shown("", 0, 0) == ["1 |", "  | ^"]


def test_a_span_of_some_lines_is_underlined_on_each() -> None:
    assert shown("f(\n  a\n)", 0, 8) == [
        "1 | f(", "  | ^^", "2 |   a", "  |   ^", "3 | )", "  | ^",
    ]  # fmt: skip


def test_of_a_span_of_many_lines_the_first_and_the_last_are_shown() -> None:
    lines = shown("\n".join("abcdefghij"), 0, 19)
    assert [line[:4].strip() for line in lines if line[:2].strip()] == [
        "1 |", "2 |", "3 |", "...", "10 |",
    ]  # fmt: skip


def test_of_a_long_line_the_part_around_the_span_is_shown() -> None:
    line, underline = shown("x" * 500 + "HERE" + "y" * 500, 500, 504)
    assert len(line) < 140
    assert line[underline.index("^") : underline.rindex("^") + 1] == "HERE"
    assert line.count("...") == 2


def test_text_cannot_steer_the_terminal_it_is_shown_on() -> None:
    text = "a\x1b[2Jb\u202ec\x07"
    out = render(Diagnostic("error", "title", Span(1, 2)), Source("\x1b[31m.krl", text))
    assert not set(out) & set("\x1b\u202e\x07")
    assert "a<U+001B>[2Jb<U+202E>c<U+0007>" in out


def test_json_has_lines_and_columns_from_one() -> None:
    diagnostic = Diagnostic("error", "title", Span(4, 9), "text", "hint")
    assert to_json(diagnostic, Source("a.krl", "one\ntwo\nthree")) == {
        "severity": "error",
        "title": "title",
        "file": "a.krl",
        "line": 2,
        "column": 1,
        "end_line": 3,
        "end_column": 2,
        "text": "text",
        "hint": "hint",
    }


# ---- fixes -------------------------------------------------------------------------------------


def fixed(text: str, *groups: tuple[Fix, ...]) -> str:
    diagnostics = [Diagnostic("error", "title", Span(0, 0), fixes=group) for group in groups]
    return apply_fixes(Source("a.krl", text), diagnostics)


def test_fixes_are_made_whatever_their_order() -> None:
    assert (
        fixed("abc", (Fix(Span(2, 3), "C"),), (Fix(Span(0, 1), "A"), Fix(Span(1, 1), "-")))
        == "A-bC"
    )


def test_of_overlapping_fixes_the_first_is_made_and_the_other_left_out_whole() -> None:
    first = (Fix(Span(0, 2), "X"),)
    second = (Fix(Span(1, 3), "Y"), Fix(Span(3, 4), "Z"))
    assert fixed("abcd", first, second) == "Xcd"


def test_the_same_fix_twice_is_made_once() -> None:
    assert fixed("ab", (Fix(Span(1, 1), ";"),), (Fix(Span(1, 1), ";"),)) == "a;b"


def test_insertions_at_one_place_keep_their_order() -> None:
    assert fixed("ab", (Fix(Span(1, 1), "1"),), (Fix(Span(1, 1), "2"),)) == "a12b"


# ---- spelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("selct", "select"),
        ("slecet", "select"),
        ("foreahc", "foreach"),
        ("SELECT", "select"),
        ("noop", None),
        ("xyz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_a_slip_of_the_fingers_away(name: str, expected: str | None) -> None:
    assert nearest(name, ["select", "foreach", "noop"]) == expected


def test_the_distance_counts_a_swap_of_neighbours_as_one() -> None:
    assert edit_distance("abcd", "abdc") == 1
    assert edit_distance("abc", "") == 3
    assert edit_distance("kitten", "sitting") == 3
