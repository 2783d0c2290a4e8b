"""The kernel believes no byte that Python's readers would not believe."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from picomesh.kernel.library import Library, find_library
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.errors import CodecError
from picomesh.ledger.tree import NODE_PATHS_MAX, Tree, decode_node, layer_of
from picomesh.ledger.value import decode_plain, encode_plain, encode_value
from picomesh.sandbox.interface import GuestTrap
from picomesh.transition.attempt import rules_of

DEPTH_MAX = 128
WRAPPED_KEYS_MAX = 64


def library() -> Library:
    found = find_library()
    assert found is not None, "python runtime/picomesh/kernel/build.py makes it"
    return found


KERNEL = library()


def test_digests_are_those_of_the_library() -> None:
    """Every length around what the kernel hashes itself, up to one chunk, and beyond."""
    out = ctypes.create_string_buffer(32)
    for count in [*range(1_100), 2_048, 2_049, 100_000]:
        data = bytes((7 * at + count) % 251 for at in range(count))
        KERNEL.digest(data, count, ctypes.addressof(out))
        assert out.raw == blake3(data).digest(), count


def believed(read: Callable[[bytes], Any], data: bytes) -> bool:
    try:
        read(data)
    except (CodecError, GuestTrap):
        return False
    return True


def check_message(data: bytes) -> None:
    assert bool(KERNEL.is_message(data, len(data))) == believed(decode_plain, data), data.hex()


_keys = st.sampled_from(["", "a", "b", "aa", "/", "0", "7", "07", "10", "4294967295", "ä", "kind"])
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=30)
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5)
)
_messages = st.dictionaries(_keys.filter(str.isascii), _values, max_size=5)
_changes = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=3)


def changed(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    out = bytearray(data)
    for at, byte in changes:
        if out:
            out[at % len(out)] = byte
    return bytes(out)


@given(_messages, _changes)
@settings(max_examples=600, deadline=None)
def test_a_message_is_one_for_both_or_for_none(
    message: dict[str, Any], changes: list[tuple[int, int]]
) -> None:
    check_message(changed(encode_plain(message), changes))


@given(_messages, st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_another_encoder_writes_is_read_alike(
    message: dict[str, Any], canonical: bool
) -> None:
    check_message(cbor2.dumps(message, canonical=canonical))


@given(st.binary(max_size=40))
@settings(max_examples=600, deadline=None)
@example(b"")
@example(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff")
def test_random_bytes_and_lengths_that_lie_are_no_message(data: bytes) -> None:
    check_message(data)
    check_message(b"\xa1\x61a" + data)


@pytest.mark.parametrize("depth", [DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1])
def test_a_depth_bomb_goes_as_deep_as_the_limit_for_both(depth: int) -> None:
    check_message(b"\xa1\x61a" + b"\x81" * (depth - 1) + b"\x00")
    check_message(b"\xa1\x61a" + b"\x81" * (depth - 1) + b"\x80")
    check_message(b"\xa1\x61a" + b"\xa1\x61b" * (depth - 1) + b"\x00")
    check_message(b"\xa1\x61a" + b"\xa1\x61/\x82\x61a" * (depth // 2) + b"\x00")


def test_a_map_in_an_order_of_its_own_is_read_up_to_a_number_of_keys() -> None:
    """Each key is compared with all before it; more of them are left to Python."""
    for count, expected in ((WRAPPED_KEYS_MAX, True), (WRAPPED_KEYS_MAX + 1, False)):
        keys = [f"k{count - at:04}" for at in range(count)]
        data = encode_plain({"a": dict.fromkeys(keys, 1)})
        assert believed(decode_plain, data)
        assert bool(KERNEL.is_message(data, len(data))) is expected


_rules = st.lists(st.lists(st.text(max_size=3) | st.booleans(), max_size=3), max_size=4)


@given(_rules, _changes)
@settings(max_examples=400, deadline=None)
def test_a_list_of_rules_is_one_for_both_or_for_none(
    rules: Any, changes: list[tuple[int, int]]
) -> None:
    data = changed(encode_value(rules), changes)
    assert bool(KERNEL.is_list_of_rules(data, len(data))) == believed(rules_of, data), data.hex()


class Memory(dict[Any, bytes]):
    def block(self, cid: Any) -> bytes:
        return self[cid]


def nodes_of(paths: list[bytes]) -> list[bytes]:
    tree = Tree(Memory())
    for path in paths:
        tree.put(path, cid_of_bytes(path))
    return list(tree.flush()[1].values())


def check_node(data: bytes) -> None:
    assert bool(KERNEL.is_node(data, len(data))) == believed(read_node, data), data.hex()


def read_node(data: bytes) -> None:
    if not decode_node(data).paths:
        raise CodecError("an empty node is in no tree")


@given(st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=40), _changes)
@settings(max_examples=300, deadline=None)
def test_a_node_is_one_for_both_or_for_none(
    paths: list[bytes], changes: list[tuple[int, int]]
) -> None:
    for data in nodes_of(paths):
        check_node(data)
        check_node(changed(data, changes))
        check_node(data[:-1])
        check_node(data + b"\xf6")


@pytest.mark.parametrize("length", [4096, 4097])
def test_a_path_is_as_long_as_the_limit_for_both(length: int) -> None:
    path = b"x" * length
    link = b"\xd8\x2a\x58\x25\x00" + cid_of_bytes(b"").raw
    check_node(b"\x82\xf6\x84\x00\x59" + length.to_bytes(2, "big") + path + link + b"\xf6")


@pytest.mark.parametrize("count", [NODE_PATHS_MAX, NODE_PATHS_MAX + 1])
def test_a_node_is_as_wide_as_the_limit_for_both(count: int) -> None:
    numbers = (b"%06d" % at for at in range(10 * count))
    paths = [path for path in numbers if layer_of(path) == 0][:count]
    link = b"\xd8\x2a\x58\x25\x00" + cid_of_bytes(b"").raw
    out, before = b"\x99" + (count + 1).to_bytes(2, "big") + b"\xf6", b""
    for path in paths:
        shared = next((at for at in range(6) if before[at : at + 1] != path[at : at + 1]), 6)
        rest = path[shared:]
        out += b"\x84" + bytes((shared, 0x40 + len(rest))) + rest + link + b"\xf6"
        before = path
    check_node(out)
    assert bool(KERNEL.is_node(out, len(out))) is (count == NODE_PATHS_MAX)


@pytest.mark.parametrize("shared", [0, 1, 2, 3, 200])
def test_a_path_that_is_shortened_too_little_or_too_much_is_in_no_node(shared: int) -> None:
    paths = [path for path in (b"ab%d" % at for at in range(100)) if layer_of(path) == 0][:2]
    link = b"\xd8\x2a\x58\x25\x00" + cid_of_bytes(b"").raw
    first = b"\x84\x00" + bytes((0x40 + len(paths[0]),)) + paths[0] + link + b"\xf6"
    rest = paths[1][shared:] or b"x"
    number = bytes((shared,)) if shared < 24 else bytes((24, shared))
    second = b"\x84" + number + bytes((0x40 + len(rest),)) + rest + link + b"\xf6"
    check_node(b"\x83\xf6" + first + second)
