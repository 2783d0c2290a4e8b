"""Blocks that are read by their shape: as the strict reader has them, or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.ledger import receipt
from picomesh.ledger.cid import cid_of_block, cid_of_bytes
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.receipt import (
    KINDS,
    OUTCOMES,
    Code,
    Core,
    Envelope,
    Place,
    Write,
    decode_core,
    decode_envelope,
    encode_core,
    encode_envelope,
    is_envelope_signed,
    seal,
)
from picomesh.ledger.signature import Signer

SIGNER = Signer(b"s" * 32)
NAME = cid_of_block(b"\xa0")
CODE = (Code("counter", cid_of_bytes(b"raw"), cid_of_bytes(b"metered")),)
CORE = Core(
    pico=str(NAME),
    seq=300,
    prev=cid_of_block(b"\x01"),
    kind="event",
    code=CODE,
    event=cid_of_block(b"\x02"),
    time=1_767_225_602_000,
    seed=bytes(range(32)),
    fuel_limit=1_000_000_000,
    pre=cid_of_block(b"\x03"),
    post=cid_of_block(b"\x04"),
    writes=(
        Write(b"ent/counter/a", cid_of_bytes(b"\x05")),
        Write(b"ent/counter/a-name-of-some-length", None),
    ),
    tape=cid_of_block(b"\x80"),
    outbox=cid_of_block(b"\x06"),
    outcome="ok",
    fuel=44_000,
)
ALONE = Envelope(
    core=cid_of_block(encode_core(CORE)),
    engine=SIGNER.public_key,
    backend="cranelift",
    versions={"python": "3.11.7", "picomesh": "0.1.0", "wasmtime": "50.0.1"},
    received_ms=1_767_225_602_000,
    elapsed_us=131,
    logs=None,
    signature=bytes(64),
)
AMONG = replace(ALONE, batch=Place(3, 5, (b"a" * 32, b"b" * 32, b"c" * 32)), logs=NAME)
# What decoders stumble over: heads of all kinds, longer than needed, negative, floats, tags.
PIECES = [
    *(bytes((first,)) for first in (0, 0x17, 0x18, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xF4, 0xF5, 0xF6)),
    *(b"\x18\x17", b"\x18\x18", b"\x19\x00\xff", b"\x1a\x00\x00\xff\xff", b"\x1b" + bytes(8)),
    *(b"\x3b" + b"\xff" * 8, b"\x9f", b"\xff", b"\xf9\x00\x00", b"\xfb" + bytes(8), b"\xd8\x2a"),
    *(b"\xd8\x2a\x58\x25\x00", b"\xd8\x2a\x58\x25\x01", b"\x9b" + b"\xff" * 8, b"\x81" * 200),
    *(b"\x01\x70\x1e\x20", b"\x01\x55\x1e\x20", b"\x01\x71\x12\x20", b"\xc3\x28", b"\x65batch"),
    *(b"\x69signature\x58\x40" + bytes(64), b"\x64fuel", b"\x66writes", b"\x67backend"),
]


def outcome(read: Callable[[bytes], object], data: bytes) -> object:
    try:
        return read(data)
    except CodecError as problem:
        return type(problem), str(problem)


def check_core(data: bytes) -> None:
    found = receipt._read_core(data)
    expected = outcome(receipt._decode_core, data)
    assert found is None or found == expected
    assert outcome(decode_core, data) == expected
    if found is not None:
        assert encode_core(found) == data


def check_envelope(data: bytes) -> None:
    found = receipt._read_envelope(data)
    expected = outcome(receipt._decode_envelope, data)
    assert found is None or found == expected
    assert outcome(decode_envelope, data) == expected
    if found is not None:
        assert encode_envelope(found) == data
        assert is_envelope_signed(found) == is_envelope_signed(replace(found))


@st.composite
def mutated(draw: st.DrawFn, block: bytes) -> bytes:
    """A block in which some bytes are others, more or fewer."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(block)))
        end = min(at + draw(st.sampled_from([0, 0, 1, 1, 2, 4, 34, 41])), len(block))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)))
        block = block[:at] + piece + block[end:]
    return block


def base(block: bytes) -> bytes:
    """A block whose code or sender was met before, as it is with the second of many."""
    (decode_core if block[0] == 0xB2 else decode_envelope)(block)
    return block


