"""The text of a pattern as a tree: JavaScript's syntax without the flag u, the usual part of it.

What a ruleset hardly ever has (names of groups, looking behind, modifiers, octal escapes, letters
beyond ASCII where case does not count) is `Unsupported`, and so is what is no pattern at all.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from krl.patterns import ranges
from krl.patterns.ranges import ASCII_END, Ranges

UNLIMITED = 0x7FFF_FFFF
GROUPS_MAX = 250
# The library's compiler has a stack for three times as many.
DEPTH_MAX = 50

_REPETITION = re.compile(r"\{([0-9]{1,7})(,([0-9]{0,7}))?\}")
_REFERENCE = re.compile(r"[1-9][0-9]*")
_HEXADECIMAL = {"x": re.compile(r"[0-9A-Fa-f]{2}"), "u": re.compile(r"[0-9A-Fa-f]{4}")}
_DIGITS = frozenset("0123456789")
_ESCAPES = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_SETS = {"d": ranges.DIGITS, "s": ranges.SPACE, "w": ranges.WORD}
_ASSERTIONS = ("line_start", "line_end", "word_boundary", "not_word_boundary")


class Unsupported(Exception):
    """Nothing that this package compiles."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One code unit; where case does not count, a capital letter."""

    unit: int


@dataclass(frozen=True, slots=True)
class Simple:
    """What is an instruction of its own: `dot`, `space`, `not_space` or an assertion."""

    name: str


@dataclass(frozen=True, slots=True)
class OneOf:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Group:
    """`index` counts from 1; without a capture there is no node."""

    index: int
    body: Node


@dataclass(frozen=True, slots=True)
class LookAhead:
    negative: bool
    body: Node


