"""Leaves out what a program cannot reach of the guest library: docs/formats/guest.md §4.

Functions keep their indices, because bodies are copied verbatim: one that is gone becomes a trap.
It costs next to nothing to validate, meter or compile. Data keeps its addresses and becomes zeros,
which a module need not carry.
"""

from __future__ import annotations

from collections.abc import Iterator

from krl.emit import Emitted, Guest
from krl.guest.graph import Reached
from pico_abi import wasm
from pico_abi.wasm import Function, opcodes

STUB = bytes((opcodes.UNREACHABLE, opcodes.END))
# What the linker of a ruleset fills in, so it is there whoever reads it.
PATCHED_DATA = ("rt_arena_next", "rt_manifest")


def reached(emitted: Emitted, guest: Guest, exported: tuple[wasm.Export, ...]) -> Reached:
    """What the program's functions, its table and the module's exports lead to."""
    functions = {export.index for export in exported if export.kind == wasm.KIND_FUNCTION}
    functions.update(emitted.table)
    for function in emitted.functions:
        functions.update(_callees(function.body))
    data = [number for name in PATCHED_DATA for number in guest.graph.data_at(guest.address(name))]
    return guest.graph.reached((i for i in functions if i < guest.function_count), data)


def _callees(body: bytes) -> Iterator[int]:
    return (
        instruction.immediates[0]
        for instruction in wasm.instructions(body)
        if instruction.opcode == opcodes.CALL
    )


def kept_functions(guest: Guest, live: Reached) -> tuple[Function, ...]:
    """The library's functions, those that nothing reaches without their bodies."""
    return tuple(
        function if index in live.functions else Function(function.type_index, (), STUB)
        for index, function in enumerate(guest.module.functions, guest.graph.imported)
    )


def kept_data(guest: Guest, live: Reached) -> bytearray:
    """The library's memory from `guest.data_first` to its heap, with zeros for what is gone."""
    image = bytearray(guest.data_start - guest.data_first)
    for number in live.data:
        datum = guest.graph.data[number]
        at = datum.address - guest.data_first
        image[at : at + datum.size] = guest.data[at : at + datum.size]
    return image
