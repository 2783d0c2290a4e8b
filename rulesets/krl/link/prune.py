"""Leaves out what a program cannot reach of the guest library: docs/formats/guest.md §4.

Functions keep their indices, because bodies are copied verbatim: one that is gone becomes empty,
and costs next to nothing. Data keeps its addresses and becomes zeros, which no module carries.
"""

from __future__ import annotations

from collections.abc import Iterator

from krl.emit import OPTIONAL_PARTS, Emitted, Guest
from krl.guest.graph import Reached
from pico_abi.wasm import Function, FunctionType, opcodes

# Of the contract's exports, what the library itself has (docs/formats/module.md §3).
KEPT_FUNCTIONS = ("cabi_realloc",)
# What stands for a function that is gone. It takes and gives nothing, so that nearly every use that
# might be left of it is refused by the validator or traps; an empty body is the cheapest to meter.
STUB = bytes((opcodes.END,))
STUB_TYPE = FunctionType((), ())
# What the linker of a ruleset fills in, so it is there whoever reads it.
PATCHED_DATA = ("rt_arena_next", "rt_manifest")


def reached(emitted: Emitted, guest: Guest) -> Reached:
    """What the program's functions, its table and the module's exports lead to."""
    own = {i for i, _ in named_functions(emitted, guest) if i < guest.function_count}
    return guest.graph.reached(own, guest.data_of(PATCHED_DATA), unwanted_parts(emitted, guest))


def named_functions(emitted: Emitted, guest: Guest) -> Iterator[tuple[int, str]]:
    """The functions that a program names, its own among them, and where it does so."""
    for name in KEPT_FUNCTIONS:
        yield guest.function(name), "export"
    for index in emitted.table:
        yield index, "table"
    for function in emitted.functions:
        for index in sorted(function.calls):
            yield index, function.name


def unwanted_parts(emitted: Emitted, guest: Guest) -> list[int]:
    """The numbers of the data that lead to parts the program does without."""
    return guest.data_of(name for name in OPTIONAL_PARTS if name not in emitted.needs)


def kept_functions(guest: Guest, live: Reached, stub_type: int) -> tuple[Function, ...]:
    """The library's functions, those that nothing reaches without type and body."""
    return tuple(
        function if index in live.functions else Function(stub_type, (), STUB)
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
