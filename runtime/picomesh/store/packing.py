"""Packs: many receipts and the blocks that only they need, compressed together (history.md §2).

What happens in one group is nearly the same each time, so together it takes a quarter of the room
that rows of their own would take, and one row of the database instead of many. In a pack lies what
is of the past when the group ends: receipts, inputs, effects, and the nodes and values of states
that were left again. What the states at the end are made of lies in rows, found by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from picomesh.kernel.group import Group
from picomesh.kernel.parts import as_part
from picomesh.ledger.cid import CID_BYTES, Cid, raw_cid_of_block
from picomesh.ledger.pieces import head, known_text, number, octets
from picomesh.ledger.receipt import Receipt
from picomesh.store.streams import deflated

PACK_RECEIPTS_MIN = 16  # fewer lie in rows of their own
PACK_RECEIPTS_MAX = 256  # reading one receipt reads its whole pack
PACK_BYTES_MAX = 4 * 1024 * 1024  # before compression; one receipt more can go beyond
NODE_BYTES_MAX = 512  # of a receipt; beyond, hashes do not get smaller and are left as they are
LIMITS = (PACK_RECEIPTS_MAX, PACK_BYTES_MAX, NODE_BYTES_MAX)  # as the kernel wants them
_NAME = slice(4, 8)  # of a CID: the beginning of its hash
_NO_NAME = bytes(CID_BYTES)


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt as it lies in the store, not yet believed."""

    pico: str
    seq: int
    core: bytes
    envelope: bytes


