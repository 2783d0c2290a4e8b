"""The instruction sequences the rewriter inserts: docs/formats/pico-1.md §3 and §6.

Each is a few bytes around one of two globals. They stand apart from the rewriter so that it reads
as a walk over a body, and a reader of a metered module finds every inserted shape on one page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pico_abi import prices
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, instruction
from pico_abi.wasm.module import F32, F64

_TRAP = instruction(op.IF, EMPTY_BLOCK) + instruction(op.UNREACHABLE) + instruction(op.END)
_NEGATIVE_I64 = instruction(op.I64_CONST, 0) + instruction(op.I64_LT_S)
_NEGATIVE_I32 = instruction(op.I32_CONST, 0) + instruction(op.I32_LT_S)

CANONICAL_NAN = {
    F32: instruction(op.F32_CONST, 0x7FC0_0000),
    F64: instruction(op.F64_CONST, 0x7FF8_0000_0000_0000),
}


# A module uses few different amounts, again and again.
_remembered = lru_cache(maxsize=4096)


@dataclass(frozen=True, slots=True)
class Counters:
    """The global indices of the two counters of one module."""

    fuel: int
    stack: int

    @_remembered
    def take_fuel(self, amount: int) -> bytes:
        """Takes fuel that is known to be there."""
        get, put = instruction(op.GLOBAL_GET, self.fuel), instruction(op.GLOBAL_SET, self.fuel)
        return get + instruction(op.I64_CONST, amount) + instruction(op.I64_SUB) + put

    @_remembered
    def charge(self, amount: int) -> bytes:
        """Takes fuel and traps if there was not enough."""
        get = instruction(op.GLOBAL_GET, self.fuel)
        return self.take_fuel(amount) + get + _NEGATIVE_I64 + _TRAP

    @_remembered
    def require(self, amount: int) -> bytes:
        """Traps if there is less fuel than the amount; takes none."""
        return (
            instruction(op.GLOBAL_GET, self.fuel)
            + instruction(op.I64_CONST, amount)
            + instruction(op.I64_LT_S)
            + instruction(op.IF, EMPTY_BLOCK)
            + instruction(op.I64_CONST, -1)
            + instruction(op.GLOBAL_SET, self.fuel)
            + instruction(op.UNREACHABLE)
            + instruction(op.END)
        )

    def charge_computed(self, amount: bytes) -> bytes:
        """As `charge`, for an amount that instructions push as an i64."""
        get, put = instruction(op.GLOBAL_GET, self.fuel), instruction(op.GLOBAL_SET, self.fuel)
        return get + amount + instruction(op.I64_SUB) + put + get + _NEGATIVE_I64 + _TRAP

    def take_stack(self, words: int) -> bytes:
        get, put = instruction(op.GLOBAL_GET, self.stack), instruction(op.GLOBAL_SET, self.stack)
        take = instruction(op.I32_CONST, words) + instruction(op.I32_SUB)
        return get + take + put + get + _NEGATIVE_I32 + _TRAP

    def give_stack(self, words: int) -> bytes:
        get, put = instruction(op.GLOBAL_GET, self.stack), instruction(op.GLOBAL_SET, self.stack)
        return get + instruction(op.I32_CONST, words) + instruction(op.I32_ADD) + put

    def require_stack(self, words: int) -> bytes:
        """For a function that calls nothing: nobody would see the words taken."""
        return (
            instruction(op.GLOBAL_GET, self.stack)
            + instruction(op.I32_CONST, words)
            + instruction(op.I32_LT_S)
            + instruction(op.IF, EMPTY_BLOCK)
            + instruction(op.I32_CONST, -1)
            + instruction(op.GLOBAL_SET, self.stack)
            + instruction(op.UNREACHABLE)
            + instruction(op.END)
        )


def bulk_amount(local: int) -> bytes:
    """One unit for every eight bytes of a length in a local."""
    return (
        instruction(op.LOCAL_GET, local)
        + instruction(op.I64_EXTEND_I32_U)
        + instruction(op.I64_CONST, prices.BULK_BYTES_PER_FUEL_LOG2)
        + instruction(op.I64_SHR_U)
    )


def scaled_amount(local: int, price: int) -> bytes:
    """A count in a local times a price."""
    return (
        instruction(op.LOCAL_GET, local)
        + instruction(op.I64_EXTEND_I32_U)
        + instruction(op.I64_CONST, price)
        + instruction(op.I64_MUL)
    )


@lru_cache(maxsize=64)
def canonical_nan(value_type: int, local: int) -> bytes:
    """Replaces a NaN on top of the stack by the canonical one; a branch keeps it off the path."""
    not_equal = op.F32_NE if value_type == F32 else op.F64_NE
    return (
        instruction(op.LOCAL_TEE, local)
        + instruction(op.LOCAL_GET, local)
        + instruction(not_equal)
        + instruction(op.IF, EMPTY_BLOCK)
        + CANONICAL_NAN[value_type]
        + instruction(op.LOCAL_SET, local)
        + instruction(op.END)
        + instruction(op.LOCAL_GET, local)
    )
