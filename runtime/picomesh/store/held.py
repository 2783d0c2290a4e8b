"""Rows of a group that are not in the database yet.

A transition writes a receipt, some blocks and the end of its event's wait, and most of what a
group accepts it also runs. So these rows wait here and are written at the end of the group, or
before anything is read that they are part of; an event that was run meanwhile leaves no row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from picomesh.kernel.group import Group
from picomesh.ledger.cid import Cid, digest_of, raw_cid_of_block
from picomesh.ledger.codec import encode_block
from picomesh.store.packing import (
    PACK_RECEIPTS_MIN,
    NewReceipt,
    NewRun,
    each_of,
    make_packs,
    packs_of_packets,
    staying,
)

_EMPTY = b"\x80"  # the block of an empty list: most tapes and many outboxes
_EMPTY_NAME = raw_cid_of_block(_EMPTY)


@dataclass(slots=True)
class Sent:
    """An event for a pico of this engine, with the circumstances it will run in.

    `given` is the event as its sender has it; the store does not look at it.
    """

    pico: str
    event: bytes
    time_ms: int
    seed: bytes
    given: object = field(default=None, compare=False)


@dataclass(slots=True)
class Held:
    """What a group has not written yet."""

    group: Group | None = None  # the kernel's, if there is one
    blocks: dict[bytes, bytes] = field(default_factory=dict)  # for rows of their own
    items: list[NewReceipt | NewRun] = field(default_factory=list)
    count: int = 0  # of the receipts
    made: dict[bytes, bytes] = field(default_factory=dict)  # of states, as far as looked at
    packets: list[NewReceipt | NewRun] = field(default_factory=list)  # not looked at
    inbox: dict[int, Sent] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.items or self.blocks or self.inbox or self.removed or self.seen)

    def hold(self, receipts: Iterable[NewReceipt]) -> None:
        """Receipts with their own blocks."""
        for item in receipts:
            self.items.append(item)
            self.count += 1
            if not item.made.packet:
                self._look_at(item)
            else:
                self.packets.append(item)

    def hold_run(self, run: NewRun) -> None:
        self.items.append(run)
        self.count += run.count
        self.packets.append(run)

    def _look_at(self, item: NewReceipt) -> None:
        """Makes known by name what a receipt's state is made of."""
        for _, cid, data in item.made.values:
            self.made[cid.raw] = data
        for cid, data in item.made.nodes:
            self.made[cid.raw] = data

    def look(self) -> dict[bytes, bytes]:
        """What all states here are made of."""
        for item in each_of(self.packets):
            self._look_at(item)
        self.packets.clear()
        return self.made

    def hold_blocks(self, blocks: Mapping[Cid, bytes]) -> None:
        for cid, data in blocks.items():
            self.blocks[cid.raw] = data

    def block(self, cid: Cid) -> bytes | None:
        """A block that is not written yet and that a state is made of, or a module.

        What the kernel made it knows itself, so packets are looked into only by `look`.
        """
        found = self.made.get(cid.raw)
        return self.blocks.get(cid.raw) if found is None else found

    def remove(self, arrival: int) -> None:
        """An event does not wait any more."""
        if self.inbox.pop(arrival, None) is None:
            self.removed.append(arrival)

    def write(self, database: sqlite3.Connection) -> None:
        """Writes everything; the envelopes are signed by now."""
        many = database.executemany
        if self.items:
            self._write_receipts(database)
        if self.blocks:
            many("INSERT OR IGNORE INTO block VALUES (?, ?)", self.blocks.items())
        if self.inbox:
            many("INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?)", self._inbox_rows())
        if self.removed:
            arrivals = [(arrival,) for arrival in self.removed]
            many("DELETE FROM inbox WHERE arrival = ?", arrivals)
            many("DELETE FROM answer WHERE arrival = ?", arrivals)
        if self.seen:
            rows = [(key, eid, time_ms) for key, (eid, time_ms) in self.seen.items()]
            many("INSERT INTO seen VALUES (?, ?, ?)", rows)

    def _write_receipts(self, database: sqlite3.Connection) -> None:
        self.blocks[_EMPTY_NAME] = _EMPTY
        names = [
            (item.pico, item.name)
            for item in self.items
            if isinstance(item, NewReceipt) and item.name is not None
        ]
        if names:
            database.executemany("INSERT INTO pico VALUES (?, ?, 0)", names)
        if self.count < PACK_RECEIPTS_MIN:
            self._write_rows(database)
        else:
            self._write_packs(database)
        heads = {item.pico: _last_seq(item) for item in self.items}
        rows_of_heads = [(seq, pico) for pico, seq in heads.items()]
        database.executemany("UPDATE pico SET head = ? WHERE pico = ?", rows_of_heads)

    def _write_rows(self, database: sqlite3.Connection) -> None:
        receipts = list(each_of(self.items))
        rows = [
            (item.pico, item.seq, item.receipt.core_bytes, item.receipt.envelope_bytes)
            for item in receipts
        ]
        database.executemany("INSERT INTO receipt VALUES (?, ?, ?, ?)", rows)
        self.blocks.update(self.look())
        for item in receipts:
            for cid, data in item.record:
                self.blocks[cid.raw] = data

    def _write_packs(self, database: sqlite3.Connection) -> None:
        """What the states at the end are made of goes into rows, all before it into packs."""
        if self.group is not None and all(map(_has_packet, self.items)):
            stay, packs = packs_of_packets(self.group, self.items, self.blocks)
            self.blocks.update(stay)
        else:
            made, receipts = self.look(), list(each_of(self.items))
            self.blocks.update((raw, made[raw]) for raw in staying(receipts))
            packs = make_packs(receipts, set(self.blocks))
        for pack in packs:
            statement = "INSERT INTO pack (names, data, nodes) VALUES (?, ?, ?)"
            place = database.execute(statement, (pack.names, pack.data, pack.nodes)).lastrowid
            rows = [(*run, place) for run in pack.runs]
            database.executemany("INSERT INTO packed VALUES (?, ?, ?, ?)", rows)

    def _inbox_rows(self) -> Iterable[tuple[int | str | bytes, ...]]:
        for arrival, sent in self.inbox.items():
            row = (arrival, sent.pico, sent.event, sent.time_ms, sent.seed)
            yield (*row, row_hash(*row))


def _has_packet(item: NewReceipt | NewRun) -> bool:
    return not isinstance(item, NewReceipt) or bool(item.made.packet)


def _last_seq(item: NewReceipt | NewRun) -> int:
    return item.seq if isinstance(item, NewReceipt) else item.seq + item.count - 1


def row_hash(*columns: int | str | bytes) -> bytes:
    """What stands beside a row that no receipt commits to yet, so that damage shows."""
    return digest_of(encode_block(list(columns)))
