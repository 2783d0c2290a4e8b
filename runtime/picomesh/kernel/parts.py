"""Parts: bytes behind their length, a word of four bytes, as the kernel reads and writes them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_WORD = struct.Struct("<I")
WORD_BYTES = _WORD.size
word = _WORD.pack


def word_at(data: bytes, at: int) -> int:
    return int(_WORD.unpack_from(data, at)[0])


def as_part(data: bytes) -> bytes:
    return word(len(data)) + data


def as_parts(items: Iterable[bytes]) -> bytes:
    return b"".join([piece for data in items for piece in (word(len(data)), data)])


def part_at(data: bytes, at: int) -> tuple[bytes, int]:
    """The part that begins there, and what is behind it."""
    end = at + WORD_BYTES + word_at(data, at)
    return data[at + WORD_BYTES : end], end


def places_of(parts: bytes) -> list[tuple[int, int]]:
    """Where the bytes of each part begin and end."""
    places: list[tuple[int, int]] = []
    at, all_bytes = 0, len(parts)
    while at < all_bytes:
        start = at + WORD_BYTES
        at = start + _WORD.unpack_from(parts, at)[0]
        places.append((start, at))
    return places


def parts_of(parts: bytes) -> Iterator[bytes]:
    return (parts[start:end] for start, end in places_of(parts))
