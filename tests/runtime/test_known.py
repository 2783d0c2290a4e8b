"""Directives that are known by their beginning are exactly those that strict decoding accepts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picomesh.ledger.errors import CodecError
from picomesh.ledger.pieces import number
from picomesh.ledger.value import decode_plain, encode_plain, encode_value
from picomesh.transition import known
from picomesh.transition.known import is_known_directive, learn_directive

options = st.recursive(
    st.integers(-3, 70_000) | st.text(max_size=3) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "n", "/", "1", "zz"]), inner, max_size=3)
    ),
)


def directive(value: Any) -> bytes:
    return encode_plain({"kind": "directive", "name": "x", "rule": "r", "options": value})


def is_directive(effect: bytes) -> bool:
    try:
        return decode_plain(effect).get("kind") == "directive"
    except CodecError:
        return False


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    known._known.clear()


def test_a_counter_is_known_by_its_second_event() -> None:
    first = directive({"n": 1})
    assert not is_known_directive(first)
    learn_directive(first, decode_plain(first))
    for count in (0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1):
        assert is_known_directive(directive({"n": count}))
    for other in (directive({"m": 1}), directive({"n": -1}), directive({"n": 2**32}), b"", b"\x01"):
        assert not is_known_directive(other)


@pytest.mark.parametrize(
    "tail",
    ["1805", "190005", "1900ff", "1a00000001", "1a0000ffff", "1b0000000100000000", "20", "6101"],
)
def test_a_number_that_is_written_otherwise_is_not_known(tail: str) -> None:
    first = directive({"n": 1})
    learn_directive(first, decode_plain(first))
    assert not is_known_directive(first[:-1] + bytes.fromhex(tail))


@given(options, options, st.binary(max_size=6), st.integers(0, 2**33))
def test_what_is_known_is_what_decodes(one: Any, other: Any, tail: bytes, count: int) -> None:
    known._known.clear()
    first = directive(one)
    learn_directive(first, decode_plain(first))
    for stem in (first, directive(other)):
        for effect in (
            stem,
            stem[:-1] + tail,
            stem[:-1] + number(count),
            stem[:-2] + number(count),
        ):
            if is_known_directive(effect):
                assert is_directive(effect), effect.hex()
                assert encode_value(decode_plain(effect)["options"]) in effect


def test_only_so_many_are_remembered() -> None:
    for at in range(known.KNOWN_MAX + 10):
        effect = directive({"n": at, "s": "x" * (at % 7) + str(at), "z": 1})
        learn_directive(effect, decode_plain(effect))
    assert 0 < len(known._known) <= known.KNOWN_MAX
    long = directive({"a": "x" * known.EFFECT_BYTES_MAX, "n": 1})
    learn_directive(long, decode_plain(long))
    assert not is_known_directive(long)
