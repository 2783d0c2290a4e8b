"""Histories as one file, and such a file read as a store (docs/formats/export.md).

What a file must hold follows from the receipts: all that replay reads, and with `states` all that a
home keeps, so that any receipt can be proved, shown or bisected without a replay from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from picomesh.engine.errors import OperatorError
from picomesh.engine.makers import makers_of
from picomesh.engine.replay import decode_tape
from picomesh.engine.sources import Source, has_state
from picomesh.ledger.car import CarFile, car_parts
from picomesh.ledger.cid import DAG_CBOR, Cid, cid_of_block
from picomesh.ledger.codec import decode_block
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.export import (
    PAGE_RECEIPTS_MAX,
    Export,
    ExportedPico,
    decode_export,
    decode_page,
    encode_export,
    encode_page,
    links_of,
)
from picomesh.ledger.proof import Links
from picomesh.ledger.receipt import Core, decode_core, decode_envelope
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.ledger.value import decode_plain
from picomesh.store.store import StoredReceipt

Progress = Callable[[int], None]


def _ignore(_: int) -> None:
    return


@dataclass(slots=True)
class _Gathering:
    """The blocks of a file in the making.

    They are read as they are found, in the order of the receipts: that is how a store keeps them.
    """

    source: Source
    has_states: bool
    found: dict[Cid, bytes] = field(default_factory=dict)
    made: set[Cid] = field(default_factory=set)

    def make(self, data: bytes) -> Cid:
        cid = cid_of_block(data)
        self.made.add(cid)
        self.found[cid] = data
        return cid

    def take(self, *names: Cid) -> None:
        """Blocks by name, and nothing that hangs from them."""
        for cid in names:
            if cid not in self.found:
                self.found[cid] = self.source.block(cid)

    def follow(self, cid: Cid | None) -> None:
        """A block, and everything that hangs from it by links."""
        waiting = [] if cid is None else [cid]
        while waiting:
            cid = waiting.pop()
            if cid in self.found or cid == EMPTY_ROOT:
                continue
            self.take(cid)
            if cid.codec == DAG_CBOR:
                waiting += links_of(decode_block(self.found[cid]))

    def receipt(self, row: StoredReceipt) -> Links:
        core, envelope = decode_core(row.core), decode_envelope(row.envelope)
        for cid in (core.event, core.tape, envelope.logs, *self.fetched(core)):
            self.follow(cid)
        self.take(*(code.raw for code in core.code))
        if self.has_states:
            self.follow(core.outbox)
            self.follow(core.post)
            self.take(*(code.metered for code in core.code))
        return self.links(row)

    def links(self, row: StoredReceipt) -> Links:
        return Links(self.make(row.core), self.make(row.envelope))

    def fetched(self, core: Core) -> Iterator[Cid]:
        """Modules that the answers on the tape name: a ruleset asked what is behind a URL."""
        for entry in decode_tape(self.source.block(core.tape)):
            try:
                row = decode_plain(entry.question), decode_plain(entry.answer)
            except CodecError:  # a module that is not KRL's may ask anything
                continue
            match row:
                case {"fn": "ctx:module"}, {"ok": {"raw": raw, "source": source}}:
                    yield from (_cid(item) for item in (raw, source) if item is not None)
                case _:
                    continue


def export_histories(
    source: Source,
    engine: bytes,
    picos: list[tuple[str, str]],
    first: int = 0,
    last: int | None = None,
    has_states: bool = True,
    progress: Progress = _ignore,
) -> Iterator[bytes]:
    """The pieces of a file with the histories of these picos, (id, name) each.

    `progress` hears of the receipts as they are gathered. Raises OperatorError for an empty range.
    """
    gathering = _Gathering(source, has_states)
    exported = [
        _gather_pico(gathering, pico, name, first, last, progress)
        for pico, name in sorted(picos, key=lambda item: item[0].encode())
    ]
    root = gathering.make(encode_export(Export(engine, tuple(exported))))
    yield from car_parts(root, gathering.found, _Found(gathering.found))


def _gather_pico(
    gathering: _Gathering,
    pico: str,
    name: str,
    first: int,
    last: int | None,
    progress: Progress,
) -> ExportedPico:
    rows = gathering.source.receipts(pico, first, last)
    if not rows:
        raise OperatorError(f"there are no receipts from {first}", "`picomesh log` lists them")
    with suppress(MissingBlock):  # a file made by another may leave them out
        gathering.found |= makers_of(gathering.source, pico)
    before = None
    if first:
        row = gathering.source.receipt(pico, first - 1)
        assert row is not None, "the one behind it is there"
        before = gathering.links(row)
        gathering.follow(decode_core(row.core).post)
        for code in decode_core(row.core).code:
            gathering.take(code.raw, code.metered)
    links: list[Links] = []
    for row in rows:
        links.append(gathering.receipt(row))
        progress(1)
    starts = range(0, len(links), PAGE_RECEIPTS_MAX)
    pages = [gathering.make(encode_page(links[at : at + PAGE_RECEIPTS_MAX])) for at in starts]
    return ExportedPico(pico, name, first, len(rows), before, tuple(pages))


def _cid(text: object) -> Cid:
    try:
        return Cid(bytes.fromhex(str(text)))
    except ValueError as problem:
        raise CodecError("an answer names a module that is none") from problem


def linked_blocks(source: Source, rows: list[StoredReceipt]) -> dict[Cid, bytes]:
    """What these receipts lead to besides states: inputs, tapes, logs, modules, sources."""
    gathering = _Gathering(source, has_states=False)
    for row in rows:
        gathering.receipt(row)
    return {cid: data for cid, data in gathering.found.items() if cid not in gathering.made}


@dataclass(frozen=True, slots=True)
class _Found:
    blocks: dict[Cid, bytes]

    def block(self, cid: Cid) -> bytes:
        return self.blocks[cid]


class ExportedHistories:
    """A file of histories as a Source. Nothing of it is believed beyond the hashes of blocks."""

    def __init__(self, data: bytes) -> None:
        """Raises LedgerError."""
        self._car = CarFile(data)
        self.export = decode_export(self._car.block(self._car.root))
        self._runs: dict[str, tuple[ExportedPico, list[Links]]] = {}
        for item in self.export.picos:
            links: list[Links] = []
            for at, page in enumerate(item.pages):
                count = min(PAGE_RECEIPTS_MAX, item.count - at * PAGE_RECEIPTS_MAX)
                links += decode_page(self._car.block(page), count)
            self._runs[item.pico] = (item, links)

    @property
    def engine(self) -> bytes:
        return self.export.engine

    def picos(self) -> list[tuple[str, str]]:
        return [(item.pico, item.name) for item in self.export.picos]

    def start(self, pico: str, first: int) -> int:
        """Where a replay can begin that is to reach `first`: there, if the state is there."""
        begin = self._runs[pico][0].first
        row = self.receipt(pico, first)
        if row is None or first <= begin or not has_state(self, decode_core(row.core).pre):
            return begin
        return first

    def block(self, cid: Cid) -> bytes:
        return self._car.block(cid)

    def __contains__(self, cid: Cid) -> bool:
        return cid in self._car

    def head(self, pico: str) -> StoredReceipt | None:
        item, _ = self._runs[pico]
        return self.receipt(pico, item.first + item.count - 1)

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        if pico not in self._runs:
            return None
        item, links = self._runs[pico]
        if item.before is not None and seq == item.first - 1:
            return self._read(pico, seq, item.before)
        at = seq - item.first
        return self._read(pico, seq, links[at]) if 0 <= at < item.count else None

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        item, _ = self._runs[pico]
        end = item.first + item.count if last is None else last + 1
        found = (self.receipt(pico, seq) for seq in range(max(first, item.first), end))
        return [row for row in found if row is not None]

    def _read(self, pico: str, seq: int, links: Links) -> StoredReceipt:
        if links.core.codec != DAG_CBOR or links.envelope.codec != DAG_CBOR:
            raise CodecError("a receipt is not two blocks")
        return StoredReceipt(pico, seq, self.block(links.core), self.block(links.envelope))
