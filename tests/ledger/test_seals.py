"""Envelopes that are checked one behind the other: believed exactly when each is believed alone."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from picomesh.ledger.cid import cid_of_block, digest_of
from picomesh.ledger.errors import CodecError
from picomesh.ledger.receipt import (
    Envelope,
    Place,
    Sender,
    decode_envelope,
    encode_envelope,
    envelope_message,
    is_envelope_signed,
    seal_batch,
)
from picomesh.ledger.seals import Seals, Signed
from picomesh.ledger.signature import Signer

SIGNER = Signer(b"s" * 32)
SENDER = Sender.of(SIGNER.public_key, "cranelift", {"python": "3.11", "wasmtime": "50.0.1"})


def batch(size: int, first: int = 0, signer: Signer = SIGNER) -> list[bytes]:
    sender = Sender.of(signer.public_key, "cranelift", {"python": "3.11"})
    messages = [
        envelope_message(cid_of_block(b"%d" % at).raw, sender, 1_795_000_000_000 + at, at, None)
        for at in range(first, first + size)
    ]
    return seal_batch(sender, messages, signer)


def expected(data: bytes) -> Signed | None:
    """What the rules say of an envelope alone."""
    try:
        envelope = decode_envelope(data)
    except CodecError:
        return None
    is_believed = envelope.engine == SIGNER.public_key and is_envelope_signed(envelope)
    logs = None if envelope.logs is None else envelope.logs.raw
    return (envelope.core.raw, logs) if is_believed else None


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 33, 64])
def test_all_envelopes_of_a_batch_are_believed_in_any_order(size: int) -> None:
    envelopes = batch(size)
    chance = random.Random(size)
    for order in (list(range(size)), list(reversed(range(size))), chance.sample(range(size), size)):
        seals = Seals(SIGNER.public_key)
        for at in order:
            assert seals.signed(envelopes[at]) == (cid_of_block(b"%d" % at).raw, None)


def test_most_envelopes_take_no_more_than_their_leaf_and_a_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 0

    def digest(data: bytes) -> bytes:
        nonlocal count
        count += 1
        return original(data)

    original = digest_of
    monkeypatch.setattr("picomesh.ledger.seals.digest_of", digest)
    seals = Seals(SIGNER.public_key)
    for data in batch(64):
        assert seals.signed(data) is not None
    assert count <= 64 * 2 + 10


def test_the_envelopes_of_another_engine_are_not_believed() -> None:
    seals = Seals(SIGNER.public_key)
    for data in batch(5, signer=Signer(b"t" * 32)):
        assert seals.signed(data) is None


def lies(envelope: Envelope, chance: random.Random) -> list[Envelope]:
    """Envelopes that look like one of the batch, in each way in which they may not be it."""
    place = envelope.batch
    assert place is not None
    way = list(place.way)
    found = [
        replace(envelope, elapsed_us=envelope.elapsed_us + 1),
        replace(envelope, core=cid_of_block(b"another")),
        replace(envelope, signature=bytes(64)),
        replace(envelope, batch=None),
        replace(envelope, batch=Place(place.index, place.size, (*way, bytes(32)))),
        replace(envelope, batch=Place(place.index, place.size, tuple(way[:-1]))),
        replace(envelope, batch=Place(place.index, place.size, tuple(reversed(way)))),
        replace(envelope, batch=Place(place.index, place.size + 1, place.way)),
        replace(envelope, batch=Place(place.index ^ 1, place.size, place.way)),
        replace(envelope, batch=Place(chance.randrange(place.size), place.size, place.way)),
    ]
    for at in range(len(way)):
        other = bytes((way[at][0] ^ 1, *way[at][1:]))
        wrong = (*way[:at], other, *way[at + 1 :])
        found.append(replace(envelope, batch=Place(place.index, place.size, wrong)))
    return found


@pytest.mark.parametrize("size", [2, 3, 6, 16, 21])
def test_what_is_known_of_a_batch_makes_no_lie_believed(size: int) -> None:
    """Each lie is told when nothing is known, when some is known, and when all is."""
    chance = random.Random(size)
    envelopes = batch(size)
    for told in range(size):
        seals = Seals(SIGNER.public_key)
        for at in chance.sample(range(size), size):
            assert seals.signed(envelopes[at]) is not None
            for lie in lies(decode_envelope(envelopes[told]), chance):
                data = encode_envelope(lie)
                assert seals.signed(data) == expected(data)
        for data in envelopes:
            assert seals.signed(data) == expected(data), "and the truth is believed still"


def test_a_node_of_one_batch_says_nothing_of_another() -> None:
    first, second = batch(8), batch(8, first=100)
    seals = Seals(SIGNER.public_key)
    assert all(seals.signed(data) is not None for data in first + second)
    mixed = replace(decode_envelope(first[3]), signature=decode_envelope(second[3]).signature)
    assert seals.signed(encode_envelope(mixed)) is None


def test_damage_is_not_believed() -> None:
    envelopes = batch(8)
    seals = Seals(SIGNER.public_key)
    assert all(seals.signed(data) is not None for data in envelopes)
    data = envelopes[5]
    for at in range(len(data)):
        for bit in (1, 0x20, 0x80):
            damaged = data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :]
            assert seals.signed(damaged) is None
        assert seals.signed(data[:at]) is None
