"""A long history of all examples on one pico: replays equal everywhere, and no byte can change."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from examples.cases import NAMES, Bench, compile_text, compiled, module_cache, read_case
from picomesh.engine import Engine, Options
from picomesh.engine.history import verify_home
from picomesh.engine.replay import replay
from picomesh.ledger.cid import Cid
from picomesh.store.errors import StoreError

EVENTS = 1_000
FLIPS = 40  # of each kind
SEED = 20_260_101
# The examples never fail; a history needs failures too.
TROUBLE = """
ruleset test.trouble {
  global { deeper = function(n) { 1 + deeper(n + 1) } }
  rule write { select when trouble thrown or trouble endless always { ent:trouble := event:time } }
  rule throw { select when trouble thrown pre { never = "one" - 1 } }
  rule recurse { select when trouble endless pre { never = deeper(0) } }
}
"""
TROUBLE_EVENTS = [
    {"domain": "trouble", "name": name, "attrs": {"note": "to a failure"}}
    for name in ("thrown", "endless")
]
RULESETS = len(NAMES) + 1
ROW_NUMBERS = {("inbox", "arrival")}  # columns that are SQLite's own number of the row
# What nobody planned for, in place of an attribute that a rule expects.
ODD_VALUES: list[Any] = [None, True, "", "0", -1, 2.5, 2**53 - 1, [], {}, [[]], {"/": "x"}, "é😀"]


def mixed_events(count: int, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Seconds to wait, and an event: those of the cases in any order, some with odd attributes."""
    chance = random.Random(seed)
    known = [s["event"] for name in NAMES for s in read_case(name)["steps"] if "event" in s]
    known += TROUBLE_EVENTS
    for _ in range(count):
        event = dict(chance.choice(known))
        if event["attrs"] and chance.random() < 0.2:
            key = chance.choice(sorted(event["attrs"]))
            event["attrs"] = {**event["attrs"], key: chance.choice(ODD_VALUES)}
        yield chance.choice([0, 1, 30]), event


def live_through(events: int, names: list[str], folder: Path | None = None) -> Bench:
    modules = [*map(compiled, names), compile_text(TROUBLE)]
    bench = Bench.with_modules(*modules, folder=folder)
    for wait_s, event in mixed_events(events, SEED):
        bench.world.clock_ms += 1_000 * wait_s
        bench.engine.send(bench.pico, event["domain"], event["name"], event["attrs"])
    return bench


@pytest.fixture(scope="module")
def long_life() -> Iterator[Bench]:
    bench = live_through(EVENTS, NAMES)
    with bench.engine:
        yield bench


def test_mixed_events_reach_every_ruleset_and_more_than_one_outcome(long_life: Bench) -> None:
    receipts = long_life.engine.log(long_life.pico)
    assert len(receipts) == 1 + RULESETS + EVENTS
    outcomes = Counter(receipt.core.outcome for receipt in receipts)
    assert set(outcomes) == {"ok", "throw", "out-of-stack"}
    assert outcomes["ok"] > EVENTS // 2
    assert all(long_life.entities(f"examples.{name}") for name in NAMES)


@pytest.mark.parametrize("backend", ["cranelift", "pulley"])
def test_a_long_history_replays_to_equal_receipts(long_life: Bench, backend: str) -> None:
    programs = Options(backend=backend).programs(module_cache())
    store = long_life.engine.store
    replayed = list(replay(programs, store, store.receipts(long_life.pico)))
    assert [step for step in replayed if step.divergence is not None] == []
    assert len(replayed) == 1 + RULESETS + EVENTS


def test_an_untouched_history_is_believed(long_life: Bench) -> None:
    verified = verify_home(long_life.engine.store, long_life.engine.public_key)
    assert verified.problems == ()
    assert verified.receipts == 1 + RULESETS + EVENTS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an engine that lived through a few events and is closed."""
    folder = tmp_path_factory.mktemp("home")
    bench = live_through(30, ["counter"], folder)
    bench.engine.accept(bench.pico, "counter", "incremented", {"by": 2})  # it waits
    bench.engine.close()
    return folder


@pytest.mark.parametrize("part", ["core", "envelope"])
def test_a_flipped_bit_of_a_receipt_is_reported_at_this_receipt(home: Path, part: str) -> None:
    chance = random.Random(f"{SEED} {part}")
    rows = select(home, f"SELECT rowid, pico, seq, {part} FROM receipt")
    for rowid, pico, seq, data in chance.choices(rows, k=FLIPS):
        problems = problems_after(home, "receipt", part, rowid, flipped(data, chance))
        assert any(place.startswith(f"pico {pico}, receipt {seq}, ") for place in problems)


def test_a_flipped_bit_of_a_block_is_reported_with_the_name_of_the_block(home: Path) -> None:
    chance = random.Random(f"{SEED} block")
    rows = select(home, "SELECT rowid, cid, data FROM block")
    for rowid, cid, data in chance.choices(rows, k=FLIPS):
        problems = problems_after(home, "block", "data", rowid, flipped(data, chance))
        assert any(str(Cid(cid)) in text for text in problems.values())


def test_a_change_in_any_cell_of_any_table_is_reported(home: Path) -> None:
    chance = random.Random(f"{SEED} cell")
    cells = list(every_cell(home))
    assert {table for table, _, _, _ in cells} == {
        "block",
        "channel",
        "engine",
        "inbox",
        "pico",
        "receipt",
    }
    for table, column in dict.fromkeys(cell[:2] for cell in cells):
        of_column = [cell for cell in cells if cell[:2] == (table, column)]
        for _, _, rowid, value in chance.sample(of_column, min(len(of_column), 4)):
            problems = problems_after(home, table, column, rowid, changed(value, chance))
            assert problems, f"{table}.{column} of row {rowid}"


def every_cell(home: Path) -> Iterator[tuple[str, str, int, Any]]:
    """Table, column, row and content of everything that is stored."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    for (table,) in select(home, tables):
        columns = [row[1] for row in select(home, f"PRAGMA table_info({table})")]
        for rowid, *values in select(home, f"SELECT rowid, * FROM {table}"):
            for column, value in zip(columns, values, strict=True):
                yield table, column, rowid, value


def changed(value: Any, chance: random.Random) -> Any:
    """Another value of the same type."""
    match value:
        case bytes():
            return flipped(value, chance)
        case str():
            place = chance.randrange(len(value) + 1)
            return value[:place] + "~" + value[place + 1 :]
        case int():
            return value ^ (1 << chance.randrange(8, 20))  # no other row has it
    raise AssertionError(type(value))


def flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    changed = bytearray(data)
    changed[place] ^= 1 << chance.randrange(8)
    return bytes(changed)


def select(home: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(home / "picomesh.sqlite3")
    with closing(database), database:
        return database.execute(statement, parameters).fetchall()


def problems_after(home: Path, table: str, column: str, rowid: int, content: Any) -> dict[str, str]:
    """What a check of the home reports, by place, while one cell of it is changed."""
    update = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
    ((before,),) = select(home, f"SELECT {column} FROM {table} WHERE rowid = ?", rowid)
    select(home, update, content, rowid)
    if (table, column) in ROW_NUMBERS:
        rowid = content
    try:
        with Engine.open(home) as engine:
            problems = verify_home(engine.store, engine.public_key).problems
    except StoreError as problem:
        return {"home": str(problem)}
    finally:
        select(home, update, before, rowid)
    return {problem.place: f"{problem.place} {problem.text}" for problem in problems}
