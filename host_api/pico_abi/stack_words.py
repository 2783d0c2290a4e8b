"""The logical stack: how many words a frame counts, docs/formats/pico-1.md §6.

Engines differ seventeenfold in how deep a function can recurse, so the profile counts its own
words and ends a transition before any engine's real stack does. Compilers give a frame memory
for parameters, locals and operands, and, when they optimize, for any value they find worth
keeping: two equal multiplications before and after a call are one value that lives over it. So
an operator that makes a value counts half a word, and a whole one where the value may be a
float, which gets 16 bytes. A word is then at most about nine bytes of native stack on every
backend (tests/abi/test_stack.py), and `STACK_WORDS_MAX` of them fit in 512 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable

from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.signatures import SIGNATURES

STACK_WORDS_MAX = 49_152
FRAME_WORDS = 8  # return address, saved registers, the operands of inserted code
# A function that calls nothing and is no larger is not counted: there is one of them at a time.
LEAF_WORDS_MAX = 256
# A host function runs on the same native stack and calls back into cabi_realloc.
HOST_FRAME_WORDS = 1_024


def _value_weight(opcode: int) -> int:
    """Half words for the value an instruction makes. Constants are made again where needed."""
    if opcode in (op.SELECT, op.GLOBAL_GET):
        return 2  # of any type
    if opcode not in SIGNATURES or op.I32_CONST <= opcode <= op.F64_CONST:
        return 0
    results = SIGNATURES[opcode][1]
    return sum(2 if value_type in (m.F32, m.F64) else 1 for value_type in results)


VALUE_WEIGHTS: dict[int, int] = {opcode: _value_weight(opcode) for opcode in op.NAMES}


def result_weight(results: Iterable[int]) -> int:
    """Half words for what a call returns: on the operand stack already, but for wide floats."""
    return sum(2 for value_type in results if value_type in (m.F32, m.F64))


def variable_words(types: Iterable[tuple[int, int]]) -> int:
    """Words of parameters and locals, given as runs of (count, type)."""
    return sum(2 * n if value_type in (m.F32, m.F64) else n for n, value_type in types)


def frame_words(variables: int, operands_max: int, value_weight: int) -> int:
    """Words of one frame, from `variable_words`, the operand stack and the sum of weights."""
    return FRAME_WORDS + variables + operands_max + value_weight // 2
