"""Values: JavaScript's numbers and map order in canonical bytes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.ledger.codec import DEPTH_MAX
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import (
    Encoded,
    Value,
    decode_plain,
    decode_value,
    encode_plain,
    encode_value,
    in_krl_order,
)

_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_keys = _texts | st.integers(0, 30).map(str) | st.just("/")
_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_leaves = st.none() | st.booleans() | _numbers | _texts
values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_keys, inner, max_size=5)
)


def as_krl(value: Value) -> Value:
    """The value with its maps in KRL's order and its numbers as KRL has them."""
    match value:
        case float() if value.is_integer() and abs(value) <= 2**53 - 1:
            return int(value)
        case list():
            return [as_krl(item) for item in value]
        case dict():
            return {key: as_krl(value[key]) for key in in_krl_order(list(value))}
        case _:
            return value


def shape(value: Value) -> object:
    """Unlike ==, sees the order of keys and tells 1 from True."""
    match value:
        case list():
            return [shape(item) for item in value]
        case dict():
            return [(key, shape(item)) for key, item in value.items()]
        case _:
            return type(value).__name__, value


@given(values)
def test_a_value_comes_back_with_its_order(value: Value) -> None:
    data = encode_value(value)
    assert shape(decode_value(data)) == shape(as_krl(value))
    assert encode_value(decode_value(data)) == data


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_bytes_that_are_accepted_are_what_the_encoder_writes(data: bytes) -> None:
    try:
        value = decode_value(data)
    except CodecError:
        return
    assert encode_value(value) == data


ENCODED: list[tuple[Value, bytes]] = [
    (0, b"\x00"),
    (0.0, b"\x00"),
    (-0.0, b"\x00"),
    (1.0, b"\x01"),
    (-1, b"\x20"),
    (1.5, b"\xfb\x3f\xf8" + bytes(6)),
    (2**53 - 1, b"\x1b\x00\x1f" + b"\xff" * 6),
    (2**53, b"\xfb\x43\x40" + bytes(6)),
    (10**400, b"\xf6"),
    (math.nan, b"\xf6"),
    (math.inf, b"\xf6"),
    (-math.inf, b"\xf6"),
    ("\ud800", b"\x63\xef\xbf\xbd"),
    ("\ud83d\ude00", b"\x64\xf0\x9f\x98\x80"),
    ({"b": 1, "aa": 2}, b"\xa2\x61b\x01\x62aa\x02"),
    ({"b": 1, "a": 2}, b"\xa1\x61/\x84\x61b\x01\x61a\x02"),
    ({"a": 1, "10": 2}, b"\xa1\x61/\x84\x6210\x02\x61a\x01"),
    ({"10": 1, "9": 2}, b"\xa2\x619\x02\x6210\x01"),
    ({"/": 1}, b"\xa1\x61/\x82\x61/\x01"),
    ({}, b"\xa0"),
]


@pytest.mark.parametrize(("value", "data"), ENCODED, ids=lambda item: repr(item)[:20])
def test_a_value_has_this_encoding(value: Value, data: bytes) -> None:
    assert encode_value(value) == data


REFUSED = {
    "integral-number-as-float": b"\xfb\x3f\xf0" + bytes(6),
    "minus-zero": b"\xfb\x80" + bytes(7),
    "not-a-number": b"\xfb\x7f\xf8" + bytes(6),
    "infinity": b"\xfb\x7f\xf0" + bytes(6),
    "short-float": b"\xf9\x3e\x00",
    "integer-beyond-doubles": b"\x1b\x00\x20" + bytes(6),
    "negative-beyond-doubles": b"\x3b\x00\x1f" + b"\xff" * 6,
    "byte-string": b"\x41a",
    "link": b"\xd8\x2a\x58\x25\x00\x01\x71\x1e\x20" + bytes(32),
    "undefined": b"\xf7",
    "map-in-an-order-krl-has-not": b"\xa2\x61a\x01\x6210\x02",
    "wrapped-though-canonical": b"\xa1\x61/\x84\x61a\x01\x61b\x02",
    "wrapped-empty-map": b"\xa1\x61/\x80",
    "wrapped-in-an-order-krl-has-not": b"\xa1\x61/\x84\x61a\x01\x619\x02",
    "wrapped-odd": b"\xa1\x61/\x83\x61b\x01\x61a",
    "wrapped-not-a-list": b"\xa1\x61/\x01",
    "wrapped-key-not-text": b"\xa1\x61/\x82\x01\x01",
    "wrapped-key-twice": b"\xa1\x61/\x84\x61b\x01\x61b\x01",
    "keys-not-in-order": b"\xa2\x61b\x00\x61a\x00",
    "more-behind": b"\x00\x00",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_the_one_encoding_is_refused(name: str) -> None:
    with pytest.raises(CodecError):
        decode_value(REFUSED[name])


def test_depth_is_accepted_up_to_the_limit_and_not_one_deeper() -> None:
    deepest: Value = 0
    for _ in range(DEPTH_MAX):
        deepest = [deepest]
    assert decode_value(encode_value(deepest)) == deepest
    with pytest.raises(CodecError, match="deeper"):
        encode_value([deepest])
    with pytest.raises(CodecError, match="deeper"):
        decode_value(b"\x81" * (DEPTH_MAX + 1) + b"\x00")


def test_a_key_with_half_a_character_is_refused() -> None:
    with pytest.raises(CodecError, match="surrogate"):
        encode_value({"\ud800": 1})


def test_an_envelope_is_a_plain_map_whatever_its_order() -> None:
    fields: dict[str, Value | Encoded] = {"txn": Encoded(b"\x01"), "eci": "x", "seed": b"\x00" * 3}
    assert encode_plain(fields) == b"\xa3\x63eci\x61x\x63txn\x01\x64seed\x43\x00\x00\x00"
    assert decode_plain(b"\xa2\x64rule\x01\x64kind\x02".replace(b"rule", b"aaaa")) == {
        "aaaa": 1,
        "kind": 2,
    }
    with pytest.raises(CodecError):
        decode_plain(b"\x80")
