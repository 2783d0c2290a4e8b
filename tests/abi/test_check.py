"""The checker of metered modules: it accepts what the rewriter makes, and nothing cheaper."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

import pico_abi
from abi.generator import generate
from abi.samples import handling, host
from pico_abi import ModuleRefused
from pico_abi.check import bare_module
from pico_abi.wasm import (
    I32,
    I64,
    Export,
    Function,
    FunctionType,
    Module,
    decode_module,
    encode_module,
    instruction,
    instructions,
)
from pico_abi.wasm import opcodes as op

RAW = handling(
    """
    (global.set 0 (f64.div (global.get 0) (f64.const 3)))
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 10))
    (drop (memory.grow (i32.const 1)))
    (call $emit (i32.const 0) (i32.const 1))
    (loop $l
      (i32.store (local.get 0) (i32.add (i32.load (local.get 1)) (i32.const 1)))
      (br_if $l (i32.eqz (i32.load (i32.const 0)))))
    (if (i32.const 1) (then (return (i32.const 7))))
    (call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 0))
    """,
    parts=host("effects", "emit", 2, "emit")
    + """(type $t (func (param i32 i32) (result i32)))
    (table 1 1 funcref) (elem (i32.const 0) $handle) (global (mut f64) (f64.const 1))""",
)
METERED = decode_module(pico_abi.meter(RAW))
HANDLE = 3  # the last of the module's own functions
FUEL, STACK = 1, 2


def refused(module: Module) -> str:
    with pytest.raises(ModuleRefused) as caught:
        pico_abi.check(encode_module(module))
    return caught.value.reason


def with_body(change: Callable[[list[bytes]], list[bytes]], index: int = HANDLE) -> Module:
    """The metered sample with one body's instructions changed."""
    function = METERED.functions[index]
    code = [function.body[item.offset : item.end] for item in instructions(function.body)]
    changed = replace(function, body=b"".join(change(code)))
    functions = list(METERED.functions)
    functions[index] = changed
    return replace(METERED, functions=tuple(functions))


def substitute(old: bytes, new: bytes, index: int = HANDLE) -> Module:
    """The first occurrence of some inserted code replaced."""
    body = METERED.functions[index].body
    assert old in body
    functions = list(METERED.functions)
    functions[index] = replace(functions[index], body=body.replace(old, new, 1))
    return replace(METERED, functions=tuple(functions))


GET, PUT = instruction(op.GLOBAL_GET, FUEL), instruction(op.GLOBAL_SET, FUEL)
SUB = instruction(op.I64_SUB)
CHECKED = GET + instruction(op.I64_CONST, 0) + instruction(op.I64_LT_S)
TRAP = instruction(op.IF, -64) + instruction(op.UNREACHABLE) + instruction(op.END)
LOCAL = 4  # of the handler, stands for the counter
READ = instruction(op.LOCAL_GET, LOCAL)
EMPTY = READ + instruction(op.I64_CONST, 0) + instruction(op.I64_LT_S)
STOP = instruction(op.IF, -64) + instruction(op.I64_CONST, -1) + PUT + TRAP[2:]


def test_the_sample_is_accepted_and_gives_back_what_was_metered() -> None:
    pico_abi.check(encode_module(METERED))
    assert encode_module(bare_module(encode_module(METERED))) == RAW


@pytest.mark.parametrize("seed", range(30))
def test_generated_modules_are_accepted(seed: int) -> None:
    pico_abi.check(pico_abi.meter(generate(seed)))


def test_a_raw_module_is_refused() -> None:
    with pytest.raises(ModuleRefused):
        pico_abi.check(RAW)


def test_a_charge_that_does_not_trap_is_refused() -> None:
    refused(substitute(CHECKED + TRAP, b""))


def test_a_charge_that_traps_the_wrong_way_round_is_refused() -> None:
    refused(substitute(CHECKED, CHECKED[:-1] + instruction(op.I64_GE_S)))


def test_a_counter_that_only_seems_to_be_written_is_refused() -> None:
    refused(substitute(SUB + PUT, SUB + instruction(op.DROP)))


def test_a_loop_that_never_compares_its_fuel_is_refused() -> None:
    assert EMPTY + STOP in METERED.functions[HANDLE].body
    assert "where a loop begins" in refused(substitute(EMPTY + STOP, b""))


def test_a_function_that_calls_and_never_compares_its_fuel_is_refused() -> None:
    either = instruction(op.I64_EXTEND_I32_S) + GET + instruction(op.I64_OR)
    refused(substitute(either + CHECKED[len(GET) :], instruction(op.I32_CONST, 0) + b"\x48"))


def test_guest_code_that_refills_the_local_for_its_counter_is_refused() -> None:
    refill = instruction(op.I64_CONST, 1 << 40) + instruction(op.LOCAL_SET, LOCAL)
    refused(with_body(lambda code: [*code[:-5], refill, *code[-5:]]))


