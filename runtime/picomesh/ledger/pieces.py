"""Blocks put together from pieces, for those that are written with every event.

A general encoder looks at every value; a core, an envelope or a tree node has the same shape each
time, so its bytes are joined from parts of which most are known already. What comes out is what
`codec.encode_block` writes (docs/formats/block.md §1); tests compare the two.
"""

from __future__ import annotations

from functools import lru_cache

NULL = b"\xf6"
LINK = b"\xd8\x2a\x58\x25\x00"  # tag 42 around 37 bytes: a zero and the CID
_SMALL = 24


@lru_cache(maxsize=4096)  # lengths and small numbers: nearly all of them were asked for before
def head(major: int, argument: int) -> bytes:
    """A major type with its argument, written as short as can be."""
    if argument < _SMALL:
        return bytes(((major << 5) | argument,))
    if argument < 1 << 8:
        return bytes(((major << 5) | 24, argument))
    if argument < 1 << 16:
        return bytes(((major << 5) | 25,)) + argument.to_bytes(2, "big")
    if argument < 1 << 32:
        return bytes(((major << 5) | 26,)) + argument.to_bytes(4, "big")
    return bytes(((major << 5) | 27,)) + argument.to_bytes(8, "big")


@lru_cache(maxsize=4096)
def number(value: int) -> bytes:
    """A whole number."""
    return head(0, value) if value >= 0 else head(1, -1 - value)


def octets(data: bytes) -> bytes:
    return head(2, len(data)) + data


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return head(3, len(data)) + data


@lru_cache(maxsize=4096)
def known_text(value: str) -> bytes:
    """The same for a text that comes again and again: a name, an identifier, a domain."""
    return text(value)


def link(raw: bytes | None) -> bytes:
    """A link to what has this CID, or null."""
    return NULL if raw is None else LINK + raw


def key(name: str) -> bytes:
    """A key of a map, for constants."""
    return text(name)
