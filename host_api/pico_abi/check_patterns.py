"""What inserted code looks like to the checker, and how it is found: docs/formats/pico-1.md §3-§6.

Written from the format page, not from the rewriter: a pattern is a list of opcodes with the
numbers that must stand there, or `ANY` where the checker does the sum itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pico_abi import prices
from pico_abi.refused import ModuleRefused
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, Instruction, instructions
from pico_abi.wasm.module import F32, F64, Function

Pattern = Sequence[tuple[int, ...]]

_TRAP: Pattern = ((op.IF, EMPTY_BLOCK), (op.UNREACHABLE,), (op.END,))
ANY = 1 << 40  # in a pattern: whatever number stands there

_NANS = {F32: (op.F32_NE, op.F32_CONST, 0x7FC0_0000), F64: (op.F64_NE, op.F64_CONST, 0x7FF8 << 48)}
CANONICAL_NAN: dict[int, Pattern] = {
    value_type: (
        (op.LOCAL_TEE, ANY),
        (op.LOCAL_GET, ANY),
        (not_equal,),
        (op.IF, EMPTY_BLOCK),
        (constant, bits),
        (op.LOCAL_SET, ANY),
        (op.END,),
        (op.LOCAL_GET, ANY),
    )
    for value_type, (not_equal, constant, bits) in _NANS.items()
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the module's sections say about the meter: global and function indices."""

    fuel: int
    stack: int
    import_count: int
    thunks: int  # the first function in front of an import


class Patterns:
    """What inserted code looks like, for the counters of one module."""

    def __init__(self, plan: Plan) -> None:
        get, put = (op.GLOBAL_GET, plan.fuel), (op.GLOBAL_SET, plan.fuel)
        negative: Pattern = (get, (op.I64_CONST, 0), (op.I64_LT_S,), *_TRAP)
        # Where a loop begins: has the fuel run out?
        below: Pattern = ((op.I64_CONST, 0), (op.I64_LT_S,), (op.IF, EMPTY_BLOCK))
        stop: Pattern = ((op.I64_CONST, -1), put, (op.UNREACHABLE,), (op.END,))
        self.loop: Pattern = ((op.LOCAL_GET, ANY), *below, *stop)
        # Charges by a number on the stack, kept in a local, before memory is changed.
        by_byte = ((op.I64_CONST, prices.BULK_BYTES_PER_FUEL_LOG2), (op.I64_SHR_U,))
        by_page = ((op.I64_CONST, prices.GROW_PAGE_PRICE), (op.I64_MUL,))
        number: Pattern = ((op.LOCAL_GET, ANY), (op.I64_EXTEND_I32_U,))
        self.bulk: dict[int, Pattern] = {
            opcode: ((op.LOCAL_TEE, ANY), get, *number, *scale, (op.I64_SUB,), put, *negative)
            for opcode, scale in (
                (op.MEMORY_COPY, by_byte),
                (op.MEMORY_FILL, by_byte),
                (op.MEMORY_GROW, by_page),
            )
        }
        # A function begins: is there room for its frame, and has the fuel run out?
        stack, words = (op.GLOBAL_GET, plan.stack), (op.I32_CONST, ANY)
        less: Pattern = (stack, words, (op.I32_SUB,))
        taken: Pattern = (*less, (op.GLOBAL_SET, plan.stack))
        either: Pattern = ((op.I64_EXTEND_I32_S,), get, (op.I64_OR,), *below)
        self.enter: Pattern = (*taken, stack, *either, (op.UNREACHABLE,), (op.END,))
        self.enter_leaf: Pattern = (*less, *either, *taken, (op.UNREACHABLE,), (op.END,))
        self.leave: Pattern = (stack, words, (op.I32_ADD,), (op.GLOBAL_SET, plan.stack))


class Stream:
    """The instructions of one body and a place in them; matches what inserted code looks like."""

    def __init__(self, function: Function) -> None:
        self.offset = function.offset
        self.body = function.body
        self.items: list[Instruction] = list(instructions(function.body))
        self.at = 0

    def refuse(self, reason: str) -> ModuleRefused:
        last = self.items[min(self.at, len(self.items) - 1)].offset if self.items else 0
        return ModuleRefused(self.offset + last, reason)

    def next(self) -> Instruction:
        if self.at >= len(self.items):
            raise self.refuse("function ends too early")
        self.at += 1
        return self.items[self.at - 1]

    def peek(self) -> int:
        """The opcode that comes next, -1 at the end."""
        return self.items[self.at].opcode if self.at < len(self.items) else -1

    def number(self) -> int:
        """The first immediate of what comes next."""
        return self.items[self.at].immediates[0]

    def match(self, pattern: Pattern) -> list[int] | None:
        """The numbers where a pattern allows any; None if something else stands there."""
        found: list[int] = []
        here = self.items[self.at : self.at + len(pattern)]
        if len(here) != len(pattern):
            return None
        for item, (opcode, *expected) in zip(here, pattern, strict=True):
            if item.opcode != opcode:
                return None
            for actual, wanted in zip(item.immediates, expected, strict=False):
                if wanted == ANY:
                    found.append(actual)
                elif actual != wanted:
                    return None
        self.at += len(pattern)
        return found

    def expect(self, pattern: Pattern, what: str) -> list[int]:
        found = self.match(pattern)
        if found is None:
            raise self.refuse(f"expected {what}")
        return found
