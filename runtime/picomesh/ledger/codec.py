"""DAG-CBOR for our own blocks: canonical bytes out, and only canonical bytes in.

Blocks carry no floats (docs/formats/block.md §1). The decoder accepts exactly what the encoder
writes: it checks minimal lengths, key order and UTF-8 while it reads, so there is no second
encoding to compare with, and it knows depth and size before it believes a length.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cbor2

from picomesh.ledger.cid import CID_BYTES, DAG_CBOR, RAW, Cid, trusted_cid
from picomesh.ledger.errors import CodecError

Block: TypeAlias = "bool | int | str | bytes | Cid | list[Block] | dict[str, Block] | None"

DEPTH_MAX = 128
BLOCK_BYTES_MAX = 16 * 1024 * 1024
_CID_TAG = 42
_BYTES, _TEXT, _MAJOR_7 = 2, 3, 0xE0
CUT = "the bytes end too early"
# Behind the byte d8: tag 42 around 37 bytes, a zero and the CID, of which four bytes are known.
_LINK_HEADS = tuple(
    b"\x2a\x58\x25\x00\x01" + bytes((codec,)) + b"\x1e\x20" for codec in (RAW, DAG_CBOR)
)
_LINK_BYTES = 4 + CID_BYTES


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
    try:
        value, at = _read(data, 0, 0)
    except IndexError as problem:
        raise CodecError(CUT) from problem
    except UnicodeDecodeError as problem:
        raise CodecError("text is not UTF-8") from problem
    if at != len(data):
        raise CodecError(f"{len(data) - at} bytes after the end")
    return value


# Positions go in and come out, for a reader that is an object takes twice the time.


def _read(data: bytes, at: int, depth: int) -> tuple[Block, int]:
    """The block at a position, and the position behind it. Short forms first: most are."""
    if depth > DEPTH_MAX:
        raise CodecError(f"nested deeper than {DEPTH_MAX}")
    first = data[at]
    at += 1
    if first < 0x18:
        return first, at
    if first == 0xD8 and data[at : at + 8] in _LINK_HEADS:
        end = at + _LINK_BYTES
        if end <= len(data):
            return trusted_cid(data[end - CID_BYTES : end]), end
    argument, at = read_argument(data, at, first)
    match first >> 5:
        case 0:
            return argument, at
        case 1:
            return -1 - argument, at
        case 2:
            return _take(data, at, argument), at + argument
        case 3:
            return _take(data, at, argument).decode(), at + argument
        case 4:
            return _read_list(data, at, argument, depth)
        case 5:
            return _read_map(data, at, argument, depth)
        case 6:
            return _read_link(data, at, argument)
        case _:
            return _simple(first), at


def read_argument(data: bytes, at: int, first: int) -> tuple[int, int]:
    """The argument of a head; refuses indefinite and longer than needed forms."""
    info = first & 31
    if info < 24 or first >= _MAJOR_7:
        return info, at
    if info > 27:
        raise CodecError("indefinite or reserved length")
    width = 1 << (info - 24)
    end = at + width
    if end > len(data):
        raise CodecError(CUT)
    argument = int.from_bytes(data[at:end], "big")
    if argument < (24 if width == 1 else 1 << (width * 4)):
        raise CodecError("a number is written longer than needed")
    return argument, end


def _take(data: bytes, at: int, count: int) -> bytes:
    if count > len(data) - at:
        raise CodecError(CUT)
    return data[at : at + count]


def check_count(data: bytes, at: int, bytes_min: int) -> None:
    """A claimed count is believed only when so many items can still follow."""
    if bytes_min > len(data) - at:
        raise CodecError("a length goes past the end")


def _read_list(data: bytes, at: int, count: int, depth: int) -> tuple[Block, int]:
    check_count(data, at, count)
    items: list[Block] = []
    for _ in range(count):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def _read_map(data: bytes, at: int, count: int, depth: int) -> tuple[Block, int]:
    """Keys are greater than the one before: shorter first, then bytewise."""
    check_count(data, at, 2 * count)
    entries: dict[str, Block] = {}
    length_before, before = -1, b""
    for _ in range(count):
        first = data[at]
        if first >> 5 != _TEXT:
            raise CodecError("a map key is not text")
        length, at = read_argument(data, at + 1, first)
        key = _take(data, at, length)
        if length <= length_before and (length < length_before or key <= before):
            raise CodecError("map keys are not in order")
        length_before, before = length, key
        entries[key.decode()], at = _read(data, at + length, depth + 1)
    return entries, at


def _read_link(data: bytes, at: int, tag: int) -> tuple[Cid, int]:
    """What is wrong with a link that is not in the one form of a head."""
    if tag != _CID_TAG:
        raise CodecError(f"tag {tag}, only links (42) are allowed")
    first = data[at]
    count, at = read_argument(data, at + 1, first)
    raw = _take(data, at, count) if first >> 5 == _BYTES else b""
    if raw[:1] != b"\x00":
        raise CodecError("a link is not a CID")
    return Cid(raw[1:]), at + count


def _simple(first: int) -> bool | None:
    match first:
        case 0xF4:
            return False
        case 0xF5:
            return True
        case 0xF6:
            return None
        case _:
            raise CodecError("floats and other simple values have no place in a block")
