"""Receipts: what is written, what is refused with the name of the field, what is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from picomesh.ledger.cid import cid_of_block, cid_of_bytes
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.fields import FieldError
from picomesh.ledger.receipt import (
    Code,
    Core,
    Envelope,
    Write,
    decode_core,
    decode_envelope,
    encode_core,
    encode_envelope,
    is_envelope_signed,
    seal,
)
from picomesh.ledger.signature import Signer, is_signed

LINK = cid_of_block(b"\xa0")
SIGNER = Signer(b"s" * 32)
CORE = Core(
    pico="bafy",
    seq=7,
    prev=LINK,
    kind="event",
    code=(Code("a", cid_of_bytes(b"raw"), cid_of_bytes(b"metered")),),
    event=LINK,
    time=-5,
    seed=b"r" * 32,
    fuel_limit=100,
    pre=LINK,
    post=LINK,
    writes=(Write(b"ent/a/x", cid_of_bytes(b"1")), Write(b"ent/a/y", None)),
    tape=LINK,
    outbox=LINK,
    outcome="ok",
    fuel=42,
)
ENVELOPE = Envelope(
    core=cid_of_block(encode_core(CORE)),
    engine=SIGNER.public_key,
    backend="pulley",
    versions={"picomesh": "0"},
    received_ms=1,
    elapsed_us=2,
    logs=None,
)


def test_a_core_comes_back_as_it_went() -> None:
    assert decode_core(encode_core(CORE)) == CORE


def test_an_envelope_comes_back_as_it_went() -> None:
    sealed = seal(CORE, encode_core(CORE), ENVELOPE, SIGNER)
    assert decode_envelope(sealed.envelope_bytes) == sealed.envelope
    assert encode_envelope(sealed.envelope) == sealed.envelope_bytes
    assert sealed.cid == ENVELOPE.core


def test_a_core_holds_no_float_and_no_text_of_an_error() -> None:
    texts: list[str] = []

    def walk(block: Any) -> None:
        assert not isinstance(block, float)
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, list | dict):
            for item in block.values() if isinstance(block, dict) else block:
                walk(item)

    walk(decode_block(encode_core(CORE)))
    assert sorted(texts) == ["a", "bafy", "event", "ok", "pico-1"]


CHANGED_CORES: list[tuple[str, Any]] = [
    ("v", 2),
    ("v", "1"),
    ("profile", "pico-2"),
    ("pico", b"x"),
    ("seq", -1),
    ("seq", True),
    ("prev", b"x"),
    ("kind", "dream"),
    ("code", [["a", LINK]]),
    ("code", [[1, LINK, LINK]]),
    ("event", None),
    ("time", "now"),
    ("seed", b"short"),
    ("fuel_limit", -1),
    ("pre", "x"),
    ("post", None),
    ("writes", {}),
    ("writes", [[b"b", None], [b"a", None]]),
    ("writes", [[b"a", None], [b"a", None]]),
    ("writes", [["a", None]]),
    ("tape", []),
    ("outbox", 0),
    ("outcome", "perhaps"),
    ("fuel", None),
]


@pytest.mark.parametrize(("name", "wrong"), CHANGED_CORES, ids=lambda item: str(item)[:20])
def test_a_wrong_field_of_a_core_is_named(name: str, wrong: Any) -> None:
    entries = decode_block(encode_core(CORE))
    assert isinstance(entries, dict)
    with pytest.raises(FieldError) as told:
        decode_core(encode_block({**entries, name: wrong}))
    assert told.value.field == name


@pytest.mark.parametrize("name", ["v", "core", "engine", "versions", "signature", "logs"])
def test_a_wrong_field_of_an_envelope_is_named(name: str) -> None:
    entries = decode_block(seal(CORE, encode_core(CORE), ENVELOPE, SIGNER).envelope_bytes)
    assert isinstance(entries, dict)
    with pytest.raises(FieldError) as told:
        decode_envelope(encode_block({**entries, name: [1]}))
    assert told.value.field == name


def test_a_missing_field_and_one_too_many_are_named() -> None:
    entries = decode_block(encode_core(CORE))
    assert isinstance(entries, dict)
    with pytest.raises(FieldError, match="extra: not a field"):
        decode_core(encode_block({**entries, "extra": 1}))
    del entries["fuel"]
    with pytest.raises(FieldError, match="fuel: missing"):
        decode_core(encode_block(entries))


def test_the_signature_holds_for_this_envelope_and_for_no_other() -> None:
    envelope = seal(CORE, encode_core(CORE), ENVELOPE, SIGNER).envelope
    assert is_envelope_signed(envelope)
    for other in (
        replace(envelope, core=LINK),
        replace(envelope, backend="v8"),
        replace(envelope, elapsed_us=3),
        replace(envelope, received_ms=3),
        replace(envelope, versions={"picomesh": "1"}),
        replace(envelope, logs=LINK),
        replace(envelope, engine=Signer(b"t" * 32).public_key),
        replace(envelope, signature=bytes(64)),
    ):
        assert not is_envelope_signed(other)


def test_a_signature_for_one_purpose_does_not_hold_for_another() -> None:
    signature = SIGNER.sign(b"purpose", b"message")
    assert is_signed(SIGNER.public_key, b"purpose", b"message", signature)
    assert not is_signed(SIGNER.public_key, b"another", b"message", signature)
    assert not is_signed(SIGNER.public_key, b"purpose", b"message!", signature)
    assert not is_signed(b"no key", b"purpose", b"message", signature)
    assert not is_signed(SIGNER.public_key, b"purpose", b"message", b"short")


def test_a_private_key_does_not_show_itself() -> None:
    assert "ssss" not in repr(SIGNER) and b"s".hex() * 4 not in repr(SIGNER)
