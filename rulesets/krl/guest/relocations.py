"""Reads what `wasm-ld --emit-relocs` says about its output: symbols, and every use of one.

The formats are the tool conventions' `linking` (version 2) and `reloc.*` sections. From them come
the graph of references (graph.py), and bodies whose numbers are as short as they can be: a linker
that keeps relocations leaves five bytes for each number it may have to change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from krl.guest.graph import Datum, Graph, References
from pico_abi import wasm
from pico_abi.wasm import module as sections
from pico_abi.wasm import read_sleb, read_uleb32, sleb, uleb

_LINKING_VERSION = 2
_SYMBOL_TABLE = 8  # a subsection of `linking`

# Kinds of symbols, and flags of one.
_FUNCTION, _DATA, _GLOBAL, _SECTION, _TAG, _TABLE = range(6)
_UNDEFINED, _EXPLICIT_NAME, _ABSOLUTE = 0x10, 0x40, 0x200

# Kinds of relocations that occur in code and data without debug information and threads.
FUNCTION_INDEX_LEB, TABLE_INDEX_SLEB, TABLE_INDEX_I32 = 0, 1, 2
MEMORY_ADDRESS_LEB, MEMORY_ADDRESS_SLEB, MEMORY_ADDRESS_I32 = 3, 4, 5
TYPE_INDEX_LEB, GLOBAL_INDEX_LEB, TABLE_NUMBER_LEB = 6, 7, 20
_WITH_ADDEND = (MEMORY_ADDRESS_LEB, MEMORY_ADDRESS_SLEB, MEMORY_ADDRESS_I32)
_SIGNED = (TABLE_INDEX_SLEB, MEMORY_ADDRESS_SLEB)
_UNSIGNED = (
    *(FUNCTION_INDEX_LEB, MEMORY_ADDRESS_LEB),
    *(TYPE_INDEX_LEB, GLOBAL_INDEX_LEB, TABLE_NUMBER_LEB),
)
_PADDED_BYTES = 5
_OWN_SECTIONS = ("linking", "reloc.CODE", "reloc.DATA", "producers", "target_features")


class RelocationError(Exception):
    """The linker wrote something this module does not know; the text says what."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """`place` is a function's index, or the address of data in linear memory."""

    kind: int
    place: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Relocation:
    """A number in the file, by its offset there, and the symbol it stands for."""

    kind: int
    offset: int
    symbol: int


def settle(linked: bytes) -> tuple[wasm.Module, Graph]:
    """The module without relocations, its numbers short, and what refers to what."""
    module = wasm.decode_module(linked)
    symbols = list(_symbols(module))
    code = _relocations(linked, module, "reloc.CODE", sections.CODE)
    graph = _graph(linked, module, symbols)
    customs = tuple(item for item in module.customs if item.name not in _OWN_SECTIONS)
    functions = tuple(_shortened(function, linked, code) for function in module.functions)
    return replace(module, functions=functions, customs=customs), graph


# ---- reading the linker's sections ---------------------------------------------------------------


def _symbols(module: wasm.Module) -> Iterator[Symbol]:
    section = _section(module, "linking")
    version, at = read_uleb32(section, 0)
    if version != _LINKING_VERSION:
        raise RelocationError(f"linking section of version {version}")
    while at < len(section):
        kind = section[at]
        size, at = read_uleb32(section, at + 1)
        if kind == _SYMBOL_TABLE:
            yield from _symbol_table(module, section, at)
        at += size


def _symbol_table(module: wasm.Module, section: bytes, at: int) -> Iterator[Symbol]:
    starts = [_start(segment) for segment in module.data]
    count, at = read_uleb32(section, at)
    for _ in range(count):
        kind = section[at]
        flags, at = read_uleb32(section, at + 1)
        if kind == _DATA:
            symbol, at = _data_symbol(section, at, flags, starts)
            yield symbol
            continue
        index, at = read_uleb32(section, at)
        if kind != _SECTION and (not flags & _UNDEFINED or flags & _EXPLICIT_NAME):
            at = _behind_name(section, at)
        yield Symbol(kind, index)


def _data_symbol(section: bytes, at: int, flags: int, starts: list[int]) -> tuple[Symbol, int]:
    at = _behind_name(section, at)
    if flags & _UNDEFINED:
        return Symbol(_DATA, 0), at
    segment, at = read_uleb32(section, at)
    offset, at = read_uleb32(section, at)
    size, at = read_uleb32(section, at)
    start = 0 if flags & _ABSOLUTE else starts[segment]
    return Symbol(_DATA, start + offset, size), at


def _behind_name(section: bytes, at: int) -> int:
    size, at = read_uleb32(section, at)
    return at + size


