"""What emitting one function needs: its code, its locals, its frame on the shadow stack.

A frame holds the argument lists of the calls in flight, because the guest library takes lists by
address. It is taken once at entry and given back once at the end, which every return branches to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from krl.emit import needs
from krl.emit.code import FLAG, VALUE, Code
from krl.emit.data import Data
from krl.emit.guest import Guest
from krl.emit.pattern import SEARCH_TYPE, compile_search
from krl.lower import ir
from krl.patterns import compile_pattern
from pico_abi.wasm import FunctionType

FRAME_ALIGNMENT_BYTES = 16
SLOT_BYTES = 8
EXPORT_COUNT = 3  # describe, handle, query
ENTRY_TYPE = FunctionType((FLAG, FLAG, FLAG), (VALUE,))  # closure, argument count, arguments


@dataclass(frozen=True, slots=True)
class EmittedFunction:
    """A function body as it will stand in the module; marks are (offset in body, source place)."""

    name: str
    type: FunctionType
    locals: tuple[tuple[int, int], ...]
    body: bytes
    calls: frozenset[int]
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Layout:
    """Where everything of a program is: shared by all functions being emitted."""

    guest: Guest
    program: ir.Program
    data: Data
    slots: list[int] = field(default_factory=list)
    table: list[int] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    patterns_seen: int = 0  # that become values, less those that nobody gets to see
    searches: list[EmittedFunction] = field(default_factory=list)  # of patterns
    _patterns: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def first_search(self) -> int:
        """The index of the first function of a pattern: behind the exported ones."""
        entries = sum(map(needs_entry, self.program.functions))
        return self.function_index(len(self.program.functions) + entries + EXPORT_COUNT)

    def function_index(self, number: int) -> int:
        """Program functions follow the guest's, in order."""
        return self.guest.function_count + number

    def table_index(self, function_index: int) -> int:
        """The table slot of a function, made on first request."""
        if function_index not in self.table:
            self.table.append(function_index)
        return self.guest.table_size + self.table.index(function_index)

    def entry_index(self, number: int) -> int:
        """The function with the uniform signature that calls through a value go to."""
        if is_entry(self.program.functions[number]):
            return self.function_index(number)
        wrapped = [n for n, f in enumerate(self.program.functions) if needs_entry(f)]
        return self.function_index(len(self.program.functions)) + wrapped.index(number)

    def pattern(self, source: str, flags: str) -> int:
        """The value of a regexp literal; equal literals share one object."""
        self.patterns_seen += 1
        known = self._patterns.get((source, flags))
        if known is None:
            known = self._patterns[source, flags] = self._new_pattern(source, flags)
        return known

    def _new_pattern(self, source: str, flags: str) -> int:
        search = compile_search(source, flags, self.guest, self.data.string_address)
        if search is not None:
            code, groups = search
            index = self.first_search + len(self.searches)
            name = f"pattern {len(self.searches)}"
            body = bytes(code.bytes)
            self.searches.append(
                EmittedFunction(name, SEARCH_TYPE, code.local_groups(), body, frozenset(code.calls))
            )
            return self.data.pattern(source, flags, self.table_index(index), groups, None)
        compiled = compile_pattern(source, flags)
        self.needs |= needs.of_pattern(flags, compiled)
        return self.data.pattern(source, flags, 0, 0, compiled)

    def shape(self, number: int) -> int:
        function = self.program.functions[number]
        return self.data.shape(function.kind, function.parameters)

    def static_function(self, number: int) -> int:
        """The value of a program function without captures."""
        table_index = self.table_index(self.entry_index(number))
        known = self._static.get(number)
        if known is None:
            known = self.data.static_function(table_index, self.shape(number))
            self._static[number] = known
        return known

    _static: dict[int, int] = field(default_factory=dict)


def is_entry(function: ir.Function) -> bool:
    """Only called through values: it takes its arguments as such calls pass them."""
    return function.as_value and not function.called


def needs_entry(function: ir.Function) -> bool:
    """Called both ways: another function takes the arguments of values and calls this one."""
    return function.as_value and function.called


class FunctionCode:
    """The code of one program function."""

    def __init__(
        self, layout: Layout, function: ir.Function, raw: tuple[int, ...] | None = None
    ) -> None:
        """`raw` are the parameter types of an export, which IR functions never have."""
        self.layout = layout
        self.function = function
        closure = (FLAG,) if function.has_closure else ()
        self.parameters = closure + (VALUE,) * len(function.parameters) if raw is None else raw
        self._locals = list(range(len(closure), len(self.parameters)))
        if is_entry(function):
            self.parameters, self._locals = ENTRY_TYPE.params, []
        self.code = Code(self.parameters)
        for local in range(len(self._locals), len(function.local_names)):
            kind = FLAG if local in function.flags else VALUE
            self._locals.append(self.code.new_local(kind))
        self.frame = -1
        self.slots_used = 0
        self.slots_max = 0
        self.end_depth = 0
        self.restart_depth = 0

    def local(self, number: int) -> int:
        """The WebAssembly local of an IR local."""
        return self._locals[number]

    @contextmanager
    def frame_slots(self, count: int) -> Iterator[int]:
        """The byte offset of `count` free slots in the frame."""
        first = self.slots_used
        if count and not self.slots_max:
            self.frame = self.code.new_local(FLAG)
        self.slots_used += count
        self.slots_max = max(self.slots_max, self.slots_used)
        yield first * SLOT_BYTES
        self.slots_used = first

    @property
    def frame_bytes(self) -> int:
        size = self.slots_max * SLOT_BYTES
        return -(-size // FRAME_ALIGNMENT_BYTES) * FRAME_ALIGNMENT_BYTES
