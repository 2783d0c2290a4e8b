"""Module to bytes: canonical, with minimal integers, sections in the specified order."""

from __future__ import annotations

from functools import lru_cache

from pico_abi.wasm import module as m
from pico_abi.wasm.leb128 import uleb


def encode_module(module: m.Module) -> bytes:
    """The bytes of a module; for what `decode_module` read from canonical bytes, those bytes."""
    out = [m.MAGIC]
    out += _customs(module, m.CUSTOM)
    for section in m.SECTION_ORDER:
        items = _SECTION_ITEMS[section](module)
        if items or section in module.empty_sections:
            out.append(_section(section, vector(items)))
        elif section == m.START and module.start is not None:
            out.append(_section(section, uleb(module.start)))
        elif section == m.DATA_COUNT and module.data_count is not None:
            out.append(_section(section, uleb(module.data_count)))
        out += _customs(module, section)
    return b"".join(out)


def _section(section: int, payload: bytes) -> bytes:
    return bytes((section,)) + uleb(len(payload)) + payload


def _customs(module: m.Module, after: int) -> list[bytes]:
    return [
        _section(m.CUSTOM, sized(item.name.encode()) + item.payload)
        for item in module.customs
        if item.after == after
    ]


def vector(items: list[bytes]) -> bytes:
    """A count and the items."""
    return uleb(len(items)) + b"".join(items)


def sized(payload: bytes) -> bytes:
    """A length and the bytes."""
    return uleb(len(payload)) + payload


def _limits(minimum: int, maximum: int | None) -> bytes:
    if maximum is None:
        return b"\0" + uleb(minimum)
    return b"\1" + uleb(minimum) + uleb(maximum)


def _types(module: m.Module) -> list[bytes]:
    return [
        b"\x60" + sized(bytes(item.params)) + sized(bytes(item.results)) for item in module.types
    ]


def _import(item: m.Import) -> bytes:
    name = sized(item.module.encode()) + sized(item.name.encode()) + bytes((item.kind,))
    match item.description:
        case int() as type_index:
            return name + uleb(type_index)
        case m.Table() as table:
            return name + _table(table)
        case m.Memory() as memory:
            return name + _limits(memory.minimum, memory.maximum)
        case m.GlobalType() as description:
            return name + bytes((description.value_type, description.mutable))


def _imports(module: m.Module) -> list[bytes]:
    return [_import(item) for item in module.imports]


def _function_types(module: m.Module) -> list[bytes]:
    return [uleb(item.type_index) for item in module.functions]


def _table(item: m.Table) -> bytes:
    return bytes((item.element_type,)) + _limits(item.minimum, item.maximum)


def _tables(module: m.Module) -> list[bytes]:
    return [_table(item) for item in module.tables]


def _memories(module: m.Module) -> list[bytes]:
    return [_limits(item.minimum, item.maximum) for item in module.memories]


def _globals(module: m.Module) -> list[bytes]:
    return [bytes((item.value_type, item.mutable)) + item.init for item in module.globals]


def _exports(module: m.Module) -> list[bytes]:
    return [
        sized(item.name.encode()) + bytes((item.kind,)) + uleb(item.index)
        for item in module.exports
    ]


def _elements(module: m.Module) -> list[bytes]:
    return [
        b"\0" + item.start + vector([uleb(index) for index in item.function_indices])
        for item in module.elements
    ]


@lru_cache(maxsize=1024)  # functions that declare the same are many
def encode_locals(runs: tuple[tuple[int, int], ...]) -> bytes:
    """The run-length declaration of a function's locals."""
    return vector([uleb(count) + bytes((value_type,)) for count, value_type in runs])


def _code(module: m.Module) -> list[bytes]:
    return [sized(encode_locals(item.locals) + item.body) for item in module.functions]


def _data(module: m.Module) -> list[bytes]:
    return [b"\0" + item.start + sized(item.payload) for item in module.data]


def _nothing(module: m.Module) -> list[bytes]:
    return []


_SECTION_ITEMS = {
    m.TYPES: _types,
    m.IMPORTS: _imports,
    m.FUNCTIONS: _function_types,
    m.TABLES: _tables,
    m.MEMORIES: _memories,
    m.GLOBALS: _globals,
    m.EXPORTS: _exports,
    m.START: _nothing,
    m.ELEMENTS: _elements,
    m.DATA_COUNT: _nothing,
    m.CODE: _code,
    m.DATA: _data,
}
