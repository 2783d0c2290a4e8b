"""Regular expressions against what JavaScript's find, and under attack.

facts/regexps.json has [pattern, flags, subject, answer]: the offsets of the match and of its groups
in code units, null for no match, "malformed" where JavaScript refuses the pattern.
"""

from __future__ import annotations

import json
import random
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from guest.core.harness import Guest, number
from guest.core.harness import Thrown as GuestThrown
from guest.library.machine import Machine, Pattern, Thrown

FACTS = json.loads((Path(__file__).parent / "facts" / "regexps.json").read_text("utf-8"))


def part(subject: str, offsets: list[int] | None) -> str | None:
    if offsets is None:
        return None
    units = subject.encode("utf-16-le", "surrogatepass")
    return units[2 * offsets[0] : 2 * offsets[1]].decode("utf-16-le", "surrogatepass")


def shown(subject: str, offsets: list[int]) -> str:
    before, after = part(subject, [0, offsets[0]]), part(subject, [offsets[1], 2 * len(subject)])
    return f"{before}<{part(subject, offsets)}>{after}"


def same_units(a: str, b: str) -> bool:
    return a.encode("utf-16-le", "surrogatepass") == b.encode("utf-16-le", "surrogatepass")


def test_a_pattern_finds_what_javascript_finds() -> None:
    machine, wrong = Machine(), []
    for source, flags, subject, answer in FACTS:
        machine.refresh()
        if answer == "malformed":
            continue
        pattern = Pattern(source, flags)
        got: list[Any] = [machine.call("match", subject, pattern)]
        wanted: list[Any] = [answer is not None]
        if answer is not None:
            got += machine.call("extract", subject, pattern)
            wanted += [part(subject, offsets) for offsets in answer[1:]]
            marked = machine.call("replace", subject, pattern, "<$&>")
            if not same_units(marked, shown(subject, answer[0])):
                wrong.append((source, flags, subject, marked, answer))
        if got != wanted:
            wrong.append((source, flags, subject, got, wanted))
    assert not wrong


# What JavaScript and Python read alike, without groups: those differ inside of loops.
PARTS = [
    *("a", "b", "ab", "é", "日", ".", "^", "\\b", "\\B", "\\d", "\\W", "(?:", "(?:", "(?=", "(?!"),
    *(
        ")",
        ")",
        ")",
        "|",
        "*",
        "+",
        "?",
        "*?",
        "+?",
        "??",
        "{2}",
        "{0,3}",
        "{1,2}?",
        "[ab]",
        "[^a]",
    ),
]


def python_finds(source: str, flags: str, subject: str) -> list[str] | None:
    """None if it is no pattern, or one that Python refuses to repeat."""
    if re.search(r"[*+?}]\+", source):  # Python's own: it does not go back
        return None
    try:
        with warnings.catch_warnings(action="error"):
            found = re.compile(source, re.ASCII | (re.IGNORECASE if flags else 0)).search(subject)
    except (re.error, Warning):
        return None
    return [] if found is None else [found[0]]


@pytest.mark.parametrize("seed", range(3))
def test_any_pattern_finds_what_another_engine_finds(seed: int) -> None:
    choose = random.Random(seed)
    machine, compared = Machine(), 0
    for _ in range(150):
        source = "".join(choose.choices(PARTS, k=choose.randrange(1, 8)))
        source += ")" * (source.count("(") - source.count(")"))
        subject = "".join(choose.choices("aaabbcA1 é日", k=choose.randrange(0, 12)))
        flags = choose.choice(["", "i"]) if (source + subject).isascii() else ""
        wanted = python_finds(source, flags, subject)
        if wanted is None:
            continue
        compared += 1
        machine.refresh()
        found = []
        if machine.call("match", subject, Pattern(source, flags)):
            marked = machine.call("replace", subject, Pattern(source, flags), "<$&>")
            found = [marked[marked.index("<") + 1 : marked.index(">")]]
        assert found == wanted, (source, flags, subject)
    assert compared > 30


def test_a_pattern_that_javascript_refuses_throws() -> None:
    for source, flags, _, answer in FACTS:
        if answer == "malformed":
            with pytest.raises(Thrown, match="Invalid regular expression: /"):
                Machine().call("match", "text", Pattern(source, flags))


def test_a_global_pattern_remembers_where_it_was_and_only_that() -> None:
    guest = Guest()
    guest.begin_event()
    pattern, other = guest.regexp("a", "g"), guest.regexp("a")
    subject = guest.text("aa")
    found = [guest.show(guest.library("match", subject, pattern)) for _ in range(4)]
    assert found == [True, True, False, True]
    assert [guest.show(guest.library("match", subject, other)) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("subject", ["x" * 1000, "日" * 1000])
def test_matching_a_thousand_times_gives_its_memory_back(subject: str) -> None:
    guest = Guest()
    guest.begin_event()
    pattern, text = guest.regexp("(.*)(.*)(y|x|日)$"), guest.text(subject)
    assert guest.call("rt_like", text, pattern)
    before = guest.memory_bytes()
    for _ in range(1_000):
        assert guest.call("rt_like", text, pattern)
    assert guest.memory_bytes() == before


@pytest.mark.parametrize("pattern", ["(" * 20_000, "(?:" * 20_000 + ")" * 20_000, "[" * 50_000])
def test_a_pattern_nested_too_deeply_is_refused_not_followed(pattern: str) -> None:
    guest = Guest()
    guest.begin_event()
    with pytest.raises(GuestThrown, match="Invalid regular expression"):
        guest.call("rt_like", guest.text("x"), guest.text(pattern))


def test_a_pattern_that_backtracks_into_all_memory_traps() -> None:
    guest = Guest()
    guest.begin_event()
    subject = guest.library("join", guest.array(*[guest.text("ab")] * 200_000), guest.text(""))
    with pytest.raises(wasmtime.Trap):
        guest.call("rt_like", subject, guest.regexp("^(?:(a)|(b)|(c)|(d))*$x"))
    assert not guest.effects


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a/b", "re#a\\/b#"),
        ("a\\/b", "re#a\\/b#"),
        ("[/]", "re#[/]#"),
        ("[\\]/]/", "re#[\\]/]\\/#"),
        ("", "re#(?:)#"),
        ("a\nb\r", "re#a\\nb\\r#"),
        ("a\\\nb", "re#a\\nb#"),
        ("\\\\\n", "re#\\\\\\n#"),
        ("\u2028\u2029", "re#\\u2028\\u2029#"),
    ],
)
def test_a_pattern_is_shown_as_javascript_shows_it(source: str, text: str) -> None:
    guest = Guest()
    guest.begin_event()
    assert guest.to_string(guest.regexp(source)) == text
    assert guest.to_string(guest.regexp(source, "ig")) == text + "gi"


def test_a_split_at_every_unit_of_a_large_text_is_affordable() -> None:
    guest = Guest()
    guest.begin_event()
    text = guest.text("a,b" * 10_000)
    parts = guest.library("split", text, guest.regexp(","))
    assert guest.library("length", parts) == number(10_001)
