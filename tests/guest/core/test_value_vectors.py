"""The value encoding (docs/formats/value.md): guest and host against vectors and each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.core.harness import Guest, Thrown, shared_guest
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_value, encode_value

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "value"
DEPTH_MAX = 128


def vectors(*names: str) -> list[Any]:
    """The cases of these files as pytest parameters."""
    return [
        pytest.param(case, id=f"{name}: {case['name']}")
        for name in names
        for case in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    ]


def bytes_of(case: dict[str, Any]) -> bytes:
    repeated: str = case.get("repeated", "") * case.get("times", 0)
    return bytes.fromhex(repeated + case["bytes"])


def order_of(value: Value) -> Value:
    """The value with its maps as lists of pairs, so that order counts."""
    if isinstance(value, dict):
        return [[key, order_of(item)] for key, item in value.items()]
    return [order_of(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", vectors("accepted"))
def test_guest_and_host_read_and_write_the_same_bytes(case: dict[str, Any]) -> None:
    data = bytes_of(case)
    guest = Guest()
    assert guest.encode(guest.decode(data)) == data
    assert order_of(decode_value(data)) == order_of(case["value"])
    assert encode_value(case["value"]) == data


REFUSED = [path.stem for path in sorted(VECTORS.glob("refused-*.json"))]


@pytest.mark.parametrize("case", vectors(*REFUSED))
def test_guest_and_host_refuse_what_is_not_the_one_encoding(case: dict[str, Any]) -> None:
    data = bytes_of(case)
    guest = Guest()
    before = guest.memory_bytes()
    with pytest.raises(wasmtime.Trap):
        guest.decode(data)
    assert not guest.effects, "hostile bytes are no error of the ruleset"
    grown = guest.memory_bytes() - before
    assert grown < 1 << 20, "a lie about a length costs no memory"
    with pytest.raises(CodecError):
        decode_value(data)


def test_there_are_vectors_for_every_class_of_failure() -> None:
    page = (VECTORS.parents[2] / "docs" / "formats" / "value.md").read_text("utf-8")
    table = page.split("## 5.")[1].split("## 6.")[0]
    classes = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert [f"refused-{name}" for name in sorted(set(classes) - {"class"})] == REFUSED


KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(0, 30).map(str),
    st.sampled_from(["/", "01", "4294967294", "4294967295", "a", "b", "aa", ""]),
)
NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=40)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=12)),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_value_is_the_same_bytes_in_guest_and_host(value: Value) -> None:
    data = encode_value(value)
    guest = shared_guest()
    assert guest.encode(guest.decode(data)) == data


@settings(max_examples=150, deadline=None)
@given(VALUES, st.integers(0), st.integers(0, 255))
def test_a_changed_byte_is_refused_by_both_or_read_as_the_same_value(
    value: Value, place: int, byte: int
) -> None:
    data = bytearray(encode_value(value))
    data[place % len(data)] = byte
    changed = bytes(data)
    try:
        decode_value(changed)
    except CodecError:
        with pytest.raises(wasmtime.Trap):
            shared_guest().decode(changed)
    else:
        guest = shared_guest()
        assert guest.encode(guest.decode(changed)) == changed


@pytest.mark.parametrize("depth", [DEPTH_MAX, DEPTH_MAX + 1])
def test_the_guest_throws_before_it_writes_what_no_decoder_reads(depth: int) -> None:
    guest = Guest()
    guest.begin_event()
    value = guest.text("x")
    for _ in range(depth):
        value = guest.array(value)
    if depth == DEPTH_MAX:
        assert decode_value(guest.encode(value))
    else:
        with pytest.raises(Thrown, match="nested too deeply"):
            guest.encode(value)
