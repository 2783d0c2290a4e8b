"""The logical stack: how many words a frame counts, docs/formats/pico-1.md §6.

Engines differ seventeenfold in how deep a function can recurse, so the profile counts its own
words and ends a transition before any engine's real stack does. A frame counts what an unoptimized
compiler keeps in memory (parameters, locals, operands) and a share of the pure operators, whose
values an optimizing compiler may keep alive over a call. `STACK_WORDS_MAX` times the measured
bytes a word stays below half of a 512 KiB native stack (tests/abi/test_stack.py).
"""

from __future__ import annotations

STACK_WORDS_MAX = 16_384
FRAME_WORDS = 8  # return address, saved registers, the counters' own operands
PURE_OPERATORS_PER_WORD = 4
# A host function runs on the same native stack and calls back into cabi_realloc.
HOST_FRAME_WORDS = 1_024


def frame_words(variables: int, operands_max: int, pure_operators: int) -> int:
    """Words of one frame; `variables` are parameters and locals together."""
    return FRAME_WORDS + variables + operands_max + pure_operators // PURE_OPERATORS_PER_WORD
