"""What happens at the end of a group: envelopes under one signature, and packs of receipts."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from picomesh.kernel.library import Library, find_library
from picomesh.kernel.parts import as_part, part_at, word, word_at

BATCH_MAX = 64  # of seal.zig: an envelope carries the logarithm of it in hashes
NO_LOGS = bytes(32)
_ROW = struct.Struct("<32sqQ32s")
_RUN_HEAD = struct.Struct("<QI")
_RUN = struct.Struct("<IQI")
_RAW_BYTES = 36

unpack_row = _ROW.unpack
pack_row = _ROW.pack  # digest of the core, time, time taken, digest of the logs or NO_LOGS


@dataclass(slots=True)
class Packed:
    """A pack that is not compressed yet: as `store.packing.Pack` has it."""

    names: bytes
    data: bytes
    nodes: bytes
    runs: list[tuple[str, int, int]]


class Group:
    """The kernel's memory between the groups of one store."""

    def __init__(self, library: Library, pack_limits: Sequence[int]) -> None:
        """`pack_limits` in the order of pack.zig: Limits."""
        self._library = library
        numbers = (ctypes.c_uint64 * len(pack_limits))(*pack_limits)
        self._group = library.group_new(ctypes.addressof(numbers))
        if not self._group:
            raise MemoryError("no memory for a group")

    def __del__(self) -> None:
        group, self._group = getattr(self, "_group", None), None
        if group:
            self._library.group_delete(group)

    def _out(self, count: int) -> bytes:
        if not count:
            raise MemoryError("no memory for a group")
        return ctypes.string_at(self._library.group_out(self._group), count)

    def set_sender(self, before: bytes, between: bytes) -> None:
        """The parts of an envelope that all of an engine have in common."""
        if not self._library.set_sender(self._group, before, len(before), between, len(between)):
            raise MemoryError("no memory for a sender")

    def envelopes(self, rows: Sequence[bytes], sign: Callable[[bytes], bytes]) -> bytes:
        """Envelopes, as parts, of at most BATCH_MAX rows of `pack_row`.

        `sign` gets what stands behind the domain: the block of a single one, or the batch.
        """
        given = b"".join(rows)
        signature = sign(self._out(self._library.seal_begin(self._group, given, len(given))))
        count = self._library.seal_finish(self._group, signature, len(signature))
        return self._out(count)

    def packs(
        self, runs: Iterable[tuple[str, int, int, bytes, bytes, bytes]], rest: Iterable[bytes]
    ) -> tuple[list[tuple[bytes, bytes]], list[Packed]]:
        """The blocks that stay in rows, and packs of receipts with what they left.

        A run is pico, first seq, number of receipts, their envelopes and packets as parts, and if
        it is one with logs their digest and bytes; `rest` are CIDs of blocks that have rows.
        """
        picos: dict[str, int] = {}
        given: list[bytes] = []
        for pico, seq, count, envelopes, packets, logs in runs:
            number = picos.get(pico)
            if number is None:
                number = picos[pico] = len(picos)
                given += (word(number), as_part(pico.encode()))
            else:
                given.append(word(number))
            given += (_RUN_HEAD.pack(seq, count), as_part(logs), envelopes, packets)
        data, known = b"".join(given), b"".join(rest)
        count = self._library.pack(self._group, data, len(data), known, len(known))
        return _read_packs(self._out(count), list(picos))


def _read_packs(
    data: bytes, picos: Sequence[str]
) -> tuple[list[tuple[bytes, bytes]], list[Packed]]:
    """What pack.zig has written: rows, then packs."""
    rows: list[tuple[bytes, bytes]] = []
    at = 4
    for _ in range(word_at(data, 0)):
        raw = data[at : at + _RAW_BYTES]
        block, at = part_at(data, at + _RAW_BYTES)
        rows.append((raw, block))
    packs: list[Packed] = []
    count = word_at(data, at)
    at += 4
    for _ in range(count):
        names, at = part_at(data, at)
        body, at = part_at(data, at)
        nodes, at = part_at(data, at)
        runs: list[tuple[str, int, int]] = []
        run_count = word_at(data, at)
        at += 4
        for _ in range(run_count):
            pico, seq, length = _RUN.unpack_from(data, at)
            runs.append((picos[pico], seq, length))
            at += _RUN.size
        packs.append(Packed(names, body, nodes, runs))
    return rows, packs


def open_group(pack_limits: Sequence[int]) -> Group | None:
    """What there is for this system, or None."""
    library = find_library()
    return None if library is None else Group(library, pack_limits)
