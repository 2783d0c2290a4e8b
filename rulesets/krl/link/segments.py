"""Data segments for an image of memory: only what is not zero, for memory begins as zeros."""

from __future__ import annotations

import re

from pico_abi.limits import DATA_SEGMENTS_MAX
from pico_abi.wasm import DataSegment, opcodes, sleb

# What a segment costs besides its bytes: form, constant, end and length.
_SEGMENT_BYTES = 8


def segments(image: bytes, address: int) -> tuple[DataSegment, ...]:
    """Segments that make `image` at an address of empty memory, shortest when put together."""
    gap = _SEGMENT_BYTES
    while True:
        found = [
            DataSegment(address_constant(address + run.start()), run.group())
            for run in re.finditer(rb"[^\0](?:\0{0,%d}[^\0])*" % gap, image, re.DOTALL)
        ]
        if len(found) <= DATA_SEGMENTS_MAX:
            return tuple(found)
        gap *= 2


def address_constant(value: int) -> bytes:
    """The constant expression of an address or a table slot."""
    return bytes((opcodes.I32_CONST,)) + sleb(value) + bytes((opcodes.END,))
