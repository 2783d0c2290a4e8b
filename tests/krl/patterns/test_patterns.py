"""Patterns compiled with a ruleset are what the library would compile, or are left to it."""

from __future__ import annotations

import random
import struct

import pytest

from guest.core.harness import Guest, Thrown, shared_guest
from krl.patterns import compile_pattern

COMPILED = [
    *("", "a", "abc", "^$", "^(\\d+)?$", "(.*)", "^[A-Za-z0-9._%+-]+@[a-z.]+$", "a|b|cd|", "|"),
    *("(a)(b(c))\\2\\1", "\\3(a)(b)(c)", "(?:a|b)+", "(?=a)b", "(?!a)b|c", "(?=(a))*", "((a)|b)*?"),
    *(
        "a*",
        "a+?",
        "a??",
        "a{3}",
        "a{2,}",
        "a{0,4}?",
        "a{1,3}",
        "a{0}",
        "(a){0}b",
        "(a*)*",
        "(a?){2,3}",
    ),
    *("(\\1a)+", "(?:(a)|b){0,2}", "(?:a*)+", "(?:a{2}){3,4}", "((a{2})*){3}", "x*y+z?"),
    *("[]", "[^]", "[abc]", "[^abc]", "[a-cb-dx]", "[\\w.-]", "[\\s\\S]", "[^\\d\\W]", "[a\\-z]"),
    *(
        "[\\d-x]",
        "[a-\\d]",
        "[-a-]",
        "[\\b]",
        "[\\]\\\\]",
        "[\\n\\t\\0]",
        "[^\\]]",
        "[.*+?]",
        "[\\w-]",
    ),
    *(
        "\\.\\*\\/\\-\\#",
        "\\x41\\u0042",
        "\\x4\\u12",
        "\\n\\r\\t\\f\\v\\0",
        "\\a\\p\\q",
        "\\bfoo\\B",
    ),
    *("{", "a{", "a{x}", "}", "]", "a{,3}", "é", "日本", "😀", "[é-ü]", "[😀]", "\ud800", "\\é"),
    *(
        "\\d\\D\\s\\S\\w\\W",
        "\\d{4}-\\d{2}-\\d{2}",
        "^(\\w+)\\s(\\w+)$",
        "^\\s*|\\s*$",
        "(" * 40 + ")" * 40,
    ),
]
LEFT_TO_THE_LIBRARY = [
    *("(?<n>a)", "(?<=a)b", "(?<!a)b", "(?i:a)", "\\k", "\\k<n>", "\\cA", "[\\cA]", "\\01", "\\8"),
    *("\\1", "(a)\\2", "[\\1]", "a{99999999}", "a\0b", "(" * 60 + ")" * 60, "()" * 253),
]
MISTAKES = [
    "(",
    ")",
    "a)",
    "(a",
    "[",
    "[a",
    "*",
    "a**",
    "+",
    "?",
    "{1}",
    "a{2,1}",
    "^*",
    "[b-a]",
    "\\",
]
PIECES = [
    *(
        "a",
        "K",
        "9",
        "_",
        " ",
        "-",
        ".",
        "^",
        "$",
        "\\b",
        "\\d",
        "\\S",
        "\\W",
        "(",
        "(",
        "(?:",
        "(?=",
    ),
    *(
        "(?!",
        ")",
        ")",
        ")",
        "|",
        "*",
        "+",
        "?",
        "??",
        "{2}",
        "{0,1}",
        "{1,}",
        "{0,3}",
        "{0}",
        "[a-z]",
    ),
    *(
        "[^x]",
        "[\\w.-]",
        "[]",
        "é",
        "\\1",
        "\\2",
        "\\n",
        ",",
        "{",
        "]",
        "[A-Z0-9]",
        "[\\d-x]",
        "\\x41",
    ),
]


def compiled_by_the_library(source: str, flags: str) -> bytes | None:
    """The code that a regexp has after its first use; None if it throws."""
    guest = shared_guest()
    regexp = guest.regexp(source, flags)
    try:
        guest.library("extract", guest.text(""), regexp)
    except Thrown:
        return None
    (address,) = struct.unpack("<I", guest.read((regexp & 0xFFFFFFFF) + 12, 4))
    (size,) = struct.unpack("<I", guest.read(address + 4, 4))
    return guest.read(address, 8 + size)


@pytest.mark.parametrize("source", COMPILED)
def test_a_pattern_becomes_what_the_library_makes_of_it(source: str) -> None:
    code = compile_pattern(source, "")
    assert code is not None
    assert code == compiled_by_the_library(source, "")


@pytest.mark.parametrize("source", [source for source in COMPILED if source.isascii()])
def test_so_it_does_where_case_does_not_count(source: str) -> None:
    code = compile_pattern(source, "gi")
    assert code is not None
    assert code == compiled_by_the_library(source, "gi")


@pytest.mark.parametrize("source", LEFT_TO_THE_LIBRARY)
def test_what_is_rare_is_left_to_the_library(source: str) -> None:
    assert compile_pattern(source, "") is None
    if source not in ("\\k<n>", "\\8"):
        assert compiled_by_the_library(source, "") is not None


@pytest.mark.parametrize("source", ["é", "[é]", "[a-é]", "\\u00e9"])
def test_letters_beyond_ascii_without_case_are_left_to_the_library(source: str) -> None:
    assert compile_pattern(source, "i") is None
    assert compiled_by_the_library(source, "i") is not None


@pytest.mark.parametrize("source", MISTAKES)
def test_a_mistake_is_left_to_the_library_which_throws(source: str) -> None:
    assert compile_pattern(source, "") is None
    assert compiled_by_the_library(source, "") is None


@pytest.mark.parametrize("seed", range(4))
def test_any_pattern_becomes_what_the_library_makes_of_it_or_is_left_to_it(seed: int) -> None:
    choose = random.Random(seed)
    supported = 0
    for _ in range(150):
        source = "".join(choose.choices(PIECES, k=choose.randrange(1, 8)))
        source += ")" * (source.count("(") - source.count(")"))
        flags = choose.choice(["", "i"])
        code = compile_pattern(source, flags)
        if code is not None:
            supported += 1
            assert code == compiled_by_the_library(source, flags), (source, flags)
    assert supported > 30


def test_a_pattern_that_was_compiled_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest()
    guest.begin_event()
    code = compile_pattern("(\\d+)-(x?)", "")
    assert code is not None
    head = (guest.text("(\\d+)-(x?)") & 0xFFFFFFFF, 0, 0, guest.place(code), 0, 0)
    regexp = 0xFFFE << 48 | guest.place(struct.pack("<6I", *head))
    assert guest.show(guest.library("extract", guest.text("ab 12-x"), regexp)) == ["12", "x"]
    assert guest.show(guest.library("extract", guest.text("ab"), regexp)) == []
