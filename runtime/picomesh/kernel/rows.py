"""Rows: events as the kernel runs many of them in one call (event.zig: again)."""

from __future__ import annotations

import struct
from typing import NamedTuple

# Time, seed, digests of input and core, and the lengths of eid, attributes, input and core.
_HEAD = struct.Struct("<Q32s32s32s4I")
_NONE = bytes(32)


class Row(NamedTuple):
    """An event that was recorded; `given` is the block of its input."""

    time_ms: int
    seed: bytes
    eid: str
    attrs: bytes
    given: bytes


def new_row(eid: str, attrs: bytes, time_ms: int, seed: bytes) -> bytes:
    """An event that has no core yet. Raises UnicodeEncodeError, struct.error."""
    name = eid.encode()
    return _HEAD.pack(time_ms, seed, _NONE, _NONE, len(name), len(attrs), 0, 0) + name + attrs


def read_row(data: bytes, at: int) -> Row:
    """The row that begins there, without its core."""
    time_ms, seed, _, _, eid_bytes, attrs_bytes, given_bytes, _ = _HEAD.unpack_from(data, at)
    at += _HEAD.size
    attrs_at = at + eid_bytes
    given_at = attrs_at + attrs_bytes
    eid = data[at:attrs_at].decode()
    return Row(time_ms, seed, eid, data[attrs_at:given_at], data[given_at : given_at + given_bytes])
