"""The binary codec: what canonical bytes hold comes back as the same bytes."""

from __future__ import annotations

import pytest

from abi import samples
from pico_abi import ModuleRefused
from pico_abi.wasm import (
    decode_module,
    encode_module,
    instruction,
    instructions,
    opcodes,
    read_sleb,
    read_uleb32,
    sleb,
    uleb,
)

EVERYTHING = samples.wat("""
(module
  (type $t (func (param i32 i64) (result f64)))
  (import "a" "f" (func $f (type $t)))
  (import "a" "g" (global i32))
  (memory (export "memory") 1 2)
  (table 3 3 funcref)
  (global $x (mut i64) (i64.const -5))
  (global f64 (f64.const 1.5))
  (func $h (export "h") (param i32) (result i32 i64)
    (local i32 i32 f64)
    (block $b (br_table $b $b 0 (local.get 0)))
    (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
    (drop (call_indirect (type $t) (i32.const 1) (i64.const 2) (i32.const 0)))
    (drop (f32.const nan:0x200001))
    (i32.store offset=70000 (local.get 0) (i32.const -1))
    (local.get 0) (i64.const 0x123456789abcdef))
  (elem (i32.const 1) $f $h)
  (data (i32.const 16) "hello")
  (@custom "note" (after code) "xyz"))
""")


def test_an_undisturbed_module_is_written_with_the_same_bytes() -> None:
    assert encode_module(decode_module(EVERYTHING)) == EVERYTHING


def test_every_instruction_is_written_with_the_same_bytes() -> None:
    for function in decode_module(EVERYTHING).functions:
        pieces = [instruction(i.opcode, *i.immediates) for i in instructions(function.body)]
        assert b"".join(pieces) == function.body


def test_a_function_knows_where_its_body_stands_in_the_file() -> None:
    for function in decode_module(EVERYTHING).functions:
        end = function.offset + len(function.body)
        assert EVERYTHING[function.offset : end] == function.body


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**32 - 1])
def test_unsigned_leb_comes_back(value: int) -> None:
    assert read_uleb32(uleb(value), 0) == (value, len(uleb(value)))


@pytest.mark.parametrize(
    "value", [0, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]
)
def test_signed_leb_comes_back(value: int) -> None:
    assert read_sleb(sleb(value), 0, 64) == (value, len(sleb(value)))


@pytest.mark.parametrize("raw", ["8080808010", "808080808000", "80", ""])
def test_overlong_or_cut_unsigned_leb_is_refused(raw: str) -> None:
    with pytest.raises(ModuleRefused):
        read_uleb32(bytes.fromhex(raw), 0)


@pytest.mark.parametrize("raw", ["8080808008", "ffffffff4f", "80808080808000", "ff", ""])
def test_overlong_or_cut_signed_leb_is_refused(raw: str) -> None:
    with pytest.raises(ModuleRefused):
        read_sleb(bytes.fromhex(raw), 0, 32)


def test_padded_leb_within_the_width_is_read() -> None:
    assert read_uleb32(bytes.fromhex("8180808000"), 0) == (1, 5)
    assert read_sleb(bytes.fromhex("ffffffff7f"), 0, 32) == (-1, 5)


def test_names_follow_the_text_format() -> None:
    assert opcodes.text_name(opcodes.I64_ADD) == "i64.add"
    assert opcodes.text_name(opcodes.CALL_INDIRECT) == "call_indirect"
    assert opcodes.text_name(opcodes.MEMORY_COPY) == "memory.copy"
