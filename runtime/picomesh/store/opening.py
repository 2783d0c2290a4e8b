"""Reads packs (history.md §2): what a reader of receipts needs at once, the rest when asked for.

Who replays a history wants its receipts and inputs, and makes the states anew; so nodes and values
get their names only when a block is looked for that is neither.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import cbor2
from blake3 import blake3

from picomesh.ledger.cid import CID_BYTES, DAG_CBOR, raw_cid_of_block, raw_cid_of_bytes
from picomesh.store.errors import DamagedStore
from picomesh.store.packing import StoredReceipt

_OPENED_BYTES_MAX = 1024 * 1024 * 1024  # what a damaged pack may claim to hold
_NAME = slice(4, 8)  # of a CID: the beginning of its hash
_NO_NAME = bytes(CID_BYTES)
_BLOCK = bytes((1, DAG_CBOR, 0x1E, 0x20))
_new = object.__new__
_SET_PICO, _SET_SEQ, _SET_CORE, _SET_ENVELOPE = (
    vars(StoredReceipt)[name].__set__ for name in ("pico", "seq", "core", "envelope")
)


class Opened:
    """What lies in a pack; each block has the name that its bytes give."""

    __slots__ = ("_blocks", "_nodes", "_values", "beside", "receipts")

    def __init__(self, nodes: list[bytes]) -> None:
        self.receipts: dict[tuple[str, int], StoredReceipt] = {}
        self.beside: dict[bytes, bytes] = {}  # inputs, tapes, outboxes and logs
        self._nodes = nodes
        self._values: list[bytes] = []
        self._blocks: dict[bytes, bytes] | None = None

    @property
    def blocks(self) -> dict[bytes, bytes]:
        """All of them, by name."""
        if self._blocks is None:
            blocks = {raw_cid_of_block(data): data for data in self._nodes}
            blocks.update((raw_cid_of_bytes(data), data) for data in self._values)
            blocks.update(self.beside)
            self._blocks = blocks
        return self._blocks

    def block(self, name: bytes) -> bytes | None:
        data = self.beside.get(name)
        return self.blocks.get(name) if data is None else data

    def names(self) -> list[bytes]:
        """The column `names` of the pack, name by name and in no order."""
        return sorted(raw[_NAME] for raw in self.blocks)

    def runs(self) -> list[tuple[str, int, int]]:
        """The rows of `packed` that lead to the pack."""
        runs: dict[str, list[int]] = {}
        for pico, seq in sorted(self.receipts):
            runs.setdefault(pico, [seq, 0])[1] += 1
        return [(pico, first, count) for pico, (first, count) in runs.items()]

    def add(self, items: list[Any]) -> None:
        """Receipts with their blocks; names that were cut out follow from what is there.

        Raises ValueError, TypeError.
        """
        before: dict[str, bytes] = {}
        receipts, beside, values = self.receipts, self.beside, self._values
        for item in items:
            if type(item) is not list:
                raise ValueError("not a receipt")
            pico, seq, core, envelope, (place, *places), *made = item
            if not (type(core) is type(envelope) is bytes and type(pico) is str):
                raise ValueError("not a receipt with its blocks")
            names = [before.get(pico, _NO_NAME)]
            for block in made:
                if type(block) is bytes:
                    name = _BLOCK + blake3(block).digest()
                    names.append(name)
                    beside[name] = block
                else:
                    (value,) = block
                    values.append(value)
            core = _mend(core, names, places)
            name = before[pico] = _BLOCK + blake3(core).digest()
            if place:
                envelope = envelope[:place] + name + envelope[place:]
            row: StoredReceipt = _new(StoredReceipt)
            _SET_PICO(row, pico)
            _SET_SEQ(row, seq)
            _SET_CORE(row, core)
            _SET_ENVELOPE(row, envelope)
            receipts[pico, seq] = row
        if not all(type(value) is bytes for value in values):
            raise ValueError("not values")
        if not all(type(seq) is int for _, seq in receipts):
            raise ValueError("not a seq")


def open_pack(pack: int, data: object, nodes: object) -> Opened:
    """Reads a pack. Raises DamagedStore."""
    try:
        if not isinstance(data, bytes) or not isinstance(nodes, bytes):
            raise ValueError("not bytes")
        inflate = zlib.decompressobj()
        plain = inflate.decompress(data, _OPENED_BYTES_MAX)
        if not inflate.eof or inflate.unused_data:
            raise ValueError("not one whole stream")
        receipts, packed = _list(plain)
        loose = [*packed, *_list(nodes)]
        if not all(type(block) is bytes for block in loose):
            raise ValueError("not nodes")
        opened = Opened(loose)
        opened.add(receipts)
    except (ValueError, TypeError, zlib.error, cbor2.CBORDecodeError) as problem:
        raise DamagedStore(f"pack {pack} is damaged", "bring the home back") from problem
    return opened


def _list(data: bytes) -> list[Any]:
    stream = BytesIO(data)
    items = cbor2.load(stream)
    if not isinstance(items, list) or stream.read(1):
        raise ValueError("not one list")
    return items


def _mend(data: bytes, names: Sequence[bytes], places: Iterable[int]) -> bytes:
    """The bytes with these names back where they were cut out, from the lowest place up."""
    parts: list[bytes] = []
    at = cut = 0
    for place, name in zip(places, names, strict=True):
        if place:
            end = place - cut
            if end < at:
                raise ValueError("places are not in order")
            parts += (data[at:end], name)
            at = end
            cut += CID_BYTES
    parts.append(data[at:])
    return b"".join(parts)
