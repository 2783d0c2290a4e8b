"""The one connection to an engine's database, and everything that is done through it.

WAL with synchronous=FULL: what a committed transaction holds survives a power cut. A receipt, its
blocks and the removal of its event from the inbox are one transaction.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picomesh.kernel.group import open_group
from picomesh.ledger.cid import Cid, is_named
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.store.errors import DamagedStore, StoreError
from picomesh.store.held import Held, Sent, row_hash
from picomesh.store.inbox import Accepted as Accepted
from picomesh.store.inbox import Inbox
from picomesh.store.opening import Stretch
from picomesh.store.packing import LIMITS as PACK_LIMITS
from picomesh.store.packing import NewReceipt, NewRun
from picomesh.store.packing import StoredReceipt as StoredReceipt
from picomesh.store.past import Past
from picomesh.store.schema import prepare

BLOCKS_IN_MEMORY_MAX = 4096


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to somewhere else, sent again and again under one key until it is answered."""

    pico: str
    target: str  # deliveries of a pico to one target go one after the other
    key: str
    request: bytes
    tries: int = 0
    position: int = 0


@dataclass(slots=True)
class Commit:
    """What becomes durable at once: receipts with all that follows from them."""

    receipts: Sequence[NewReceipt]
    blocks: Mapping[Cid, bytes]
    arrival: int | None = None
    sent: Sequence[Sent] = ()
    outgoing: Sequence[Outgoing] = ()
    channels: Sequence[tuple[str, str | None]] = ()  # None: the channel is no more
    timed: Sequence[str] = ()  # picos that have a schedule
    gone: Sequence[str] = ()  # picos that are deleted
    delivered: int | None = None  # a place among the outgoing that is done

    @property
    def has_indices(self) -> bool:
        """Whether it changes more than receipts, blocks and the inbox."""
        return bool(
            self.outgoing or self.channels or self.timed or self.gone or self.delivered is not None
        )


