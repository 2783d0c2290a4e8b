"""Sets of UTF-16 code units, as the matcher's code has them: sorted ranges that do not touch.

A range is its first unit and the one behind its last; the complement of a set has no last unit, and
ends at `INFINITE`.
"""

from __future__ import annotations

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]

INFINITE = 0xFFFF_FFFF
ASCII_END = 0x80
NONE: Ranges = ()


def union(*sets: Ranges) -> Ranges:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(part for ranges in sets for part in ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    bounds = [0, *(bound for part in ranges for bound in part), INFINITE]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((start, end) for start, end in pairs if start < end)


def between(first: int, last: int) -> Ranges:
    """The units from first to last, both included."""
    return ((first, last + 1),)


def of_units(units: Iterable[int]) -> Ranges:
    return union(*(between(unit, unit) for unit in units))


DIGITS = between(0x30, 0x39)
WORD = union(DIGITS, between(0x41, 0x5A), between(0x5F, 0x5F), between(0x61, 0x7A))
SPACE = union(
    between(0x09, 0x0D),
    of_units((0x20, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF)),
    between(0x2000, 0x200A),
)