def test_guest_code_that_reads_the_local_for_its_counter_is_refused() -> None:
    refused(with_body(lambda code: [*code[:-5], READ, instruction(op.DROP), *code[-5:]]))


def changed_amounts() -> list[Module]:
    """The sample with each number that is taken or shown one smaller, which is too cheap."""
    found = []
    code = list(instructions(METERED.functions[HANDLE].body))
    for at in range(1, len(code) - 1):
        operator = code[at + 1].opcode
        if code[at].opcode == op.I64_CONST and operator in (op.I64_SUB, op.I64_ADD):
            (number,) = code[at].immediates
            smaller = instruction(op.I64_CONST, number + (1 if operator == op.I64_ADD else -1))
            found.append(with_body(partial(put, at, smaller)))
    return found


def put(at: int, new: bytes, code: list[bytes]) -> list[bytes]:
    return [*code[:at], new, *code[at + 1 :]]


def test_every_amount_that_is_one_too_small_is_refused() -> None:
    modules = changed_amounts()
    assert len(modules) == 8
    for item in modules:
        refused(item)


def test_an_access_that_may_trap_before_the_counter_is_right_is_refused() -> None:
    def drop_show(code: list[bytes]) -> list[bytes]:
        at = len(code) - 1 - code[::-1].index(instruction(op.I64_ADD))
        return code[: at - 2] + code[at + 2 :]

    assert "may trap" in refused(with_body(drop_show))


def test_guest_code_that_refills_its_counter_is_refused() -> None:
    refill = instruction(op.I64_CONST, 1 << 40) + PUT
    refused(with_body(lambda code: [*code[:-5], refill, *code[-5:]]))


def test_guest_code_that_reads_its_counter_is_refused() -> None:
    refused(with_body(lambda code: [*code[:-5], GET, instruction(op.DROP), *code[-5:]]))


def test_guest_code_that_deepens_its_stack_is_refused() -> None:
    deepen = instruction(op.I32_CONST, 1 << 20) + instruction(op.GLOBAL_SET, STACK)
    refused(with_body(lambda code: [*code[:-5], deepen, *code[-5:]]))


def test_stack_words_given_back_twice_are_refused() -> None:
    refused(with_body(lambda code: [*code[:-1], *code[-5:-1], code[-1]]))


def test_stack_words_not_given_back_are_refused() -> None:
    refused(with_body(lambda code: [*code[:-5], code[-1]]))


def test_a_frame_that_counts_too_few_words_is_refused() -> None:
    body = METERED.functions[HANDLE].body
    words = next(item for item in instructions(body) if item.opcode == op.I32_CONST)
    old = body[words.offset : words.end]
    new = instruction(op.I32_CONST, words.immediates[0] - 1)
    function = replace(METERED.functions[HANDLE], body=body.replace(old, new))
    functions = (*METERED.functions[:HANDLE], function, *METERED.functions[HANDLE + 1 :])
    assert "stack words" in refused(replace(METERED, functions=functions))


def test_a_nan_left_as_it_came_is_refused() -> None:
    def drop_canonical(code: list[bytes]) -> list[bytes]:
        at = code.index(instruction(op.F64_DIV)) + 1
        return code[:at] + code[at + 8 :]

    assert "canonical NaN" in refused(with_body(drop_canonical))


def test_another_nan_than_the_canonical_one_is_refused() -> None:
    canonical = instruction(op.F64_CONST, 0x7FF8 << 48)
    refused(substitute(canonical, instruction(op.F64_CONST, 0x7FF8 << 48 | 1)))


def test_a_bulk_operation_without_its_charge_is_refused() -> None:
    def drop_charge(code: list[bytes]) -> list[bytes]:
        at = code.index(instruction(op.MEMORY_FILL))
        return code[: at - 13] + code[at:]

    assert "bulk" in refused(with_body(drop_charge))


def test_memory_growth_for_the_price_of_a_fill_is_refused() -> None:
    grow = instruction(op.I64_CONST, 16_384) + instruction(op.I64_MUL)
    refused(substitute(grow, instruction(op.I64_CONST, 3) + instruction(op.I64_SHR_U)))


def test_guest_code_that_uses_a_scratch_local_is_refused() -> None:
    function = METERED.functions[HANDLE]
    scratch = instruction(op.LOCAL_GET, 2)
    assert function.locals == ((1, 0x7C), (1, I32), (1, I64))
    body = function.body.replace(instruction(op.GLOBAL_GET, 0), scratch, 1)
    functions = (*METERED.functions[:HANDLE], replace(function, body=body))
    assert "locals" in refused(
        replace(METERED, functions=(*functions, *METERED.functions[HANDLE + 1 :]))
    )


def test_a_direct_call_of_a_host_function_is_refused() -> None:
    thunk = instruction(op.CALL, 5)
    assert "without paying" in refused(substitute(thunk, instruction(op.CALL, 0)))


