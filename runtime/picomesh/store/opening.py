"""Reads packs (history.md §2): what a reader of receipts needs at once, the rest when asked for.

Who replays a history wants its receipts and inputs, and makes the states anew; so nodes and values
get their names only when a block is looked for that is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cbor2
from blake3 import blake3

from picomesh.kernel.opener import OpenedPack, Span, find_opener
from picomesh.ledger.cid import CID_BYTES, DAG_CBOR, raw_cid_of_block, raw_cid_of_bytes
from picomesh.store.errors import DamagedStore
from picomesh.store.packing import StoredReceipt
from picomesh.store.streams import inflated

_OPENED_BYTES_MAX = 1024 * 1024 * 1024  # what a damaged pack may claim to hold
_NAME = slice(4, 8)  # of a CID: the beginning of its hash
_NO_NAME = bytes(CID_BYTES)
_BLOCK = bytes((1, DAG_CBOR, 0x1E, 0x20))
_new = object.__new__
_SET_PICO, _SET_SEQ, _SET_CORE, _SET_ENVELOPE = (
    vars(StoredReceipt)[name].__set__ for name in ("pico", "seq", "core", "envelope")
)


class SeenReceipt(StoredReceipt):
    """A receipt that the kernel has opened; its bytes are cut out when somebody looks."""

    __slots__ = ("span",)
    span: Span

    def __getattr__(self, name: str) -> bytes:
        match name:
            case "core":
                core = self.span.core(self.seq - self.span.seq)
                _SET_CORE(self, core)
                return core
            case "envelope":
                envelope = self.span.envelope(self.seq - self.span.seq)
                _SET_ENVELOPE(self, envelope)
                return envelope
        raise AttributeError(name)  # one that was made of another has no span

    def __eq__(self, other: object) -> bool:
        """As a receipt that lies elsewhere is equal: by what it is, and not by what was seen."""
        if not isinstance(other, StoredReceipt):
            return NotImplemented
        return (self.pico, self.seq, self.core, self.envelope) == (
            *(other.pico, other.seq, other.core, other.envelope),
        )

    __hash__ = StoredReceipt.__hash__


_SET_SPAN = vars(SeenReceipt)["span"].__set__


@dataclass(frozen=True, slots=True)
class Stretch:
    """Receipts of a span that follow each other; at least one."""

    span: Span
    at: int  # the place of the first
    count: int

    @property
    def seq(self) -> int:
        return self.span.seq + self.at

    def receipt(self, number: int = 0) -> StoredReceipt:
        row: StoredReceipt = _new(SeenReceipt)
        _SET_PICO(row, self.span.pico)
        _SET_SEQ(row, self.seq + number)
        _SET_SPAN(row, self.span)
        return row

    def receipts(self) -> list[StoredReceipt]:
        return [self.receipt(number) for number in range(self.count)]

    def behind(self, count: int) -> Stretch | None:
        """What is left without the first ones."""
        rest = self.count - count
        return Stretch(self.span, self.at + count, rest) if rest else None


class Opened:
    """What lies in a pack; each block has the name that its bytes give."""

    __slots__ = ("_beside", "_blocks", "_nodes", "_receipts", "_spans", "_values", "later")

    def __init__(self, nodes: list[bytes]) -> None:
        self._receipts: dict[tuple[str, int], StoredReceipt] | None = {}
        self._spans: list[Span] = []
        self.later: Callable[[], None] | None = None  # finds the blocks, if that is left to do
        self._beside: dict[bytes, bytes] = {}
        self._nodes = nodes
        self._values: list[bytes] = []
        self._blocks: dict[bytes, bytes] | None = None

    @property
    def receipts(self) -> dict[tuple[str, int], StoredReceipt]:
        """All of them by pico and seq."""
        if self._receipts is None:
            whole = (Stretch(span, 0, span.count) for span in self._spans)
            rows = (row for stretch in whole for row in stretch.receipts())
            self._receipts = {(row.pico, row.seq): row for row in rows}
        return self._receipts

    def stretches(self, pico: str, first: int, last: int) -> list[Stretch]:
        """Those of a pico from `first` to `last`, in order, if the kernel has opened the pack."""
        found: list[Stretch] = []
        for span in self._spans:
            low, high = max(first - span.seq, 0), min(last - span.seq, span.count - 1)
            if span.pico == pico and low <= high:
                found.append(Stretch(span, low, high - low + 1))
        return found

    @property
    def beside(self) -> dict[bytes, bytes]:
        """Inputs, tapes, outboxes and logs, by name."""
        if self.later is not None:
            self.later()
            self.later = None
        return self._beside

    @property
    def blocks(self) -> dict[bytes, bytes]:
        """All blocks, by name."""
        if self._blocks is None:
            beside = self.beside
            blocks = {raw_cid_of_block(data): data for data in self._nodes}
            blocks.update((raw_cid_of_bytes(data), data) for data in self._values)
            blocks.update(beside)
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
        receipts, beside, values = self.receipts, self._beside, self._values
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

    def add_found(self, plain: bytes, found: OpenedPack) -> None:
        """The same from what the kernel found in these bytes."""
        self._spans = list(found.spans())
        self._receipts = None

        def later() -> None:
            self._nodes += cbor2.loads(plain[found.nodes_at :])
            for digest, at, size, is_value in found.blocks():
                data = plain[at : at + size]
                if is_value:
                    self._values.append(data)
                else:
                    self._beside[_BLOCK + digest] = data

        self.later = later


def open_pack(pack: int, data: object, nodes: object) -> Opened:
    """Reads a pack. Raises DamagedStore."""
    try:
        if not isinstance(data, bytes) or not isinstance(nodes, bytes):
            raise ValueError("not bytes")
        plain = inflated(data, _OPENED_BYTES_MAX)
        opener = find_opener()
        found = None if opener is None else opener.open(plain)
        receipts, packed = _list(plain) if found is None else ([], [])
        loose = [*packed, *_list(nodes)]
        if not all(type(block) is bytes for block in loose):
            raise ValueError("not nodes")
        opened = Opened(loose)
        if found is None:
            opened.add(receipts)
        else:
            opened.add_found(plain, found)
    except (ValueError, TypeError, cbor2.CBORDecodeError) as problem:
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
