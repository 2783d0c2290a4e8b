"""What an instruction costs: the fuel schedule of profile pico-1, docs/formats/pico-1.md §3.

One unit is about the time of an `i32.add` in compiled code. Prices are small integers, the
largest cost among the backends rounded up, and are frozen with the profile.
"""

from __future__ import annotations

from pico_abi.wasm import opcodes as op

PRICE_FREE = 0  # no code comes of it
PRICE_BASIC = 1  # locals, constants, integer arithmetic, comparisons, branches
PRICE_MEMORY = 2  # loads and stores, globals
PRICE_MULTIPLY = 2
PRICE_FLOAT = 8  # arithmetic with a canonical NaN
PRICE_CONVERT = 5  # between floats, and between floats and integers
PRICE_DIVIDE = 16
PRICE_ROOT = 16  # square roots, float division
PRICE_TABLE_JUMP = 4
PRICE_CALL = 8
PRICE_CALL_INDIRECT = 12
PRICE_BULK = 16  # memory.copy and memory.fill, before their bytes

# Charged by the rewriter where the amount is known only when it runs, before it runs.
BULK_BYTES_PER_FUEL_LOG2 = 3  # memory.copy, memory.fill: one unit for every eight bytes
GROW_PAGE_PRICE = 16_384  # memory.grow, for every page asked for: fresh pages fault and are cleared
GROW_PRICE = 128
# Charged at function entry: some backends clear every local.
LOCALS_PER_FUEL = 4
# A function that calls nothing and whose instructions all cost no more compares nothing.
LEAF_FUEL_MAX = 512


def _price_table() -> dict[int, int]:
    prices = dict.fromkeys(op.NAMES, PRICE_BASIC)

    def price(amount: int, *opcodes: int) -> None:
        prices.update(dict.fromkeys(opcodes, amount))

    price(PRICE_FREE, op.NOP, op.BLOCK, op.LOOP, op.ELSE, op.END)
    price(PRICE_MEMORY, op.GLOBAL_GET, op.GLOBAL_SET)
    price(PRICE_MEMORY, *range(op.I32_LOAD, op.I64_STORE32 + 1))
    price(PRICE_MULTIPLY, op.I32_MUL, op.I64_MUL)
    price(PRICE_DIVIDE, *range(op.I32_DIV_S, op.I32_REM_U + 1))
    price(PRICE_DIVIDE, *range(op.I64_DIV_S, op.I64_REM_U + 1))
    price(PRICE_FLOAT, *range(op.F32_CEIL, op.F32_MAX + 1), *range(op.F64_CEIL, op.F64_MAX + 1))
    price(PRICE_CONVERT, *range(op.I32_TRUNC_F32_S, op.I32_TRUNC_F64_U + 1))
    price(PRICE_CONVERT, *range(op.I64_TRUNC_F32_S, op.F64_PROMOTE_F32 + 1))
    price(PRICE_CONVERT, *range(op.I32_TRUNC_SAT_F32_S, op.I64_TRUNC_SAT_F64_U + 1))
    price(PRICE_ROOT, op.F32_SQRT, op.F64_SQRT, op.F32_DIV, op.F64_DIV)
    price(PRICE_TABLE_JUMP, op.BR_TABLE)
    price(PRICE_CALL, op.CALL)
    price(PRICE_CALL_INDIRECT, op.CALL_INDIRECT)
    price(PRICE_BULK, op.MEMORY_COPY, op.MEMORY_FILL)
    price(GROW_PRICE, op.MEMORY_GROW)
    return prices


PRICES: dict[int, int] = _price_table()