def test_a_host_function_in_the_table_is_refused() -> None:
    elements = (replace(METERED.elements[0], function_indices=(0,)),)
    assert "without paying" in refused(replace(METERED, elements=elements))


def test_a_function_past_the_last_one_is_refused() -> None:
    last = len(METERED.imports) + len(METERED.functions) - 1
    for index, verdict in ((last, None), (last + 1, "not there")):
        elements = (replace(METERED.elements[0], function_indices=(index,)),)
        if verdict is None:
            pico_abi.check(encode_module(replace(METERED, elements=elements)))
        else:
            assert verdict in refused(replace(METERED, elements=elements))


def test_an_exported_host_function_is_refused() -> None:
    exports = (Export("emit", 0, 0), *METERED.exports)
    assert "without paying" in refused(replace(METERED, exports=exports))


def test_a_cheaper_host_call_is_refused() -> None:
    price = instruction(op.I64_CONST, 2_000)
    refused(substitute(price, instruction(op.I64_CONST, 1_999), index=4))


def test_a_module_without_the_functions_that_pay_for_host_calls_is_refused() -> None:
    refused(replace(METERED, functions=METERED.functions[:1]))


def test_a_counter_under_a_second_name_is_refused() -> None:
    exports = (Export("mine", 3, FUEL), *METERED.exports)
    assert "counter" in refused(replace(METERED, exports=exports))


def test_counters_that_are_not_exported_are_refused() -> None:
    refused(replace(METERED, exports=METERED.exports[:-2]))


def test_counters_that_do_not_start_at_zero_are_refused() -> None:
    init = instruction(op.I64_CONST, 5) + b"\x0b"
    changed = replace(METERED.globals[FUEL], init=init)
    refused(replace(METERED, globals=(METERED.globals[0], changed, METERED.globals[2])))


def test_another_encoding_of_the_block_around_a_function_is_refused() -> None:
    """One raw module has one metered form: a type index where a value type would do is another."""
    types = (*METERED.types, FunctionType((), (I32,)))
    module = substitute(bytes((op.BLOCK, I32)), bytes((op.BLOCK, len(METERED.types))))
    assert "needless type" in refused(replace(module, types=types))


def test_free_code_behind_an_unconditional_branch_is_refused() -> None:
    def add_dead(code: list[bytes]) -> list[bytes]:
        at = code.index(instruction(op.BR, 1)) + 1
        return [*code[:at], instruction(op.NOP), *code[at:]]

    assert "nothing reaches" in refused(with_body(add_dead))


def test_a_return_past_the_place_where_words_are_given_back_is_refused() -> None:
    assert "return" in refused(substitute(instruction(op.BR, 1), instruction(op.RETURN)))


def test_a_branch_past_the_place_where_words_are_given_back_is_refused() -> None:
    assert "past its end" in refused(substitute(instruction(op.BR, 1), instruction(op.BR, 2)))


def mutated(module: Module, rng: random.Random) -> Module:
    """One instruction left out, doubled, swapped or with another number in it."""
    index = rng.randrange(len(module.functions))
    function = module.functions[index]
    code = [function.body[item.offset : item.end] for item in instructions(function.body)]
    at = rng.randrange(len(code))
    match rng.randrange(4):
        case 0:
            del code[at]
        case 1:
            code.insert(at, code[rng.randrange(len(code))])
        case 2 if at:
            code[at - 1], code[at] = code[at], code[at - 1]
        case _:
            (item,) = instructions(code[at])
            numbers = [max(number + rng.choice((-1, 1)), 0) for number in item.immediates]
            if item.opcode not in (op.MEMORY_SIZE, op.MEMORY_GROW, op.MEMORY_FILL, op.MEMORY_COPY):
                code[at] = instruction(item.opcode, *numbers)
    functions: list[Function] = list(module.functions)
    functions[index] = replace(function, body=b"".join(code))
    return replace(module, functions=tuple(functions))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_checker_accepts_is_what_metering_its_bare_module_gives(seed: int) -> None:
    rng = random.Random(seed)
    module = METERED if seed == 0 else decode_module(pico_abi.meter(generate(seed)))
    for _ in range(40):
        changed = encode_module(mutated(module, rng))
        try:
            pico_abi.check(changed)
        except ModuleRefused:
            continue
        assert pico_abi.meter(encode_module(bare_module(changed))) == changed


def test_changed_bytes_are_refused_or_still_a_module_as_metered() -> None:
    rng = random.Random(4)
    for seed in range(20):
        metered = pico_abi.meter(generate(seed))
        for _ in range(20):
            changed = bytearray(metered)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            try:
                pico_abi.check(bytes(changed))
            except ModuleRefused:
                continue
            bare = encode_module(bare_module(bytes(changed)))
            assert pico_abi.meter(bare) == bytes(changed)
