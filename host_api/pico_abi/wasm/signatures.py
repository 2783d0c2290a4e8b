"""What each opcode of fixed type takes from the operand stack and leaves on it.

One line per family, expanded into `SIGNATURES`. Opcodes whose type depends on their immediates
(locals, globals, calls, branches, blocks, select, drop) are not here; the validator knows them.
"""

from __future__ import annotations

from pico_abi.wasm import opcodes as op
from pico_abi.wasm.module import F32, F64, I32, I64

Signature = tuple[tuple[int, ...], tuple[int, ...]]

SIGNATURES: dict[int, Signature] = {}


def _family(first: int, last: int, pops: tuple[int, ...], pushes: tuple[int, ...]) -> None:
    for opcode in range(first, last + 1):
        SIGNATURES[opcode] = (pops, pushes)


_LOAD_RESULTS = (I32, I64, F32, F64, *(I32,) * 4, *(I64,) * 6)
_STORE_VALUES = (I32, I64, F32, F64, I32, I32, I64, I64, I64)
for _at, _type in enumerate(_LOAD_RESULTS, op.I32_LOAD):
    _family(_at, _at, (I32,), (_type,))
for _at, _type in enumerate(_STORE_VALUES, op.I32_STORE):
    _family(_at, _at, (I32, _type), ())
ALIGNMENT_LOG2_MAX: dict[int, int] = {
    **dict(enumerate((2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2), op.I32_LOAD)),
    **dict(enumerate((2, 3, 2, 3, 0, 1, 0, 1, 2), op.I32_STORE)),
}
_family(op.MEMORY_SIZE, op.MEMORY_SIZE, (), (I32,))
_family(op.MEMORY_GROW, op.MEMORY_GROW, (I32,), (I32,))
_family(op.MEMORY_COPY, op.MEMORY_FILL, (I32, I32, I32), ())
for _at, _type in enumerate((I32, I64, F32, F64), op.I32_CONST):
    _family(_at, _at, (), (_type,))

_family(op.I32_EQZ, op.I32_EQZ, (I32,), (I32,))
_family(op.I32_EQ, op.I32_GE_U, (I32, I32), (I32,))
_family(op.I64_EQZ, op.I64_EQZ, (I64,), (I32,))
_family(op.I64_EQ, op.I64_GE_U, (I64, I64), (I32,))
_family(op.F32_EQ, op.F32_GE, (F32, F32), (I32,))
_family(op.F64_EQ, op.F64_GE, (F64, F64), (I32,))
_family(op.I32_CLZ, op.I32_POPCNT, (I32,), (I32,))
_family(op.I32_ADD, op.I32_ROTR, (I32, I32), (I32,))
_family(op.I64_CLZ, op.I64_POPCNT, (I64,), (I64,))
_family(op.I64_ADD, op.I64_ROTR, (I64, I64), (I64,))
_family(op.F32_ABS, op.F32_SQRT, (F32,), (F32,))
_family(op.F32_ADD, op.F32_COPYSIGN, (F32, F32), (F32,))
_family(op.F64_ABS, op.F64_SQRT, (F64,), (F64,))
_family(op.F64_ADD, op.F64_COPYSIGN, (F64, F64), (F64,))
_CONVERSIONS = (
    (I64, I32), (F32, I32), (F32, I32), (F64, I32), (F64, I32),
    (I32, I64), (I32, I64), (F32, I64), (F32, I64), (F64, I64), (F64, I64),
    (I32, F32), (I32, F32), (I64, F32), (I64, F32), (F64, F32),
    (I32, F64), (I32, F64), (I64, F64), (I64, F64), (F32, F64),
    (F32, I32), (F64, I64), (I32, F32), (I64, F64),
    (I32, I32), (I32, I32), (I64, I64), (I64, I64), (I64, I64),
)  # fmt: skip
for _at, (_from, _to) in enumerate(_CONVERSIONS, op.I32_WRAP_I64):
    _family(_at, _at, (_from,), (_to,))
_SATURATING = (
    (F32, I32), (F32, I32), (F64, I32), (F64, I32),
    (F32, I64), (F32, I64), (F64, I64), (F64, I64),
)  # fmt: skip
for _at, (_from, _to) in enumerate(_SATURATING, op.I32_TRUNC_SAT_F32_S):
    _family(_at, _at, (_from,), (_to,))
