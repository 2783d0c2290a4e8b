"""What is stored cannot be changed unseen, and a replay says where a recorded history lies."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine import Engine, Options
from picomesh.engine.answers import Answerer
from picomesh.engine.history import verify_home, verify_pico
from picomesh.engine.replay import replay
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.errors import BrokenHistory
from picomesh.ledger.receipt import Core, encode_core, seal
from picomesh.ledger.value import Value
from picomesh.store.errors import StoreError
from picomesh.store.store import StoredReceipt
from wat_guests import Guest, counter, thrower

TABLES = ("block", "pico", "receipt", "inbox", "answer", "channel", "engine")


class Interrupted:
    """Answers once, then the operator stops the engine."""

    asked = 0

    def request(self, *_: Any) -> dict[str, Value]:
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
        return {"status_code": 200}


def live(folder: Path) -> None:
    """A home with two picos, every kind of receipt, logs, an event that waits and an answer."""
    with Engine.open(folder, Options(answerer=Answerer(Interrupted()))) as engine:
        engine.create("other")
        engine.create("me")
        engine.install_module("me", counter().build(), source="source", config={"c": 1.5})
        engine.send("me", "a", "b", {"x": [1, {"y": None}]})
        engine.send("me", "a", "b")
        bad = thrower("bad")
        bad.events = (("a", "throw"),)
        engine.install_module("me", bad.build())
        engine.send("me", "a", "throw")
        engine.uninstall("me", "bad")
        asker = Guest("asker", (("a", "ask"),))
        question = asker.message(
            fn="http:get", args=[{"method": "GET", "url": "http://x", "headers": {}}]
        )
        asker.handle = f"(call $ask {question} (i32.const 200))" * 2
        engine.install_module("me", asker.build())
        with pytest.raises(KeyboardInterrupt):
            engine.send("me", "a", "ask")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "home"
    live(folder)
    return folder


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home, tmp_path / "home")
    return tmp_path / "home"


def problems_of(folder: Path) -> list[str]:
    """What a check finds, or what keeps the home from being opened."""
    try:
        with Engine.open(folder) as engine:
            found = verify_home(engine.store, engine.public_key).problems
    except StoreError as problem:
        return [str(problem)]
    return [f"{problem.place}: {problem.text}" for problem in found]


def cells(folder: Path, table: str) -> Iterator[tuple[int, str, Any]]:
    with sqlite3.connect(folder / "picomesh.sqlite3") as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for rowid, *values in database.execute(f"SELECT rowid, * FROM {table}").fetchall():
            yield from ((rowid, name, value) for name, value in zip(columns, values, strict=True))
    database.close()


def changed(value: Any, at: int) -> Any:
    """The value with one bit of one byte another."""
    if isinstance(value, int):
        return value ^ 1
    data = bytearray(value.encode() if isinstance(value, str) else value)
    if not data:
        return "x" if isinstance(value, str) else b"x"
    data[at % len(data)] ^= 1
    return data.decode() if isinstance(value, str) else bytes(data)


def write(folder: Path, table: str, rowid: int, column: str, value: Any) -> None:
    with sqlite3.connect(folder / "picomesh.sqlite3") as database:
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
    database.close()


def test_an_untouched_home_is_good(copy: Path) -> None:
    assert problems_of(copy) == []
    with Engine.open(copy) as engine:
        checked = verify_home(engine.store, engine.public_key)
        assert (checked.picos, checked.receipts) == (2, 9)
        assert checked.blocks > 30


@pytest.mark.parametrize("table", TABLES)
def test_a_changed_byte_in_any_row_and_column_is_found(copy: Path, table: str) -> None:
    found = list(cells(copy, table))
    assert found, f"the history has no row in {table}"
    for number, (rowid, column, value) in enumerate(found):
        wrong = changed(value, 7 * number)
        try:
            write(copy, table, rowid, column, wrong)
        except sqlite3.IntegrityError:
            continue  # the place is taken: nobody can change it to this
        assert problems_of(copy), f"{table}.{column} of row {rowid} was changed unseen"
        back = wrong if column == "arrival" and table == "inbox" else rowid
        write(copy, table, back, column, value)
    assert problems_of(copy) == []


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_row_is_found(copy: Path, table: str) -> None:
    """But for what only waits: an event that is gone from the inbox was in no receipt."""
    rows = sorted({rowid for rowid, _, _ in cells(copy, table)})
    if table in ("inbox", "engine"):
        rows = []
    for rowid in rows[:12]:
        with sqlite3.connect(copy / "picomesh.sqlite3") as database:
            row = database.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
            database.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
        database.close()
        if table != "answer":
            assert problems_of(copy), f"row {rowid} of {table} was removed unseen"
        with sqlite3.connect(copy / "picomesh.sqlite3") as database:
            marks = ", ".join("?" * len(row))
            database.execute(
                f"INSERT INTO {table} (rowid, {_columns(copy, table)}) VALUES (?, {marks})",
                (rowid, *row),
            )
        database.close()


def _columns(folder: Path, table: str) -> str:
    names = dict.fromkeys(column for _, column, _ in cells(folder, table))
    if names:
        return ", ".join(names)
    with sqlite3.connect(folder / "picomesh.sqlite3") as database:
        return ", ".join(row[1] for row in database.execute(f"PRAGMA table_info({table})"))


@pytest.mark.parametrize("wrong", ["x", 5, None, "CAST(x'ff' AS TEXT)"])
@pytest.mark.parametrize("table", ["block", "receipt", "inbox", "answer"])
def test_a_column_of_another_type_is_found(copy: Path, table: str, wrong: Any) -> None:
    column = {"block": "data", "receipt": "core", "inbox": "event", "answer": "answer"}[table]
    rowid = max(row for row, _, _ in cells(copy, table))
    value = wrong if str(wrong).startswith("CAST") else "?"
    with sqlite3.connect(copy / "picomesh.sqlite3") as database:
        try:
            database.execute(
                f"UPDATE {table} SET {column} = {value} WHERE rowid = {rowid}",
                () if value is wrong else (wrong,),
            )
        except sqlite3.IntegrityError:
            return  # the schema does not let it in
        finally:
            database.rollback() if wrong is None else database.commit()
    database.close()
    assert problems_of(copy)


def test_the_place_of_the_damage_is_named(copy: Path) -> None:
    with Engine.open(copy) as engine:
        pico = engine.find("me")
    with sqlite3.connect(copy / "picomesh.sqlite3") as database:
        (core,) = database.execute(
            "SELECT core FROM receipt WHERE pico = ? AND seq = 2", (pico,)
        ).fetchone()
        wrong = core.replace(b"event", b"evert", 1) if b"event" in core else core
        database.execute("UPDATE receipt SET core = ? WHERE core = ?", (wrong, core))
    database.close()
    with Engine.open(copy) as engine, pytest.raises(BrokenHistory) as told:
        verify_pico(engine.store, engine.public_key, pico, "me")
    assert told.value.seq == 2


def test_the_key_of_another_engine_is_refused(copy: Path) -> None:
    (copy / "engine.key").write_bytes(b"k" * 32)
    assert "not the key" in problems_of(copy)[0]


def rows_of(engine: Engine) -> list[StoredReceipt]:
    return engine.store.receipts(engine.find("me"))


def lie(engine: Engine, seq: int, **fields: Any) -> list[StoredReceipt]:
    """The recorded history with one core replaced by a signed lie, and the chain mended."""
    rows = rows_of(engine)
    signer = engine.signer
    prev = None
    for at, receipt in enumerate(engine.log("me")):
        core: Core = replace(receipt.core, prev=prev)
        if at == seq:
            core = replace(core, **fields)
        envelope = replace(receipt.envelope, core=cid_of_block(encode_core(core)))
        sealed = seal(encode_core(core), envelope, signer)
        rows[at] = replace(rows[at], core=sealed.core_bytes, envelope=sealed.envelope_bytes)
        prev = sealed.cid
    return rows


LIES: dict[str, dict[str, Any]] = {
    "fuel": {"fuel": 1},
    "outcome": {"outcome": "trap"},
    "time": {"time": 1_795_000_000_000},
    "seed": {"seed": bytes(32)},
    "writes": {"writes": ()},
    "fuel_limit": {"fuel_limit": 10_000},
    "kind": {"kind": "install"},
    "outbox": {"outbox": cid_of_block(b"\x81\x00")},
    "code": {"code": ()},
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("backend", ["cranelift", "pulley"])
def test_a_replay_names_the_receipt_and_a_field_of_a_signed_lie(
    copy: Path, name: str, backend: str
) -> None:
    with Engine.open(copy, Options(backend=backend)) as engine:
        rows = lie(engine, 2, **LIES[name])
        divergence = list(replay(engine.programs, engine.store, rows))[-1].divergence
    if name in ("time", "seed"):
        assert divergence is None, "this guest looks at neither, so the history is a possible one"
        return
    assert divergence is not None and divergence.seq == 2
    expected = {"fuel_limit": "outcome"}.get(name, name)
    assert divergence.field in (expected, "post", "writes")


def test_a_replay_can_begin_in_the_middle(copy: Path) -> None:
    with Engine.open(copy) as engine:
        rows = rows_of(engine)
        done = list(replay(engine.programs, engine.store, rows[3:5], rows[2]))
    assert [(item.seq, item.divergence) for item in done] == [(3, None), (4, None)]


def test_a_replay_of_a_damaged_store_names_the_block_and_accuses_nobody(copy: Path) -> None:
    with sqlite3.connect(copy / "picomesh.sqlite3") as database:
        database.execute("UPDATE block SET data = x'02' WHERE data = x'01'")
    database.close()
    with Engine.open(copy) as engine:
        rows = rows_of(engine)  # the third one wrote 1, the fourth one reads it
        with pytest.raises(BrokenHistory, match="have the bytes"):
            list(replay(engine.programs, engine.store, rows[3:], rows[2]))