class Store:
    """Blocks, receipts, the inbox. Usable from several threads, one at a time."""

    def __init__(self, database: sqlite3.Connection, kernel: bool = True) -> None:
        """`kernel`: whether packs are made by it, if there is one for this system."""
        self._database = database
        self._lock = threading.RLock()
        self._is_group = False
        self._group = open_group(PACK_LIMITS) if kernel else None
        self._held = Held(self._group)
        self._recent: OrderedDict[Cid, bytes] = OrderedDict()
        self.past = Past(self._rows)
        self.seal: Callable[[], None] = lambda: None  # signs the envelopes that are held
        self._forget()

    @classmethod
    def in_memory(cls, kernel: bool = True) -> Store:
        """A store that is gone when it is closed: SQLite's temporary database.

        It lies in memory as long as it is small. One that always does (`:memory:`) counts all of
        its pages with every commit.
        """
        return cls(_connect(_TEMPORARY), kernel)

    @classmethod
    def at(cls, path: Path, kernel: bool = True) -> Store:
        """Opens or makes the database. Raises StoreError."""
        try:
            return cls(_connect(str(path)), kernel)
        except sqlite3.DatabaseError as problem:
            raise _store_error(problem) from problem

    @classmethod
    def reader(cls, path: Path) -> Store:
        """A store that another process has open: reads what is durable, and changes nothing."""
        try:
            database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            database.execute("PRAGMA query_only = 1")
        except sqlite3.Error as problem:
            raise _store_error(problem) from problem
        return cls(database)

    def close(self) -> None:
        self._database.close()

    def _forget(self) -> None:
        """Drops what is remembered of the tables."""
        self._held = Held(self._group)
        self.past.forget()
        self._inbox: Inbox | None = None
        self._answered: set[int] = set()
        self._last_arrival = 0
        self._gone: set[str] | None = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is durable at its end, or with its group, or did not happen."""
        begin, end, undo = _MEMBER if self._is_group else _WHOLE
        with self._lock:
            self._write_held()
            try:
                self._database.execute(begin)
                try:
                    yield self._database
                except BaseException:
                    self._undo(undo)
                    raise
                self._database.execute(end)
            except sqlite3.Error as problem:
                if self._database.in_transaction:
                    self._undo(undo)
                raise _store_error(problem) from problem

    def _undo(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            self._database.execute(statement)

    @contextmanager
    def group(self) -> Iterator[None]:
        """All transactions inside are durable at its end, with one sync; or none happened.

        Nobody outside may hear of what is inside before. Each of them can still fail alone. A
        group inside a group is part of it.
        """
        if self._is_group:
            yield
            return
        with self._lock:
            try:
                with self.transaction():
                    self._is_group = True
                    try:
                        yield
                        self._write_held()
                    finally:
                        self._is_group = False
            except BaseException:
                self._forget()
                raise

    def sync(self) -> None:
        """Makes durable what the open group has done so far, before something happens outside."""
        if self._is_group:
            with self._lock:
                self._write_held()
                try:
                    self._database.execute(_WHOLE[1])
                    self._database.execute(_WHOLE[0])
                except sqlite3.Error as problem:
                    raise _store_error(problem) from problem

    def _write_held(self) -> None:
        if self._held:
            self.seal()
            held, self._held = self._held, Held(self._group)
            try:
                held.write(self._database)
            except sqlite3.Error as problem:
                raise _store_error(problem) from problem

    def _rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._lock:
            self._write_held()
            return self._rows_beside(statement, *parameters)

    def _rows_beside(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of tables of which nothing is held: what is held may go on being held."""
        with self._lock:
            try:
                return self._database.execute(statement, parameters).fetchall()
            except sqlite3.Error as problem:
                raise _store_error(problem) from problem

    # -- blocks

    def block(self, cid: Cid) -> bytes:
        """A block's bytes, checked against its name. Raises MissingBlock, or CodecError."""
        data = self._recent.get(cid)
        if data is None:
            data = self.read_block(cid)
            if not is_named(cid, data):
                raise CodecError(f"block {cid} does not have the bytes that its name says")
            self._remember(cid, data)
        return data

    def read_block(self, cid: Cid) -> bytes:
        """A block's bytes from what is held or the database itself. Raises MissingBlock.

        Only for what is in neither as it stands, a group is written out.
        """
        with self._lock:
            data: object = self._held.block(cid)
            if data is None:
                data = self._row_of(cid)
            if data is None:
                data = self._held.look().get(cid.raw)
            if data is None and self._held:
                self._write_held()
                data = self._row_of(cid)
            if data is None:
                data = self.past.block(cid)
        if not isinstance(data, bytes):
            raise MissingBlock(f"block {cid} is not there")
        return data

    def _row_of(self, cid: Cid) -> object:
        statement = "SELECT data FROM block WHERE cid = ?"
        try:
            row = self._database.execute(statement, (cid.raw,)).fetchone()
        except sqlite3.Error as problem:
            raise _store_error(problem) from problem
        return None if row is None else row[0]

    def _remember(self, cid: Cid, data: bytes) -> None:
        with self._lock:
            self._recent[cid] = data
            if len(self._recent) > BLOCKS_IN_MEMORY_MAX:
                self._recent.popitem(last=False)

    # -- picos and receipts

    def picos(self) -> list[tuple[str, str]]:
        """The id and name of every pico that is not deleted, in order of their creation."""
        rows = self._rows(f"SELECT pico, name FROM pico WHERE {_LIVING} ORDER BY rowid")
        return [(str(pico), str(name)) for pico, name in rows]

    def every_pico(self) -> list[tuple[str, str]]:
        """As `picos`, with the deleted ones, whose histories stay."""
        rows = self._rows("SELECT pico, name FROM pico ORDER BY rowid")
        return [(str(pico), str(name)) for pico, name in rows]

    def is_gone(self, pico: str) -> bool:
        if self._gone is None:
            self._gone = {str(row[0]) for row in self._rows_beside("SELECT pico FROM gone")}
        return pico in self._gone

    def pico_of_channel(self, eci: str) -> str | None:
        """The pico that a channel leads to."""
        rows = self._rows_beside("SELECT pico FROM channel WHERE eci = ?", eci)
        return str(rows[0][0]) if rows else None

    def channels(self) -> set[tuple[str, str]]:
        """The whole index of channels, for checking."""
        rows = self._rows_beside("SELECT eci, pico FROM channel")
        return {(str(eci), str(pico)) for eci, pico in rows}

    def timed_picos(self) -> list[str]:
        """Picos that have, or had, a schedule."""
        return [str(row[0]) for row in self._rows_beside("SELECT pico FROM timed ORDER BY rowid")]

    def pico_called(self, name: str) -> str | None:
        """The pico with just this id or name."""
        where = f"WHERE (pico = ? OR name = ?) AND {_LIVING}"
        rows = self._rows(f"SELECT pico FROM pico {where}", name, name)
        return str(rows[0][0]) if rows else None

    def recorded_head(self, pico: str) -> int | None:
        """The seq of a pico's newest receipt as its own row has it."""
        rows = self._rows("SELECT head FROM pico WHERE pico = ?", pico)
        return rows[0][0] if rows else None

    def head(self, pico: str) -> StoredReceipt | None:
        """The newest receipt of a pico."""
        with self._lock:
            return self.past.head(pico)

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        with self._lock:
            return self.past.receipt(pico, seq)

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        """The receipts of a pico from `first` to `last`, in order."""
        with self._lock:
            return self.past.receipts(pico, first, last)

    def stretches(self, pico: str, first: int, last: int | None) -> list[StoredReceipt | Stretch]:
        """The same, with those together of which something is known together."""
        with self._lock:
            return self.past.stretches(pico, first, last)

    def commit(self, commit: Commit) -> list[int]:
        """Makes transitions durable, with what they sent. Returns the places of what was sent."""
        if not self._is_group:
            with self.group():
                return self.commit(commit)
        if commit.blocks:
            self._held.hold_blocks(commit.blocks)
        self._held.hold(commit.receipts)
        if commit.arrival is not None:
            self._remove(commit.arrival)
        if commit.has_indices:
            with self.transaction() as database:
                _update_indices(database, commit)
            if commit.gone:
                self._gone = None
        return [self._accept(item) for item in commit.sent] if commit.sent else []

    def commit_receipt(self, receipt: NewReceipt, arrival: int | None) -> None:
        """Makes one receipt durable of which nothing else follows."""
        if not self._is_group:
            with self.group():
                self.commit_receipt(receipt, arrival)
            return
        self._held.hold((receipt,))
        if arrival is not None:
            self._remove(arrival)

    def commit_run(self, run: NewRun) -> None:
        """Makes receipts of which nothing else follows durable with the open group."""
        assert self._is_group, "events that come together make one"
        self._held.hold_run(run)

    def drop(self, arrival: int) -> None:
        """An accepted event that nobody is left to see."""
        with self.group():
            self._remove(arrival)

    def keep_blocks(self, blocks: Mapping[Cid, bytes]) -> None:
        """Blocks that an answer names, before anything links to them."""
        with self.group():
            self._held.hold_blocks(blocks)

    # -- deliveries to elsewhere

    def outgoing(self) -> list[Outgoing]:
        """The first waiting delivery of each pico to each target."""
        statement = (
            "SELECT position, pico, target, key, request, hash, tries FROM outgoing WHERE position"
            " IN (SELECT MIN(position) FROM outgoing GROUP BY pico, target) ORDER BY position"
        )
        found: list[Outgoing] = []
        for *row, tries in self._rows(statement):
            position, pico, target, key, request = checked_row("outgoing", tuple(row))
            found.append(Outgoing(pico, target, key, request, tries, position))
        return found

    def delivery_failed(self, position: int) -> None:
        with self.transaction() as database:
            statement = "UPDATE outgoing SET tries = tries + 1 WHERE position = ?"
            database.execute(statement, (position,))

    def delivered(self, position: int, sent: Sequence[Sent] = ()) -> None:
        """A delivery is done; what came of it is accepted in the same moment."""
        with self.group():
            with self.transaction() as database:
                database.execute("DELETE FROM outgoing WHERE position = ?", (position,))
            for item in sent:
                self._accept(item)

    def seen(self, key: str) -> str | None:
        """The eid under which an event with this key was accepted before."""
        held = self._held.seen.get(key)
        if held is not None:
            return held[0]
        rows = self._rows_beside("SELECT eid FROM seen WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def forget_seen(self, before_ms: int) -> None:
        with self.transaction() as database:
            database.execute("DELETE FROM seen WHERE time_ms < ?", (before_ms,))

    # -- the inbox

    def accept(self, sent: Sent, key: str | None = None, eid: str = "") -> int:
        """Makes an event durable; returns its place in the order of arrival.

        `key` is what its sender calls it, to know it when it comes again.
        """
        if not self._is_group:
            with self.group():
                return self.accept(sent, key, eid)
        if key is not None:
            if self.seen(key) is not None:
                raise StoreError(f"an event with the key {key} was accepted before")
            self._held.seen[key] = (eid, sent.time_ms)
        return self._accept(sent)

    def _accept(self, sent: Sent) -> int:
        inbox = self._waiting()
        self._last_arrival = arrival = self._last_arrival + 1
        self._held.inbox[arrival] = sent
        inbox.add(Accepted(arrival, sent.pico, sent.event, sent.time_ms, sent.seed, sent.given))
        return arrival

    def _remove(self, arrival: int) -> None:
        self._waiting().remove(arrival)
        self._answered.discard(arrival)
        self._held.remove(arrival)

    def _waiting(self) -> Inbox:
        """The inbox, which only this process writes."""
        if self._inbox is None:
            inbox = Inbox(self.waiting())
            self._answered = self.arrivals_with_answers()
            rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'")
            self._last_arrival = max([int(row[0]) for row in rows], default=0)
            self._inbox = inbox
        return self._inbox

    def waiting(self, pico: str | None = None) -> list[Accepted]:
        """Accepted events without a receipt, in order of arrival."""
        statement = "SELECT arrival, pico, event, time_ms, seed, hash FROM inbox"
        if pico is None:
            rows = self._rows(f"{statement} ORDER BY arrival")
        else:
            rows = self._rows(f"{statement} WHERE pico = ? ORDER BY arrival", pico)
        return [Accepted(*checked_row("inbox", row)) for row in rows]

    def next_waiting(self, skip: Collection[str] = ()) -> Accepted | None:
        """An accepted event to run now: the first of the pico whose turn it is.

        Picos take turns, so that one that gets much holds up no other; `skip` cannot go on now.
        """
        return self._waiting().take_turn(skip)

    def waiting_for(self, pico: str) -> list[Accepted]:
        """The accepted events of one pico, as they are remembered."""
        return self._waiting().of(pico)

    def waiting_count(self, pico: str | None = None) -> int:
        inbox = self._waiting()
        return len(inbox) if pico is None else inbox.count_of(pico)

    def waiting_bytes(self, pico: str | None = None) -> int:
        """How much waits, of one pico or of all."""
        inbox = self._waiting()
        return inbox.size_bytes if pico is None else inbox.bytes_of(pico)

    def keep_answer(self, arrival: int, position: int, question: bytes, answer: bytes) -> None:
        """Makes an answer durable before the event that asked runs again.

        One for an event that is done with, or that has it already, comes too late.
        """
        if arrival not in self._waiting():
            return
        with self.transaction() as database:
            row = (arrival, position, question, answer)
            statement = "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?)"
            database.execute(statement, (*row, row_hash(*row)))
        self._answered.add(arrival)

    def forget_answers(self, arrival: int) -> None:
        """They are to questions that are not asked any more."""
        with self.transaction() as database:
            database.execute("DELETE FROM answer WHERE arrival = ?", (arrival,))
        self._answered.discard(arrival)

    def answers(self, arrival: int) -> list[tuple[bytes, bytes]]:
        self._waiting()
        if arrival not in self._answered:
            return []
        statement = (
            "SELECT arrival, position, question, answer, hash FROM answer "
            "WHERE arrival = ? ORDER BY position"
        )
        rows = [checked_row("answer", row) for row in self._rows(statement, arrival)]
        return [(question, answer) for _, _, question, answer in rows]

    # -- everything, for checking

    def integrity_problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def all_blocks(self) -> Iterator[tuple[Any, Any]]:
        """Every block as it lies there, in no order that means anything."""
        last = -1
        while True:
            where = "WHERE rowid > ? ORDER BY rowid LIMIT 256"
            rows = self._rows(f"SELECT rowid, cid, data FROM block {where}", last)
            if not rows:
                break
            for rowid, cid, data in rows:
                last = rowid
                yield cid, data
        yield from self.past.every_block()

    def arrivals_with_answers(self) -> set[int]:
        return {row[0] for row in self._rows("SELECT DISTINCT arrival FROM answer")}

    # -- the engine

    def engine_key(self) -> bytes | None:
        """The public key that signs here; None in a new store."""
        rows = self._rows("SELECT public_key FROM engine")
        return bytes(rows[0][0]) if rows else None

    def set_engine_key(self, public_key: bytes) -> None:
        with self.transaction() as database:
            database.execute("INSERT INTO engine VALUES (?)", (public_key,))


_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CORRUPT_INDEX", "SQLITE_ERROR")
# How a transaction begins, ends, and is undone: on its own, and within a group.
_WHOLE = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_MEMBER = ("SAVEPOINT member", "RELEASE member", ("ROLLBACK TO member", "RELEASE member"))
_TEMPORARY = ""  # the name that SQLite has for such a database
_LIVING = "pico NOT IN (SELECT pico FROM gone)"


def checked_row(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns in front of the hash. Raises DamagedStore."""
    *columns, digest = row
    if row_hash(*columns) != digest:
        raise DamagedStore(
            f"a row of {table} is damaged: arrival {columns[0]}", "bring the home back"
        )
    return tuple(columns)


def _update_indices(database: sqlite3.Connection, commit: Commit) -> None:
    for eci, pico in commit.channels:
        if pico is None:
            database.execute("DELETE FROM channel WHERE eci = ?", (eci,))
        else:
            database.execute("INSERT OR REPLACE INTO channel VALUES (?, ?)", (eci, pico))
    for pico in commit.timed:
        database.execute("INSERT OR IGNORE INTO timed VALUES (?)", (pico,))
    for pico in commit.gone:
        database.execute("INSERT INTO gone VALUES (?)", (pico,))
        database.execute("DELETE FROM timed WHERE pico = ?", (pico,))
    for item in commit.outgoing:
        _send_out(database, item)


def _send_out(database: sqlite3.Connection, item: Outgoing) -> None:
    row = (item.pico, item.target, item.key, item.request)
    statement = "INSERT INTO outgoing (pico, target, key, request, hash) VALUES (?, ?, ?, ?, x'')"
    position = database.execute(statement, row).lastrowid
    assert position is not None, "an insert has a row"
    statement = "UPDATE outgoing SET hash = ? WHERE position = ?"
    database.execute(statement, (row_hash(position, *row), position))


def _store_error(problem: sqlite3.Error) -> StoreError:
    """SQLite's codes tell a damaged file from a full or unwritable disk."""
    undecodable = str(problem).startswith("Could not decode")  # text that is not UTF-8
    if undecodable or getattr(problem, "sqlite_errorname", "") in _DAMAGE:
        return DamagedStore(
            f"the database is damaged: {problem}", "bring the home back from a backup"
        )
    return StoreError(
        f"the store failed: {problem}", "check that the disk has room and the home is writable"
    )


def _connect(path: str) -> sqlite3.Connection:
    if path != _TEMPORARY:  # made by us, so that nobody else may read it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    journal, synchronous = ("MEMORY", "OFF") if path == _TEMPORARY else ("WAL", "FULL")
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.execute("PRAGMA foreign_keys = ON")
        prepare(database)
    except BaseException:
        database.close()
        raise
    return database