def _relocations(
    linked: bytes, module: wasm.Module, name: str, target: int
) -> tuple[Relocation, ...]:
    """The relocations of one section, ascending by offset in the file."""
    section = _section(module, name)
    start = _payload_start(linked, target)
    _, at = read_uleb32(section, 0)
    count, at = read_uleb32(section, at)
    found = []
    for _ in range(count):
        kind = section[at]
        offset, at = read_uleb32(section, at + 1)
        symbol, at = read_uleb32(section, at)
        if kind in _WITH_ADDEND:
            _, at = read_sleb(section, at, 32)
        elif kind not in (*_SIGNED, *_UNSIGNED, TABLE_INDEX_I32):
            raise RelocationError(f"{name} has a relocation of kind {kind}")
        found.append(Relocation(kind, start + offset, symbol))
    return tuple(sorted(found, key=lambda item: item.offset))


def _section(module: wasm.Module, name: str) -> bytes:
    section = module.custom(name)
    if section is None:
        raise RelocationError(f"the linker wrote no {name}")
    return section


def _payload_start(linked: bytes, target: int) -> int:
    at = len(sections.MAGIC)
    while at < len(linked):
        kind = linked[at]
        size, at = read_uleb32(linked, at + 1)
        if kind == target:
            return at
        at += size
    raise RelocationError(f"section {target} is not there")


def _start(segment: wasm.DataSegment) -> int:
    value, _ = read_sleb(segment.start, 1, 32)
    return value


# ---- bodies without room for relocations ---------------------------------------------------------


def _shortened(
    function: wasm.Function, linked: bytes, relocations: tuple[Relocation, ...]
) -> wasm.Function:
    pieces = []
    at, end = function.offset, function.offset + len(function.body)
    for relocation in _inside(relocations, at, end):
        pieces.append(linked[at : relocation.offset])
        at = relocation.offset + _PADDED_BYTES
        padded = linked[relocation.offset : at]
        if relocation.kind in _SIGNED:
            value, used = read_sleb(padded, 0, 32)
        else:
            value, used = read_uleb32(padded, 0)
        if used != _PADDED_BYTES:
            raise RelocationError(f"a number at {relocation.offset} is not padded")
        pieces.append(sleb(value) if relocation.kind in _SIGNED else uleb(value))
    pieces.append(linked[at:end])
    return replace(function, body=b"".join(pieces))


def _inside(relocations: tuple[Relocation, ...], start: int, end: int) -> tuple[Relocation, ...]:
    first = bisect_right(relocations, start - 1, key=lambda item: item.offset)
    last = bisect_right(relocations, end - 1, key=lambda item: item.offset)
    return relocations[first:last]


# ---- the graph -----------------------------------------------------------------------------------


def _graph(linked: bytes, module: wasm.Module, symbols: list[Symbol]) -> Graph:
    code = _relocations(linked, module, "reloc.CODE", sections.CODE)
    pieces = sorted({(s.place, s.size) for s in symbols if s.kind == _DATA and s.size})
    numbers = {piece: number for number, piece in enumerate(pieces)}
    functions = tuple(
        _references(_inside(code, item.offset, item.offset + len(item.body)), symbols, numbers)
        for item in module.functions
    )
    data = _relocations(linked, module, "reloc.DATA", sections.DATA)
    made = []
    owned: set[int] = set()
    for address, size in pieces:
        start = _file_offset(linked, module, address)
        inside = _inside(data, start, start + size)
        owned.update(item.offset for item in inside)
        made.append(Datum(address, size, _references(inside, symbols, numbers)))
    for relocation in data:
        if relocation.offset not in owned:
            raise RelocationError(f"data at {relocation.offset} of the file has no symbol")
    return Graph(len(module.imported_functions()), functions, tuple(made))


def _references(
    relocations: tuple[Relocation, ...],
    symbols: list[Symbol],
    numbers: dict[tuple[int, int], int],
) -> References:
    calls: set[int] = set()
    slots: set[int] = set()
    data: set[int] = set()
    for relocation in relocations:
        match relocation.kind:
            case kind if kind == FUNCTION_INDEX_LEB:
                calls.add(symbols[relocation.symbol].place)
            case kind if kind in (TABLE_INDEX_SLEB, TABLE_INDEX_I32):
                slots.add(symbols[relocation.symbol].place)
            case kind if kind in _WITH_ADDEND:
                symbol = symbols[relocation.symbol]
                if symbol.size:  # what has none is a place that the linker made up: __heap_base
                    data.add(numbers[symbol.place, symbol.size])
    return References(tuple(sorted(calls)), tuple(sorted(slots)), tuple(sorted(data)))


def _file_offset(linked: bytes, module: wasm.Module, address: int) -> int:
    for segment in module.data:
        distance = address - _start(segment)
        if 0 <= distance < len(segment.payload):
            _, payload = read_uleb32(linked, segment.offset + 1 + len(segment.start))
            return payload + distance
    raise RelocationError(f"no segment holds the data at {address}")
