"""Bytes to module: the binary format's outer structure, without looking into function bodies.

No length is believed before the bytes behind it are there, lists grow only by what was read, and
nothing recurses. What the profile never admits (shared or 64-bit memories, passive segments,
reference types) has no place in `Module` and is refused here, by name.
"""

from __future__ import annotations

from typing import Any

from pico_abi.refused import ModuleRefused
from pico_abi.wasm import module as m
from pico_abi.wasm.leb128 import read_sleb, read_uleb32


class Reader:
    """A cursor over one section; every read is checked against the section's end."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def byte(self) -> int:
        if self.position >= self.end:
            raise ModuleRefused(self.position, "bytes end too early")
        self.position += 1
        return self.data[self.position - 1]

    def uleb32(self) -> int:
        value, position = read_uleb32(self.data, self.position)
        if position > self.end:
            raise ModuleRefused(self.position, "bytes end too early")
        self.position = position
        return value

    def take(self, count: int) -> bytes:
        start = self.position
        if count > self.end - start:
            raise ModuleRefused(start, f"{count} bytes announced, {self.end - start} left")
        self.position = start + count
        return self.data[start : self.position]

    def name(self) -> str:
        start = self.position
        raw = self.take(self.uleb32())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise ModuleRefused(start, "name is not UTF-8") from None

    def value_type(self) -> int:
        start = self.position
        byte = self.byte()
        if byte not in m.VALUE_TYPES:
            raise ModuleRefused(start, f"value type 0x{byte:02x} is not i32, i64, f32 or f64")
        return byte

    def flag(self) -> bool:
        start = self.position
        byte = self.byte()
        if byte > 1:
            raise ModuleRefused(start, f"mutability 0x{byte:02x} is neither 0 nor 1")
        return byte == 1

    def limits(self) -> tuple[int, int | None]:
        start = self.position
        match self.byte():
            case 0:
                return self.uleb32(), None
            case 1:
                return self.uleb32(), self.uleb32()
            case flags:
                raise ModuleRefused(start, f"limits of form 0x{flags:02x} (shared or 64-bit)")

    def constant(self) -> bytes:
        """A constant expression of one instruction, with its `end`."""
        start = self.position
        opcode = self.byte()
        match opcode:
            case 0x41 | 0x42:
                _, self.position = read_sleb(self.data, self.position, 32 * (opcode - 0x40))
            case 0x43 | 0x44:
                self.take(4 * (opcode - 0x42))
            case 0x23:
                self.uleb32()
            case _:
                raise ModuleRefused(start, f"opcode 0x{opcode:02x} in a constant expression")
        if self.byte() != 0x0B:
            raise ModuleRefused(self.position - 1, "constant expression of more than one step")
        return self.data[start : self.position]


def decode_module(data: bytes) -> m.Module:
    """Reads a whole module; raises `ModuleRefused` for bytes that are not one."""
    data = bytes(data)  # slices of a bytearray could not be keys, and could change
    if data[:8] != m.MAGIC:
        raise ModuleRefused(0, "not a WebAssembly 1 module")
    return _Decoder(data).run()


class _Decoder:
    """Collects the sections; functions need two of them, so they are joined at the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        # Items of the type that the section's reader in _ITEM_READERS makes.
        self.sections: dict[int, tuple[Any, ...]] = {}
        self.start: int | None = None
        self.data_count: int | None = None
        self.customs: list[m.CustomSection] = []
        self.empty: list[int] = []

    def run(self) -> m.Module:
        position = 8
        last = m.CUSTOM
        while position < len(self.data):
            section = self.data[position]
            reader = Reader(self.data, position + 1, len(self.data))
            size = reader.uleb32()
            if size > len(self.data) - reader.position:
                raise ModuleRefused(position, f"section of {size} bytes runs past the end")
            reader.end = reader.position + size
            last = self.section(section, last, position, reader)
            if reader.position != reader.end:
                raise ModuleRefused(reader.position, "section is longer than its content")
            position = reader.end
        return self.module()

    def section(self, section: int, last: int, offset: int, reader: Reader) -> int:
        if section == m.CUSTOM:
            name = reader.name()
            payload = reader.take(reader.end - reader.position)
            self.customs.append(m.CustomSection(name, payload, last, offset))
            return last
        if section not in m.SECTION_RANK:
            raise ModuleRefused(offset, f"section id {section} is not of this profile")
        if m.SECTION_RANK[section] <= m.SECTION_RANK.get(last, 0):
            raise ModuleRefused(offset, f"section {section} twice or out of order")
        if section == m.START:
            self.start = reader.uleb32()
        elif section == m.DATA_COUNT:
            self.data_count = reader.uleb32()
        else:
            read = _ITEM_READERS[section]
            items = tuple([read(reader) for _ in range(reader.uleb32())])
            self.sections[section] = items
            if not items:
                self.empty.append(section)
        return section

    def module(self) -> m.Module:
        get = self.sections.get
        return m.Module(
            types=get(m.TYPES, ()),
            imports=get(m.IMPORTS, ()),
            functions=self.functions(),
            tables=get(m.TABLES, ()),
            memories=get(m.MEMORIES, ()),
            globals=get(m.GLOBALS, ()),
            exports=get(m.EXPORTS, ()),
            start=self.start,
            elements=get(m.ELEMENTS, ()),
            data=get(m.DATA, ()),
            data_count=self.data_count,
            customs=tuple(self.customs),
            empty_sections=tuple(self.empty),
        )

    def functions(self) -> tuple[m.Function, ...]:
        types: tuple[int, ...] = self.sections.get(m.FUNCTIONS, ())
        codes: tuple[_Code, ...] = self.sections.get(m.CODE, ())
        if len(types) != len(codes):
            raise ModuleRefused(
                len(self.data), f"{len(types)} functions declared, {len(codes)} bodies"
            )
        return tuple(
            [
                m.Function(type_index, runs, body, offset)
                for type_index, (runs, body, offset) in zip(types, codes, strict=True)
            ]
        )


