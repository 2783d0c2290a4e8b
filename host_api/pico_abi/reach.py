"""Which accesses cannot trap because one before them reached as far: docs/formats/pico-1.md §3.

Memory never shrinks. So once an access through a local has succeeded, another through the same
local, unchanged, that reaches no further cannot trap. What is known grows along the code and is
cut back where ways meet that do not all come past the access; where a loop begins, what it
assigns is unknown. No step takes longer, however much is known.
"""

from __future__ import annotations

from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import IMMEDIATES, NO_IMMEDIATE, read_immediates
from pico_abi.wasm.leb128 import read_uleb32

_LOCAL_BITS = 10  # of a value's number: FUNCTION_LOCALS_MAX is less than 1024


def constant_address(number: int) -> int:
    """A constant as what is known of an operand, and back: always below zero."""
    return ~number


class Reach:
    """How many bytes behind the value of a local are known to be memory.

    An address is known as the number of a local's value, or as `constant_address`.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._values: dict[int, int] = {}  # of locals that were assigned
        self._assigned = 0
        self._reached: dict[int, int] = {}
        self._used = 0  # bits of the locals whose value was an address
        self._log: list[tuple[int, int, int]] = []  # (when, value, how far it reached before)
        self.now = 0

    def value_of(self, local: int) -> int:
        return self._values.get(local, local)

    def assign(self, local: int) -> int:
        """A local has another value now; returns its number."""
        self._assigned += 1
        value = self._values[local] = self._assigned << _LOCAL_BITS | local
        return value

    def covers(self, address: int | None, end: int) -> bool:
        """Whether an access of the bytes up to `end` behind an address cannot trap."""
        if address is None:
            return False
        if address < 0:
            return constant_address(address) + end <= self._memory_bytes
        before = self._reached.get(address, 0)
        if before >= end:
            return True
        self.now += 1
        self._log.append((self.now, address, before))
        self._reached[address] = end
        self._used |= 1 << (address & (1 << _LOCAL_BITS) - 1)
        return False

    def forget_since(self, when: int) -> None:
        """Ways meet that were one at that time: what was found out on one of them is not known."""
        log = self._log
        while log and log[-1][0] > when:
            _, value, before = log.pop()
            self._reached[value] = before

    def begin_loop(self, assigned: int) -> None:
        """The locals with these bits may have any value that the loop gave them."""
        changed = assigned & self._used
        self._used ^= changed
        while changed:
            lowest = changed & -changed
            self.assign(lowest.bit_length() - 1)
            changed ^= lowest


def assigned_in_loops(body: bytes, position: int) -> dict[int, int]:
    """For each loop from a position on: its first byte, and the bits of the locals it assigns.

    Code that nothing can reach is not in the metered body and does not count.
    """
    found: dict[int, int] = {}
    opened: list[tuple[int, int]] = []  # (first byte of a loop or -1, bits)
    bits = dead = 0
    while position < len(body):
        start = position
        opcode = body[position]
        position += 1
        if opcode == op.PREFIX:
            sub, position = read_uleb32(body, position)
            opcode = op.PREFIX << 8 | sub
        kind = IMMEDIATES.get(opcode, NO_IMMEDIATE)
        numbers: tuple[int, ...] = ()
        if kind:
            numbers, position = read_immediates(body, position, kind)
        if opcode in _OPENS:
            if dead:
                dead += 1
            else:
                opened.append((start if opcode == op.LOOP else -1, bits))
                bits = 0
        elif opcode == op.END:
            if dead > 1:
                dead -= 1
                continue
            dead = 0
            if not opened:  # of a block around the position
                continue
            loop, outer = opened.pop()
            if loop >= 0:
                found[loop] = bits
            bits |= outer
        elif opcode == op.ELSE:
            dead = 0 if dead == 1 else dead
        elif not dead:
            if opcode in _ASSIGNS:
                bits |= 1 << numbers[0]
            elif opcode in _DIES:
                dead = 1
    return found


_OPENS = (op.BLOCK, op.LOOP, op.IF)
_ASSIGNS = (op.LOCAL_SET, op.LOCAL_TEE)
_DIES = (op.BR, op.BR_TABLE, op.RETURN, op.UNREACHABLE)
