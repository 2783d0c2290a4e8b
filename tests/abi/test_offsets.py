"""From a place in metered code back to the raw code it comes from: what a source map needs."""

from __future__ import annotations

import pytest
import wasmtime

import pico_abi
from abi.engines import engine
from abi.generator import generate
from abi.samples import handling, host, module
from pico_abi.contract import FUEL_EXPORT, STACK_EXPORT
from pico_abi.wasm import decode_module, instructions
from pico_abi.wasm import opcodes as op


def trap_offset(metered: bytes, fuel: int, stack: int = 10_000) -> int:
    """The module offset wasmtime reports for the innermost frame."""
    store = wasmtime.Store(engine("cranelift"))
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, metered), []).exports(store)
    for name, value in ((FUEL_EXPORT, fuel), (STACK_EXPORT, stack)):
        counter = exports[name]
        assert isinstance(counter, wasmtime.Global)
        counter.set_value(store, value)
    handle = exports["handle"]
    assert isinstance(handle, wasmtime.Func)
    with pytest.raises(wasmtime.Trap) as trap:
        handle(store, 0, 0)
    offset = trap.value.frames[0].module_offset
    assert offset is not None
    return offset


def offset_of(raw: bytes, opcode: int, nth: int = 0) -> int:
    """Where the nth instruction of that opcode of the last function stands in the module."""
    function = decode_module(raw).functions[-1]
    found = [item for item in instructions(function.body) if item.opcode == opcode]
    return function.offset + found[nth].offset


DIVISION = handling(
    "(loop $l (br_if $l (local.tee 0 (i32.and (local.get 1) (i32.const 0)))))"
    "(i32.store (i32.const 0) (i32.const 1))"
    "(i32.div_u (i32.const 1) (i32.load (i32.const 4)))"
)

ROUNDS = handling("(loop $l (br $l)) i32.const 0")
CALL = handling("(call $handle (i32.const 1) (i32.const 2))")


def test_a_trap_in_metered_code_is_found_in_raw_code() -> None:
    found = trap_offset(pico_abi.meter(DIVISION), 1_000)
    assert pico_abi.offset_map(DIVISION).raw_offset(found) == offset_of(DIVISION, op.I32_DIV_U)


def test_running_out_of_fuel_is_found_at_the_loop_that_noticed() -> None:
    found = trap_offset(pico_abi.meter(ROUNDS), 10)
    raw = pico_abi.offset_map(ROUNDS).raw_offset(found)
    assert raw == offset_of(ROUNDS, op.LOOP) + 2


def test_a_stop_in_front_of_a_block_is_found_at_the_block_that_did_not_run() -> None:
    found = trap_offset(pico_abi.meter(DIVISION, every_block=True), 10)
    after = offset_of(DIVISION, op.END)  # of the loop; the block goes on behind it
    raw = pico_abi.offset_map(DIVISION, every_block=True).raw_offset(found)
    assert raw is not None and offset_of(DIVISION, op.BR_IF) < raw <= after


def test_running_out_of_stack_is_found_at_the_start_of_the_function() -> None:
    found = trap_offset(pico_abi.meter(CALL), 1_000, stack=3)
    start = decode_module(CALL).functions[-1].offset
    assert pico_abi.offset_map(CALL).raw_offset(found) == start


def test_functions_in_front_of_imports_have_no_raw_code() -> None:
    raw = module(host("effects", "emit", 2, "emit"))
    thunk = decode_module(pico_abi.meter(raw)).functions[-1]
    assert pico_abi.offset_map(raw).raw_offset(thunk.offset + 3) is None
    assert pico_abi.offset_map(raw).raw_offset(0) is None


@pytest.mark.parametrize("seed", range(10))
def test_every_copied_instruction_maps_to_its_own_bytes(seed: int) -> None:
    raw = generate(seed)
    metered = pico_abi.meter(raw)
    table = pico_abi.offset_map(raw)
    for start, source, length in zip(table.metered, table.raw, table.lengths, strict=True):
        assert source < 0 or metered[start : start + length] == raw[source : source + length]
    for function, result in zip(
        decode_module(raw).functions, decode_module(metered).functions, strict=False
    ):
        places = [table.raw_offset(result.offset + at) for at in range(len(result.body))]
        known = [place for place in places if place is not None]
        assert len(known) == len(places) and known == sorted(known)
        assert function.offset <= known[0] and known[-1] < function.offset + len(function.body)
