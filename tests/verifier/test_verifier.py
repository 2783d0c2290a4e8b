"""The second verifier, in JavaScript on another WASM engine, says what the first one says."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from examples.cases import NAMES
from examples.test_history import live_through
from lives import RECEIPTS, lived
from picomesh.engine import Engine
from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.prove import prove
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.codec import Block, decode_block, encode_block
from picomesh.ledger.errors import CodecError
from verifier.node import VERIFIER, audit_all, needs_node, run_node

pytestmark = needs_node
MUTANTS = 10_000
MODULES = CheckedModules()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return lived()


def proof(engine: Engine, seq: int) -> bytes:
    return prove(engine.store, engine.programs, engine.find("me"), seq, engine.signer)


def test_every_class_of_receipt_is_proved_on_another_engine(engine: Engine) -> None:
    verdicts = audit_all(proof(engine, seq) for seq in range(RECEIPTS))
    assert [(item.verdict, item.text) for item in verdicts] == [("proved", "")] * RECEIPTS


def test_what_the_examples_do_is_proved_on_another_engine() -> None:
    """Rulesets compiled from KRL, with events made at random, failures among them."""
    bench = live_through(24, list(NAMES))
    pico = bench.engine.store.picos()[0][0]
    head = bench.engine.store.head(pico)
    assert head is not None
    store, programs = bench.engine.store, bench.engine.programs
    files = [prove(store, programs, pico, seq) for seq in range(len(NAMES), head.seq + 1, 2)]
    assert {item.verdict for item in audit_all(files)} == {"proved"}


# -- files that say something else


def changed_bytes(data: bytes, count: int, chance: random.Random) -> Iterator[bytes]:
    """The file with one bit of one byte another; every byte has its turn."""
    for number in range(count):
        wrong = bytearray(data)
        wrong[number % len(data)] ^= 1 << chance.randrange(8)
        yield bytes(wrong)


def changed_fields(data: bytes, count: int, chance: random.Random) -> Iterator[bytes]:
    """The file with one item of one block another, and every link led to what came of it."""
    car = CarFile(data)
    blocks = {cid: car.block(cid) for cid in car}
    names = list(blocks)
    for _ in range(count):
        cid = chance.choice(names)
        new = _changed_block(blocks[cid], chance)
        if new != blocks[cid]:
            yield _relinked(car.root, blocks, cid, new)


def _changed_block(data: bytes, chance: random.Random) -> bytes:
    try:
        block = decode_block(data)
    except CodecError:
        return data[:-1] + bytes([data[-1] ^ 1]) if data else b"\x00"
    places = list(_places(block, ()))
    place = chance.choice(places) if places else ()
    return encode_block(_replaced(block, place, chance))


def _places(block: Block, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    match block:
        case dict():
            for key, item in block.items():
                yield from _places(item, (*place, key))
        case list():
            for at, item in enumerate(block):
                yield from _places(item, (*place, at))
        case _:
            yield place


def _replaced(block: Block, place: tuple[str | int, ...], chance: random.Random) -> Block:
    if not place:
        return _another(block, chance)
    head, *rest = place
    if isinstance(block, dict) and isinstance(head, str):
        return {**block, head: _replaced(block[head], tuple(rest), chance)}
    assert isinstance(block, list) and isinstance(head, int), "places lead through blocks"
    return [*block[:head], _replaced(block[head], tuple(rest), chance), *block[head + 1 :]]


def _another(item: Block, chance: random.Random) -> Block:
    match item:
        case bool() | None:
            return 1
        case int():
            return max(0, item + chance.choice([-1, 1, 1000]))
        case str():
            return item + "x"
        case bytes():
            return bytes([item[0] ^ 1, *item[1:]]) if item else b"x"
        case Cid():
            return Cid(item.raw[:-1] + bytes([item.raw[-1] ^ 1]))
        case _:
            return [*item, 1] if isinstance(item, list) else {**item, "x": 1}


def _relinked(root: Cid, blocks: dict[Cid, bytes], cid: Cid, new: bytes) -> bytes:
    """The file with a block replaced, and with it every block that leads to it."""
    made = dict(blocks)
    waiting = [(cid, new)]
    while waiting:
        old, data = waiting.pop()
        made.pop(old, None)
        name = cid_of_block(data) if old.raw[1] == 0x71 else cid_of_bytes(data)
        made[name] = data
        root = name if old == root else root
        for other, block in list(made.items()):
            if other != name and old.raw in block:
                waiting.append((other, block.replace(old.raw, name.raw)))
    return encode_car(root, made)


@pytest.mark.parametrize("seq", [4, 10])
def test_both_refuse_every_file_of_which_a_byte_or_a_field_was_changed(
    engine: Engine, seq: int
) -> None:
    data, chance = proof(engine, seq), random.Random(seq)
    mutants = [*changed_bytes(data, MUTANTS // 4, chance)]
    mutants += changed_fields(data, MUTANTS // 4, chance)
    assert len(mutants) > MUTANTS // 2 - 200
    theirs = audit_all(mutants)
    assert {item.verdict for item in theirs} == {"refused"}
    for number, wrong in enumerate(mutants):
        ours = audit(wrong, lambda _: engine.programs.sandbox, MODULES).refused
        assert ours is not None, number
        assert ours.name == theirs[number].check, (ours, theirs[number])


def test_the_command_line_says_what_holds_and_what_does_not(
    engine: Engine, tmp_path: object
) -> None:
    from pathlib import Path

    good = Path(str(tmp_path)) / "good.car"
    good.write_bytes(proof(engine, 4))
    printed = run_node(str(VERIFIER / "cli.js"), str(good))
    assert printed.splitlines()[-1].startswith("Proved: ")
    assert "ok  execution" in printed