class Made(Protocol):
    """The blocks that a transition made, and how its state differs from the one before."""

    @property
    def record(self) -> Sequence[tuple[Cid, bytes]]:
        """Blocks that the receipt links to and no state does."""

    @property
    def values(self) -> Sequence[tuple[bytes, Cid, bytes]]:
        """Path, name and bytes of what it wrote."""

    @property
    def removed(self) -> Sequence[bytes]:
        """Paths that are no more."""

    @property
    def nodes(self) -> Collection[tuple[Cid, bytes]]:
        """New ones of the state's tree."""

    @property
    def replaced(self) -> Sequence[Cid]:
        """Nodes that the tree has no more."""

    @property
    def packet(self) -> bytes:
        """The same as the kernel left it, or nothing (picomesh.kernel.packet)."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """What a receipt made whose blocks are stored beside it."""

    record: Sequence[tuple[Cid, bytes]] = ()
    values: Sequence[tuple[bytes, Cid, bytes]] = ()
    removed: Sequence[bytes] = ()
    nodes: Collection[tuple[Cid, bytes]] = ()
    replaced: Sequence[Cid] = ()
    packet: bytes = b""


@dataclass(slots=True)
class NewReceipt:
    """A receipt to be stored; its envelope may be signed as late as when it is written."""

    pico: str
    seq: int
    receipt: Receipt
    made: Made = field(default_factory=Nothing)
    name: str | None = None  # with a pico's first one
    logs: tuple[Cid, bytes] | None = None  # the block of its logs, if it has some

    @property
    def record(self) -> Sequence[tuple[Cid, bytes]]:
        """All blocks that only it needs."""
        return self.made.record if self.logs is None else [*self.made.record, self.logs]


class NewRun(Protocol):
    """Receipts of one pico that follow each other, as the kernel left them; none has logs."""

    @property
    def pico(self) -> str: ...

    @property
    def seq(self) -> int:
        """Of the first one."""

    @property
    def count(self) -> int: ...

    @property
    def packets(self) -> bytes:
        """Parts (picomesh.kernel.parts)."""

    @property
    def envelopes(self) -> bytes:
        """Parts, or nothing as long as they are not signed."""

    def receipts(self) -> list[NewReceipt]:
        """The same one by one."""


def each_of(items: Iterable[NewReceipt | NewRun]) -> Iterator[NewReceipt]:
    """Receipts, those of runs as well."""
    for item in items:
        if isinstance(item, NewReceipt):
            yield item
        else:
            yield from item.receipts()


@dataclass(slots=True)
class Pack:
    """One row of `pack`, to be written, and where its receipts are found."""

    names: bytes
    data: bytes
    nodes: bytes
    runs: list[tuple[str, int, int]]  # pico, first seq, number of receipts


def staying(receipts: Iterable[NewReceipt]) -> set[bytes]:
    """The names of the nodes and values that these receipts made and their last states have."""
    values: dict[tuple[str, bytes], bytes] = {}
    nodes: dict[str, dict[bytes, None]] = {}
    for item in receipts:
        pico = item.pico
        for path, cid, _ in item.made.values:
            values[pico, path] = cid.raw
        for path in item.made.removed:
            values.pop((pico, path), None)
        made = nodes.get(pico)
        if made is None:
            made = nodes[pico] = {}
        for cid in item.made.replaced:
            made.pop(cid.raw, None)
        for cid, _ in item.made.nodes:
            made[cid.raw] = None
    found = set(values.values())
    for made in nodes.values():
        found.update(made)
    return found


def packs_of_packets(
    group: Group, items: Iterable[NewReceipt | NewRun], rest: Iterable[bytes]
) -> tuple[list[tuple[bytes, bytes]], list[Pack]]:
    """The blocks that stay, and packs of the rest: as `staying` and `make_packs` find them.

    For receipts that all have packets.
    """
    rows, packs = group.packs(map(_run_of, items), rest)
    return rows, [Pack(it.names, deflated(it.data), it.nodes, it.runs) for it in packs]


def _run_of(item: NewReceipt | NewRun) -> tuple[str, int, int, bytes, bytes, bytes]:
    """What `Group.packs` is given of receipts."""
    if not isinstance(item, NewReceipt):
        return item.pico, item.seq, item.count, item.envelopes, item.packets, b""
    logs = b"" if item.logs is None else item.logs[0].digest + item.logs[1]
    envelope, packet = item.receipt.envelope_bytes, item.made.packet
    return item.pico, item.seq, 1, as_part(envelope), as_part(packet), logs


def make_packs(receipts: Sequence[NewReceipt], rest: set[bytes]) -> list[Pack]:
    """Packs of all receipts, in order, with their blocks but for those in `rest`."""
    packs: list[Pack] = []
    done = set(rest)
    first = size = 0
    for at, item in enumerate(receipts):
        size += len(item.receipt.core_bytes)
        for _, data in item.record:
            size += len(data)
        for _, data in item.made.nodes:
            size += len(data)
        if at - first == PACK_RECEIPTS_MAX - 1 or size >= PACK_BYTES_MAX:
            packs.append(_make(receipts[first : at + 1], done))
            first, size = at + 1, 0
    if first < len(receipts):
        packs.append(_make(receipts[first:], done))
    return packs


def _make(receipts: Sequence[NewReceipt], done: set[bytes]) -> Pack:
    items: list[bytes] = []
    nodes: list[bytes] = []
    names: list[bytes] = []
    runs: dict[str, list[int]] = {}
    before: dict[str, bytes] = {}
    for item in receipts:
        run = runs.setdefault(item.pico, [item.seq, 0])
        run[1] += 1
        core, envelope = item.receipt.core_bytes, item.receipt.envelope_bytes
        name = raw_cid_of_block(core)
        known = [before.get(item.pico, _NO_NAME)]
        before[item.pico] = name
        blocks: list[bytes] = []
        for cid, data in item.record:
            if cid.raw not in done:
                done.add(cid.raw)
                known.append(cid.raw)
                blocks.append(octets(data))
        names += [raw[_NAME] for raw in known[1:]]
        for _, cid, data in item.made.values:
            if cid.raw not in done:
                done.add(cid.raw)
                names.append(cid.raw[_NAME])
                blocks.append(b"\x81" + octets(data))
        for cid, data in item.made.nodes:
            if cid.raw not in done:
                done.add(cid.raw)
                names.append(cid.raw[_NAME])
                nodes.append(octets(data))
        core, places = _cut(core, known)
        envelope, place = _cut(envelope, [name])
        start = head(4, 5 + len(blocks)) + known_text(item.pico) + number(item.seq)
        cuts = head(4, 1 + len(known)) + place + places
        items += (start, octets(core), octets(envelope), cuts, *blocks)
    tail = b"".join(nodes)
    if len(tail) < NODE_BYTES_MAX * len(receipts):
        packed, loose = head(4, len(nodes)) + tail, b"\x80"
    else:
        packed, loose = b"\x80", head(4, len(nodes)) + tail
    data = b"\x82" + head(4, len(receipts)) + b"".join(items) + packed
    found = [(pico, first, count) for pico, (first, count) in runs.items()]
    return Pack(b"".join(names), deflated(data), loose, found)


def _cut(data: bytes, names: list[bytes]) -> tuple[bytes, bytes]:
    """The bytes without these names, and where each of them was: a number, 0 for nowhere.

    A name is looked for behind the one before it.
    """
    at = 0
    rest: list[bytes] = []
    places: list[bytes] = []
    for name in names:
        place = data.find(name, at)
        if place > 0:
            rest.append(data[at:place])
            places.append(number(place))
            at = place + CID_BYTES
        else:
            places.append(b"\x00")
    rest.append(data[at:])
    return b"".join(rest), b"".join(places)


def name_in_pack(cid: Cid) -> bytes:
    """What of a name stands in the column `names`."""
    return cid.raw[_NAME]
