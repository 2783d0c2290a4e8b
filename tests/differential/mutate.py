"""Broken rulesets: good ones with tokens lost, doubled, swapped or strange, soups, and noise."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from differential import words
from differential.compare import MUTANT
from differential.reduce import tokens_of
from differential.rulesets import ruleset_case
from differential.words import chance, pick
from krl.compiler import check_source
from krl.diagnostic import Source
from krl.syntax.lexer import Tokens

_ROOT = Path(__file__).resolve().parents[2]
_WORDS = tuple(
    """
ruleset meta global rule select when where foreach setting pre if then every choose sample fired
notfired else finally always raise event attributes for schedule at repeat log error last clear on
final function defaction return not null true false use module alias with and or before after
between any count within max min sum avg push shares provides configure using name version author
is active inactive description logging keys errors ent app event ctx meta math time x y a b e
ruleset rule info warn debug second minutes key off
""".split()  # noqa: SIM905
)
_MARKS = tuple(
    r"""
<=> <= < || | == => = := : >= >< > && != ( ) { } [ ] , / . - % + ; * << >> #{ " re# # // /* */ \ '
""".split()  # noqa: SIM905
)
_ATOMS = (
    '"text"',
    "1",
    "2.5",
    "re#a(b)#gi",
    "<<a#{1}b>>",
    '"',
    "re#(#",
    "😀",
    "\ud800",
    "\x00",
    "@",
)
_LITERALS = ("number", "string", "regexp")
_VALUES = ("1", '"a"', "null", "re#b#", "{}", "[]", "x", "function(){1}", "ent:a", "event:attrs")
_LIKE: tuple[tuple[str, ...], ...] = (
    _LITERALS,
    ("+", "-", "*", "/", "%", "==", "<", "&&", "||", "><", "<=>", "like", "cmp"),
    ("and", "or", "before", "then", "after"),
    ("foreach", "pre", "every", "sample", "choose", "fired", "always", "notfired", "finally"),
    ("error", "warn", "info", "debug"),
    ("function", "defaction"),
)
CHANGES_MAX = 4
MUTANT_STEPS = 6
SOUP_TOKENS_MAX = 60


@cache
def seeds() -> tuple[str, ...]:
    """The example rulesets, and those of the recorded scenarios."""
    examples = sorted((_ROOT / "rulesets/pico_rulesets/examples").glob("*.krl"))
    texts = [path.read_text("utf-8") for path in examples]
    different = {row["scenario"] for row in _recorded("differences.json")["scenarios"]}
    for scenario in _recorded("rules.json")["scenarios"]:
        if scenario["name"] not in different:
            texts += scenario["krl"]
    return tuple(texts)


def _recorded(name: str) -> Any:
    return json.loads((_ROOT / "tests/conformance" / name).read_text("utf-8"))


def good_text(random: Random) -> str:
    if chance(random, 3):
        rows = ruleset_case(random)["rulesets"]
        return str(pick(random, rows)["krl"])
    return pick(random, seeds())


def broken_text(random: Random) -> str:
    match random.randrange(12):
        case 0:
            return "ruleset a {" * random.randrange(2) + soup(random)
        case 1:
            return noise(random)
    return mutated(random, good_text(random))


def mutated(random: Random, text: str) -> str:
    for _ in range(random.randrange(1, CHANGES_MAX)):
        tokens = tokens_of(text)
        spans = list(zip(tokens.starts, tokens.ends, strict=True))[:-3]
        if not spans:
            return text
        start, end = pick(random, spans)
        if not chance(random, 3):
            text = f"{text[:start]} {_like(random, text, tokens, start, end)} {text[end:]}"
            continue
        other_start, other_end = pick(random, spans)
        other = text[other_start:other_end]
        match random.randrange(7):
            case 0 | 1:
                replacement = ""
            case 2:
                replacement = text[start:end] + " " + text[start:end]
            case 3:
                replacement = other
            case 4:
                replacement = strange(random)
            case 5:
                replacement = f"{text[start:end]} {strange(random)}"
            case _:
                start, end = min(start, other_start), max(end, other_end)
                replacement = "" if chance(random, 2) else text[start:end] * 2
        text = f"{text[:start]} {replacement} {text[end:]}"
    return text


def _like(random: Random, text: str, tokens: Tokens, start: int, end: int) -> str:
    """Something that may stand where the token stands: often the ruleset still compiles."""
    known = tokens.kinds[tokens.starts.index(start)]
    for group in _LIKE:
        if known in group or text[start:end] in group:
            return pick(random, group) if known not in _LITERALS else pick(random, _VALUES)
    kinds = zip(tokens.kinds, tokens.texts, strict=True)
    others = [other for kind, other in kinds if kind == known and kind not in ("text", "end")]
    return pick(random, others or [text[start:end]])


def strange(random: Random) -> str:
    return pick(random, pick(random, (_WORDS, _MARKS, _ATOMS)))


def soup(random: Random) -> str:
    return " ".join(strange(random) for _ in range(random.randrange(SOUP_TOKENS_MAX)))


def noise(random: Random) -> str:
    """Bytes read as text, or a piece cut out of a good text."""
    if chance(random, 2):
        data = bytes(random.randrange(256) for _ in range(random.randrange(80)))
        return "ruleset a " * random.randrange(2) + data.decode("utf-8", "replace")
    text = good_text(random)
    start, end = sorted((random.randrange(len(text)), random.randrange(len(text))))
    return text[:start] + text[end:] if chance(random, 2) else text[start:end]


def attributes(random: Random) -> dict[str, Any]:
    return {name: words.json_value(random) for name in ("x", "y", "name", "id", "n", "a", "b")}


def mutant_case(random: Random) -> dict[str, Any]:
    """A ruleset that was broken and still compiles, with events and queries of all its kinds."""
    while True:
        text = mutated(random, good_text(random))
        program = check_source(Source("case.krl", text)).program
        if program is not None and "random:" not in text:
            break
    events = sorted({kind for rule in program.rules for kind in rule.events or [("a", "b")]})
    steps: list[dict[str, Any]] = []
    for _ in range(MUTANT_STEPS):
        if events:
            domain, name = pick(random, events)
            attrs = attributes(random)
            steps.append({"event": {"domain": domain, "name": name, "attrs": attrs}})
        share = pick(random, program.shares)
        steps.append({"query": {"rid": program.rid, "name": share.name, "args": {}}})
    return {"name": MUTANT, "rulesets": [{"krl": text}], "steps": steps}
