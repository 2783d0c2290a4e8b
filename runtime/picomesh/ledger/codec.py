"""DAG-CBOR for our own blocks: canonical bytes out, and only canonical bytes in.

Blocks carry no floats (docs/formats/block.md §1). The decoder accepts exactly what the encoder
writes: it checks minimal lengths, key order and UTF-8 while it reads, so there is no second
encoding to compare with, and it knows depth and size before it believes a length.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cbor2

from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import CodecError

Block: TypeAlias = "bool | int | str | bytes | Cid | list[Block] | dict[str, Block] | None"

DEPTH_MAX = 128
BLOCK_BYTES_MAX = 16 * 1024 * 1024
_CID_TAG = 42
_INTEGER_BITS = 64


def _link(encoder: Any, value: object) -> None:
    if not isinstance(value, Cid):
        raise TypeError(f"{type(value).__name__} has no place in a block")
    encoder.encode(cbor2.CBORTag(_CID_TAG, b"\x00" + value.raw))


def encode_block(value: Block) -> bytes:
    """The one canonical encoding of a block that our own code built."""
    return bytes(cbor2.dumps(value, canonical=True, default=_link))


def decode_block(data: bytes, bytes_max: int = BLOCK_BYTES_MAX) -> Block:
    """Reads one block; refuses all bytes that `encode_block` would not have written."""
    if len(data) > bytes_max:
        raise CodecError(f"block of {len(data)} bytes, the limit is {bytes_max}")
    reader = Reader(data)
    value = reader.block(0)
    reader.finish()
    return value


class Reader:
    """A position in CBOR bytes; every method refuses what is not canonical."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def finish(self) -> None:
        if self.at != len(self.data):
            raise CodecError(f"{len(self.data) - self.at} bytes after the end")

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise CodecError("the bytes end too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def head(self) -> tuple[int, int]:
        """Major type and argument; refuses indefinite and longer than needed forms."""
        initial = self.take(1)[0]
        major, info = initial >> 5, initial & 31
        if info < 24 or major == 7:
            return major, info
        if info > 27:
            raise CodecError("indefinite or reserved length")
        width = 1 << (info - 24)
        argument = int.from_bytes(self.take(width), "big")
        if argument < (24 if width == 1 else 1 << (width * 4)):
            raise CodecError("a number is written longer than needed")
        return major, argument

    def length(self, count: int, item_bytes_min: int = 1) -> int:
        """A claimed count, believed only when so many items can still follow."""
        if count * item_bytes_min > len(self.data) - self.at:
            raise CodecError("a length goes past the end")
        return count

    def text(self, count: int) -> str:
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError as problem:
            raise CodecError("text is not UTF-8") from problem

    def key(self, before: tuple[int, bytes] | None) -> tuple[str, tuple[int, bytes]]:
        """The next key of a map, greater than the one before: shorter first, then bytewise."""
        major, count = self.head()
        if major != 3:
            raise CodecError("a map key is not text")
        raw = self.data[self.at : self.at + count]
        order = (count, raw)
        if before is not None and order <= before:
            raise CodecError("map keys are not in order")
        return self.text(count), order

    def block(self, depth: int) -> Block:
        if depth > DEPTH_MAX:
            raise CodecError(f"nested deeper than {DEPTH_MAX}")
        major, argument = self.head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self.take(argument)
            case 3:
                return self.text(argument)
            case 4:
                return [self.block(depth + 1) for _ in range(self.length(argument))]
            case 5:
                return self.block_map(argument, depth)
            case 6:
                return self.link(argument)
            case _:
                return self.simple(argument)

    def block_map(self, argument: int, depth: int) -> Block:
        entries: dict[str, Block] = {}
        before: tuple[int, bytes] | None = None
        for _ in range(self.length(argument, 2)):
            key, before = self.key(before)
            entries[key] = self.block(depth + 1)
        return entries

    def link(self, tag: int) -> Cid:
        if tag != _CID_TAG:
            raise CodecError(f"tag {tag}, only links (42) are allowed")
        major, count = self.head()
        raw = self.take(count) if major == 2 else b""
        if raw[:1] != b"\x00":
            raise CodecError("a link is not a CID")
        return Cid(raw[1:])

    def simple(self, info: int) -> bool | None:
        match info:
            case 20:
                return False
            case 21:
                return True
            case 22:
                return None
            case _:
                raise CodecError("floats and other simple values have no place in a block")
