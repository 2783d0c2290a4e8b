"""What an event came to in the kernel, read when somebody asks (event.zig: putOut)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from picomesh.kernel.parts import WORD_BYTES, part_at, word_at

# The first number; the third one: only the run is there, the tree and the core are Python's.
WHOLE, _WANTED = 2, 3
_HEADER = struct.Struct("<IIq32s32sII")
_FLAGS, _CORE_DIGEST = 4, 48
_LOGS, _SENDS = 1, 2
_RECORD, _WRITES, _NODES, _EFFECTS, _ANSWERS = 88, 96, 104, 112, 120  # event.zig: At
_TWO = struct.Struct("<II")
EFFECTS = ("directive", "log", "send")
DIGEST_BYTES = 32
_NOTHING = 0xFFFFFFFF


def wanted_of(data: bytes) -> tuple[str, str] | None:
    """The domain and name of a kind of event that the recipe has not; None: it is a packet."""
    if data[0] != _WANTED:
        return None
    domain, at = part_at(data, WORD_BYTES)
    name, _ = part_at(data, at)
    return domain.decode(), name.decode()


def core_digest_at(data: bytes, start: int) -> bytes:
    """The name of the core of the packet that begins there."""
    return data[start + _CORE_DIGEST : start + _CORE_DIGEST + DIGEST_BYTES]


def flags_at(data: bytes, start: int) -> int:
    """0: the packet that begins there has no logs and sends nothing but directives."""
    return word_at(data, start + _FLAGS)


class Packet:
    """One packet: its numbers at once, its sections when they are wanted."""

    __slots__ = ("core", "core_digest", "data", "fuel", "has_logs", "is_whole", "post", "sends")

    def __init__(self, data: bytes) -> None:
        self.data = data
        status, flags, self.fuel, self.post, self.core_digest, at, size = _HEADER.unpack_from(data)
        self.is_whole = status == WHOLE
        self.has_logs = bool(flags & _LOGS)
        self.sends = bool(flags & _SENDS)
        self.core = data[at : at + size]

    def _section(self, place: int) -> tuple[int, int]:
        """Where a section begins, and how many rows it has."""
        at, count = _TWO.unpack_from(self.data, place)
        return int(at), int(count)

    def record(self) -> Iterator[tuple[bytes, bytes]]:
        """Digest and bytes of the blocks that the core links to and no state does."""
        at, count = self._section(_RECORD)
        for _ in range(count):
            block, end = part_at(self.data, at + DIGEST_BYTES)
            yield self.data[at : at + DIGEST_BYTES], block
            at = end

    def writes(self) -> Iterator[tuple[bytes, bytes, bytes | None]]:
        """Path, digest and bytes of what was written, in order of the paths.

        None where something was removed.
        """
        at, count = self._section(_WRITES)
        for _ in range(count):
            path, at = part_at(self.data, at)
            end = at + DIGEST_BYTES
            digest = self.data[at:end]
            if word_at(self.data, end) == _NOTHING:
                yield path, digest, None
                at = end + WORD_BYTES
            else:
                value, at = part_at(self.data, end)
                yield path, digest, value

    def nodes(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """For each new node the digest of one that is no more, its own, and its block.

        Zeros in the first place stand for none; a node comes several times to say more of them.
        """
        at, count = self._section(_NODES)
        for _ in range(count):
            own = at + DIGEST_BYTES
            block, end = part_at(self.data, own + DIGEST_BYTES)
            yield self.data[at:own], self.data[own : own + DIGEST_BYTES], block
            at = end

    def effects(self) -> Iterator[tuple[str, int, bytes]]:
        """Kind, ruleset (its place among those that ran) and message of what was emitted."""
        at, count = self._section(_EFFECTS)
        for _ in range(count):
            kind, ruleset = _TWO.unpack_from(self.data, at)
            message, at = part_at(self.data, at + 8)
            yield EFFECTS[kind], ruleset, message

    def answers(self) -> Iterator[tuple[int, bytes]]:
        """What `handle` returned, each time a ruleset was given an event."""
        at, count = self._section(_ANSWERS)
        for _ in range(count):
            ruleset = word_at(self.data, at)
            answer, at = part_at(self.data, at + WORD_BYTES)
            yield ruleset, answer
