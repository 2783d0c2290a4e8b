"""The metering rewriter: what programs pay, where they stop, and that they still do the same."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import wasmtime

import pico_abi
from abi.engines import BACKENDS, Run, run
from abi.generator import generate
from abi.samples import handling, host, module, wat
from pico_abi import prices
from pico_abi.contract import HOST_FUNCTIONS_BY_NAME, Outcome
from pico_abi.prices import PRICES
from pico_abi.stack_words import HOST_FRAME_WORDS
from pico_abi.wasm import decode_module, encode_module, instructions
from pico_abi.wasm import opcodes as op

# A loop of as many rounds as the first argument says, then whatever stands behind it.
LOOP = """
(loop $again
  (local.set 2 (i32.add (local.get 2) (i32.const 3)))
  (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
"""
ROUND = 4 + 5  # prices of the two lines: get const add set, get const sub tee br_if
ENTRY = 1  # three locals


def metered(body: str, variables: str = "(local i32)", parts: str = "") -> bytes:
    result = pico_abi.meter(handling(body, variables, parts))
    pico_abi.check(result)
    return result


def everywhere(
    code: bytes, fuel: int = 1_000_000, stack: int = 10_000, arguments: tuple[int, ...] = (0, 0)
) -> Run:
    """The run that all backends agree on."""
    runs = [run(code, item, fuel=fuel, stack=stack, arguments=arguments) for item in BACKENDS]
    assert runs[1:] == runs[:-1]
    return runs[0]


def test_a_program_pays_the_price_of_every_instruction_it_runs() -> None:
    result = everywhere(metered(LOOP + "local.get 2"), arguments=(100, 0))
    assert (result.outcome, result.results) == (Outcome.OK, (300,))
    assert result.fuel == ENTRY + 100 * ROUND + 1


def test_an_endless_loop_ends_out_of_fuel_everywhere() -> None:
    result = everywhere(metered("(loop $l (br $l)) i32.const 0"), fuel=10_000)
    assert (result.outcome, result.fuel) == (Outcome.OUT_OF_FUEL, 10_000)


def test_a_loop_without_any_work_still_pays() -> None:
    assert PRICES[op.BR] > 0 and PRICES[op.BR_IF] > 0 and PRICES[op.BR_TABLE] > 0


TRAPS = {
    "unreachable": ("unreachable", PRICES[op.UNREACHABLE]),
    "division by zero": (
        "(i32.div_u (i32.const 1) (i32.const 0)) (i32.mul (i32.const 5) (i32.const 5)) i32.add",
        2 * PRICES[op.I32_CONST] + PRICES[op.I32_DIV_U],
    ),
    "signed overflow": (
        "(i32.div_s (i32.const 0x80000000) (i32.const -1)) i32.const 9 i32.add",
        2 * PRICES[op.I32_CONST] + PRICES[op.I32_DIV_S],
    ),
    "load out of bounds": (
        "(i32.load (i32.const -1)) (drop (i32.load (i32.const 0))) i32.const 9 i32.add",
        PRICES[op.I32_CONST] + PRICES[op.I32_LOAD],
    ),
    "store out of bounds": (
        "(i64.store (i32.const 131071) (i64.const 1)) i32.const 9",
        2 * PRICES[op.I32_CONST] + PRICES[op.I64_STORE],
    ),
    "conversion of NaN": (
        "(i32.trunc_f64_s (f64.const nan)) i32.const 9 i32.add",
        PRICES[op.F64_CONST] + PRICES[op.I32_TRUNC_F64_S],
    ),
    "call of an empty slot": (
        "(call_indirect (type $t) (i32.const 1)) i32.const 9 i32.add",
        PRICES[op.I32_CONST] + PRICES[op.CALL_INDIRECT],
    ),
    "call of another type": (
        "(call_indirect (type $t) (i32.const 0)) i32.const 9 i32.add",
        PRICES[op.I32_CONST] + PRICES[op.CALL_INDIRECT],
    ),
    "copy out of bounds": (
        "(memory.copy (i32.const 0) (i32.const 65530) (i32.const 80)) i32.const 9",
        3 * PRICES[op.I32_CONST] + PRICES[op.MEMORY_COPY] + 10,
    ),
}
PARTS = "(type $t (func (result i32))) (table 2 2 funcref) (elem (i32.const 0) $handle)"


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_after_long_work_charges_exact_fuel(trap: str) -> None:
    code, cost = TRAPS[trap]
    result = everywhere(metered(LOOP + code, parts=PARTS), arguments=(1000, 0))
    assert (result.outcome, result.fuel) == (Outcome.TRAP, ENTRY + 1000 * ROUND + cost)


def test_a_trap_inside_a_callee_charges_both_functions_exactly() -> None:
    callee = "(func $f (param i32) (result i32) (i32.rem_u (i32.const 7) (local.get 0)))"
    result = everywhere(metered("(call $f (i32.const 0)) i32.const 9 i32.add", "", callee))
    callee_cost = 1 + 2 + PRICES[op.I32_REM_U]
    assert result.outcome == Outcome.TRAP
    assert result.fuel == 1 + 1 + PRICES[op.CALL] + callee_cost


def test_a_run_that_costs_more_than_there_is_never_ends_well() -> None:
    code = metered("(i32.store (i32.const 0) (i32.const 77)) i32.const 0", "")
    whole = everywhere(code)
    assert everywhere(code, fuel=whole.fuel).outcome == Outcome.OK
    for fuel in range(whole.fuel):
        assert everywhere(code, fuel=fuel).outcome == Outcome.OUT_OF_FUEL


def test_a_trap_that_costs_more_than_there_is_is_out_of_fuel() -> None:
    code = metered("unreachable", "")
    cost = everywhere(code).fuel
    assert everywhere(code, fuel=cost).outcome == Outcome.TRAP
    assert everywhere(code, fuel=cost - 1).outcome == Outcome.OUT_OF_FUEL


def test_the_form_that_stops_at_every_block_compares_before_a_block_runs() -> None:
    """One unit short of the last block, its store does not happen."""
    raw = handling("(i32.store (i32.const 0) (i32.const 77)) i32.const 0")
    code = pico_abi.meter(raw, every_block=True)
    whole = everywhere(code)
    assert whole == everywhere(pico_abi.meter(raw))
    short = everywhere(code, fuel=whole.fuel - 1)
    assert everywhere(code, fuel=whole.fuel).outcome == Outcome.OK
    assert short.outcome == Outcome.OUT_OF_FUEL
    assert short.memory != whole.memory
    assert short.memory == everywhere(code, fuel=0).memory


def test_the_form_that_stops_at_every_block_is_not_a_metered_module() -> None:
    with pytest.raises(pico_abi.ModuleRefused):
        pico_abi.check(pico_abi.meter(handling("i32.const 0"), every_block=True))


def test_every_stop_is_the_same_everywhere() -> None:
    body = LOOP + "(i32.store (i32.const 0) (local.get 2)) local.get 2"
    raw = handling(body, "(local i32)")
    for code in (pico_abi.meter(raw), pico_abi.meter(raw, every_block=True)):
        whole = everywhere(code, arguments=(5, 0)).fuel
        for fuel in range(whole):
            assert everywhere(code, fuel=fuel, arguments=(5, 0)).outcome == Outcome.OUT_OF_FUEL


SMALL = "(drop (i32.eqz (local.get 0)))"  # a few units of fuel and no trap


@pytest.mark.parametrize("repeats, compared", [(100, False), (200, True)])
def test_a_large_function_that_calls_nothing_compares_and_a_small_one_does_not(
    repeats: int, compared: bool
) -> None:
    raw = handling(SMALL * repeats + "i32.const 0")
    cost = everywhere(pico_abi.meter(raw)).fuel
    assert (cost > prices.LEAF_FUEL_MAX) == compared
    code = decode_module(pico_abi.meter(raw)).functions[-1].body
    assert (op.I64_OR in [item.opcode for item in instructions(code)]) == compared


def test_an_access_behind_one_that_reached_as_far_has_no_code_of_its_own() -> None:
    first = "(i32.store offset=8 (local.get 0) (i32.const 1))"
    second = "(i32.store offset=4 (local.get 0) (i32.const 2))"
    changed = "(local.set 0 (i32.const 65533))"
    alone, both = (len(metered(body + "i32.const 0", "")) for body in (first, first + second))
    length = len(handling(first + second)) - len(handling(first))
    assert both - alone == length
    result = everywhere(metered(first + changed + second + "i32.const 0", ""))
    assert result.outcome == Outcome.TRAP
    assert result.fuel == 1 + 4 + 2 + 4


def test_what_one_arm_has_reached_the_other_has_not() -> None:
    body = """
    (if (local.get 1) (then (drop (i32.load offset=65532 (local.get 0)))))
    (i32.load offset=65532 (local.get 0))
    """
    result = everywhere(metered(body, ""), arguments=(8, 0))
    assert (result.outcome, result.fuel) == (Outcome.TRAP, 1 + 2 + 3)


def test_what_a_loop_assigns_is_unknown_where_it_begins() -> None:
    body = """
    (drop (i32.load (local.get 0)))
    (loop $l
      (local.set 1 (i32.load (local.get 0)))
      (local.set 0 (i32.add (local.get 0) (i32.const 40000)))
      (br $l))
    i32.const 0
    """
    result = everywhere(metered(body, ""))
    assert (result.outcome, result.fuel) == (Outcome.TRAP, 1 + 4 + 2 * (4 + 4 + 1) + 3)


def test_bulk_memory_pays_for_its_bytes_before_they_move() -> None:
    fill = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) i32.const 0"
    result = everywhere(metered(fill, ""))
    assert result.fuel == 1 + 4 + PRICES[op.MEMORY_FILL] + 60_000 // 8
    short = everywhere(metered(fill, ""), fuel=7_000)
    assert (short.outcome, short.memory) == (
        Outcome.OUT_OF_FUEL,
        everywhere(metered("i32.const 0")).memory,
    )


def test_memory_growth_pays_for_its_pages_even_when_it_fails() -> None:
    page = prices.GROW_PAGE_PRICE
    grown = everywhere(metered("(memory.grow (i32.const 1))", ""))
    failed = everywhere(metered("(memory.grow (i32.const 2))", ""))
    assert (grown.results, failed.results) == ((1,), (-1,))
    assert grown.fuel == 1 + 1 + PRICES[op.MEMORY_GROW] + page
    assert failed.fuel == grown.fuel + page


def test_a_request_for_all_the_memory_there_is_ends_out_of_fuel() -> None:
    result = everywhere(metered("(memory.grow (i32.const -1))", ""))
    assert result.outcome == Outcome.OUT_OF_FUEL


PUT = host("state", "put", 4, "put")
PUT_PRICE = HOST_FUNCTIONS_BY_NAME[("picomesh:pico/state@1.0.0", "put")]


def test_a_host_call_pays_for_itself_and_its_arguments_before_it_is_made() -> None:
    call = "(call $put (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 900)) i32.const 0"
    result = everywhere(metered(call, "", PUT))
    price = PUT_PRICE.price + 1000 * PUT_PRICE.argument_byte_price
    assert result.fuel == 1 + 5 + PRICES[op.CALL] + price


def test_a_host_call_through_the_table_pays_as_well() -> None:
    parts = PUT + "(table 1 1 funcref) (elem (i32.const 0) $put)"
    parts += "(type $t (func (param i32 i32 i32 i32)))"
    call = "(call_indirect (type $t) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 900) "
    result = everywhere(metered(call + "(i32.const 0)) i32.const 0", "", parts))
    price = PUT_PRICE.price + 1000 * PUT_PRICE.argument_byte_price
    assert result.fuel == 1 + 6 + PRICES[op.CALL_INDIRECT] + price


def test_a_host_call_with_absurd_lengths_ends_out_of_fuel_before_it_is_made() -> None:
    call = "(call $put (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)) i32.const 0"
    assert everywhere(metered(call, "", PUT)).outcome == Outcome.OUT_OF_FUEL


def test_a_host_call_needs_room_on_the_stack_for_the_host() -> None:
    call = "(call $put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0"
    short = everywhere(metered(call, "", PUT), stack=HOST_FRAME_WORDS)
    assert short.outcome == Outcome.OUT_OF_STACK
    assert everywhere(metered(call, "", PUT), stack=HOST_FRAME_WORDS + 50).outcome == Outcome.OK


RECURSION = "(call $handle (i32.add (local.get 0) (i32.const 1)) (local.get 1)) i32.const 1 i32.add"


def test_recursion_without_end_is_out_of_stack_everywhere() -> None:
    result = everywhere(metered(RECURSION, ""), fuel=10**9)
    assert result.outcome == Outcome.OUT_OF_STACK


def test_recursion_with_little_fuel_is_out_of_fuel() -> None:
    assert everywhere(metered(RECURSION, ""), fuel=500).outcome == Outcome.OUT_OF_FUEL


def test_a_frame_with_many_locals_takes_as_many_words() -> None:
    code = metered("i32.const 0", "(local " + "i64 " * 900 + ")")
    words = 8 + 902 + 1
    assert everywhere(code, stack=words).outcome == Outcome.OK
    assert everywhere(code, stack=words - 1).outcome == Outcome.OUT_OF_STACK


@pytest.mark.parametrize(
    "way_out",
    [
        "i32.const 5",
        "(return (i32.const 5))",
        "(br 0 (i32.const 5))",
        "(block (br 1 (i32.const 5))) unreachable",
        "(br_table 0 0 (i32.const 5) (i32.const 1))",
        "(drop (br_if 0 (i32.const 5) (i32.const 1))) unreachable",
        "(if (i32.const 1) (then (return (i32.const 5)))) unreachable",
        "(block (block (br_table 0 1 2 (i32.const 5) (i32.const 2)))) unreachable",
    ],
)
def test_stack_words_are_given_back_on_every_way_out(way_out: str) -> None:
    body = "(call $nothing)" + way_out
    if way_out.startswith("(block (block (br_table"):
        body = "(call $nothing) (block (block (br_table 0 1 (i32.const 1)))) i32.const 5"
    code = metered(body, "", "(func $nothing)")
    assert everywhere(code).results == (5,)  # `run` compares the counter with where it started


def test_a_function_of_several_results_returns_them_all() -> None:
    parts = """
    (func $leaf)
    (func $many (param i32) (result i32 i64 f32) (call $leaf)
      (if (local.get 0) (then (return (i32.const 1) (i64.const 2) (f32.const 3))))
      (i32.const 4) (i64.const 5) (f32.const 6))
    """
    sums = "(i32.trunc_f32_s) (local.set 2) (i32.wrap_i64) (i32.add) (local.get 2) (i32.add)"
    code = metered(f"(call $many (local.get 0)) {sums}", parts=parts)
    assert everywhere(code, arguments=(1, 0)).results == (6,)
    assert everywhere(code, arguments=(0, 0)).results == (15,)


NAN_MAKERS = {
    "division": "(f64.div (f64.const 0) (f64.const 0))",
    "difference of infinities": "(f64.sub (f64.const inf) (f64.const inf))",
    "root": "(f64.sqrt (f64.const -1))",
    "payload through addition": "(f64.add (f64.const nan:0x4deadbeef) (f64.const 1))",
    "signalling payload": "(f64.mul (f64.const nan:0x1) (f64.const 1))",
    "negative payload": "(f64.max (f64.const -nan:0x4deadbeef) (f64.const 1))",
    "rounding": "(f64.nearest (f64.const -nan:0x4deadbeef))",
    "promotion": "(f64.promote_f32 (f32.const -nan:0x600001))",
    "chain": "(f64.add (f64.const 1) (f64.mul (f64.const -nan:0x4beef) (f64.const 1)))",
    "promotion of a sum": "(f64.promote_f32 (f32.add (f32.const -nan:0x600001) (f32.const 1)))",
}


@pytest.mark.parametrize("maker", NAN_MAKERS)
def test_no_payload_is_smuggled_through_a_nan(maker: str) -> None:
    """The NaN goes to memory, to a global and through a local; all hold the canonical bits."""
    code = f"""
    (local.set 2 {NAN_MAKERS[maker]})
    (f64.store (i32.const 0) {NAN_MAKERS[maker]})
    (global.set 0 (local.get 2))
    (i64.eq (i64.load (i32.const 0)) (i64.const 0x7ff8000000000000))
    """
    parts = '(global (export "g") (mut f64) (f64.const 0))'
    result = everywhere(metered(code, "(local f64)", parts))
    assert (result.results, result.globals) == ((1,), (0x7FF8 << 48,))


def test_single_precision_has_its_own_canonical_nan() -> None:
    code = "(i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0x4deadbeef)))"
    assert everywhere(metered(code, "")).results == (0x7FC0_0000,)


def test_moves_of_a_nan_keep_its_bits() -> None:
    bits = "(i64.reinterpret_f64 (f64.neg (f64.const nan:0x4beef)))"
    code = f"(i64.eq {bits} (i64.const 0xfff000000004beef))"
    assert everywhere(metered(code, "")).results == (1,)


def test_code_that_nothing_reaches_costs_nothing_and_is_left_out() -> None:
    plain = pico_abi.meter(handling("(return (i32.const 1))"))
    dead = pico_abi.meter(
        handling("(return (i32.const 1)) (block (drop (f64.const 1))) unreachable")
    )
    assert plain == dead


def test_the_counters_are_exported_and_are_the_last_globals() -> None:
    result = decode_module(metered("i32.const 0", parts="(global (mut i32) (i32.const 1))"))
    assert [item.name for item in result.exports[-2:]] == ["pico-1:fuel", "pico-1:stack"]
    assert [item.index for item in result.exports[-2:]] == [1, 2]


def test_a_metered_module_is_not_a_raw_one() -> None:
    with pytest.raises(pico_abi.ModuleRefused, match="reserved"):
        pico_abi.meter(metered("i32.const 0"))


def test_metering_is_a_pure_function_of_the_bytes() -> None:
    """Remembered bodies give the bytes that a fresh process gives, in whatever order."""
    seeds = range(6)
    here = [pico_abi.meter(generate(seed)).hex() for seed in seeds for _ in range(2)][::2]
    script = "import pico_abi; from abi.generator import generate\n"
    script += f"for seed in {[*reversed(seeds)]}: print(pico_abi.meter(generate(seed)).hex())"
    path = os.pathsep.join(item for item in sys.path if item)
    there = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "99"},
    ).stdout.split()
    assert here == there[::-1]


def test_one_more_function_does_not_change_how_the_others_are_metered() -> None:
    """The guest library's bodies are the same in every ruleset, metered or not."""
    base = decode_module(
        module('(func (export "x") (param f64) (result f64) (f64.sqrt (local.get 0)))')
    )
    more = encode_module(replace(base, functions=(*base.functions, base.functions[0])))
    one = decode_module(pico_abi.meter(encode_module(base))).functions
    two = decode_module(pico_abi.meter(more)).functions
    assert one == two[: len(one)]


def test_metered_programs_do_what_raw_programs_do() -> None:
    text = """
    (func $fib (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                       (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    """
    raw = handling("(call $fib (local.get 0))", parts=text)
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, raw), []).exports(store)
    plain = exports["handle"]
    assert isinstance(plain, wasmtime.Func)
    for number in (0, 1, 7, 12):
        result = everywhere(pico_abi.meter(raw), arguments=(number, 0))
        assert result.results == (plain(store, number, 0),)


def test_the_sample_text_is_read_by_wat() -> None:
    assert wat("(module)") == b"\0asm\1\0\0\0"
