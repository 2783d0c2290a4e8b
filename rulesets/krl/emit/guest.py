"""The guest library as the compiler sees it: what it exports, and where its index spaces end.

Emitted code refers to guest functions by index. Nothing in the library ever moves: types,
functions, table slots and data are only ever added behind it (krl/link).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from krl.guest.graph import GRAPH_SECTION, Graph, decode_graph
from pico_abi import wasm
from pico_abi.wasm import FunctionType, Module, read_uleb32

PAGE_BYTES = 65_536
FUNCTION_NAMES = 1  # the subsection of the name section


@dataclass(frozen=True)
class Guest:
    """The decoded guest library."""

    module: Module

    @cached_property
    def exports(self) -> dict[str, wasm.Export]:
        return {export.name: export for export in self.module.exports}

    @cached_property
    def function_count(self) -> int:
        """Imported and own functions; the first index the compiler may use."""
        return len(self.module.imported_functions()) + len(self.module.functions)

    def function(self, name: str) -> int:
        """The index of an exported function."""
        export = self.exports[name]
        assert export.kind == wasm.KIND_FUNCTION, name
        return export.index

    def has(self, name: str) -> bool:
        return name in self.exports

    def function_type(self, index: int) -> FunctionType:
        imports = self.module.imported_functions()
        if index < len(imports):
            description = imports[index].description
            assert isinstance(description, int)
            return self.module.types[description]
        return self.module.types[self.module.functions[index - len(imports)].type_index]

    def global_index(self, name: str) -> int:
        export = self.exports[name]
        assert export.kind == wasm.KIND_GLOBAL, name
        return export.index

    def address(self, name: str) -> int:
        """The value of an exported constant global: an address in linear memory."""
        init = self.module.globals[self.global_index(name)].init
        assert init[0] == wasm.opcodes.I32_CONST and init[-1] == wasm.opcodes.END
        value, _ = wasm.read_sleb(init, 1, 32)
        return value

    @cached_property
    def graph(self) -> Graph:
        """What of the library needs what: docs/formats/guest.md."""
        section = self.module.custom(GRAPH_SECTION)
        assert section is not None, "the library was built without a graph"
        return decode_graph(section)

    def data_of(self, names: Iterable[str]) -> list[int]:
        """The numbers in the graph of exported data."""
        found: list[int] = []
        for name in names:
            if name not in self._data_numbers:
                self._data_numbers[name] = self.graph.data_at(self.address(name))
            found += self._data_numbers[name]
        return found

    @cached_property
    def _data_numbers(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def function_names(self) -> dict[int, bytes]:
        """The names of functions, for people."""
        section = self.module.custom("name") or b""
        at = 0
        while at < len(section):
            kind = section[at]
            size, at = read_uleb32(section, at + 1)
            if kind == FUNCTION_NAMES:
                return _name_map(section, at)
            at += size
        return {}

    @cached_property
    def data(self) -> bytes:
        """The library's memory from its first data to its last, as it is before it runs."""
        image = bytearray()
        for segment in self.module.data:
            start, _ = wasm.read_sleb(segment.start, 1, 32)
            image += bytes(start - self.data_first - len(image)) + segment.payload
        return bytes(image)

    @cached_property
    def data_first(self) -> int:
        """The address of the library's first data."""
        first, _ = wasm.read_sleb(self.module.data[0].start, 1, 32)
        return first

    @property
    def table_size(self) -> int:
        return self.module.tables[0].minimum

    @property
    def data_start(self) -> int:
        """The first address behind the library's own data."""
        return self.address("__heap_base")


def _name_map(section: bytes, at: int) -> dict[int, bytes]:
    names: dict[int, bytes] = {}
    count, at = read_uleb32(section, at)
    for _ in range(count):
        index, at = read_uleb32(section, at)
        size, at = read_uleb32(section, at)
        names[index] = section[at : at + size]
        at += size
    return names
