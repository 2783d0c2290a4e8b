"""A pattern that is a function of its own does what the matcher does with its code."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from examples.cases import Bench
from krl.compiler import compile_source, guest_library
from krl.diagnostic import Source
from krl.emit import function as emitting
from krl.emit.pattern import compile_search

FUNCTIONS = [
    *("a", "abc", "é", "a|b|cd|", "^a", "a$", "^$", "^", "$", "^^a", "a^", "$a", "", "^(a|b)$"),
    *(r"^item-\d*7$", r"item-(\d+)", r"^([1-9]\d{0,2})?$", r"^([A-Z]+-\d+)$", r"^\s*|\s*$"),
    *("a*", "a+?", "a??b", "a{2}", "a{1,2}b", "a{2,}?b", "a{0}b", "(a*)", "(a)?b", "(?:ab)*c"),
    *("(ab|cd)+x", "(a|(b))+c", "(?:(a)|(b))*c", "([^,]*),(.*)", ".*b", "(.+)@(.+)", "[^a]+a"),
    *(r"\bab", r"ab\b", r"\Ba", r"\w+\s\W?", r"\S+", r"[\s,]+b", "(?=a)(.)", "(?!a)."),
    *(
        "(?:a|b)*a",
        "(?=(a+))a*b",
        "(?!(a))(.)b",
        "(a|ab)(c|bcd)",
        "a.c",
        "日",
        "[à-ü]+",
        "x*y+z?",
        "a{3}",
    ),
]
LEFT_TO_THE_MATCHER = [
    *(
        "(a*)*",
        "(a|ab)*c",
        "(a|ab)(c|bcd)?",
        "(?=(a))?.",
        r"(a)\1",
        "(?<n>a)",
        "a{2000}",
        "(a?){2,3}",
        "(?:ab)*ab",
    ),
    *("[a-c]" * 60, "(" * 21 + ")" * 21),
]
SUBJECTS = [
    *("", "a", "b", "ab", "aab", "aaab", "abc", "cd", "ba", "abab", "ababc", "xab", "ab x", "\n"),
    *("item-7", "item-17", "item-71", "item-", "-1234", "1", "12", "123", "1234", "AB-1", "ab,cd,"),
    *(
        "  a ",
        "\u00e9",
        "\u65e5a\u65e5",
        "a\u65e5c",
        "acdx",
        "abcdx",
        "abcd",
        "yz",
        "\u2028 ,b",
        "a@b@c",
    ),
]
ONE = """f{0} = function(s) {{ [s.match({1}), s.extract({1}), s.extract({1}g), s.split({1}),
                     s.replace({1}g, "<$1$2>")] }}"""


def search(source: str, flags: str = "") -> object:
    return compile_search(source, flags, guest_library(), lambda text: 150_000)


def answers(flags: str) -> list[Any]:
    """What a ruleset makes of each subject with each pattern."""
    functions = [ONE.format(at, f"re#{source}#{flags}") for at, source in enumerate(FUNCTIONS)]
    every = ", ".join(f"f{at}(s)" for at in range(len(FUNCTIONS)))
    body = "\n".join([*functions, f"f = function(s) {{ [{every}] }}"])
    text = f"ruleset r {{ meta {{ shares f }} global {{ {body} }} }}"
    compilation = compile_source(Source("r.krl", text))
    assert compilation.module is not None, compilation.diagnostics
    bench = Bench.with_modules(compilation.module)
    with bench.engine as engine:
        return [engine.query(bench.pico, "r", "f", {"s": subject}) for subject in SUBJECTS]


@pytest.mark.parametrize("flags", ["", "i"])
def test_a_function_finds_what_the_matcher_finds(
    flags: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answers(flags)
    monkeypatch.setattr(emitting, "compile_search", lambda *given: None)
    for subject, mine, wanted in zip(SUBJECTS, found, answers(flags), strict=True):
        for source, one, other in zip(FUNCTIONS, mine, wanted, strict=True):
            assert json.dumps(one) == json.dumps(other), (source, subject)


@pytest.mark.parametrize("source", FUNCTIONS)
def test_the_patterns_of_these_tests_are_functions(source: str) -> None:
    assert search(source) is not None


@pytest.mark.parametrize("source", LEFT_TO_THE_MATCHER)
def test_what_is_rare_or_long_is_left_to_the_matcher(source: str) -> None:
    assert search(source) is None


@pytest.mark.parametrize("source", ["é", "[é-ü]", "[^é]"])
def test_letters_beyond_ascii_whose_case_does_not_count_are_left_to_the_library(
    source: str,
) -> None:
    assert search(source) is not None
    assert search(source, "i") is None


def test_no_pattern_ends_the_compiler() -> None:
    pieces = "ab1|()[]{}*+?^$.\\dws,-"
    source = random.Random(5)
    for _ in range(3000):
        search("".join(source.choices(pieces, k=source.randrange(12))))