@pytest.mark.parametrize(
    "core",
    [
        *(replace(CORE, kind=kind) for kind in KINDS),
        *(replace(CORE, outcome=name) for name in OUTCOMES),
        *(replace(CORE, seq=number) for number in (0, 23, 24, 255, 256, 65535, 65536, 2**32)),
        replace(CORE, prev=None),
        replace(CORE, writes=()),
        replace(CORE, writes=(Write(b"e", None),)),
    ],
)
def test_a_core_is_read_by_its_shape(core: Core) -> None:
    data = base(encode_core(core))
    assert receipt._read_core(data) == core


@pytest.mark.parametrize("envelope", [ALONE, AMONG, replace(AMONG, elapsed_us=0)])
def test_an_envelope_is_read_by_its_shape(envelope: Envelope) -> None:
    data = base(encode_envelope(envelope))
    assert receipt._read_envelope(data) == envelope


@pytest.mark.parametrize(
    "core",
    [
        replace(CORE, pico="not a name"),
        replace(CORE, time=-1),
        replace(CORE, writes=(Write(b"p" * 300, None),)),
        replace(CORE, writes=tuple(Write(b"ent/%03d" % at, None) for at in range(30))),
        replace(CORE, code=(Code("dfuel", NAME, NAME),)),
        replace(CORE, code=()),
    ],
)
def test_a_core_of_another_shape_is_read_all_the_same(core: Core) -> None:
    assert decode_core(base(encode_core(core))) == core
    check_core(encode_core(core))


@settings(max_examples=400, deadline=None)
@given(mutated(base(encode_core(CORE))))
def test_no_core_is_read_that_the_strict_reader_refuses(data: bytes) -> None:
    check_core(data)


@settings(max_examples=400, deadline=None)
@given(st.one_of(*(mutated(base(encode_envelope(item))) for item in (ALONE, AMONG))))
def test_no_envelope_is_read_that_the_strict_reader_refuses(data: bytes) -> None:
    check_envelope(data)


@pytest.mark.parametrize("block", [CORE, AMONG, ALONE])
def test_every_byte_of_a_block_counts(block: Core | Envelope) -> None:
    """Each byte once with a bit turned, each place cut off, each byte twice."""
    is_core = isinstance(block, Core)
    data = base(encode_core(block) if isinstance(block, Core) else encode_envelope(block))
    check = check_core if is_core else check_envelope
    chance = random.Random(7)
    for at in range(len(data)):
        check(data[:at] + bytes((data[at] ^ (1 << chance.randrange(8)),)) + data[at + 1 :])
        check(data[:at])
        check(data[:at] + data[at : at + 1] + data[at:])
    check(data + b"\x00")


@pytest.mark.parametrize("value", [True, False, -1, "1", b"1", None, 2, [1], {"a": 1}, 2**64 - 1])
def test_a_field_of_another_kind_is_refused_by_both(value: object) -> None:
    for block, check in ((encode_core(CORE), check_core), (encode_envelope(AMONG), check_envelope)):
        entries = decode_block(base(block))
        assert isinstance(entries, dict)
        for name in entries:
            check(encode_block({**entries, name: value}))  # type: ignore[dict-item]  # that is it


def test_true_is_no_version() -> None:
    for block, decode in (
        (encode_core(CORE), decode_core),
        (encode_envelope(AMONG), decode_envelope),
    ):
        entries = decode_block(block)
        assert isinstance(entries, dict)
        with pytest.raises(CodecError, match="version True"):
            decode(encode_block({**entries, "v": True}))


def test_what_was_signed_is_seen_in_the_block() -> None:
    sealed = seal(encode_core(CORE), ALONE, SIGNER)
    decode_envelope(sealed.envelope_bytes)
    again = decode_envelope(sealed.envelope_bytes)
    assert again.message is not None and is_envelope_signed(again)
    assert not is_envelope_signed(replace(again, elapsed_us=1)), "another envelope, another message"


def test_long_hostile_blocks_are_refused_in_time() -> None:
    """Patterns must not try their parts in all ways."""
    sealed = encode_envelope(AMONG)
    at = sealed.index(b"\x67backend")
    for filling in (b"\x69signature\x58\x40", b"\x58\x20" + bytes(32), b"\x67backend", b"\x64fuel"):
        many = filling * (1_000_000 // len(filling))
        started = time.process_time()
        check_envelope(sealed[:at] + b"\x67backend" + many)
        check_envelope(sealed[:at] + many + sealed[at:])
        check_core(encode_core(CORE)[:60] + many)
        assert time.process_time() - started < 2