_Code = tuple[tuple[tuple[int, int], ...], bytes, int]


def _type(reader: Reader) -> m.FunctionType:
    offset = reader.position
    if reader.byte() != 0x60:
        raise ModuleRefused(offset, "type is not a function type")
    params = tuple([reader.value_type() for _ in range(reader.uleb32())])
    results = tuple([reader.value_type() for _ in range(reader.uleb32())])
    return m.FunctionType(params, results, offset)


def _import(reader: Reader) -> m.Import:
    offset = reader.position
    module, name = reader.name(), reader.name()
    description: int | m.Table | m.Memory | m.GlobalType
    match reader.byte():
        case m.KIND_FUNCTION:
            description = reader.uleb32()
        case m.KIND_TABLE:
            description = _table(reader)
        case m.KIND_MEMORY:
            description = _memory(reader)
        case m.KIND_GLOBAL:
            description = m.GlobalType(reader.value_type(), reader.flag())
        case kind:
            raise ModuleRefused(reader.position - 1, f"import of unknown kind {kind}")
    return m.Import(module, name, description, offset)


def _function(reader: Reader) -> int:
    return reader.uleb32()


def _table(reader: Reader) -> m.Table:
    offset = reader.position
    if reader.byte() != m.FUNCREF:
        raise ModuleRefused(offset, "table of anything but funcref")
    return m.Table(*reader.limits(), m.FUNCREF, offset)


def _memory(reader: Reader) -> m.Memory:
    offset = reader.position
    return m.Memory(*reader.limits(), offset)


def _global(reader: Reader) -> m.Global:
    offset = reader.position
    return m.Global(reader.value_type(), reader.flag(), reader.constant(), offset)


def _export(reader: Reader) -> m.Export:
    offset = reader.position
    name = reader.name()
    kind = reader.byte()
    if kind > m.KIND_GLOBAL:
        raise ModuleRefused(reader.position - 1, f"export of unknown kind {kind}")
    return m.Export(name, kind, reader.uleb32(), offset)


def _element(reader: Reader) -> m.ElementSegment:
    offset = reader.position
    if form := reader.uleb32():
        raise ModuleRefused(offset, f"element segment of form {form}; only active ones are allowed")
    start = reader.constant()
    indices = tuple([reader.uleb32() for _ in range(reader.uleb32())])
    return m.ElementSegment(start, indices, offset)


def _code(reader: Reader) -> _Code:
    size = reader.uleb32()
    if size > reader.end - reader.position:
        raise ModuleRefused(reader.position, f"function of {size} bytes runs past the end")
    end = reader.position + size
    inner = Reader(reader.data, reader.position, end)
    runs = tuple([(inner.uleb32(), inner.value_type()) for _ in range(inner.uleb32())])
    offset = inner.position
    reader.position = end
    return runs, reader.data[offset:end], offset


def _data(reader: Reader) -> m.DataSegment:
    offset = reader.position
    if form := reader.uleb32():
        raise ModuleRefused(offset, f"data segment of form {form}; only active ones are allowed")
    return m.DataSegment(reader.constant(), reader.take(reader.uleb32()), offset)


_ITEM_READERS = {
    m.TYPES: _type,
    m.IMPORTS: _import,
    m.FUNCTIONS: _function,
    m.TABLES: _table,
    m.MEMORIES: _memory,
    m.GLOBALS: _global,
    m.EXPORTS: _export,
    m.ELEMENTS: _element,
    m.CODE: _code,
    m.DATA: _data,
}
