"""What an event came to in the kernel, read when somebody asks (event.zig: putOut)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

WHOLE = 2  # the other status: only the run is there, the tree and the core are Python's
_HEADER = struct.Struct("<IIq32s32s12I")
_WORD = struct.Struct("<I")
_TWO = struct.Struct("<II")
EFFECTS = ("directive", "log", "send")
DIGEST_BYTES = 32
_NOTHING = 0xFFFFFFFF


class Packet:
    """One packet: its numbers at once, its sections when they are wanted."""

    __slots__ = (
        "_answers",
        "_core",
        "_effects",
        "_nodes",
        "_record",
        "_writes",
        "core_digest",
        "data",
        "fuel",
        "is_whole",
        "only_directives",
        "post",
    )

    def __init__(self, data: bytes) -> None:
        self.data = data
        status, flags, self.fuel, self.post, self.core_digest, *places = _HEADER.unpack_from(data)
        self.is_whole = status == WHOLE
        self.only_directives = not flags
        self._core = places[0:2]
        self._record = places[2:4]
        self._writes = places[4:6]
        self._nodes = places[6:8]
        self._effects = places[8:10]
        self._answers = places[10:12]

    @property
    def core(self) -> bytes:
        at, count = self._core
        return self.data[at : at + count]

    @property
    def effect_count(self) -> int:
        return int(self._effects[1])

    def _part(self, at: int) -> tuple[bytes, int]:
        """Bytes behind their length, and what is behind them."""
        (count,) = _WORD.unpack_from(self.data, at)
        end = at + 4 + count
        return self.data[at + 4 : end], end

    def record(self) -> Iterator[tuple[bytes, bytes]]:
        """Digest and bytes of the blocks that the core links to and no state does."""
        at, count = self._record
        for _ in range(count):
            block, end = self._part(at + DIGEST_BYTES)
            yield self.data[at : at + DIGEST_BYTES], block
            at = end

    def writes(self) -> Iterator[tuple[bytes, bytes, bytes | None]]:
        """Path, digest and bytes of what was written, in order of the paths.

        None where something was removed, which no whole one does.
        """
        at, count = self._writes
        for _ in range(count):
            path, at = self._part(at)
            end = at + DIGEST_BYTES
            digest = self.data[at:end]
            if _WORD.unpack_from(self.data, end)[0] == _NOTHING:
                yield path, digest, None
                at = end + _WORD.size
            else:
                value, at = self._part(end)
                yield path, digest, value

    def nodes(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """For each new node the digest of the one it replaces, its own, and its block."""
        at, count = self._nodes
        for _ in range(count):
            own = at + DIGEST_BYTES
            block, end = self._part(own + DIGEST_BYTES)
            yield self.data[at:own], self.data[own : own + DIGEST_BYTES], block
            at = end

    def effects(self) -> Iterator[tuple[str, int, bytes]]:
        """Kind, ruleset (its place among those that ran) and message of what was emitted."""
        at, count = self._effects
        for _ in range(count):
            kind, ruleset = _TWO.unpack_from(self.data, at)
            message, at = self._part(at + 8)
            yield EFFECTS[kind], ruleset, message

    def answers(self) -> Iterator[bytes]:
        """What `handle` of each ruleset returned."""
        at, count = self._answers
        for _ in range(count):
            answer, at = self._part(at)
            yield answer
