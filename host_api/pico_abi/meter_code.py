"""The instruction sequences the rewriter inserts: docs/formats/pico-1.md §3 and §6.

Each is a few bytes around one of two globals, or around the local that stands for the fuel
counter inside a function. They stand apart from the rewriter so that it reads as a walk over a
body, and a reader of a metered module finds every inserted shape on one page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pico_abi import prices
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, instruction
from pico_abi.wasm.module import F32, F64

_IF = instruction(op.IF, EMPTY_BLOCK)
_TRAP = instruction(op.UNREACHABLE) + instruction(op.END)
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

    # --- fuel; a source or target of None is the counter itself, a number a local for it ---

    @_remembered
    def left(self, source: int | None, amount: int) -> bytes:
        """Puts on the stack what is left after an amount is taken, which may be negative."""
        read = instruction(op.GLOBAL_GET, self.fuel)
        if source is not None:
            read = instruction(op.LOCAL_GET, source)
        if not amount:
            return read
        return read + instruction(op.I64_CONST, amount) + instruction(op.I64_SUB)

    def take(self, source: int | None, target: int | None, amount: int) -> bytes:
        if target is None:
            return self.left(source, amount) + self.write
        return self.left(source, amount) + instruction(op.LOCAL_SET, target)

    def tee(self, local: int) -> bytes:
        return instruction(op.LOCAL_TEE, local)

    @property
    def write(self) -> bytes:
        return instruction(op.GLOBAL_SET, self.fuel)

    @_remembered
    def show(self, unspent: int) -> bytes:
        """Writes the counter by what is on the stack, which is less by what is unspent yet."""
        if not unspent:
            return self.write
        return instruction(op.I64_CONST, unspent) + instruction(op.I64_ADD) + self.write

    @_remembered
    def require(self, source: int | None, amount: int) -> bytes:
        """Traps if there is less than an amount; takes none."""
        return (
            self.left(source, 0)
            + instruction(op.I64_CONST, amount)
            + instruction(op.I64_LT_S)
            + _IF
            + instruction(op.I64_CONST, -1)
            + self.write
            + _TRAP
        )

    def charge_computed(self, amount: bytes) -> bytes:
        """Takes an amount that instructions push as an i64; traps if there was not enough."""
        get = instruction(op.GLOBAL_GET, self.fuel)
        return (
            get + amount + instruction(op.I64_SUB) + self.write + get + _NEGATIVE_I64 + _IF + _TRAP
        )

    # --- stack ---

    def take_host_stack(self, words: int) -> bytes:
        """Takes words for a host function; traps if there were too few."""
        get = instruction(op.GLOBAL_GET, self.stack)
        return self._less_stack(words) + get + _NEGATIVE_I32 + _IF + _TRAP

    def enter(self, words: int) -> bytes:
        """Takes the words of a frame; traps if there were too few, or if fuel has run out."""
        get = instruction(op.GLOBAL_GET, self.stack)
        return self._less_stack(words) + get + self._either_negative() + _IF + _TRAP

    def enter_leaf(self, words: int) -> bytes:
        """The same for a function that calls nothing: nobody would see the words taken."""
        left = instruction(op.GLOBAL_GET, self.stack)
        left += instruction(op.I32_CONST, words) + instruction(op.I32_SUB)
        return left + self._either_negative() + _IF + self._less_stack(words) + _TRAP

    def give_stack(self, words: int) -> bytes:
        get, put = instruction(op.GLOBAL_GET, self.stack), instruction(op.GLOBAL_SET, self.stack)
        return get + instruction(op.I32_CONST, words) + instruction(op.I32_ADD) + put

    def _less_stack(self, words: int) -> bytes:
        get, put = instruction(op.GLOBAL_GET, self.stack), instruction(op.GLOBAL_SET, self.stack)
        return get + instruction(op.I32_CONST, words) + instruction(op.I32_SUB) + put

    def _either_negative(self) -> bytes:
        """Of the i32 on the stack and the fuel counter: one comparison for both."""
        fuel = instruction(op.I64_EXTEND_I32_S) + instruction(op.GLOBAL_GET, self.fuel)
        return fuel + instruction(op.I64_OR) + _NEGATIVE_I64


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
        + _IF
        + CANONICAL_NAN[value_type]
        + instruction(op.LOCAL_SET, local)
        + instruction(op.END)
        + instruction(op.LOCAL_GET, local)
    )
