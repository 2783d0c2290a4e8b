"""What a match can begin with: from that follows where a pattern has just one way to go on.

A set of first units holds `END`, which is no unit, where the end of the text may come. Where case
does not count units are compared as capitals, so sets are of capitals (ASCII only: syntax.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from krl.patterns import ranges
from krl.patterns.ranges import Ranges
from krl.patterns.syntax import (
    Choice,
    Group,
    LookAhead,
    Node,
    OneOf,
    Repeat,
    Sequence,
    Simple,
    Unit,
    Unsupported,
)

END = 0x10000  # behind the last unit
UNITS = ranges.between(0, END - 1)
_LINE_ENDS = ranges.of_units((0x0A, 0x0D, 0x2028, 0x2029))


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a group begins or ends; groups are laid out flat as marks around what is in them."""

    group: int
    is_end: bool


Item = Node | Mark


@dataclass(frozen=True, slots=True)
class Follow:
    """What comes behind something: what that begins with; `accepts`: it matches, whatever comes."""

    first: Ranges
    accepts: bool = False


ACCEPT = Follow(ranges.union(UNITS, ranges.between(END, END)), accepts=True)
_ANYTHING = ACCEPT.first


def flat(node: Node) -> tuple[Item, ...]:
    """A node as a sequence."""
    match node:
        case Sequence(items):
            return tuple(part for item in items for part in flat(item))
        case Group(index, body):
            return (Mark(index, False), *flat(body), Mark(index, True))
    return (node,)


def unit_set(node: Item) -> Ranges | None:
    """The units of a node that takes exactly one; None of any other."""
    match node:
        case Unit(unit):
            return ranges.between(unit, unit)
        case OneOf(found):
            return clipped(found)
        case Simple("dot"):
            return clipped(ranges.complement(_LINE_ENDS))
        case Simple("space"):
            return ranges.SPACE
        case Simple("not_space"):
            return clipped(ranges.complement(ranges.SPACE))
        case Choice(alternatives):
            sets = [unit_set(alternative) for alternative in alternatives]
            known = [item for item in sets if item is not None]
            return ranges.union(*known) if len(known) == len(sets) else None
    return None


def clipped(found: Ranges) -> Ranges:
    """Without what is no unit."""
    return tuple((start, min(end, END)) for start, end in found if start < END)


def overlap(a: Ranges, b: Ranges) -> bool:
    return any(start < other_end and other < end for start, end in a for other, other_end in b)


def first_of(items: tuple[Item, ...], follow: Follow) -> Ranges:
    """What a match of these, with that behind it, can begin with."""
    found: list[Ranges] = []
    for item in items:
        first, may_be_empty = _first(item)
        found.append(first)
        if not may_be_empty:
            return ranges.union(*found)
    return ranges.union(*found, follow.first)


def _first(item: Item) -> tuple[Ranges, bool]:
    """The first units of one item, and whether it can match without any."""
    units = unit_set(item)
    if units is not None:
        return units, False
    match item:
        case Mark():
            return ranges.NONE, True
        case Simple("line_end"):
            return ranges.between(END, END), False
        case Simple() | LookAhead():
            return _ANYTHING, True
        case Repeat(atom, minimum, _, _, _):
            return first_of(flat(atom), Follow(ranges.NONE)), minimum == 0 or is_empty(flat(atom))
        case Choice(alternatives):
            parts = [flat(alternative) for alternative in alternatives]
            first = ranges.union(*(first_of(part, Follow(ranges.NONE)) for part in parts))
            return first, any(map(is_empty, parts))
    raise Unsupported


def is_empty(items: tuple[Item, ...]) -> bool:
    """Whether they can match without taking a unit."""
    return all(_first(item)[1] or item == Simple("line_end") for item in items)


def accepts(items: tuple[Item, ...], follow: Follow) -> bool:
    """Whether they match here, whatever comes."""
    return follow.accepts and all(
        isinstance(item, Mark)
        or (isinstance(item, Repeat) and item.minimum == 0 and unit_set(item.atom) is not None)
        for item in items
    )


def behind(items: tuple[Item, ...], follow: Follow) -> Follow:
    """What these and what is behind them are for what stands in front of them."""
    return Follow(first_of(items, follow), accepts(items, follow))


def groups_in(items: tuple[Item, ...]) -> tuple[int, ...]:
    """The groups that begin in these."""
    found: list[int] = []
    for item in items:
        match item:
            case Mark(group, False):
                found.append(group)
            case Repeat(atom=atom):
                found += groups_in(flat(atom))
            case Choice(alternatives):
                for alternative in alternatives:
                    found += groups_in(flat(alternative))
            case LookAhead(_, body):
                found += groups_in(flat(body))
    return tuple(found)
