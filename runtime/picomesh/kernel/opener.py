"""Packs opened by the kernel (past.zig): its functions, and its answer as numbers and bytes."""

from __future__ import annotations

import ctypes
import marshal
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from picomesh.kernel.library import Library, find_library
from picomesh.kernel.rows import Row, read_row

_HEAD = struct.Struct("<3I")
_PLACE = struct.Struct("<4IQ")  # past.zig: Place
_FUEL_OF_PLACE = struct.Struct("<16xQ")
_BLOCK = struct.Struct("<32s3I")  # past.zig: Block


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Receipts of a pico that follow each other.

    With a key all are of events of one kind, and each is an envelope of its core whose way leads to
    the root that the key is of; without one it is a single receipt, of which nothing was seen.
    """

    pico: str
    seq: int  # of the first
    key: bytes  # engine, signature, size of the batch and root
    eci: str
    domain: str
    name: str
    host: str
    _rows: bytes
    _envelopes: bytes
    _places: bytes

    @property
    def count(self) -> int:
        return len(self._places) // _PLACE.size

    def _place(self, at: int) -> tuple[int, int, int, int]:
        """Where the row begins, its core, its end, and the end of the envelope."""
        row, core, row_end, envelope_end, _ = _PLACE.unpack_from(self._places, at * _PLACE.size)
        return row, core, row_end, envelope_end

    def core(self, at: int) -> bytes:
        _, start, end, _ = self._place(at)
        return self._rows[start:end]

    def envelope(self, at: int) -> bytes:
        start = self._place(at - 1)[3] if at else 0
        return self._envelopes[start : self._place(at)[3]]

    def row(self, at: int) -> Row:
        """What the event was given."""
        return read_row(self._rows, self._place(at)[0])

    def rows(self, at: int, count: int) -> bytes:
        """So many rows, for `Kernel.again`."""
        return self._rows[self._place(at)[0] : self._place(at + count - 1)[2]]

    def fuels(self, at: int, count: int) -> list[int]:
        """What the cores say that they took."""
        places = self._places[at * _PLACE.size : (at + count) * _PLACE.size]
        return [fuel for (fuel,) in _FUEL_OF_PLACE.iter_unpack(places)]


class OpenedPack:
    """One answer."""

    __slots__ = ("_blocks_at", "_data", "nodes_at")

    def __init__(self, data: bytes) -> None:
        spans_bytes, _, self.nodes_at = _HEAD.unpack_from(data)
        self._data = data
        self._blocks_at = _HEAD.size + spans_bytes

    def spans(self) -> Iterator[Span]:
        """All receipts, in order."""
        found: list[list[Any]] = marshal.loads(self._data[_HEAD.size : self._blocks_at])
        return (Span(*row) for row in found)

    def blocks(self) -> Iterator[tuple[Any, ...]]:
        """The digest, where it lies in the pack, its length, and whether it is a value."""
        return _BLOCK.iter_unpack(self._data[self._blocks_at :])


class Opener:
    """The functions, and the memory that they keep between packs."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._opener = library.opener_new()  # as long as the process
        if not self._opener:
            raise MemoryError("no memory to open packs")

    def open(self, pack: bytes) -> OpenedPack | None:
        """A pack without its compression; None when Python has to read it."""
        with self._lock:
            count = self._library.open(self._opener, pack, len(pack))
            if not count:
                return None
            return OpenedPack(ctypes.string_at(self._library.opener_out(self._opener), count))


_found: list[Opener | None] = []


def find_opener() -> Opener | None:
    """What opens packs on this system, or None when there is no kernel for it."""
    if not _found:
        library = find_library()
        _found.append(None if library is None else Opener(library))
    return _found[0]
