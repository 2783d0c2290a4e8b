"""CDDL as the format pages use it: read from the pages, and asked whether a block fits a rule.

Not all of RFC 8610: alternatives, maps, arrays with occurrences, tag 42, sizes, ranges, literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from picomesh.ledger.cid import Cid

_TOKEN = re.compile(
    r'\s+|;[^\n]*|(#6\.42|\.\.|\.size|\.ge|=>|-?\d+|"[^"]*"|[A-Za-z_][\w-]*|[={}\[\](),:/*+?])'
)


@dataclass(frozen=True)
class Choice:
    """Any of these."""

    types: tuple[Type, ...]


@dataclass(frozen=True)
class Literal:
    """A number or a text."""

    value: int | str


@dataclass(frozen=True)
class Name:
    """Another rule, or a type that CDDL knows."""

    name: str


@dataclass(frozen=True)
class Range:
    """Numbers from one to another."""

    low: int
    high: int


@dataclass(frozen=True)
class Bounded:
    """A type with `.size` or `.ge`."""

    type: Type
    control: str
    bound: Type


@dataclass(frozen=True)
class Link:
    """Tag 42."""

    type: Type


@dataclass(frozen=True)
class Entry:
    """A part of a map or an array: how often, under which key, what."""

    least: int
    most: int | None
    key: Type | None
    type: Type | tuple[Entry, ...]


@dataclass(frozen=True)
class Array:
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Map:
    entries: tuple[Entry, ...]


Type: TypeAlias = Choice | Literal | Name | Range | Bounded | Link | Array | Map
Grammar: TypeAlias = "dict[str, Type]"


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found, f"no CDDL that this reader knows: {text[at : at + 40]!r}"
            if found[1]:
                self.tokens.append(found[1])
            at = found.end()
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        assert not wanted or token in wanted, f"{token!r} where {wanted} was expected"
        self.at += 1
        return token

    def rules(self) -> Grammar:
        rules: Grammar = {}
        while self.peek():
            name = self.take()
            self.take("=")
            rules[name] = self.type()
        return rules

    def type(self) -> Type:
        found = [self.controlled()]
        while self.peek() == "/":
            self.take()
            found.append(self.controlled())
        return found[0] if len(found) == 1 else Choice(tuple(found))

    def controlled(self) -> Type:
        found = self.single()
        if self.peek() in (".size", ".ge"):
            return Bounded(found, self.take(), self.controlled())
        if self.peek() == "..":
            self.take()
            high = self.single()
            assert isinstance(found, Literal) and isinstance(high, Literal)
            return Range(int(found.value), int(high.value))
        return found

    def single(self) -> Type:
        token = self.take()
        match token:
            case "(":
                found = self.type()
                self.take(")")
                return found
            case "{":
                return Map(self.group("}"))
            case "[":
                return Array(self.group("]"))
            case "#6.42":
                self.take("(")
                found = self.type()
                self.take(")")
                return Link(found)
        if token[0] == '"':
            return Literal(token[1:-1])
        return Literal(int(token)) if token.lstrip("-").isdigit() else Name(token)

    def group(self, end: str) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        while self.peek() != end:
            entries.append(self.entry())
            if self.peek() == ",":
                self.take()
        self.take(end)
        return tuple(entries)

    def entry(self) -> Entry:
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self.peek(), (1, 1))
        if self.peek() in ("*", "+", "?"):
            self.take()
        if self.peek() == "(":
            self.take()
            return Entry(least, most, None, self.group(")"))
        if self.peek(1) == ":":
            key = Literal(self.take().strip('"'))
            self.take(":")
            return Entry(least, most, key, self.type())
        found = self.type()
        if self.peek() == "=>":
            self.take()
            return Entry(least, most, found, self.type())
        return Entry(least, most, None, found)


def read_cddl(text: str) -> Grammar:
    """The rules of a text."""
    return _Reader(text).rules()


def fields_of(rule: Type) -> set[str]:
    """The names of a map's fields."""
    assert isinstance(rule, Map), "a block with fields is a map"
    return {str(entry.key.value) for entry in rule.entries if isinstance(entry.key, Literal)}


_BUILT_IN: dict[str, Any] = {
    "null": lambda item: item is None,
    "bool": lambda item: isinstance(item, bool),
    "int": lambda item: isinstance(item, int) and not isinstance(item, bool),
    "uint": lambda item: isinstance(item, int) and not isinstance(item, bool) and item >= 0,
    "float64": lambda item: isinstance(item, float),
    "tstr": lambda item: isinstance(item, str),
    "bytes": lambda item: isinstance(item, bytes),
    "bstr": lambda item: isinstance(item, bytes),
    "any": lambda item: True,
}


def fits(grammar: Grammar, rule: Type, item: Any) -> bool:
    """Whether an item is what a rule describes."""
    match rule:
        case Name():
            if rule.name in grammar:
                return fits(grammar, grammar[rule.name], item)
            return bool(_BUILT_IN[rule.name](item))
        case Choice():
            return any(fits(grammar, choice, item) for choice in rule.types)
        case Literal():
            return type(item) is type(rule.value) and item == rule.value
        case Range():
            return type(item) is int and rule.low <= item <= rule.high
        case Bounded():
            measured = len(item) if rule.control == ".size" and isinstance(item, bytes) else item
            return fits(grammar, rule.type, item) and _bounded(grammar, rule, measured)
        case Link():
            return isinstance(item, Cid) and fits(grammar, rule.type, b"\x00" + item.raw)
        case Array():
            if not isinstance(item, list):
                return False
            return len(item) in _ends(grammar, rule.entries, item, 0)
        case Map():
            return isinstance(item, dict) and _fits_map(grammar, rule, item)


def _bounded(grammar: Grammar, rule: Bounded, measured: int) -> bool:
    if rule.control == ".ge":
        return isinstance(rule.bound, Literal) and measured >= int(rule.bound.value)
    return fits(grammar, rule.bound, measured)


def _fits_map(grammar: Grammar, rule: Map, item: dict[str, Any]) -> bool:
    left = dict(item)
    for entry in rule.entries:
        assert entry.key is not None and not isinstance(entry.type, tuple)
        named = [key for key in left if fits(grammar, entry.key, key)]
        if len(named) < entry.least or not all(
            fits(grammar, entry.type, left.pop(key)) for key in named
        ):
            return False
    return not left


def _ends(grammar: Grammar, entries: tuple[Entry, ...], items: list[Any], start: int) -> set[int]:
    """Where the entries can end when they begin at a place."""
    ends = {start}
    for entry in entries:
        reached = ends if entry.least == 0 else set[int]()
        now, count = ends, 0
        while now and (entry.most is None or count < entry.most):
            now = {end for at in now for end in _once(grammar, entry, items, at)} - reached
            count += 1
            if count >= entry.least:
                reached = reached | now
        ends = reached
    return ends


def _once(grammar: Grammar, entry: Entry, items: list[Any], at: int) -> Iterator[int]:
    if isinstance(entry.type, tuple):
        yield from _ends(grammar, entry.type, items, at)
    elif at < len(items) and fits(grammar, entry.type, items[at]):
        yield at + 1
