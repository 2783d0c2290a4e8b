"""Receipts that came together lie in packs, and are found, checked and run like all others."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine import Engine, Options
from picomesh.engine.history import verify_home
from picomesh.engine.model import Sending
from picomesh.engine.replay import replay
from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import MissingBlock
from picomesh.ledger.tree import Tree
from picomesh.store.errors import StoreError
from picomesh.store.packing import PACK_RECEIPTS_MAX, PACK_RECEIPTS_MIN
from wat_guests import counter

EVENTS = 300


def live(folder: Path, events: int = EVENTS) -> None:
    """Two picos that count together, and a little alone."""
    with Engine.open(folder) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, counter().build())
        many = [Sending("me" if at % 3 else "you", "a", "b", {"at": at}) for at in range(events)]
        assert not any(isinstance(item, Exception) for item in engine.send_many(many))
        engine.send("me", "a", "b")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "home"
    live(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "small"
    live(folder, 24)
    return folder


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "home")
    return tmp_path / "home"


def select(folder: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "picomesh.sqlite3")) as database, database:
        return database.execute(statement, parameters).fetchall()


def problems_of(folder: Path) -> list[str]:
    try:
        with Engine.open(folder) as engine:
            found = verify_home(engine.store, engine.public_key).problems
    except StoreError as problem:
        return [str(problem)]
    return [f"{problem.place}: {problem.text}" for problem in found]


def test_what_came_together_lies_in_packs_and_what_came_alone_in_rows(home: Path) -> None:
    counts = [row[0] for row in select(home, "SELECT SUM(count) FROM packed GROUP BY pack")]
    alone = len(select(home, "SELECT seq FROM receipt"))
    assert sum(counts) + alone == 2 * 2 + EVENTS + 1 and max(counts) == PACK_RECEIPTS_MAX
    assert alone <= 2 * 2 + 2 + 1
    assert problems_of(home) == []


def test_receipts_are_found_wherever_they_lie(home: Path) -> None:
    with Engine.open(home) as engine:
        pico = engine.find("me")
        rows = engine.store.receipts(pico)
        assert [row.seq for row in rows] == list(range(2 + EVENTS * 2 // 3 + 1))
        assert [engine.store.receipt(pico, row.seq) for row in rows] == rows
        assert engine.store.head(pico) == rows[-1]
        assert engine.store.receipt(pico, len(rows)) is None
        assert engine.store.receipts(pico, 5, 9) == rows[5:10]
        you = engine.find("you")
        head = engine.store.head(you)
        assert head is not None and head.seq == 1 + EVENTS // 3, "its newest lies in a pack"


@pytest.mark.parametrize("backend", ["cranelift", "pulley"])
def test_a_packed_history_replays_to_equal_cores(home: Path, backend: str) -> None:
    with Engine.open(home, Options(backend=backend)) as engine:
        rows = engine.store.receipts(engine.find("you"))
        done = list(replay(engine.programs, engine.store, rows))
    assert len(done) == len(rows) and all(item.divergence is None for item in done)


def test_every_state_of_the_past_can_be_read_block_by_block(home: Path) -> None:
    with Engine.open(home) as engine:
        for receipt in engine.log("me"):
            Tree(engine.store, receipt.core.post).check(set())
            for cid in (receipt.core.event, receipt.core.outbox, receipt.core.tape):
                assert engine.store.block(cid)
        with pytest.raises(MissingBlock):
            engine.store.block(Cid(receipt.cid.raw[:4] + bytes(32)))


@pytest.mark.parametrize("table", ["pack", "packed"])
def test_a_change_in_any_cell_of_a_pack_is_found(copy: Path, table: str) -> None:
    columns = [row[1] for row in select(copy, f"PRAGMA table_info({table})")]
    for rowid, *values in select(copy, f"SELECT rowid, * FROM {table}"):
        for column, value in zip(columns, values, strict=True):
            if column == "pack" and table == "pack":
                continue  # the key itself: see the missing row below
            for wrong in wrongs(value):
                select(copy, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", wrong, rowid)
                assert problems_of(copy), f"{table}.{column} of row {rowid} was changed unseen"
            select(copy, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", value, rowid)
    assert problems_of(copy) == []


def wrongs(value: Any) -> list[Any]:
    match value:
        case int():
            return [value + 7, -1, "x"]
        case str():
            return [value + "x", 5]
        case _:
            places = (0, len(value) // 2, len(value) - 1)
            flips = [value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :] for at in places]
            return [*flips, value[:-1], value + b"\x00", b"", 5]


@pytest.mark.parametrize("table", ["pack", "packed"])
def test_a_missing_row_of_a_pack_is_found(copy: Path, table: str) -> None:
    select(copy, f"DELETE FROM {table} WHERE rowid = 1")
    assert problems_of(copy)


def test_a_pack_that_would_fill_the_memory_is_damage(copy: Path) -> None:
    import zlib

    select(copy, "UPDATE pack SET data = ?", zlib.compress(b"\x9b" + b"\xff" * 8 + bytes(4096)))
    assert any("damaged" in text for text in problems_of(copy))


def test_few_receipts_together_are_rows(tmp_path: Path) -> None:
    live(tmp_path / "home", PACK_RECEIPTS_MIN - 1)
    assert select(tmp_path / "home", "SELECT * FROM pack") == []
    assert problems_of(tmp_path / "home") == []


def test_a_home_of_version_2_gets_the_tables_and_goes_on(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    with Engine.open(folder) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
    for statement in ("DROP TABLE pack", "DROP TABLE packed", "PRAGMA user_version = 2"):
        select(folder, statement)
    with Engine.open(folder) as engine:
        engine.send_many([Sending("me", "a", "b")] * 20)
        assert engine.query("me", "t", "n") == 20
    assert problems_of(folder) == []


def test_a_block_of_the_group_is_read_before_the_group_ends(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home") as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        with engine.together():
            done = [engine.send("me", "a", "b") for _ in range(40)]
            for response in done:
                core = response.receipt.core
                assert engine.store.block(core.event) and engine.store.block(core.post)
        assert verify_home(engine.store, engine.public_key).problems == ()
