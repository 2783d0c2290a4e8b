"""Proofs of transitions: one file convinces, and no file convinces of what did not happen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forging import FILES, LIES, STRANGER, blocks_of, forged, packed, repackaged
from lives import RECEIPTS, lived
from picomesh.engine import Engine, OperatorError, Options
from picomesh.engine.audit import CHECKS, Audit, audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.prove import prove
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.proof import decode_proof
from picomesh.ledger.receipt import decode_core, decode_envelope, encode_core, seal
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.interface import Sandbox
from picomesh.sandbox.machine import WasmtimeSandbox
from wat_guests import Guest, counter


@pytest.fixture(scope="module")
def engine() -> Engine:
    return lived()


MODULES = CheckedModules()
_SANDBOXES: dict[str, Sandbox] = {}


def sandbox(name: str) -> Sandbox:
    """The engine with just this name; they are kept, for making one takes a while."""
    if name not in _SANDBOXES:
        _SANDBOXES[name] = WasmtimeSandbox(BackendOptions(name))
    return _SANDBOXES[name]


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    _SANDBOXES.clear()


def other(_: str) -> Sandbox:
    return sandbox("pulley")


def check(data: bytes) -> Audit:
    return audit(data, other, MODULES)


def proof_of(engine: Engine, seq: int) -> bytes:
    return prove(engine.store, engine.programs, engine.find("me"), seq, engine.signer)


@pytest.mark.parametrize("seq", range(RECEIPTS))
def test_every_class_of_receipt_is_proved_by_one_file(engine: Engine, seq: int) -> None:
    done = check(proof_of(engine, seq))
    assert done.refused is None
    assert [item.name for item in done.checks] == list(CHECKS)
    assert done.core == engine.receipt("me", seq).core
    assert done.checkpoint is not None and done.checkpoint.size == RECEIPTS


def test_the_receipts_are_of_every_class(engine: Engine) -> None:
    cores = [receipt.core for receipt in engine.log("me")]
    assert {core.kind for core in cores} == {"create", "install", "uninstall", "event"}
    assert {core.outcome for core in cores} == {"ok", "throw", "out-of-fuel"}


def test_the_same_receipt_has_the_same_proof(engine: Engine) -> None:
    assert proof_of(engine, 4) == proof_of(engine, 4)


def test_a_proof_without_modules_convinces_who_has_them_and_nobody_else(engine: Engine) -> None:
    pico = engine.find("me")
    data = prove(engine.store, engine.programs, pico, 6, engine.signer, has_modules=False)
    assert len(data) < len(proof_of(engine, 6)) and len(data) < 10 * 1024
    assert audit(data, other, MODULES).is_proved  # which has seen the module before
    stranger = audit(data, other, CheckedModules())
    assert stranger.refused is not None and stranger.refused.name == "code"


def test_a_receipt_that_does_not_replay_cannot_be_proved(engine: Engine) -> None:
    rows = engine.store.receipts(engine.find("me"))
    core = replace(decode_core(rows[3].core), fuel=1)

    class Lying:
        def receipt(self, pico: str, seq: int) -> object:
            return replace(rows[seq], core=encode_core(core)) if seq == 3 else rows[seq]

        def __getattr__(self, name: str) -> object:
            return getattr(engine.store, name)

    with pytest.raises(OperatorError, match="fuel"):
        lying: Any = Lying()
        prove(lying, engine.programs, core.pico, 3)


# -- files that say what did not happen (forging.py)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_of_the_engine_is_found_by_the_check_that_is_for_it(
    engine: Engine, name: str
) -> None:
    expected, fields = LIES[name]
    done = check(forged(proof_of(engine, 4), engine.signer, **fields))
    assert (done.refused.name if done.refused else "") == expected, done.refused


def test_a_proof_by_another_engine_is_refused(engine: Engine) -> None:
    done = check(forged(proof_of(engine, 4), STRANGER))
    assert done.refused is not None and done.refused.name == "engine"


def test_a_signature_by_another_key_is_refused(engine: Engine) -> None:
    data = proof_of(engine, 4)
    blocks = blocks_of(data)
    proof = decode_proof(blocks.pop(CarFile(data).root))
    envelope = decode_envelope(blocks.pop(proof.receipt.envelope))
    core_bytes = blocks[proof.receipt.core]
    sealed = seal(core_bytes, envelope, STRANGER)
    links = replace(proof.receipt, envelope=cid_of_block(sealed.envelope_bytes))
    blocks[links.envelope] = sealed.envelope_bytes
    done = check(packed(blocks, replace(proof, receipt=links)))
    assert done.refused is not None and done.refused.name == "signature"


def test_a_proof_of_another_pico_or_engine_than_expected_is_refused(engine: Engine) -> None:
    data = proof_of(engine, 4)
    for pico, key, name in [("bafyother", None, "receipt"), (None, b"k" * 32, "signature")]:
        done = audit(data, other, MODULES, pico, key)
        assert done.refused is not None and done.refused.name == name
    assert audit(data, other, MODULES, engine.find("me"), engine.public_key).is_proved


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_something_else_in_it_is_refused(engine: Engine, name: str) -> None:
    expected, change = FILES[name]
    done = check(repackaged(proof_of(engine, 4), engine, change))
    assert done.refused is not None and done.refused.name == expected, done.refused


@pytest.mark.parametrize("seq", [1, 4, 10, 13, 15])
def test_a_file_without_one_of_its_blocks_is_refused(engine: Engine, seq: int) -> None:
    data = proof_of(engine, seq)
    blocks, root = blocks_of(data), CarFile(data).root
    metered = {code.metered for code in engine.receipt("me", seq).core.code}
    for cid in blocks.keys() - {root} - metered:  # Python meters modules itself
        rest = {name: block for name, block in blocks.items() if name != cid}
        done = audit(encode_car(root, rest), other, CheckedModules(gate=MODULES.metered))
        assert done.refused is not None, cid


def test_a_module_that_is_metered_otherwise_is_refused(engine: Engine) -> None:
    def cheaper(raw: bytes) -> bytes:
        return MODULES.metered(counter("other").build())

    done = audit(proof_of(engine, 4), other, CheckedModules(gate=cheaper))
    assert done.refused is not None and done.refused.name == "code"


def test_every_changed_byte_and_every_shorter_file_is_refused(engine: Engine) -> None:
    data = proof_of(engine, 4)
    chance = random.Random(5)
    for at in [*range(0, 400), *(chance.randrange(len(data)) for _ in range(600))]:
        wrong = bytearray(data)
        wrong[at] ^= 1 << chance.randrange(8)
        assert not check(bytes(wrong)).is_proved, at
        assert not check(data[:at]).is_proved, at
    assert not check(data + b"\0").is_proved


def test_checked_modules_are_kept_and_a_damaged_one_is_metered_again(tmp_path: Path) -> None:
    metered: list[bytes] = []

    def gate(raw: bytes) -> bytes:
        metered.append(raw)
        return MODULES.metered(raw)

    raw = counter().build()
    good = CheckedModules(tmp_path, gate).metered(raw)
    assert CheckedModules(tmp_path, gate).metered(raw) == good and metered == [raw]
    (file,) = tmp_path.rglob("*.metered")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert CheckedModules(tmp_path, gate).metered(raw) == good and metered == [raw, raw]


def test_paths_ground_to_widen_a_node_end_the_transition_and_change_nothing() -> None:
    """A guest that chooses its paths by trial is stopped where the tree would bear the cost."""
    from picomesh.ledger.tree import NODE_PATHS_MAX, layer_of

    numbers = [
        number for number in range(4 * NODE_PATHS_MAX) if not layer_of(b"ent/t/%08d" % number)
    ][: NODE_PATHS_MAX + 1]
    guest = Guest("t", pages=(4, 8))
    rows = guest.data(b"".join(b"ent/%08d" % number for number in numbers))
    start, value = int(rows.split(")")[0].split()[-1]), guest.value(0)
    end = start + 12 * len(numbers)
    guest.functions = f"""(func $write (local $at i32)
      (local.set $at (i32.const {start}))
      (loop $next
        (call $put (local.get $at) (i32.const 12) {value})
        (local.set $at (i32.add (local.get $at) (i32.const 12)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const {end})))))"""
    guest.handle = "(call $write)"
    with Engine.ephemeral(Options(fuel_limit=100_000_000)) as engine:
        engine.create("me")
        engine.install_module("me", guest.build())
        response = engine.send("me", "a", "b")
        core = response.receipt.core
        assert (core.outcome, core.writes, core.pre == core.post) == ("trap", (), True)
        assert core.fuel > 4000 * len(numbers)
        assert check(proof_of(engine, 2)).is_proved
