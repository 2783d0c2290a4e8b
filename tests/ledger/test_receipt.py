"""Receipts: what is written, what is refused with the name of the field, what is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picomesh.ledger.cid import cid_of_block, cid_of_bytes
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.fields import FieldError
from picomesh.ledger.receipt import (
    BATCH_SIZE_MAX,
    Code,
    Core,
    Envelope,
    Place,
    Sender,
    Write,
    decode_core,
    decode_envelope,
    encode_core,
    encode_envelope,
    envelope_message,
    is_envelope_signed,
    seal,
    seal_batch,
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
    sealed = seal(encode_core(CORE), ENVELOPE, SIGNER)
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
    entries = decode_block(seal(encode_core(CORE), ENVELOPE, SIGNER).envelope_bytes)
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
    envelope = seal(encode_core(CORE), ENVELOPE, SIGNER).envelope
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


def batch(count: int) -> list[Envelope]:
    """Envelopes under one signature."""
    sender = Sender.of(SIGNER.public_key, "pulley", {"picomesh": "0", "a": "1"})
    messages = [
        envelope_message(LINK.raw, sender, at, at * at, LINK.raw if at % 2 else None)
        for at in range(count)
    ]
    return [decode_envelope(data) for data in seal_batch(sender, messages, SIGNER)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 33])
def test_one_signature_covers_many_envelopes_and_each_shows_it_alone(count: int) -> None:
    envelopes = batch(count)
    assert len({envelope.signature for envelope in envelopes}) == 1
    for at, envelope in enumerate(envelopes):
        assert (envelope.received_ms, envelope.elapsed_us) == (at, at * at)
        assert is_envelope_signed(envelope)
        assert (envelope.batch is None) == (count == 1)


def test_an_envelope_of_a_batch_is_refused_in_another_place_or_with_other_content() -> None:
    envelopes = batch(5)
    third = envelopes[2]
    assert third.batch is not None
    for place in (
        None,
        replace(third.batch, index=1),
        replace(third.batch, size=6),
        replace(third.batch, way=third.batch.way[:-1]),
        replace(third.batch, way=(*third.batch.way, bytes(32))),
        replace(third.batch, way=third.batch.way[::-1]),
        envelopes[3].batch,
    ):
        assert not is_envelope_signed(replace(third, batch=place)), place
    assert not is_envelope_signed(replace(third, elapsed_us=3))
    assert not is_envelope_signed(replace(third, engine=Signer(b"t" * 32).public_key))
    alone = batch(1)[0]
    assert not is_envelope_signed(replace(alone, batch=third.batch))


@pytest.mark.parametrize(
    "place",
    [
        0,
        [],
        [0, 1, []],
        [2, 2, [bytes(32)]],
        [-1, 2, [bytes(32)]],
        [True, 2, [bytes(32)]],
        [0, 2, [bytes(31)]],
        [0, 2, ["text"]],
        [0, 2, None],
        [0, BATCH_SIZE_MAX + 1, [bytes(32)]],
        [0, 2, [bytes(32)], 0],
    ],
    ids=repr,
)
def test_a_place_in_a_batch_that_cannot_be_is_refused(place: Any) -> None:
    entries = decode_block(encode_envelope(replace(ENVELOPE, signature=bytes(64))))
    assert isinstance(entries, dict)
    with pytest.raises(FieldError) as told:
        decode_envelope(encode_block({**entries, "batch": place}))
    assert told.value.field == "batch"


@given(
    core=st.builds(
        replace,
        st.just(CORE),
        pico=st.text(max_size=80),
        seq=st.integers(0, 2**64 - 1),
        prev=st.sampled_from([None, LINK]),
        time=st.integers(-(2**64), 2**64 - 1),
        fuel=st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32]),
        writes=st.lists(
            st.builds(Write, st.binary(min_size=1, max_size=300), st.sampled_from([None, LINK])),
            max_size=30,
        ).map(tuple),
    )
)
def test_the_pieces_of_a_core_make_what_the_general_encoder_makes(core: Core) -> None:
    rows: list[Any] = [[item.rid, item.raw, item.metered] for item in core.code]
    entries: Any = {
        "v": core.version,
        "code": rows,
        "writes": [[write.path, write.value] for write in core.writes],
    }
    for name in ("profile", "pico", "seq", "prev", "kind", "event", "time", "seed", "fuel_limit"):
        entries[name] = getattr(core, name)
    for name in ("pre", "post", "tape", "outbox", "outcome", "fuel"):
        entries[name] = getattr(core, name)
    assert encode_core(core) == encode_block(entries)


@given(
    versions=st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=6),
    backend=st.text(max_size=30),
    logs=st.sampled_from([None, LINK]),
    place=st.sampled_from([None, Place(1, 300, (bytes(32),) * 9)]),
)
def test_the_pieces_of_an_envelope_make_what_the_general_encoder_makes(
    versions: dict[str, str], backend: str, logs: Any, place: Place | None
) -> None:
    envelope = replace(
        ENVELOPE, versions=versions, backend=backend, logs=logs, batch=place, signature=bytes(64)
    )
    entries: Any = {
        name: getattr(envelope, name)
        for name in ("core", "engine", "backend", "versions", "received_ms", "elapsed_us", "logs")
    }
    entries |= {"v": envelope.version, "signature": envelope.signature}
    entries["batch"] = place and [place.index, place.size, list(place.way)]
    assert encode_envelope(envelope) == encode_block(entries)
