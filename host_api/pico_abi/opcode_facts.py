"""Which opcodes trap, which make NaNs, which cannot tell one NaN from another.

Facts of the WebAssembly specification, not decisions; the rewriter and the checker both build
their own rules on them (docs/formats/pico-1.md §2).
"""

from __future__ import annotations

from pico_abi.wasm import opcodes as op
from pico_abi.wasm.module import F32, F64

# Opcodes that may trap after the work before them is done, and go on in the same block if not.
CAN_TRAP: frozenset[int] = frozenset(
    (
        *range(op.I32_LOAD, op.I64_STORE32 + 1),
        *range(op.I32_DIV_S, op.I32_REM_U + 1),
        *range(op.I64_DIV_S, op.I64_REM_U + 1),
        *range(op.I32_TRUNC_F32_S, op.I32_TRUNC_F64_U + 1),
        *range(op.I64_TRUNC_F32_S, op.I64_TRUNC_F64_U + 1),
    )
)

# Arithmetic whose result may be a NaN of any sign and payload, with the type of the result.
MAKES_NAN: dict[int, int] = {
    **dict.fromkeys(range(op.F32_CEIL, op.F32_MAX + 1), F32),
    **dict.fromkeys(range(op.F64_CEIL, op.F64_MAX + 1), F64),
    op.F32_DEMOTE_F64: F32,
    op.F64_PROMOTE_F32: F64,
}

# Takes a float off the top of the stack and acts the same for every NaN.
BLIND_TO_NAN: frozenset[int] = frozenset(
    (
        *MAKES_NAN,
        *range(op.F32_EQ, op.F64_GE + 1),
        *range(op.I32_TRUNC_F32_S, op.I32_TRUNC_F64_U + 1),
        *range(op.I64_TRUNC_F32_S, op.I64_TRUNC_F64_U + 1),
        *range(op.I32_TRUNC_SAT_F32_S, op.I64_TRUNC_SAT_F64_U + 1),
        op.DROP,
    )
)

# How many bytes a load or store touches.
ACCESS_BYTES: dict[int, int] = {
    **dict.fromkeys((op.I32_LOAD8_S, op.I32_LOAD8_U, op.I64_LOAD8_S, op.I64_LOAD8_U), 1),
    **dict.fromkeys((op.I32_LOAD16_S, op.I32_LOAD16_U, op.I64_LOAD16_S, op.I64_LOAD16_U), 2),
    **dict.fromkeys((op.I32_LOAD, op.F32_LOAD, op.I64_LOAD32_S, op.I64_LOAD32_U), 4),
    **dict.fromkeys((op.I64_LOAD, op.F64_LOAD, op.I64_STORE, op.F64_STORE), 8),
    **dict.fromkeys((op.I32_STORE8, op.I64_STORE8), 1),
    **dict.fromkeys((op.I32_STORE16, op.I64_STORE16), 2),
    **dict.fromkeys((op.I32_STORE, op.F32_STORE, op.I64_STORE32), 4),
}
