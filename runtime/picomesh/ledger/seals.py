"""Checks the envelopes of one engine one behind the other (docs/formats/receipt.md §3).

One by one, each envelope of a batch is followed up to the root that was signed: as many hashes as
the way is long. Whoever has followed one of them knows what its way went past, so the next one is
followed only to the first place that is known, and what its own way says beyond must be the same.
For 64 envelopes in order that is two hashes each, and one signature for all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from picomesh.ledger.cid import digest_of
from picomesh.ledger.errors import CodecError
from picomesh.ledger.merkle import left_size, root_by_way
from picomesh.ledger.receipt import (
    BATCH_DOMAIN,
    decode_envelope,
    is_envelope_signed,
    is_known_sender,
)
from picomesh.ledger.shapes import ENVELOPE, message_of, number_of
from picomesh.ledger.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, is_signed

BATCHES_MAX = 64
Signed: TypeAlias = tuple[bytes, bytes | None]  # the names of a core and of its logs
_ITEM_BYTES = 34  # of a way: the head of a byte string and the hash
_ITEM = b"\x58\x20"
_LEAF, _NODE = b"\x00", b"\x01"


class Seals:
    """What is known of the batches of an engine."""

    def __init__(self, engine: bytes) -> None:
        self._engine = engine
        self._roots: set[bytes] = set()  # those that `holds` has found signed
        # By signature and size, all under a signature that was checked: the nodes that ways went
        # past, and for each the rest of the way to the root.
        self._batches: dict[tuple[bytes, int], dict[int, tuple[bytes, bytes]]] = {}

    def signed(self, envelope: bytes) -> Signed | None:
        """What an envelope of this engine is of, if all is well with it.

        None says that it has to be read strictly: that it is damaged, or just of another shape.
        """
        found = ENVELOPE.match(envelope)
        if found is None:
            return None
        core, logs, _, index, size, head, way, engine, same, _, signature, _, _ = found.groups()
        if engine != self._engine:
            return None
        if index is not None and is_known_sender(same):
            at, count = number_of(index), number_of(size)
            known = self._batches.get((signature, count))
            if known is not None and at < count and len(way) == (head[0] - 0x80) * _ITEM_BYTES:
                leaf = digest_of(_LEAF + message_of(envelope, found))
                if _leads(known, leaf, at, count, way):
                    return core, logs
        return (core, logs) if self._is_signed(envelope) else None

    def holds(self, key: bytes) -> bool:
        """Whether this engine signed the root of a batch.

        `key` is the engine's public key, the signature, the size as 8 bytes and the root.
        """
        if key not in self._roots:
            at = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
            engine, signature = key[:PUBLIC_KEY_BYTES], key[PUBLIC_KEY_BYTES:at]
            if engine != self._engine or not is_signed(engine, BATCH_DOMAIN, key[at:], signature):
                return False
            if len(self._roots) >= BATCHES_MAX:
                self._roots.clear()
            self._roots.add(key)
        return True

    def _is_signed(self, data: bytes) -> bool:
        """By the rules, without what is known; what it shows is remembered."""
        try:
            envelope = decode_envelope(data)
        except CodecError:
            return False
        if not is_envelope_signed(envelope):
            return False
        place = envelope.batch
        message = decode_envelope(data).message  # whose sender is known by now
        if place is not None and message is not None:
            leaf = digest_of(_LEAF + message)
            root = root_by_way(leaf, place.index, place.size, place.way)
            assert root is not None, "it was signed"
            if len(self._batches) >= BATCHES_MAX:
                self._batches.clear()
            known = self._batches.setdefault((envelope.signature, place.size), {})
            known[1] = root, b""
            way = b"".join([_ITEM + item for item in place.way])
            _leads(known, leaf, place.index, place.size, way)
        return True


@lru_cache(maxsize=4096)
def places_of(index: int, size: int) -> tuple[int, ...]:
    """The nodes from a leaf to below the root: the root is 1, below n are 2n and 2n + 1."""
    places: list[int] = []
    place = 1
    while size > 1:
        half = left_size(size)
        is_right = index >= half
        place = 2 * place + is_right
        places.append(place)
        index, size = (index - half, size - half) if is_right else (index, half)
    return tuple(reversed(places))


def _leads(
    known: dict[int, tuple[bytes, bytes]], leaf: bytes, index: int, size: int, way: bytes
) -> bool:
    """Whether a leaf comes to a node that is known, by a way that goes on from there as is known.

    What it goes past until there is known then.
    """
    places = places_of(index, size)
    if len(way) != len(places) * _ITEM_BYTES:
        return False
    passed: list[tuple[int, tuple[bytes, bytes]]] = []
    node, at = leaf, 0
    for place in (*places, 1):
        met = known.get(place)
        if met is not None:
            if met[0] != node or met[1] != way[at:]:
                return False
            known.update(passed)
            return True
        end = at + _ITEM_BYTES
        other = way[at + 2 : end]
        passed.append((place ^ 1, (other, _ITEM + node + way[end:])))
        node = digest_of(_NODE + other + node if place & 1 else _NODE + node + other)
        at = end
    return False
