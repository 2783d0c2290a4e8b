"""How the functions of patterns look at a text (emit/pattern.py): units, sets and runs of them.

A place in the text is an address. Units are read two bytes at a time, and masked where they have
one, so that the same code is for both kinds of text.
"""

from __future__ import annotations

from collections.abc import Callable

from krl.emit.code import FLAG, Code
from krl.emit.guest import Guest
from krl.patterns import ranges
from krl.patterns.first import Item, unit_set
from krl.patterns.ranges import ASCII_END, Ranges
from krl.patterns.syntax import UNLIMITED, Simple, Unit, Unsupported
from pico_abi.wasm import FunctionType, opcodes

SEARCH_TYPE = FunctionType((FLAG,) * 5, (FLAG,))
BASE, AT, END_OF_TEXT, WIDE, MARKS = range(5)  # its parameters
_RANGES_MAX = 8
_REPETITIONS_MAX = 1_000
_TEXT_MIN = 2
# Sets that letters beyond ASCII do not leave or enter when they become capitals.
_CASELESS = tuple(unit_set(Simple(name)) for name in ("dot", "space", "not_space"))


class UnitCode:
    """A function under construction that reads units."""

    def __init__(self, ignore_case: bool, guest: Guest, text_address: Callable[[str], int]) -> None:
        self.code = Code(SEARCH_TYPE.params)
        self.ignore_case = ignore_case
        self.guest, self.text_address = guest, text_address
        self.step, self.mask = self.code.new_local(FLAG), self.code.new_local(FLAG)
        self.unit = self.code.new_local(FLAG)
        self.widths()

    def widths(self) -> None:
        """The bytes of a unit, and which bits of two bytes are one."""
        code = self.code
        code.get(WIDE)
        code.i32(1)
        code.op(opcodes.I32_ADD)
        code.set(self.step)
        code.i32(0)
        code.get(WIDE)
        code.op(opcodes.I32_SUB)
        code.i32(0xFF)
        code.op(opcodes.I32_OR)
        code.set(self.mask)

    def run(self, units: Ranges, maximum: int, low: int) -> None:
        """As many units of a set as there are, up to a number of them behind `low`."""
        code = self.code
        if maximum == 0:
            return
        with code.block() as done, code.block(opcodes.LOOP) as again:
            self.take(units, done)
            if maximum == 1:
                code.branch(done)
            elif maximum != UNLIMITED:
                self.taken(low)
                self.scaled(maximum)
                code.op(opcodes.I32_LT_U)
                code.branch_if(again)
            else:
                code.branch(again)

    def check_run(self, minimum: int, low: int, failed: int) -> None:
        if minimum > 0:
            self.taken(low)
            self.scaled(minimum)
            self.code.op(opcodes.I32_LT_U)
            self.code.branch_if(failed)

    def taken(self, low: int) -> None:
        """The bytes behind `low`."""
        self.code.get(AT)
        self.code.get(low)
        self.code.op(opcodes.I32_SUB)

    def scaled(self, count: int) -> None:
        """The bytes of a number of units."""
        if count > _REPETITIONS_MAX:
            raise Unsupported
        self.code.i32(count)
        self.code.get(WIDE)
        self.code.op(opcodes.I32_SHL)

    def shift(self, low: int, count: int) -> None:
        if count:
            self.code.get(low)
            self.scaled(count)
            self.code.op(opcodes.I32_ADD)
            self.code.set(low)

    def take(self, units: Ranges, failed: int) -> None:
        """One unit of a set."""
        self.read()
        self.is_in(units)
        self.code.op(opcodes.I32_EQZ)
        self.code.branch_if(failed)
        self.advance()

    def advance(self) -> None:
        code = self.code
        code.get(AT)
        code.get(self.step)
        code.op(opcodes.I32_ADD)
        code.set(AT)

    def read(self) -> None:
        """The unit here, at the end -1: memory goes on behind every text (arena.c)."""
        code = self.code
        code.get(AT)
        code.load(opcodes.I32_LOAD16_U, 0)
        code.get(self.mask)
        code.op(opcodes.I32_AND)
        code.i32(-1)
        code.get(AT)
        code.get(END_OF_TEXT)
        code.op(opcodes.I32_LT_U, opcodes.SELECT)
        code.set(self.unit)
        if self.ignore_case:
            self._make_capital()

    def _make_capital(self) -> None:
        code = self.code
        code.get(self.unit)
        code.get(self.unit)
        code.i32(ord("a"))
        code.op(opcodes.I32_SUB)
        code.i32(26)
        code.op(opcodes.I32_LT_U)
        code.i32(5)
        code.op(opcodes.I32_SHL, opcodes.I32_SUB)
        code.set(self.unit)

    def is_in(self, units: Ranges) -> None:
        """Whether the unit is in a set."""
        code = self.code
        if self.ignore_case and any(
            ASCII_END <= start < 0x10000 or ASCII_END < end < 0x10000 for start, end in units
        ):
            units = self._checked(units)
        others = tuple(part for part in units if part not in ranges.SPACE)
        if len(units) == len(others) + len(ranges.SPACE):
            self._is_space()
            if others:
                self.is_in(others)
                code.op(opcodes.I32_OR)
            return
        if units == unit_set(Simple("not_space")):
            self._is_space()
            code.get(self.unit)
            code.i32(0)
            code.op(opcodes.I32_LT_S, opcodes.I32_OR, opcodes.I32_EQZ)
            return
        if len(units) > _RANGES_MAX:
            raise Unsupported
        if not units:
            code.i32(0)
        for index, (start, end) in enumerate(units):
            code.get(self.unit)
            if end == start + 1:
                code.i32(start)
                code.op(opcodes.I32_EQ)
            else:
                if start:
                    code.i32(start)
                    code.op(opcodes.I32_SUB)
                code.i32(end - start)
                code.op(opcodes.I32_LT_U)
            if index:
                code.op(opcodes.I32_OR)

    def _is_space(self) -> None:
        self.code.get(self.unit)
        self.code.call(self.guest.function("rt_is_white_space"))

    def _checked(self, units: Ranges) -> Ranges:
        """Beyond ASCII a set is all or nothing where case does not count, but for white space."""
        if units not in _CASELESS:
            raise Unsupported
        return units

    def text_of(self, items: tuple[Item, ...]) -> str:
        """The units in front that the library can compare at once."""
        text = ""
        for item in items:
            if not isinstance(item, Unit) or self.ignore_case:
                break
            text += chr(item.unit)
        return text if len(text) >= _TEXT_MIN else ""

    def take_text(self, text: str, failed: int) -> None:
        code = self.code
        for local in (AT, END_OF_TEXT, WIDE):
            code.get(local)
        code.i32(self.text_address(text))
        code.call(self.guest.function("rt_pattern_text"))
        code.tee(AT)
        code.op(opcodes.I32_EQZ)
        code.branch_if(failed)
