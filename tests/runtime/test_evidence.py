"""Evidence: two receipts for one place convict the engine that signed both, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from picomesh.engine import Engine
from picomesh.engine.makers import maker_of, makers_of
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import encode_block
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.evidence import encode_evidence, read_evidence
from picomesh.ledger.receipt import Receipt, encode_core, seal
from picomesh.ledger.signature import Signer
from wat_guests import counter

STRANGER = Signer(b"x" * 32)


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine.ephemeral()
    for name in ("me", "you"):
        engine.create(name)
        engine.install_module(name, counter().build())
        for _ in range(3):
            engine.send(name, "a", "b")
    return engine


def another(engine: Engine, seq: int = 3, signer: Signer | None = None, **fields: Any) -> Receipt:
    """The receipt of this place with other fields, signed."""
    receipt = engine.receipt("me", seq)
    core_bytes = encode_core(replace(receipt.core, **fields))
    key = engine.signer if signer is None else signer
    envelope = replace(
        receipt.envelope, core=cid_of_block(core_bytes), engine=key.public_key, batch=None
    )
    return seal(core_bytes, envelope, key)


def evidence(engine: Engine, a: Receipt, b: Receipt) -> bytes:
    return encode_evidence(a, b, makers_of(engine.store, engine.find("me")))


def test_two_signed_receipts_for_one_place_convict_their_engine(engine: Engine) -> None:
    a, b = engine.receipt("me", 3), another(engine, fuel=1)
    found = read_evidence(evidence(engine, a, b), maker_of)
    assert (found.engine, found.pico, found.seq) == (engine.public_key, engine.find("me"), 3)
    assert {core.fuel for core in found.cores} == {1, a.core.fuel}


def test_the_same_two_receipts_make_the_same_file(engine: Engine) -> None:
    a, b = engine.receipt("me", 3), another(engine, fuel=1)
    assert evidence(engine, a, b) == evidence(engine, b, a)


def another_envelope(engine: Engine) -> Receipt:
    receipt = engine.receipt("me", 3)
    envelope = replace(receipt.envelope, elapsed_us=9, batch=None)
    return seal(receipt.core_bytes, envelope, engine.signer)


FORGED: dict[str, Callable[[Engine], tuple[Receipt, Receipt]]] = {
    "the same receipt twice": lambda e: (e.receipt("me", 3), e.receipt("me", 3)),
    "the same core, signed twice": lambda e: (e.receipt("me", 3), another_envelope(e)),
    "a core that a stranger signed": lambda e: (
        e.receipt("me", 3),
        another(e, signer=STRANGER, fuel=1),
    ),
    "two cores that a stranger signed": lambda e: (
        another(e, signer=STRANGER, fuel=1),
        another(e, signer=STRANGER, fuel=2),
    ),
    "a receipt of another pico": lambda e: (e.receipt("me", 3), e.receipt("you", 3)),
    "a receipt of another place": lambda e: (e.receipt("me", 3), e.receipt("me", 4)),
    "the envelope of another core": lambda e: (
        e.receipt("me", 3),
        Receipt(another(e, fuel=1).core_bytes, e.receipt("me", 4).envelope_bytes),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_evidence_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(LedgerError):
        read_evidence(evidence(engine, *FORGED[name](engine)), maker_of)


def test_an_envelope_whose_signature_was_taken_from_elsewhere_is_refused(engine: Engine) -> None:
    b = another(engine, fuel=1)
    envelope = replace(b.envelope, signature=engine.receipt("me", 3).envelope.signature)
    from picomesh.ledger.receipt import encode_envelope

    wrong = Receipt(b.core_bytes, encode_envelope(envelope))
    with pytest.raises(LedgerError, match="signature"):
        read_evidence(evidence(engine, engine.receipt("me", 3), wrong), maker_of)


def test_every_changed_byte_is_refused(engine: Engine) -> None:
    data = evidence(engine, engine.receipt("me", 3), another(engine, fuel=1))
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 1 << (at % 8)
        with pytest.raises(LedgerError):
            read_evidence(bytes(wrong), maker_of)


def repacked(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    from picomesh.ledger.codec import decode_block

    car = CarFile(data)
    blocks: dict[Cid, bytes] = {cid: car.block(cid) for cid in car}
    root: Any = decode_block(blocks.pop(car.root))
    change(root)
    new = encode_block(root)
    return encode_car(cid_of_block(new), {**blocks, cid_of_block(new): new})


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "rows in the other order": lambda root: root["receipts"].reverse(),
    "a row more": lambda root: root["receipts"].append(root["receipts"][0]),
    "a row less": lambda root: root["receipts"].pop(),
    "another kind": lambda root: root.update(kind="picomesh proof"),
    "another version": lambda root: root.update(v=2),
    "a field more": lambda root: root.update(x=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_root_in_another_form_is_refused(engine: Engine, name: str) -> None:
    data = evidence(engine, engine.receipt("me", 3), another(engine, fuel=1))
    with pytest.raises(LedgerError):
        read_evidence(repacked(data, CHANGES[name]), maker_of)


def test_a_block_that_belongs_to_nothing_is_refused(engine: Engine) -> None:
    car = CarFile(evidence(engine, engine.receipt("me", 3), another(engine, fuel=1)))
    blocks = {cid: car.block(cid) for cid in car} | {cid_of_block(b"\x05"): b"\x05"}
    with pytest.raises(LedgerError, match="nothing"):
        read_evidence(encode_car(car.root, blocks), maker_of)


def test_evidence_without_the_pico_s_maker_is_refused(engine: Engine) -> None:
    data = encode_evidence(engine.receipt("me", 3), another(engine, fuel=1), {})
    with pytest.raises(LedgerError, match="not there"):
        read_evidence(data, maker_of)
