"""Appends a program to the guest library.

Every index space of the library only grows at its end: types, functions, table slots, data. So
the library's own bodies are copied verbatim, which makes linking fast and metering of them a
thing done once. Function imports could not be appended; the library declares all of them.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from krl.emit import Emitted, Guest
from krl.emit.guest import PAGE_BYTES
from krl.guest.graph import Reached
from krl.link.names import name_section
from krl.link.prune import (
    KEPT_FUNCTIONS,
    PATCHED_DATA,
    STUB_TYPE,
    kept_data,
    kept_functions,
    reached,
)
from krl.link.segments import address_constant, segments
from krl.link.source_map import source_map_section
from pico_abi import wasm
from pico_abi.wasm import CustomSection, DataSegment, ElementSegment, Export, Function, Module

# Room for a first few allocations; the arena grows from there.
ARENA_START_BYTES = PAGE_BYTES


def link(emitted: Emitted, guest: Guest, source_text: str) -> Module:
    """The complete module: library, program, exports of the contract, custom sections."""
    live = reached(emitted, guest)
    types = list(guest.module.types)
    for wanted in (STUB_TYPE, *(function.type for function in emitted.functions)):
        if wanted not in types:
            types.append(wanted)
    functions = list(kept_functions(guest, live, types.index(STUB_TYPE)))
    for function in emitted.functions:
        functions.append(Function(types.index(function.type), function.locals, function.body))
    return replace(
        guest.module,
        types=tuple(types),
        functions=tuple(functions),
        tables=(_table(emitted, guest),),
        memories=(_memory(emitted, guest),),
        globals=_globals(guest),
        exports=_exports(emitted, guest),
        elements=guest.module.elements + _elements(emitted, guest),
        data=_data(emitted, guest, live),
        customs=_customs(emitted, guest, live, source_text),
    )


def _table(emitted: Emitted, guest: Guest) -> wasm.Table:
    size = guest.table_size + len(emitted.table)
    return replace(guest.module.tables[0], minimum=size, maximum=size)


def _globals(guest: Guest) -> tuple[wasm.Global, ...]:
    """The stack pointer; behind it stand the addresses that only linking needs."""
    last = guest.global_index("__stack_pointer")
    return guest.module.globals[: last + 1]


def _memory(emitted: Emitted, guest: Guest) -> wasm.Memory:
    end = emitted.data_start + len(emitted.data) + ARENA_START_BYTES
    return replace(guest.module.memories[0], minimum=-(-end // PAGE_BYTES))


def _exports(emitted: Emitted, guest: Guest) -> tuple[Export, ...]:
    kept = tuple(guest.exports[name] for name in ("memory", *KEPT_FUNCTIONS))
    made = tuple(Export(name, wasm.KIND_FUNCTION, index) for name, index in emitted.exports.items())
    return kept + made


def _elements(emitted: Emitted, guest: Guest) -> tuple[ElementSegment, ...]:
    if not emitted.table:
        return ()
    return (ElementSegment(address_constant(guest.table_size), emitted.table),)


def _data(emitted: Emitted, guest: Guest, live: Reached) -> tuple[DataSegment, ...]:
    """The library's data, told where its arena and the manifest begin, then the program's."""
    end = emitted.data_start + len(emitted.data)
    arena = struct.pack("<I", -(-end // 16) * 16)
    manifest = struct.pack("<II", emitted.manifest_address, len(emitted.manifest))
    image = kept_data(guest, live)
    for name, content in zip(PATCHED_DATA, (arena, manifest), strict=True):
        at = guest.address(name) - guest.data_first
        image[at : at + len(content)] = content
    return segments(bytes(image + emitted.data), guest.data_first)


def _customs(
    emitted: Emitted, guest: Guest, live: Reached, source_text: str
) -> tuple[CustomSection, ...]:
    return (
        CustomSection("pico:manifest", emitted.manifest),
        CustomSection("pico:source-map", source_map_section(emitted, guest, source_text)),
        CustomSection("name", name_section(emitted, guest, live)),
    )