@dataclass(frozen=True, slots=True)
class BackReference:
    group: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`groups` are the first group inside the atom and the first behind it."""

    atom: Node
    minimum: int
    maximum: int
    greedy: bool
    groups: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    alternatives: tuple[Node, ...]


Node = Unit | Simple | OneOf | Group | LookAhead | BackReference | Repeat | Sequence | Choice


@dataclass(frozen=True, slots=True)
class Pattern:
    body: Node
    group_count: int


def parse(source: str, ignore_case: bool) -> Pattern:
    """The tree of a pattern. Raises Unsupported."""
    # A character of a pattern without the flag u is a code unit.
    units = struct.iter_unpack("<H", source.encode("utf-16-le", "surrogatepass"))
    text = "".join(chr(unit) for (unit,) in units)
    if "\0" in text:
        raise Unsupported
    parser = _Parser(text, ignore_case)
    body = parser.disjunction(0)
    if parser.at < len(text):
        raise Unsupported
    return Pattern(body, parser.group_count)


class _Parser:
    def __init__(self, text: str, ignore_case: bool) -> None:
        self.text = text
        self.ignore_case = ignore_case
        self.at = 0
        self.group_count = 0
        self.groups_in_all = _count_groups(text)

    def peek(self, ahead: int = 0) -> str:
        """The character there; empty behind the end."""
        return self.text[self.at + ahead : self.at + ahead + 1]

    def take(self, text: str) -> bool:
        taken = self.text.startswith(text, self.at)
        self.at += len(text) * taken
        return taken

    # ---- structure ---------------------------------------------------------------------------

    def disjunction(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise Unsupported
        alternatives = [self.alternative(depth)]
        while self.take("|"):
            alternatives.append(self.alternative(depth))
        return alternatives[0] if len(alternatives) == 1 else Choice(tuple(alternatives))

    def alternative(self, depth: int) -> Node:
        items: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            items.append(self.term(depth))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def term(self, depth: int) -> Node:
        groups_before = self.group_count
        atom = self.atom(depth)
        if isinstance(atom, Simple) and atom.name in _ASSERTIONS:
            return atom
        limits = self.limits()
        if limits is None:
            return atom
        greedy = not self.take("?")
        return Repeat(atom, *limits, greedy, (groups_before + 1, self.group_count + 1))

    def limits(self) -> tuple[int, int] | None:
        """How often the atom before may stand there; a brace may be only itself."""
        for sign, limits in (("*", (0, UNLIMITED)), ("+", (1, UNLIMITED)), ("?", (0, 1))):
            if self.take(sign):
                return limits
        found = _REPETITION.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        minimum = int(found[1])
        maximum = minimum if found[2] is None else int(found[3] or UNLIMITED)
        if maximum < minimum:
            raise Unsupported
        return minimum, maximum

    def atom(self, depth: int) -> Node:
        character = self.peek()
        match character:
            case "^" | "$" | ".":
                self.at += 1
                return Simple({"^": "line_start", "$": "line_end", ".": "dot"}[character])
            case "(":
                return self.group(depth)
            case "[":
                self.at += 1
                return OneOf(self.character_class())
            case "\\":
                self.at += 1
                return self.escape()
            case "*" | "+" | "?" | "{":
                if character != "{" or self.peek(1) in _DIGITS:
                    raise Unsupported
        self.at += 1
        return Unit(self.folded(ord(character)))

    def group(self, depth: int) -> Node:
        self.at += 1
        if self.take("?:"):
            body = self.disjunction(depth + 1)
        elif self.take("?=") or self.take("?!"):
            negative = self.text[self.at - 1] == "!"
            body = LookAhead(negative, self.disjunction(depth + 1))
        elif self.peek() == "?" or self.group_count == GROUPS_MAX:
            raise Unsupported
        else:
            self.group_count += 1
            index = self.group_count
            body = Group(index, self.disjunction(depth + 1))
        if not self.take(")"):
            raise Unsupported
        return body

    # ---- characters --------------------------------------------------------------------------

    def folded(self, unit: int) -> int:
        if not self.ignore_case:
            return unit
        if unit >= ASCII_END:
            raise Unsupported
        return ord(chr(unit).upper())

    def escape(self) -> Node:
        """What a backslash, which has been read, makes of what is behind it."""
        character = self.peek()
        if character in ("b", "B"):
            self.at += 1
            return Simple("word_boundary" if character == "b" else "not_word_boundary")
        reference = _REFERENCE.match(self.text, self.at)
        if reference is not None:
            self.at = reference.end()
            if len(reference[0]) > 3 or int(reference[0]) > self.groups_in_all:
                raise Unsupported
            return BackReference(int(reference[0]))
        if character in ("s", "S"):
            self.at += 1
            return Simple("space" if character == "s" else "not_space")
        made = self.class_escape(in_class=False)
        return OneOf(made) if isinstance(made, tuple) else Unit(self.folded(made))

    def class_escape(self, in_class: bool) -> int | Ranges:
        """A unit or a set of them."""
        character = self.peek()
        self.at += 1
        match character:
            case "d" | "s" | "w":
                return _SETS[character]
            case "D" | "S" | "W":
                return ranges.complement(_SETS[character.lower()])
            case "x" | "u":
                return self.hexadecimal(character)
            case "0" if self.peek() not in _DIGITS:
                return 0
            case "b" if in_class:
                return 0x08
            case "" | "c" | "k":
                raise Unsupported
        if character in _DIGITS:
            raise Unsupported
        return _ESCAPES.get(character, ord(character))

    def hexadecimal(self, letter: str) -> int:
        """A unit by its number; the letter itself where no number follows."""
        found = _HEXADECIMAL[letter].match(self.text, self.at)
        if found is None:
            return ord(letter)
        self.at = found.end()
        return int(found[0], 16)

    def character_class(self) -> Ranges:
        """What is between brackets; the first has been read."""
        negated = self.take("^")
        found = ranges.NONE
        while not self.take("]"):
            found = ranges.union(found, self.class_part())
        return ranges.complement(found) if negated else found

    def class_part(self) -> Ranges:
        first = self.class_atom()
        if isinstance(first, tuple):
            return first
        behind = self.at
        if self.peek() == "-" and self.peek(1) not in ("]", ""):
            self.at += 1
            last = self.class_atom()
            if isinstance(last, int):
                return self.folded_range(first, last)
            self.at = behind  # a set ends no range: the hyphen is itself
        return ranges.of_units((self.folded(first),))

    def class_atom(self) -> int | Ranges:
        if self.take("\\"):
            return self.class_escape(in_class=True)
        if self.at >= len(self.text):
            raise Unsupported
        self.at += 1
        return ord(self.text[self.at - 1])

    def folded_range(self, first: int, last: int) -> Ranges:
        if last < first:
            raise Unsupported
        if not self.ignore_case:
            return ranges.between(first, last)
        if last >= ASCII_END:
            raise Unsupported
        return ranges.of_units(map(self.folded, range(first, last + 1)))


def _count_groups(text: str) -> int:
    """The capturing groups of a whole pattern: a reference may stand before its group."""
    outside = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", text, flags=re.DOTALL)
    return len(re.findall(r"\((?!\?)", outside))
