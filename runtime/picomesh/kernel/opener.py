"""Packs opened by the kernel (past.zig): its functions, and its answer as numbers and bytes."""

from __future__ import annotations

import ctypes
import marshal
import struct
import threading
from collections.abc import Iterator
from typing import Any

from picomesh.kernel.library import Library, find_library

_HEAD = struct.Struct("<3I")
_BLOCK = struct.Struct("<32s3I")  # past.zig: Block


class OpenedPack:
    """One answer."""

    __slots__ = ("_blocks_at", "_data", "nodes_at")

    def __init__(self, data: bytes) -> None:
        receipts_bytes, _, self.nodes_at = _HEAD.unpack_from(data)
        self._data = data
        self._blocks_at = _HEAD.size + receipts_bytes

    def receipts(self) -> list[list[Any]]:
        """Rows of 4, pico, seq, core and envelope, or of 16, with what a replay needs.

        That is: what the signature has to hold for (engine, signature, size, root), fuel, time,
        seed, the input's block, of the event eci, domain, name, attributes, eid and host, and all
        of this as `Kernel.again` takes it.
        """
        rows: list[list[Any]] = marshal.loads(self._data[_HEAD.size : self._blocks_at])
        return rows

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
