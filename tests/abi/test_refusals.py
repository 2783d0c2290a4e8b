"""What the gate refuses, named after the attack or the feature the profile leaves out."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import wasmtime

import pico_abi
from abi.generator import generate
from abi.samples import handling, host, module, wat
from pico_abi import ModuleRefused
from pico_abi.wasm import (
    CustomSection,
    Export,
    Function,
    decode_module,
    encode_module,
    instruction,
    uleb,
)
from pico_abi.wasm import opcodes as op

RUN = "i32.const 0"

REFUSED_TEXTS = {
    "unknown import": module('(import "env" "clock" (func))'),
    "WASI import": module('(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32)))'),
    "host function of another type": module(
        '(import "picomesh:pico/state@1.0.0" "get" (func (param i32)))'
    ),
    "host function of another version": module(
        '(import "picomesh:pico/effects@2.0.0" "emit" (func (param i32 i32)))'
    ),
    "import twice": module(host("effects", "emit", 2, "a") + host("effects", "emit", 2, "b")),
    "imported memory": wat('(module (import "a" "m" (memory 1 1)))'),
    "imported global": module('(import "a" "g" (global i32))'),
    "imported table": module('(import "a" "t" (table 1 1 funcref))'),
    "start function": module("(func $s) (start $s)"),
    "memory without a maximum": module(memory='(memory (export "memory") 1)'),
    "memory minimum above maximum": module(memory='(memory (export "memory") 2 1)'),
    "two memories": module("(memory 1 1)"),
    "64-bit memory": module(memory='(memory (export "memory") i64 1 1)'),
    "shared memory": module(memory='(memory (export "memory") 1 1 shared)'),
    "memory bomb": module(memory='(memory (export "memory") 1 65536)'),
    "no memory": module(memory=""),
    "memory not exported": module(memory="(memory 1 1)"),
    "table without a maximum": module("(table 1 funcref)"),
    "table bomb": module("(table 1 10000000 funcref)"),
    "two tables": module("(table 1 1 funcref) (table 1 1 funcref)"),
    "table of external references": module("(table 1 1 externref)"),
    "table.grow": handling(
        "(drop (table.grow 0 (ref.null func) (i32.const 1)))" + RUN, parts="(table 1 2 funcref)"
    ),
    "table.get": handling("(drop (table.get 0 (i32.const 0)))" + RUN, parts="(table 1 1 funcref)"),
    "table.set": handling(
        "(table.set 0 (i32.const 0) (ref.null func))" + RUN, parts="(table 1 1 funcref)"
    ),
    "table.copy": handling(
        "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))" + RUN,
        parts="(table 1 1 funcref)",
    ),
    "ref.null": handling("(drop (ref.null func))" + RUN),
    "ref.func": handling("(drop (ref.func $handle))" + RUN),
    "typed select": handling("(select (result i32) i32.const 0 i32.const 1 i32.const 2)"),
    "SIMD": handling("(drop (v128.const i64x2 0 0))" + RUN),
    "atomics": handling("(atomic.fence)" + RUN),
    "tail call": handling("(return_call $handle (i32.const 0) (i32.const 0))"),
    "exceptions": handling("(block $b (try_table (catch_all $b))) " + RUN),
    "exception tag": module("(tag)"),
    "garbage collected struct": module("(type (struct (field i32)))"),
    "memory.init": handling(
        "(memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0))" + RUN, parts='(data "x")'
    ),
    "data.drop": handling("(data.drop 0)" + RUN, parts='(data "x")'),
    "passive data": module('(data "x")'),
    "passive elements": module("(table 1 1 funcref) (elem func 0)"),
    "declared elements": module("(elem declare func 0)"),
    "data at a global's address": module('(global i32 (i32.const 0)) (data (global.get 0) "x")'),
    "extended constant": module("(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    "data out of bounds": module('(data (i32.const 65536) "x")'),
    "data at a negative address": module('(data (i32.const -1) "xx")'),
    "elements out of bounds": module("(table 1 9 funcref) (elem (i32.const 1) 0)"),
    "overlapping data segments": module('(data (i32.const 8) "abcd") (data (i32.const 11) "e")'),
    "overlapping element segments": module(
        "(table 2 2 funcref) (elem (i32.const 0) 0 1) (elem (i32.const 1) 0)"
    ),
    "guest exports a fuel name": module('(global (export "pico-1:fuel") (mut i64) (i64.const 0))'),
    "guest exports any reserved name": module('(func (export "pico-1:anything"))'),
    "handle of another type": module(handle='(func (export "handle") (param i32))'),
    "handle is a global": module(handle='(global (export "handle") i32 (i32.const 0))'),
    "no handle": module(handle=""),
    "result of another type": handling("i64.const 0"),
    "operand left over": handling("i32.const 0 i32.const 0"),
    "nothing on the stack": handling("i32.add"),
    "write to a constant": handling(
        "(global.set 0 (i32.const 1))" + RUN, parts="(global i32 (i32.const 0))"
    ),
    "if without else that makes a value": handling(
        "(if (result i32) (i32.const 1) (then i32.const 1))"
    ),
    "branch carries nothing": handling("(block (result i32) (br 0))"),
    "table of branches of unlike labels": handling(
        "(block $a (block $b (result i32) (br_table $a $b (i32.const 0) (i32.const 0))) drop)" + RUN
    ),
}


@pytest.mark.parametrize("attack", REFUSED_TEXTS)
def test_the_gate_refuses(attack: str) -> None:
    with pytest.raises(ModuleRefused) as refused:
        pico_abi.validate(REFUSED_TEXTS[attack])
    assert 0 <= refused.value.offset <= len(REFUSED_TEXTS[attack])
    assert refused.value.reason in str(refused.value)


def test_the_sample_around_every_refusal_is_admitted() -> None:
    pico_abi.validate(module())
    pico_abi.validate(handling(RUN, parts="(table 1 1 funcref) (global i32 (i32.const 0))"))


ADMITTED_TEXTS = {
    "host functions": handling(
        "(call $put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))" + RUN,
        parts=host("state", "put", 4, "put"),
    ),
    "several results": module("(func (result i32 i64 f32 f64) unreachable)"),
    "block with parameters": handling("(i32.const 1) (block (param i32) (result i32))"),
    "sign extension": handling("(i32.extend8_s (i32.const 255))"),
    "saturating conversion": handling("(i32.trunc_sat_f64_s (f64.const nan))"),
    "memory.copy": handling("(memory.copy (i32.const 0) (i32.const 1) (i32.const 2))" + RUN),
    "memory.fill": handling("(memory.fill (i32.const 0) (i32.const 1) (i32.const 2))" + RUN),
    "memory.grow": handling("(memory.grow (i32.const 1))"),
    "call_indirect": handling(
        "(call_indirect (type $t) (i32.const 0))",
        parts="(type $t (func (result i32))) (table 1 1 funcref)",
    ),
    "mutable global": handling(
        "(global.set 0 (i32.const 1))" + RUN, parts="(global (mut i32) (i32.const 0))"
    ),
    "segments side by side": module('(data (i32.const 0) "ab") (data (i32.const 2) "c")'),
    "empty segment at the end of memory": module('(data (i32.const 65536) "")'),
    "unreachable code of any type": handling("unreachable i32.add drop f64.neg drop"),
    "operands left at a return": handling("i64.const 1 i32.const 2 return"),
    "operands left at a branch": handling("(block (result i32) i64.const 1 i32.const 2 br 0)"),
}


@pytest.mark.parametrize("feature", ADMITTED_TEXTS)
def test_the_gate_admits_and_the_checker_agrees(feature: str) -> None:
    pico_abi.validate(ADMITTED_TEXTS[feature])
    pico_abi.check(pico_abi.meter(ADMITTED_TEXTS[feature]))


def body(code: bytes) -> bytes:
    """A module whose last function, () -> (), has these bytes as its body."""
    base = decode_module(module("(type (func))"))
    added = Function(0, (), code)
    return encode_module(replace(base, functions=(*base.functions, added)))


REFUSED_BODIES = {
    "no end": bytes((op.NOP,)),
    "two ends": bytes((op.END, op.END)),
    "else without if": bytes((op.BLOCK, 0x40, op.ELSE, op.END, op.END)),
    "two elses": bytes.fromhex("4100 0440 05 05 0b 0b"),
    "opcode that does not exist": b"\x27\x0b",
    "prefixed opcode that does not exist": b"\xfc\x7f\x0b",
    "overlong index": b"\x20\x80\x80\x80\x80\x80\x00\x1a\x0b",
    "index past 32 bits": b"\x20\xff\xff\xff\xff\x1f\x1a\x0b",
    "overlong constant": b"\x41\x80\x80\x80\x80\x80\x00\x1a\x0b",
    "constant past 32 bits": b"\x41\xff\xff\xff\xff\x4f\x1a\x0b",
    "constant past 64 bits": b"\x42\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x0b",
    "padded block type": b"\x02\xc0\x7f\x0b\x0b",
    "block of a missing type": b"\x02\xff\x7f\x0b\x0b",
    "block of a reference type": b"\x02\x70\x0b\x0b",
    "cut constant": b"\x44\x00\x00",
    "branch table that announces four billion labels": b"\x41\x00\x0e\xff\xff\xff\xff\x0f\x0b",
    "call of a missing function": b"\x10\x7f\x0b",
    "call without a table": b"\x41\x00\x11\x00\x00\x0b",
    "branch past the function": b"\x0c\x01\x0b",
    "local that is not there": b"\x20\x00\x1a\x0b",
    "global that is not there": b"\x23\x00\x1a\x0b",
    "alignment beyond the access": b"\x41\x00\x28\x03\x00\x1a\x0b",
    "alignment that names a memory": b"\x41\x00\x28\x42\x00\x00\x1a\x0b",
    "memory index that is not zero": b"\x3f\x01\x1a\x0b",
    "padded memory index": b"\x3f\x80\x00\x1a\x0b",
}


@pytest.mark.parametrize("attack", REFUSED_BODIES)
def test_the_gate_refuses_a_body_with(attack: str) -> None:
    with pytest.raises(ModuleRefused):
        pico_abi.validate(body(REFUSED_BODIES[attack]))


def test_padded_integers_of_linkers_are_admitted() -> None:
    pico_abi.validate(body(b"\x41\x80\x80\x80\x80\x00\x1a\x0b"))


def section(number: int, payload: bytes) -> bytes:
    return b"\0asm\1\0\0\0" + bytes((number,)) + uleb(len(payload)) + payload


HUGE = b"\xff\xff\xff\xff\x0f"
REFUSED_FILES = {
    "nothing": b"",
    "another version": b"\0asm\2\0\0\0",
    "a component": b"\0asm\x0d\0\1\0",
    "a section past the end": b"\0asm\1\0\0\0\x01\x7f\x00",
    "four billion types": section(1, HUGE),
    "four billion parameters": section(1, b"\x01\x60" + HUGE),
    "four billion imports": section(2, HUGE),
    "a name of four billion bytes": section(2, b"\x01" + HUGE),
    "a name that is not UTF-8": section(2, b"\x01\x01\xff\x01a\x00\x00"),
    "four billion functions": section(3, HUGE),
    "four billion globals": section(6, HUGE),
    "four billion exports": section(7, HUGE),
    "four billion elements": section(9, b"\x01\x00\x41\x00\x0b" + HUGE),
    "four billion bodies": section(10, HUGE),
    "a body of four billion bytes": section(10, b"\x01" + HUGE),
    "a segment of four billion bytes": section(11, b"\x01\x00\x41\x00\x0b" + HUGE),
    "an unknown section": section(14, b""),
    "a tag section": section(13, b"\x01\x00\x00"),
    "bytes left in a section": section(1, b"\x00\x00"),
    "bodies without functions": section(10, b"\x01\x02\x00\x0b"),
    "functions without bodies": section(3, b"\x01\x00"),
    "the same section twice": section(1, b"\x00") + b"\x01\x01\x00",
    "sections out of order": section(3, b"\x00") + b"\x01\x01\x00",
    "an overlong section size": b"\0asm\1\0\0\0\x01\x80\x80\x80\x80\x80\x00",
}


@pytest.mark.parametrize("attack", REFUSED_FILES)
def test_the_gate_refuses_a_file_with(attack: str) -> None:
    with pytest.raises(ModuleRefused):
        pico_abi.validate(REFUSED_FILES[attack])


def test_fifty_thousand_locals_are_refused() -> None:
    base = decode_module(module())
    runs = ((50_000, 0x7F),)
    added = replace(base.functions[0], locals=runs)
    with pytest.raises(ModuleRefused, match="50004 locals"):
        pico_abi.validate(encode_module(replace(base, functions=(added, *base.functions[1:]))))


def test_locals_that_sum_past_every_integer_are_refused() -> None:
    base = decode_module(module())
    added = replace(base.functions[0], locals=((2**32 - 1, 0x7E),) * 50)
    with pytest.raises(ModuleRefused, match="locals"):
        pico_abi.validate(encode_module(replace(base, functions=(added, *base.functions[1:]))))


def test_forty_thousand_nested_blocks_are_refused_without_recursion() -> None:
    with pytest.raises(ModuleRefused, match="deeper"):
        pico_abi.validate(body(b"\x02\x40" * 40_000 + b"\x0b" * 40_001))


def test_an_export_of_a_missing_function_is_refused() -> None:
    base = decode_module(module())
    with pytest.raises(ModuleRefused, match="not there"):
        pico_abi.validate(encode_module(replace(base, exports=(*base.exports, Export("x", 0, 99)))))


def test_custom_sections_anywhere_are_admitted_and_kept() -> None:
    base = decode_module(module())
    sections = tuple(CustomSection("note", bytes((at,)), at) for at in (0, 1, 3, 7, 10))
    raw = encode_module(replace(base, customs=sections))
    pico_abi.validate(raw)
    assert decode_module(pico_abi.meter(raw)).customs == sections


RICH = generate(5)
ENGINE = wasmtime.Engine()


def test_a_module_cut_anywhere_is_refused_and_nothing_else() -> None:
    data = encode_module(replace(decode_module(RICH), data=()))
    for end in range(len(RICH)):
        if RICH[:end] != data:  # what is left without the last section is a module
            with pytest.raises(ModuleRefused):
                pico_abi.validate(RICH[:end])


def test_a_flipped_bit_is_refused_or_gives_a_valid_module_and_nothing_else() -> None:
    rng = random.Random(7)
    for _ in range(400):
        flipped = bytearray(RICH)
        for _ in range(rng.randint(1, 3)):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        try:
            metered = pico_abi.meter(bytes(flipped))
        except ModuleRefused:
            continue
        pico_abi.check(metered)
        wasmtime.Module.validate(ENGINE, flipped)
        wasmtime.Module.validate(ENGINE, metered)


def test_random_bytes_are_refused_and_nothing_else() -> None:
    rng = random.Random(8)
    for _ in range(300):
        junk = b"\0asm\1\0\0\0" + rng.randbytes(rng.randint(0, 60))
        with pytest.raises(ModuleRefused):
            pico_abi.validate(junk)


def test_a_verdict_does_not_depend_on_what_was_validated_before() -> None:
    """The same body, first where its callee takes an i32, then where it takes an i64."""
    caller = "(func (call $f (i32.const 1)))"
    good = module(f"(func $f (param i32)) {caller}")
    bad = module(f"(func $f (param i64)) {caller}")
    assert decode_module(good).functions[1].body == decode_module(bad).functions[1].body
    pico_abi.validate(good)
    with pytest.raises(ModuleRefused):
        pico_abi.validate(bad)
    pico_abi.validate(good)


def test_what_the_gate_admits_the_engine_can_compile() -> None:
    for raw in ADMITTED_TEXTS.values():
        wasmtime.Module.validate(ENGINE, raw)
        wasmtime.Module.validate(ENGINE, pico_abi.meter(raw))


def test_instructions_of_one_function_are_not_read_from_the_next() -> None:
    with pytest.raises(ModuleRefused):
        pico_abi.validate(body(instruction(op.BLOCK, -64) + bytes((op.END,))))
