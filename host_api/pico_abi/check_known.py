"""What the checker knows of operands and of memory: docs/formats/pico-1.md §3 and §7.

Two questions of a metered body need more than heights. May this access trap, or did one before
it, through the same local, reach as far? And who takes a result that may be any NaN? Written
from the format page, like the rest of the checker, and not from the rewriter.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from pico_abi import limits
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import Instruction

# A hostile body names locals that are not there; those of inserted code come behind the others.
_LOCALS_MAX = limits.FUNCTION_LOCALS_MAX + 4


@dataclass(slots=True)
class Result:
    """What float arithmetic left on the operand stack, made canonical or not."""

    canonical: bool


@dataclass(frozen=True, slots=True)
class LocalRead:
    """The value of a local between two assignments."""

    local: int
    assignment: int


@dataclass(frozen=True, slots=True)
class Constant:
    value: int


Operand = Result | LocalRead | Constant | None


@dataclass(slots=True)
class _Fact:
    """An access at a place in the code: it reached so far behind the value of a local."""

    at: int
    value: LocalRead
    end: int


class Memory:
    """The accesses that have certainly happened on the way to the place where the checker is."""

    def __init__(self, memory_bytes: int, items: list[Instruction]) -> None:
        self._memory_bytes = memory_bytes
        self._assignments: defaultdict[int, int] = defaultdict(int)
        self._facts: list[_Fact] = []  # in the order of the code
        self._best: dict[LocalRead, list[_Fact]] = {}
        self._addresses = 0  # bits of the locals that were an address since they were assigned
        self._in_loops = _assigned_in_loops(items)

    def read(self, local: int) -> LocalRead:
        return LocalRead(local, self._assignments[local])

    def assign(self, local: int) -> None:
        self._assignments[local] += 1
        self._addresses &= ~(1 << local)

    def access(self, at: int, address: Operand, end: int) -> bool:
        """Whether an access may trap; if not, it has happened from here on."""
        match address:
            case Constant(value):
                return value + end > self._memory_bytes
            case LocalRead():
                best = self._best.setdefault(address, [])
                if best and best[-1].end >= end:
                    return False
                best.append(_Fact(at, address, end))
                self._facts.append(best[-1])
                self._addresses |= 1 << address.local
        return True

    def forget(self, since: int) -> None:
        """Here arrives a way that left the code at a place: later accesses were not on it."""
        while self._facts and self._facts[-1].at > since:
            self._best[self._facts.pop().value].pop()

    def begin_loop(self, at: int) -> None:
        """What the loop assigns is not what it was, for all that is known here."""
        changed = self._in_loops[at] & self._addresses
        while changed:
            local = changed.bit_length() - 1
            self.assign(local)
            changed &= ~(1 << local)


def _assigned_in_loops(items: list[Instruction]) -> dict[int, int]:
    """For the place of each loop the bits of the locals that are assigned inside."""
    found: dict[int, int] = {}
    opened: list[int] = []
    inside: list[int] = [0]
    for at, item in enumerate(items):
        match item.opcode:
            case op.BLOCK | op.LOOP | op.IF:
                opened.append(at)
                inside.append(0)
            case op.LOCAL_SET | op.LOCAL_TEE if item.immediates[0] < _LOCALS_MAX:
                inside[-1] |= 1 << item.immediates[0]
            case op.END if opened:
                bits = inside.pop()
                inside[-1] |= bits
                found[opened.pop()] = bits
    return found
