"""Literals, names and JSON values that a random case is made of.

Everything here takes a `random.Random`, which is either a real one (the command line, for speed)
or Hypothesis's (strategies.py, which then shrinks what it draws).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

NUMBERS = ("0", "1", "2", "3", "4", "5", "10", "255", "7", "0.5", "1.5", "2.25", ".5", "100", "007")
ODD_NUMBERS = ("1000000000000000000000", "0.0000001", "9007199254740993", "4294967295", "1.10")
TEXTS = ("", "a", "b", "ab", "abc", "hello world", "A", "0", "1", "2", "10", "-1", "1.5", "x,y,z")
ODD_TEXTS = (
    "0xFF", "0x1g", "true", "false", "null", " 12 ", "é", "ß", "İ", "😀", "e\u0301", "a.b", "01",
    "[1,2]", '{"a":1}', "%d and %s", "$& $1 $$", "a b\tc", "1e3", "Infinity", "NaN", "-0", "0b11",
    "re#a#", "\u00a0x\u00a0", "line\nbreak", "\u2028", "YWJj", "a\\b", "\\", '"', "ÀÉ", "ﬀ",
)  # fmt: skip
KEYS = ("a", "b", "c", "0", "1", "2", "x", "01", "a.b", "10", "", "é")
PATTERNS = (
    "a", "b", "(a)(b)?", "[a-z]+", "^(.*)$", "(\\d+)", "x|y", "[^a]", "(.)(.)", "\\w", "\\s+",
    "a{1,2}", "(?:a|b)(c)", "l+", "o", "\\/", ".", "(x)|(y)", "a\\#b", "(?=b)b", "(.)\\1", "[\\d-]",
)  # fmt: skip
WIDE_PATTERNS = ("", "a*", "(b*)", "\\b", "^", "$", "(?=b)")
FLAGS = ("", "", "", "i", "g", "gi")
TIMES = (
    "2010-01-01", "2020-02-29T12:30:00Z", "2021-03-04T05:06:07.089+02:00", "2020-01-31T24:00:00Z",
    "2019-12-31T23:59:59.999Z", "20100101T120000Z", "2015-W05", "2012-060", "x", "", "2020-02-30",
)  # fmt: skip
UNITS = ("seconds", "minute", "h", "days", "months", "M", "year", "weeks", "ms", "quarters", "x")
FORMATS = ("%Y-%m-%d", "%H:%M:%S.%L", "%A %a %B %b %o", "%e %I %p %y %%", "%F %T %s", "x%q")
FEW = ("0", "1", "3", "(-2)", "2.5", "10", '"2"', "null")

T = TypeVar("T")


def pick(random: Random, choices: Sequence[T]) -> T:
    return choices[random.randrange(len(choices))]


def chance(random: Random, one_in: int) -> bool:
    return random.randrange(one_in) == 0


def number(random: Random) -> str:
    return pick(random, ODD_NUMBERS if chance(random, 12) else NUMBERS)


def text(random: Random) -> str:
    return pick(random, ODD_TEXTS if chance(random, 4) else TEXTS)


def quoted(value: str) -> str:
    """A string literal: only the quote and the backslash need an escape."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pattern(random: Random, repeatable: bool = False) -> str:
    """A regular expression; `repeatable` leaves out those that match the empty text."""
    sources = PATTERNS if repeatable or not chance(random, 4) else WIDE_PATTERNS
    return f"re#{pick(random, sources)}#{pick(random, FLAGS)}"


def json_value(random: Random, depth: int = 2) -> Any:
    """A value as an event's attribute or a query's argument carries it."""
    match random.randrange(9 if depth > 0 else 6):
        case 0:
            return random.randrange(-3, 12)
        case 1 | 2:
            return text(random)
        case 3:
            return pick(random, (True, False))
        case 4:
            return pick(random, (0.5, -1.25, 1e21, 1e-7, 12345678901, 2.0))
        case 5:
            return None
        case 6:
            return [json_value(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return {
                pick(random, KEYS): json_value(random, depth - 1)
                for _ in range(random.randrange(4))
            }


def json_literal(random: Random) -> str:
    """JSON as a KRL string, to be decoded: the way to a null that is not undefined."""
    return quoted(json.dumps(json_value(random), ensure_ascii=False))
