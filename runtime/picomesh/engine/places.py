"""From a stop in a module to the line of the ruleset's source.

Byte of the looking form (pico-1.md §10) → raw byte (the rewriter's map) → function and offset in
its body → line and column (the compiler's map, docs/formats/module.md §4). Modules without a source
map have no lines; their functions have names if the module has them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import pico_abi
from pico_abi.contract import SOURCE_MAP_SECTION
from pico_abi.refused import ModuleRefused
from pico_abi.wasm.decode import decode_module
from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.errors import CodecError
from picomesh.sandbox.frames import Frame


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a ruleset's source."""

    function: str
    line: int
    column: int


class SourceMap:
    """The way from the bytes of a module's looking form back to its source."""

    def __init__(self, raw: bytes) -> None:
        module = decode_module(raw)
        self._offsets = pico_abi.offset_map(raw, every_block=True)
        imported = len(module.imports)
        self._bodies = {imported + at: item.offset for at, item in enumerate(module.functions)}
        section = module.custom(SOURCE_MAP_SECTION)
        self._marks = {} if section is None else _marks(section)

    def place(self, frame: Frame) -> Place | None:
        """Where a frame stands; None in the guest library, which no ruleset's author wrote."""
        marks = self._marks.get(frame.function)
        raw_offset = self._offsets.raw_offset(frame.offset)
        if marks is None or raw_offset is None:
            return None
        offsets, places = marks
        at = bisect_right(offsets, raw_offset - self._bodies[frame.function]) - 1
        line, column = places[max(at, 0)]
        return Place(frame.name, line, column)

    def ends_of(self, line: int) -> list[tuple[int, int]]:
        """Where in the looking form a line's code has its last mark: (function, offset)."""
        found: list[tuple[int, int]] = []
        for function, (offsets, places) in self._marks.items():
            marked = [
                offset
                for offset, (marked_line, _) in zip(offsets, places, strict=True)
                if marked_line == line
            ]
            if marked:
                metered = self._offsets.metered_offset(self._bodies[function] + marked[-1])
                if metered is not None:
                    found.append((function, metered))
        return found

    def has(self, function: int) -> bool:
        """Whether a function was compiled from the ruleset's source."""
        return function in self._marks

    def innermost(self, frames: list[Frame]) -> Place | None:
        """The first place in the ruleset's own code, from the innermost frame outwards."""
        found = (self.place(frame) for frame in frames)
        return next((place for place in found if place is not None), None)


@lru_cache(maxsize=16)  # a map costs as much as metering the module again
def source_map(raw: bytes) -> SourceMap | None:
    """The map of a module; None when it has none that can be read."""
    try:
        return SourceMap(raw)
    except (ModuleRefused, CodecError):
        return None


_Marks = tuple[list[int], list[tuple[int, int]]]


def _marks(data: bytes) -> dict[int, _Marks]:
    """[[function, [offset, line, column, …]], …] by function. Raises CodecError."""
    rows = decode_block(data)
    found: dict[int, _Marks] = {}
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [int(function), list(flat)] if len(flat) % 3 == 0 and flat:
                numbers = [_number(item) for item in flat]
                places = list(zip(numbers[1::3], numbers[2::3], strict=True))
                found[function] = numbers[0::3], places
            case _:
                raise CodecError("a source map is not [[function, [offset, line, column, …]], …]")
    return found


def _number(item: Block) -> int:
    if not isinstance(item, int) or isinstance(item, bool):
        raise CodecError("a source map holds something else than numbers")
    return item
