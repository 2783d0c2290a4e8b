"""Files of histories that lie: every command answers, and none breaks down."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from command_line import Run, runner
from lives import lived
from mutants import changed_histories
from picomesh.engine import Engine
from picomesh.engine.export import export_histories

LIES = 24
RANGES = {"whole": (0, None, True), "lean": (0, None, False), "part": (9, 11, True)}
COMMANDS = (
    ("replay", "--history", "f.car"),
    ("verify", "--history", "f.car"),
    ("bisect", "good.car", "f.car"),
    ("prove", "me", "10", "--history", "f.car", "-o", "p.car"),
    ("at", "me", "10", "--history", "f.car", "--fuel", "3000"),
    ("at", "me", "11", "--history", "f.car"),
    ("fork", "me", "--at", "9", "--ruleset", "t.wasm", "--replay", "--history", "f.car"),
    ("evidence", "make", "good.car", "f.car", "-o", "e.car"),
    ("export", "me", "--history", "f.car", "-o", "again.car"),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return lived()


@pytest.fixture
def run(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = engine.receipt("me", 1).core.code[0].raw
    (tmp_path / "t.wasm").write_bytes(engine.store.block(module))
    (tmp_path / "good.car").write_bytes(exported(engine, "whole"))
    return runner(tmp_path, monkeypatch, capsys)


def exported(engine: Engine, name: str) -> bytes:
    first, last, has_states = RANGES[name]
    picos = engine.store.picos()
    parts = export_histories(engine.store, engine.public_key, picos, first, last, has_states)
    return b"".join(parts)


@pytest.mark.parametrize("name", RANGES)
def test_no_lie_in_a_history_breaks_a_command(
    engine: Engine, run: Run, tmp_path: Path, name: str
) -> None:
    chance = random.Random(name)
    lies = changed_histories(exported(engine, name), engine.signer, chance)
    said: set[int] = set()
    for lie in islice(lies, LIES):
        (tmp_path / "f.car").write_bytes(lie)
        for command in chance.sample(COMMANDS, 4):
            result = run(*command)
            assert result.code in (0, 1, 2), (command, result.err)
            said.add(result.code)
    assert {0, 1} <= said


def test_a_part_without_the_state_before_it_proves_nothing_and_says_why(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    from picomesh.ledger.car import CarFile, encode_car

    car = CarFile(exported(engine, "part"))
    state = engine.receipt("me", 8).core.post
    rest = {cid: car.block(cid) for cid in car if cid != state}
    (tmp_path / "f.car").write_bytes(encode_car(car.root, rest))
    result = run("prove", "me", "9", "--history", "f.car")
    assert result.code == 1 and "the state before receipt 9 is not there" in result.err
