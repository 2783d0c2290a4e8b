"""What of the guest library needs what: docs/formats/guest.md §3.

The build writes this graph from the linker's relocations, which know every reference, so that the
linker of a ruleset can leave out what a program does not reach (krl/link/prune.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pico_abi.wasm import read_uleb32, uleb

GRAPH_SECTION = "picomesh:graph"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class References:
    """Ascending: functions called, functions whose table slot is named, numbers of data."""

    calls: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()
    data: tuple[int, ...] = ()

    @property
    def functions(self) -> tuple[int, ...]:
        return self.calls + self.slots


@dataclass(frozen=True, slots=True)
class Datum:
    """A piece of static data: where it is, and what it points to."""

    address: int
    size: int
    references: References


@dataclass(frozen=True, slots=True)
class Graph:
    """The own functions in order, and the data in order of address."""

    imported: int
    functions: tuple[References, ...]
    data: tuple[Datum, ...]

    def of_function(self, index: int) -> References:
        """What a function of the library refers to; imports refer to nothing."""
        return self.functions[index - self.imported] if index >= self.imported else References()

    def reached(
        self, functions: Iterable[int], data: Iterable[int] = (), without: Iterable[int] = ()
    ) -> Reached:
        """All that these functions and data lead to, themselves included, but not through the data
        that are done without."""
        waiting = list(functions)
        waiting_data = list(data)
        avoided = frozenset(without)
        found: set[int] = set()
        found_data: set[int] = set(avoided)
        while waiting or waiting_data:
            if waiting:
                index = waiting.pop()
                if index in found:
                    continue
                found.add(index)
                references = self.of_function(index)
            else:
                number = waiting_data.pop()
                if number in found_data:
                    continue
                found_data.add(number)
                references = self.data[number].references
            waiting += references.functions
            waiting_data += references.data
        return Reached(frozenset(found), frozenset(found_data - avoided))

    def data_at(self, address: int) -> list[int]:
        """The numbers of the data that cover an address."""
        return [
            number
            for number, datum in enumerate(self.data)
            if datum.address <= address < datum.address + datum.size
        ]


@dataclass(frozen=True, slots=True)
class Reached:
    """Indices of functions, imports included, and numbers of data."""

    functions: frozenset[int]
    data: frozenset[int]


def encode_graph(graph: Graph) -> bytes:
    out = [uleb(_VERSION), uleb(graph.imported), uleb(len(graph.functions)), uleb(len(graph.data))]
    for references in graph.functions:
        out += [_encode_list(references.calls), _encode_pointers(references)]
    previous = 0
    for datum in graph.data:
        out += [uleb(datum.address - previous), uleb(datum.size)]
        out.append(_encode_pointers(datum.references))
        previous = datum.address
    return b"".join(out)


def _encode_pointers(references: References) -> bytes:
    return _encode_list(references.slots) + _encode_list(references.data)


def _encode_list(numbers: tuple[int, ...]) -> bytes:
    gaps = [after - before for before, after in zip((0, *numbers), numbers, strict=False)]
    return uleb(len(numbers)) + b"".join(map(uleb, gaps))


def decode_graph(section: bytes) -> Graph:
    """The graph of a library that this package was built with: it is no hostile input."""
    version, at = read_uleb32(section, 0)
    assert version == _VERSION, version
    imported, at = read_uleb32(section, at)
    function_count, at = read_uleb32(section, at)
    data_count, at = read_uleb32(section, at)
    functions = []
    for _ in range(function_count):
        calls, at = _decode_list(section, at)
        slots, at = _decode_list(section, at)
        data, at = _decode_list(section, at)
        functions.append(References(calls, slots, data))
    pieces = []
    address = 0
    for _ in range(data_count):
        gap, at = read_uleb32(section, at)
        size, at = read_uleb32(section, at)
        slots, at = _decode_list(section, at)
        data, at = _decode_list(section, at)
        address += gap
        pieces.append(Datum(address, size, References((), slots, data)))
    assert at == len(section), at
    return Graph(imported, tuple(functions), tuple(pieces))


def _decode_list(section: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = read_uleb32(section, at)
    numbers = []
    number = 0
    for _ in range(count):
        gap, at = read_uleb32(section, at)
        number += gap
        numbers.append(number)
    return tuple(numbers), at
