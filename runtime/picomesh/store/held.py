"""Rows of a group that are not in the database yet.

A transition writes a receipt, some blocks and the end of its event's wait, and most of what a
group accepts it also runs. So these rows wait here and are written at the end of the group, or
before anything is read that they are part of; an event that was run meanwhile leaves no row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from picomesh.ledger.cid import Cid, digest_of
from picomesh.ledger.codec import encode_block
from picomesh.ledger.receipt import Receipt

EMPTY = b"\x80"  # the block of an empty list: every transition has one or two


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
class NewReceipt:
    """A receipt to be stored; its envelope may be signed as late as when it is written."""

    pico: str
    seq: int
    receipt: Receipt
    name: str | None = None  # with a pico's first one


@dataclass(slots=True)
class Held:
    """What a group has not written yet."""

    blocks: list[tuple[bytes, bytes]] = field(default_factory=list)
    receipts: list[NewReceipt] = field(default_factory=list)
    inbox: dict[int, Sent] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    has_empty: bool = False

    def __bool__(self) -> bool:
        return bool(self.receipts or self.blocks or self.inbox or self.removed or self.seen)

    def hold_blocks(self, blocks: Mapping[Cid, bytes]) -> None:
        held = self.blocks
        for cid, data in blocks.items():
            if data != EMPTY:  # as empty a tape as it was the last time
                held.append((cid.raw, data))
            elif not self.has_empty:
                self.has_empty = True
                held.append((cid.raw, data))

    def remove(self, arrival: int) -> None:
        """An event does not wait any more."""
        if self.inbox.pop(arrival, None) is None:
            self.removed.append(arrival)

    def write(self, database: sqlite3.Connection) -> None:
        """Writes everything; the envelopes are signed by now."""
        many = database.executemany
        if self.blocks:
            many("INSERT OR IGNORE INTO block VALUES (?, ?)", self.blocks)
        if self.receipts:
            self._write_receipts(database)
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
        names = [(item.pico, item.name) for item in self.receipts if item.name is not None]
        if names:
            database.executemany("INSERT INTO pico VALUES (?, ?, 0)", names)
        rows = [
            (item.pico, item.seq, item.receipt.core_bytes, item.receipt.envelope_bytes)
            for item in self.receipts
        ]
        database.executemany("INSERT INTO receipt VALUES (?, ?, ?, ?)", rows)
        heads = {item.pico: item.seq for item in self.receipts}
        rows_of_heads = [(seq, pico) for pico, seq in heads.items()]
        database.executemany("UPDATE pico SET head = ? WHERE pico = ?", rows_of_heads)

    def _inbox_rows(self) -> Iterable[tuple[int | str | bytes, ...]]:
        for arrival, sent in self.inbox.items():
            row = (arrival, sent.pico, sent.event, sent.time_ms, sent.seed)
            yield (*row, row_hash(*row))


def row_hash(*columns: int | str | bytes) -> bytes:
    """What stands beside a row that no receipt commits to yet, so that damage shows."""
    return digest_of(encode_block(list(columns)))
