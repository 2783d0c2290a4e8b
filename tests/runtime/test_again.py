"""Receipts that are run again and compared as bytes: believed exactly when the long way does."""

from __future__ import annotations

import random
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest

from picomesh.engine import Engine
from picomesh.engine.again import Again
from picomesh.engine.export import ExportedHistories
from picomesh.engine.model import Sending
from picomesh.engine.native import Native
from picomesh.engine.rerun import Rerun, rerun
from picomesh.engine.sources import Source, each_receipt
from picomesh.kernel.parts import places_of
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.receipt import (
    Sender,
    Write,
    decode_core,
    decode_envelope,
    encode_core,
    envelope_message,
    seal,
    seal_batch,
)
from picomesh.ledger.signature import Signer
from picomesh.store.errors import DamagedStore
from picomesh.store.opening import Stretch
from picomesh.store.store import Store, StoredReceipt
from wat_guests import counter

EVENTS = 24
HISTORIES = sorted((Path(__file__).parent.parent / "histories").glob("*.car"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine.open(tmp_path_factory.mktemp("again") / "home") as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        engine.send_many([Sending("me", "a", "b", {"at": at}) for at in range(EVENTS)])
        engine.send("me", "a", "b")
        yield engine


class Changed:
    """A history some receipts of which are others."""

    def __init__(self, source: Source, rows: dict[int, StoredReceipt]) -> None:
        self._source, self._rows = source, rows
        self.picos, self.head = source.picos, source.head
        self.block = source.block

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        return self._rows.get(seq) or self._source.receipt(pico, seq)

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        return [self._rows.get(row.seq, row) for row in self._source.receipts(pico, first, last)]


class Counting:
    """How many receipts were believed as bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.is_on = True
        run = Again.run

        def counted(again: Again, row: StoredReceipt) -> int | None:
            fuel = run(again, row) if self.is_on else None
            self.count += fuel is not None
            return fuel

        monkeypatch.setattr(Again, "run", counted)
        together = Again.run_together

        def all_counted(again: Again, stretch: Stretch) -> list[int]:
            fuels = together(again, stretch) if self.is_on else []
            self.count += len(fuels)
            return fuels

        monkeypatch.setattr(Again, "run_together", all_counted)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


def both_ways(
    counting: Counting, engine: Engine, source: Source, key: bytes, pico: str, first: int = 0
) -> Rerun:
    """What a replay says, which is the same with and without the short way."""
    found: list[Rerun] = []
    for counting.is_on in (True, False):
        programs = engine.options.programs(None)
        found.append(replace(rerun(source, key, programs, pico, first), seconds=0.0))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_recorded_histories_come_to_the_same_both_ways(
    counting: Counting, engine: Engine, path: Path
) -> None:
    source = ExportedHistories(path.read_bytes())
    events = 0
    for pico, _ in source.picos():
        first = source.receipts(pico)[0].seq
        assert both_ways(counting, engine, source, source.engine, pico, first).is_equal
        cores = [decode_core(row.core) for row in source.receipts(pico)]
        events += sum(core.kind == "event" and core.outcome == "ok" for core in cores)
    assert counting.count >= events // 2, "the short way is taken by most"


def test_a_home_is_replayed_as_bytes_but_for_its_beginning(
    counting: Counting, engine: Engine
) -> None:
    pico = engine.find("me")
    done = both_ways(counting, engine, engine.store, engine.public_key, pico)
    assert done.is_equal and done.receipts == EVENTS + 3
    assert counting.count == EVENTS + 1, "all events"


@pytest.mark.parametrize("keeps_all", [False, True])
def test_a_replay_is_told_what_many_events_come_to_together(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, keeps_all: bool
) -> None:
    """One packet for all of a span, unless somebody wants what each of them made."""
    found: list[int] = []
    again = Native.again

    def noting(self: Native, *arguments: Any) -> Any:
        done = again(self, *arguments)
        found.extend([] if done is None else [len(places_of(done.packets))])
        return done

    monkeypatch.setattr(Native, "again", noting)
    programs, made = engine.options.programs(None), dict[Cid, bytes]() if keeps_all else None
    pico = engine.find("me")
    assert rerun(engine.store, engine.public_key, programs, pico, made=made).is_equal
    assert sum(found) == (EVENTS if keeps_all else 1)


@pytest.mark.parametrize("first", [0, 3, 9, EVENTS + 2])
def test_what_runs_made_is_the_same_both_ways(
    counting: Counting, engine: Engine, first: int
) -> None:
    pico = engine.find("me")
    found: list[dict[Cid, bytes]] = [{}, {}]
    for counting.is_on, made in zip((True, False), found, strict=True):
        programs = engine.options.programs(None)
        assert rerun(engine.store, engine.public_key, programs, pico, first, made=made).is_equal
    assert found[0] == found[1] and found[0]


LIES: dict[str, dict[str, Any]] = {
    "fuel": {"fuel": 1},
    "more fuel than allowed": {"fuel": 2_000_000_000},
    "outcome": {"outcome": "trap", "writes": ()},
    "kind": {"kind": "delete"},
    "pico": {"pico": str(cid_of_block(b"\xa0"))},
    "seq": {"seq": 7},
    "fuel_limit": {"fuel_limit": 10**9 + 1},
    "no fuel": {"fuel_limit": 10},
    "time": {"time": -1},
    "seed": {"seed": bytes(32)},
    "event": {"event": cid_of_block(b"\x81\x07")},
    "tape": {"tape": cid_of_block(b"\x81\x07")},
    "outbox": {"outbox": cid_of_block(b"\x81\x07")},
    "post": {"post": cid_of_block(b"\x81\x07")},
    "pre": {"pre": cid_of_block(b"\x81\x07")},
    "prev": {"prev": cid_of_block(b"\x81\x07")},
    "code": {"code": ()},
    "writes": {"writes": (Write(b"ent/none/of/it", cid_of_bytes(b"x")),)},
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("seq", [2, 3, 12])
def test_a_signed_lie_is_found_both_ways(
    counting: Counting, engine: Engine, name: str, seq: int
) -> None:
    pico = engine.find("me")
    rows: dict[int, StoredReceipt] = {}
    prev: Cid | None = None
    for row in engine.store.receipts(pico):
        core = decode_core(row.core)
        if row.seq >= seq:
            core = replace(core, prev=prev)
            core = replace(core, **LIES[name]) if row.seq == seq else core
            envelope = replace(decode_envelope(row.envelope), core=cid_of_block(encode_core(core)))
            sealed = seal(encode_core(core), envelope, engine.signer)
            rows[row.seq] = replace(row, core=sealed.core_bytes, envelope=sealed.envelope_bytes)
        prev = cid_of_block(encode_core(core))
    source = Changed(engine.store, rows)
    done = both_ways(counting, engine, source, engine.public_key, pico)
    if name in ("seed", "fuel_limit"):  # a possible history: this guest looks at neither
        assert done.is_equal
    else:
        assert not done.is_equal and done.receipts == seq


@pytest.mark.parametrize("part", ["core", "envelope"])
def test_every_changed_byte_is_found_both_ways(
    counting: Counting, engine: Engine, part: str
) -> None:
    pico = engine.find("me")
    row = engine.store.receipts(pico)[5]
    data: bytes = getattr(row, part)
    for at in range(0, len(data), 11):
        changed = data[:at] + bytes((data[at] ^ 0x11,)) + data[at + 1 :]
        parts: dict[str, Any] = {part: changed}
        wrong = replace(row, **parts)
        source = Changed(engine.store, {5: wrong})
        done = both_ways(counting, engine, source, engine.public_key, pico, 4)
        assert done.problem is not None and done.problem.seq == 5 and done.receipts == 1


def test_a_receipt_of_another_engine_is_found_both_ways(counting: Counting, engine: Engine) -> None:
    pico = engine.find("me")
    row = engine.store.receipts(pico)[6]
    stranger = Signer(b"t" * 32)
    envelope = replace(decode_envelope(row.envelope), engine=stranger.public_key)
    sealed = seal(row.core, envelope, stranger)
    source = Changed(engine.store, {6: replace(row, envelope=sealed.envelope_bytes)})
    done = both_ways(counting, engine, source, engine.public_key, pico)
    assert done.problem is not None and done.problem.field == "envelope engine"


def test_receipts_in_another_order_are_found_both_ways(counting: Counting, engine: Engine) -> None:
    pico = engine.find("me")
    rows = engine.store.receipts(pico)
    for wrong in ({7: rows[8], 8: rows[7]}, {7: rows[6]}, {9: rows[2]}):
        source = Changed(engine.store, wrong)
        done = both_ways(counting, engine, source, engine.public_key, pico)
        assert done.problem is not None and done.problem.seq == min(wrong)


def test_a_damaged_input_is_found_both_ways(counting: Counting, engine: Engine) -> None:
    pico = engine.find("me")
    event = decode_core(engine.store.receipts(pico)[9].core).event
    source = Changed(engine.store, {})
    good = engine.store.block(event)

    def block(cid: Cid) -> bytes:
        return good.replace(b"b", b"c") if cid == event else engine.store.block(cid)

    source.block = block
    done = both_ways(counting, engine, source, engine.public_key, pico)
    assert done.problem is not None and (done.problem.seq, done.problem.field) == (9, "blocks")


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_pack_is_found_both_ways(
    counting: Counting, engine: Engine, tmp_path: Path, seed: int
) -> None:
    """Some bytes of a pack are others; what the home then says is the same with and without."""
    pico, chance = engine.find("me"), random.Random(seed)
    with closing(sqlite3.connect(tmp_path / "home.sqlite3")) as database:
        source = engine.store._database
        source.backup(database)
        (data,) = database.execute("SELECT data FROM pack").fetchone()
        plain = bytearray(zlib.decompress(data))
        places = range(len(plain) // 2)  # behind it there are nodes, which no replay needs
        for _ in range(chance.choice([1, 1, 2, 5])):
            plain[chance.choice(places)] ^= 1 << chance.randrange(8)
        database.execute("UPDATE pack SET data = ?", (zlib.compress(bytes(plain)),))
        database.commit()
    with closing(Store.reader(tmp_path / "home.sqlite3")) as store:
        try:
            done = both_ways(counting, engine, store, engine.public_key, pico)
        except DamagedStore:
            return
        assert not done.is_equal and done.receipts < EVENTS + 3


def packed_anew(engine: Engine, folder: Path, seq: int, change: dict[str, Any]) -> Store:
    """A home in which one core is another: all in one pack and under one signature.

    So would an engine have written it that lies, or that had other circumstances.
    """
    pico, store = engine.find("me"), engine.store
    prev, cores = None, []
    for row in store.receipts(pico):
        core = replace(decode_core(row.core), prev=prev)
        cores.append(replace(core, **change) if row.seq == seq else core)
        prev = cid_of_block(encode_core(cores[-1]))
    sender = Sender.of(engine.public_key, "cranelift", {"python": "3.11"})
    names = [cid_of_block(encode_core(core)).raw for core in cores]
    messages = [envelope_message(name, sender, 0, 0, None) for name in names]
    envelopes = seal_batch(sender, messages, engine.signer)
    was = [decode_core(row.core) for row in store.receipts(pico)]
    packed = [
        [pico, at, encode_core(cores[at]), envelopes[at], [0, 0, 0, 0], *map(store.block, links)]
        for at in range(2, len(cores) - 1)
        if (links := (was[at].event, was[at].outbox))
    ]
    with closing(sqlite3.connect(folder / "home.sqlite3")) as database:
        store._database.backup(database)
        data = zlib.compress(cbor2.dumps([packed, []]))
        database.execute("UPDATE pack SET data = ?", (data,))
        for at in (0, 1, len(cores) - 1):
            values = encode_core(cores[at]), envelopes[at], at
            database.execute("UPDATE receipt SET core = ?, envelope = ? WHERE seq = ?", values)
        database.commit()
    return Store.reader(folder / "home.sqlite3")


@pytest.mark.parametrize("time_ms", [0, 2**62, 2**63, 2**64 - 1])
def test_any_time_that_an_engine_signs_is_run_both_ways(
    counting: Counting, engine: Engine, tmp_path: Path, time_ms: int
) -> None:
    with closing(packed_anew(engine, tmp_path, 4, {"time": time_ms})) as other:
        done = both_ways(counting, engine, other, engine.public_key, engine.find("me"))
    if time_ms:
        assert done.is_equal and done.receipts == EVENTS + 3
    else:
        assert done.receipts == 4, "a short time makes a short message, which costs less"


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("seq", [3, 12, EVENTS + 1])
def test_a_signed_lie_in_a_pack_is_found_both_ways(
    counting: Counting, engine: Engine, tmp_path: Path, name: str, seq: int
) -> None:
    """What follows alike is run in one call, and told only when all of it is equal."""
    with closing(packed_anew(engine, tmp_path, seq, LIES[name])) as other:
        done = both_ways(counting, engine, other, engine.public_key, engine.find("me"))
    if name in ("seed", "fuel_limit"):
        assert done.is_equal and done.receipts == EVENTS + 3
    else:
        assert not done.is_equal and done.receipts == seq


def test_receipts_behind_a_gap_are_not_left_out(engine: Engine) -> None:
    class Gap:
        picos, head, receipt = engine.store.picos, engine.store.head, engine.store.receipt
        block = engine.store.block

        def receipts(
            self, pico: str, first: int = 0, last: int | None = None
        ) -> list[StoredReceipt]:
            end = 9_999 if last is None else last
            rows = [replace(ROW, seq=seq) for seq in (0, 1, 700, 701)]
            return [row for row in rows if first <= row.seq <= end]

    ROW = engine.store.receipts(engine.find("me"))[0]
    assert [row.seq for row in each_receipt(Gap(), "p")] == [0, 1, 700, 701]
    assert [row.seq for row in each_receipt(Gap(), "p", 1, 700)] == [1, 700]
    assert [row.seq for row in each_receipt(Gap(), "p", 702)] == []
