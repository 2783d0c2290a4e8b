"""Blocks: one encoding for each, and nothing else is accepted."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes, parse_cid
from picomesh.ledger.codec import DEPTH_MAX, Block, decode_block, encode_block
from picomesh.ledger.errors import CodecError

LINK = b"\xd8\x2a\x58\x25\x00\x01\x71\x1e\x20" + bytes(32)

_texts = st.text(st.characters(codec="utf-8"), max_size=30)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | _texts
    | st.binary(max_size=300)
    | st.binary(max_size=40).map(cid_of_block)
    | st.binary(max_size=40).map(cid_of_bytes)
)
blocks = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_texts, inner, max_size=6)
)


@given(blocks)
def test_a_block_comes_back_as_it_went(block: Block) -> None:
    data = encode_block(block)
    assert decode_block(data) == block
    assert encode_block(decode_block(data)) == data


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_bytes_that_are_accepted_are_what_the_encoder_writes(data: bytes) -> None:
    try:
        block = decode_block(data)
    except CodecError:
        return
    assert encode_block(block) == data


@given(blocks, st.data())
def test_a_flipped_bit_gives_another_block_or_none(block: Block, data: st.DataObject) -> None:
    encoded = encode_block(block)
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[bit // 8] ^= 1 << (bit % 8)
    with contextlib.suppress(CodecError):
        assert encode_block(decode_block(bytes(flipped))) == bytes(flipped)


REFUSED = {
    "nothing": b"",
    "two-blocks": b"\x00\x00",
    "number-longer-than-needed": b"\x18\x17",
    "number-in-two-bytes-that-fits-one": b"\x19\x00\xff",
    "number-in-eight-bytes-that-fits-four": b"\x1b" + bytes(4) + b"\xff\xff\xff\xff",
    "negative-longer-than-needed": b"\x38\x00",
    "text-length-longer-than-needed": b"\x78\x01a",
    "indefinite-text": b"\x7fa\xff",
    "indefinite-list": b"\x9f\xff",
    "indefinite-map": b"\xbf\xff",
    "reserved-length": b"\x1c",
    "text-cut-short": b"\x63ab",
    "list-cut-short": b"\x82\x00",
    "list-of-billions": b"\x9a\xff\xff\xff\xff",
    "map-of-billions": b"\xba\xff\xff\xff\xff",
    "bytes-of-exabytes": b"\x5b" + b"\x7f" * 8,
    "text-not-utf8": b"\x61\xff",
    "text-a-surrogate": b"\x63\xed\xa0\x80",
    "key-not-text": b"\xa1\x00\x00",
    "keys-not-in-order": b"\xa2\x61b\x00\x61a\x00",
    "longer-key-before-shorter": b"\xa2\x62aa\x00\x61b\x00",
    "key-twice": b"\xa2\x61a\x00\x61a\x00",
    "float": b"\xfb\x3f\xf8" + bytes(6),
    "half-float": b"\xf9\x3e\x00",
    "undefined": b"\xf7",
    "simple-value": b"\xe0",
    "simple-value-in-two-bytes": b"\xf8\x16",
    "break": b"\xff",
    "another-tag": b"\xc1\x00",
    "big-number": b"\xc2\x49\x01" + bytes(8),
    "link-that-is-text": b"\xd8\x2a\x61a",
    "link-without-its-zero": b"\xd8\x2a\x58\x24" + LINK[5:],
    "link-to-a-sha256": LINK.replace(b"\x1e\x20", b"\x12\x20"),
    "link-tag-longer-than-needed": b"\xd9\x00" + LINK[1:],
}


def test_a_link_in_its_one_form_is_accepted() -> None:
    assert decode_block(LINK) == Cid(LINK[5:])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_canonical_is_refused(name: str) -> None:
    with pytest.raises(CodecError):
        decode_block(REFUSED[name])


def test_depth_is_accepted_up_to_the_limit_and_not_one_deeper() -> None:
    deepest = b"\x81" * DEPTH_MAX + b"\x00"
    assert encode_block(decode_block(deepest)) == deepest
    with pytest.raises(CodecError, match="deeper"):
        decode_block(b"\x81" + deepest)


def test_a_million_brackets_do_not_exhaust_the_stack() -> None:
    with pytest.raises(CodecError, match="deeper"):
        decode_block(b"\x81" * 1_000_000)


def test_a_block_beyond_the_size_limit_is_not_even_looked_at() -> None:
    assert decode_block(b"\x41a", bytes_max=2) == b"a"
    with pytest.raises(CodecError, match="limit"):
        decode_block(b"\x42ab", bytes_max=2)


def test_a_cid_has_one_text() -> None:
    cid = cid_of_block(b"\xa0")
    assert parse_cid(str(cid)) == cid
    assert str(cid).startswith("bafyr4i")
    text = str(cid)
    last = "abcdefghijklmnopqrstuvwxyz234567"
    spare = last[last.index(text[-1]) ^ 1]  # differs in bits that no byte holds
    for wrong in (text.upper(), text + "a", text[:-1], "z" + text[1:], text[:-1] + spare, "", "b1"):
        with pytest.raises(CodecError):
            parse_cid(wrong)


def test_a_cid_of_another_hash_or_length_is_refused() -> None:
    for raw in (b"", b"\x01\x71\x12\x20" + bytes(32), b"\x01\x71\x1e\x20" + bytes(31)):
        with pytest.raises(CodecError):
            Cid(raw)
