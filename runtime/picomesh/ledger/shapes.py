"""The blocks of a receipt as patterns, for whoever reads many of them.

A core or an envelope has the same shape each time: the same keys in the same order, links of one
form, whole numbers. A pattern of bytes says just that, so what it matches is canonical and of the
right kinds (docs/formats/receipt.md §3), and is read in one step instead of item by item. What no
pattern matches is not refused here: `receipt` then reads it by `codec`, which knows what is wrong.

No pattern goes back over what it has read more than once, whatever bytes it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from picomesh.ledger import pieces
from picomesh.ledger.cid import CID_BYTES, RAW, Cid, trusted_cid
from picomesh.ledger.pieces import LINK

CID = rb"\x01[\x55\x71]\x1e\x20.{32}"
# A number from 0 in its shortest form, block.md §1.
NUMBER = rb"([\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].|\x1a(?!\x00\x00).{4}|\x1b(?!\x00{4}).{8})"
_LINK = re.escape(LINK) + b"(" + CID + b")"
_LINK_OR_NULL = b"(?:\xf6|" + _LINK + b")"
_HASH = rb"\x58\x20(.{32})"
_FUEL = pieces.key("fuel")
_RAW_LINK = LINK + bytes((1, RAW, 0x1E, 0x20))
_LINK_BYTES = len(LINK) + CID_BYTES
_REMEMBERED_MAX = 256
_PICO = rb"\x78\x3b(b[a-z2-7]{58})"  # a name is the text of a CID


def _pattern(*parts: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(parts), re.DOTALL)


def _key(name: str) -> bytes:
    return re.escape(pieces.key(name))


def _one_of(*names: str) -> bytes:
    """One of these texts; the group is the whole of it with its head."""
    return b"(" + b"|".join(re.escape(pieces.text(name)) for name in names) + b")"


class CoreShape:
    """Reads cores of one profile."""

    def __init__(
        self,
        kinds: tuple[str, ...],
        outcomes: tuple[str, ...],
        profile: str,
        write: Callable[[bytes, Cid | None], Any],
    ) -> None:
        self._write = write
        self._known: dict[bytes, Any] = {}  # `code`: it is the same in many cores
        self._start = _pattern(
            *(b"\xb2", _key("v"), b"\x01", _key("pre"), _LINK, _key("seq"), NUMBER, _key("code")),
        )
        self._middle = _pattern(
            *(_key("fuel"), NUMBER, _key("kind"), _one_of(*kinds), _key("pico"), _PICO),
            *(_key("post"), _LINK, _key("prev"), _LINK_OR_NULL, _key("seed"), _HASH),
            *(_key("tape"), _LINK, _key("time"), NUMBER, _key("event"), _LINK),
            *(_key("outbox"), _LINK, _key("writes"), rb"([\x80-\x97])"),
        )
        self._end = _pattern(
            *(_key("outcome"), _one_of(*outcomes), _key("profile")),
            *(re.escape(pieces.text(profile)), _key("fuel_limit"), NUMBER, rb"\Z"),
        )

    def remember(self, data: bytes, code: object) -> None:
        """What the field `code` is decoded to."""
        remember(self._known, data, code)

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """The fields in the order of `receipt.Core` up to `fuel`; None says nothing."""
        start = self._start.match(data)
        if start is None:
            return None
        end = data.find(_FUEL, start.end())
        code = self._known.get(data[start.end() : end])
        middle = self._middle.match(data, end)
        if code is None or middle is None:
            return None
        fuel, kind, pico, post, prev, seed, tape, time, event, outbox, count = middle.groups()
        writes, at = _read_writes(data, middle.end(), count[0] - 0x80, self._write)
        last = self._end.match(data, at)
        if writes is None or last is None:
            return None
        pre, seq = start.groups()
        outcome, fuel_limit = last.groups()
        return (
            *(pico.decode("ascii"), number_of(seq), None if prev is None else trusted_cid(prev)),
            *(text_of(kind), code, trusted_cid(event), number_of(time), seed),
            *(number_of(fuel_limit), trusted_cid(pre), trusted_cid(post), writes),
            *(trusted_cid(tape), trusted_cid(outbox), text_of(outcome), number_of(fuel)),
        )


def _read_writes(
    data: bytes, at: int, count: int, write: Callable[[bytes, Cid | None], Any]
) -> tuple[tuple[Any, ...] | None, int]:
    """So many rows [path, value] and the position behind them; None says nothing."""
    writes: list[Any] = []
    before = b""
    for _ in range(count):
        row = data[at : at + 3]
        length = row[1] - 0x40 if len(row) == 3 and row[0] == 0x82 else 0
        at += 2
        if length == 24 and row[2] >= 24:
            length, at = row[2], at + 1
        elif not 0 < length < 24:
            return None, at
        path = data[at : at + length]
        at += length
        value: Cid | None = None
        if data.startswith(_RAW_LINK, at):
            value = trusted_cid(data[at + len(LINK) : at + _LINK_BYTES])
            at += _LINK_BYTES
        elif data.startswith(pieces.NULL, at):
            at += 1
        else:
            return None, at
        if path <= before:
            return None, at
        writes.append(write(path, value))
        before = path
    return tuple(writes), at


# The groups: core, logs, the whole of `batch` with its key, index, size, the head of the way and
# its hashes, engine, `backend` and `versions` with their keys, the whole of `signature` with its
# key, the signature, elapsed_us, received_ms.
ENVELOPE = _pattern(
    *(b"\xaa", _key("v"), b"\x01", _key("core"), _LINK, _key("logs"), _LINK_OR_NULL),
    *(b"(", _key("batch"), rb"(?:\xf6|\x83", NUMBER, NUMBER),
    *(rb"([\x80-\x97])((?:\x58\x20.{32})*)", b"))", _key("engine"), _HASH),
    *(b"(", _key("backend"), rb".*?)", b"(", _key("signature"), rb"\x58\x40(.{64}))"),
    *(_key("elapsed_us"), NUMBER, _key("received_ms"), NUMBER, rb"\Z"),
)


def span_at(data: bytes, at: int, major: int) -> tuple[int, int]:
    """Where the bytes of a string begin and end whose head stands at a position.

    They may end behind the end of the data. Raises ValueError, IndexError for what is no head in
    its shortest form, or one of a string of 64 KiB or more.
    """
    first = data[at] - (major << 5)
    if 0 <= first < 24:
        return at + 1, at + 1 + first
    second = data[at + 1]
    if first == 24 and second >= 24:
        return at + 2, at + 2 + second
    if first == 25 and second:
        return at + 3, at + 3 + (second << 8) + data[at + 2]
    raise ValueError("not the head of a short string")


def remember(known: dict[bytes, Any], data: bytes, value: object) -> None:
    """Keeps what bytes that come again were decoded to."""
    if len(known) >= _REMEMBERED_MAX:
        known.clear()
    known[data] = value


def message_of(data: bytes, found: re.Match[bytes]) -> bytes:
    """What of an envelope is signed: its block without the fields `batch` and `signature`."""
    batch, batch_end = found.span(3)
    signature, signature_end = found.span(10)
    parts = (b"\xa8", data[1:batch], data[batch_end:signature], data[signature_end:])
    return b"".join(parts)


def number_of(data: bytes) -> int:
    """What a group of NUMBER says."""
    return data[0] if len(data) == 1 else int.from_bytes(data[1:], "big")


def text_of(data: bytes) -> str:
    """What a short text says, given with its head."""
    return data[1:].decode("ascii")
