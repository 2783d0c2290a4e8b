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
from krl.link.names import name_section
from krl.link.prune import prune
from krl.link.source_map import source_map_section
from pico_abi import wasm
from pico_abi.wasm import (
    CustomSection,
    DataSegment,
    ElementSegment,
    Export,
    Function,
    Module,
    opcodes,
    sleb,
)

# The contract's exports that the library itself has (wit/pico.wit, docs/formats/module.md).
KEPT_EXPORTS = ("memory", "cabi_realloc")
# Room for a first few allocations; the arena grows from there.
ARENA_START_BYTES = PAGE_BYTES


def link(emitted: Emitted, guest: Guest, source_text: str) -> Module:
    """The complete module: library, program, exports of the contract, custom sections."""
    types = list(guest.module.types)
    functions = list(guest.module.functions)
    for function in emitted.functions:
        if function.type not in types:
            types.append(function.type)
        functions.append(Function(types.index(function.type), function.locals, function.body))
    module = replace(
        guest.module,
        types=tuple(types),
        functions=tuple(functions),
        tables=(_table(emitted, guest),),
        memories=(_memory(emitted, guest),),
        exports=_exports(emitted, guest),
        elements=guest.module.elements + _elements(emitted, guest),
        data=_data(emitted, guest),
    )
    module = prune(module, guest)
    return replace(module, customs=_customs(emitted, guest, source_text))


def _table(emitted: Emitted, guest: Guest) -> wasm.Table:
    size = guest.table_size + len(emitted.table)
    return replace(guest.module.tables[0], minimum=size, maximum=size)


def _memory(emitted: Emitted, guest: Guest) -> wasm.Memory:
    end = emitted.data_start + len(emitted.data) + ARENA_START_BYTES
    return replace(guest.module.memories[0], minimum=-(-end // PAGE_BYTES))


def _exports(emitted: Emitted, guest: Guest) -> tuple[Export, ...]:
    kept = tuple(guest.exports[name] for name in KEPT_EXPORTS)
    made = tuple(Export(name, wasm.KIND_FUNCTION, index) for name, index in emitted.exports.items())
    return kept + made


def _elements(emitted: Emitted, guest: Guest) -> tuple[ElementSegment, ...]:
    if not emitted.table:
        return ()
    return (ElementSegment(_address(guest.table_size), emitted.table),)


def _data(emitted: Emitted, guest: Guest) -> tuple[DataSegment, ...]:
    """The library's data, told where its arena and the manifest begin, then the program's."""
    end = emitted.data_start + len(emitted.data)
    arena = struct.pack("<I", -(-end // 16) * 16)
    manifest = struct.pack("<II", emitted.manifest_address, len(emitted.manifest))
    segments = list(guest.module.data)
    _patch(segments, guest.address("rt_arena_next"), arena)
    _patch(segments, guest.address("rt_manifest"), manifest)
    return (*segments, DataSegment(_address(emitted.data_start), emitted.data))


def _patch(segments: list[DataSegment], address: int, content: bytes) -> None:
    """Writes into the segment that covers the address; what none covers gets its own."""
    for index, segment in enumerate(segments):
        start, _ = wasm.read_sleb(segment.start, 1, 32)
        offset = address - start
        if offset >= 0 and offset + len(content) <= len(segment.payload):
            payload = segment.payload[:offset] + content + segment.payload[offset + len(content) :]
            segments[index] = replace(segment, payload=payload)
            return
    segments.append(DataSegment(_address(address), content))


def _address(value: int) -> bytes:
    return bytes((opcodes.I32_CONST,)) + sleb(value) + bytes((opcodes.END,))


def _customs(emitted: Emitted, guest: Guest, source_text: str) -> tuple[CustomSection, ...]:
    return (
        CustomSection("pico:manifest", emitted.manifest),
        CustomSection("pico:source-map", source_map_section(emitted, guest, source_text)),
        CustomSection("name", name_section(emitted, guest)),
    )
