"""Events and outboxes are read by their shape: as the strict reader has them, or not at all."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.engine import inputs, replay
from picomesh.engine.inputs import Event, Input, decode_input, encode_input
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.errors import CodecError

EVENT = Event("c" * 26, "counter", "incremented", b"\xa1\x61a\x01", "ckt7" + "e" * 21, "host")
PIECES = [
    b"\x60",
    b"\x78\x17",
    b"\x78\x18",
    b"\x79\x00\x30",
    b"\x79",
    b"\x58\x05",
    b"\x7f",
    b"\xff",
]
PIECES += [
    b"\xc3\x28",
    b"\x18\x01",
    b"\x9b" + b"\xff" * 8,
    b"\x63eid",
    b"\x66domain",
    b"\xf5",
    b"\xa9",
]


def outcome(data: bytes) -> Input | tuple[type, str]:
    try:
        return inputs._decode_input(data)
    except CodecError as problem:
        return type(problem), str(problem)


def is_same(a: object, b: object) -> bool:
    """Events compare by identity nowhere, and by their fields here."""
    if not isinstance(a, Event) or not isinstance(b, Event):
        return a == b
    names = [item.name for item in fields(Event)]
    return all(getattr(a, name) == getattr(b, name) for name in names)


def check(data: bytes) -> None:
    found, expected = inputs._read_event(data), outcome(data)
    assert found is None or is_same(found, expected)
    if found is not None:
        assert encode_input(found) == data
    if isinstance(expected, tuple):
        with pytest.raises(expected[0]) as raised:
            decode_input(data)
        assert str(raised.value) == expected[1]
    else:
        assert is_same(decode_input(data), expected)


@settings(max_examples=200, deadline=None)
@given(
    st.builds(Event, *[st.text(max_size=300)] * 3, st.binary(max_size=300), st.text(), st.text())
)
def test_an_event_is_read_by_its_shape(event: Event) -> None:
    found = inputs._read_event(encode_input(event))
    assert found is not None and is_same(found, event)


def test_an_event_of_another_shape_is_read_all_the_same() -> None:
    timed = Event("e", "d", "n", b"", "i", "h", ["rid", "entry"])
    large = Event("e", "d", "n", bytes(70_000), "i", "h")
    for event in (timed, large):
        assert inputs._read_event(encode_input(event)) is None
        check(encode_input(event))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    block = encode_input(EVENT)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(block)))
        end = min(at + draw(st.sampled_from([0, 1, 1, 2, 4, 27])), len(block))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)))
        block = block[:at] + piece + block[end:]
    return block


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_no_event_is_read_that_the_strict_reader_refuses(data: bytes) -> None:
    check(data)


def test_every_byte_of_an_event_counts() -> None:
    data = encode_input(EVENT)
    for at in range(len(data)):
        for bit in range(8):
            check(data[:at] + bytes((data[at] ^ (1 << bit),)) + data[at + 1 :])
        check(data[:at])
        check(data[:at] + data[at : at + 1] + data[at:])


@pytest.mark.parametrize("value", [True, 1, -1, None, "text", b"bytes", ["a", "b"], [1], {"a": 1}])
def test_a_field_of_another_kind_is_refused_by_both(value: object) -> None:
    entries = decode_block(encode_input(EVENT))
    assert isinstance(entries, dict)
    for name in entries:
        check(encode_block({**entries, name: value}))  # type: ignore[dict-item]  # that is it


OUTBOX = encode_block(
    [
        ["directive", "counter", b"\xa1\x61a\x01"],
        ["send", "a ruleset with a name of some length \u00e9", bytes(300)],
    ]
)


def check_outbox(data: bytes) -> None:
    found = replay._read_outbox(data)
    try:
        expected = replay._decode_outbox(data)
    except CodecError as problem:
        assert found is None
        with pytest.raises(CodecError) as raised:
            replay.decode_outbox(data)
        assert str(raised.value) == str(problem)
        return
    assert found in (None, expected)
    assert replay.decode_outbox(data) == expected


def test_an_outbox_is_read_by_its_shape() -> None:
    found = replay._read_outbox(OUTBOX)
    assert found is not None and [kind for kind, _ in found] == ["directive", "send"]
    assert replay._read_outbox(b"\x80") == []
    check_outbox(encode_block([["k", "r", bytes(70_000)]]))
    check_outbox(encode_block([["k", "r", b""]] * 30))


def test_every_byte_of_an_outbox_counts() -> None:
    for block in (OUTBOX[:60], OUTBOX, b"\x80", b"\x81\x83\x61k\x61r\x41e"):
        for at in range(len(block)):
            for bit in (1, 2, 8, 0x20, 0x40, 0x80):
                check_outbox(block[:at] + bytes((block[at] ^ bit,)) + block[at + 1 :])
            check_outbox(block[:at])
            check_outbox(block[:at] + block[at : at + 1] + block[at:])
        check_outbox(block + b"\x00")
