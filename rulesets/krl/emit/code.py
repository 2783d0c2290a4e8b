"""One WebAssembly function body under construction: bytes, locals, and the depth of blocks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from pico_abi.wasm import I32, I64, opcodes, sleb, uleb

EMPTY = 0x40


class Code:
    """Writes opcodes; keeps a pool of temporary locals for each type."""

    def __init__(self, parameters: tuple[int, ...]) -> None:
        self.bytes = bytearray()
        self.parameter_count = len(parameters)
        self.local_types: list[int] = []
        self.depth = 0
        self.marks: list[tuple[int, int]] = []
        self.calls: set[int] = set()
        self._free: dict[int, list[int]] = {}

    # ---- locals ------------------------------------------------------------------------------

    def new_local(self, value_type: int) -> int:
        self.local_types.append(value_type)
        return self.parameter_count + len(self.local_types) - 1

    @contextmanager
    def temporary(self, value_type: int) -> Iterator[int]:
        """A local nobody else uses inside the block."""
        free = self._free.setdefault(value_type, [])
        local = free.pop() if free else self.new_local(value_type)
        yield local
        free.append(local)

    def local_groups(self) -> tuple[tuple[int, int], ...]:
        return tuple((len(list(run)), kind) for kind, run in groupby(self.local_types))

    # ---- instructions ------------------------------------------------------------------------

    def op(self, *codes: int) -> None:
        self.bytes += bytes(codes)

    def get(self, local: int) -> None:
        self.bytes += b"\x20" + uleb(local)

    def set(self, local: int) -> None:
        self.bytes += b"\x21" + uleb(local)

    def tee(self, local: int) -> None:
        self.bytes += b"\x22" + uleb(local)

    def global_get(self, index: int) -> None:
        self.bytes += b"\x23" + uleb(index)

    def global_set(self, index: int) -> None:
        self.bytes += b"\x24" + uleb(index)

    def i32(self, value: int) -> None:
        self.bytes += b"\x41" + sleb(value)

    def i64(self, bits: int) -> None:
        """A 64-bit constant, given as unsigned bits."""
        signed = bits - (1 << 64) if bits >= 1 << 63 else bits
        self.bytes += b"\x42" + sleb(signed)

    def f64(self, value: float) -> None:
        self.bytes += b"\x44" + struct.pack("<d", value)

    def load(self, opcode: int, offset: int) -> None:
        self.bytes += bytes((opcode, _alignment(opcode))) + uleb(offset)

    store = load

    def call(self, function: int) -> None:
        self.calls.add(function)
        self.bytes += b"\x10" + uleb(function)

    def branch(self, target_depth: int) -> None:
        """Jumps to the block that was opened when the depth was `target_depth`."""
        self.bytes += b"\x0c" + uleb(self.depth - target_depth - 1)

    def branch_if(self, target_depth: int) -> None:
        self.bytes += b"\x0d" + uleb(self.depth - target_depth - 1)

    # ---- structure ---------------------------------------------------------------------------

    @contextmanager
    def block(self, opcode: int = opcodes.BLOCK, result: int = EMPTY) -> Iterator[int]:
        """A block, loop or if; gives the depth that `branch` takes to reach it."""
        self.op(opcode, result)
        self.depth += 1
        yield self.depth - 1
        self.depth -= 1
        self.op(opcodes.END)

    def otherwise(self) -> None:
        self.op(opcodes.ELSE)

    def mark(self, at: int) -> None:
        """What follows comes from this place in the source."""
        if not self.marks or self.marks[-1][1] != at:
            self.marks.append((len(self.bytes), at))


_ALIGNMENTS = {
    opcodes.I32_LOAD16_U: 0,  # of any text
    opcodes.I32_LOAD: 2,
    opcodes.I64_LOAD: 3,
    opcodes.I32_STORE: 2,
    opcodes.I64_STORE: 3,
}


def _alignment(opcode: int) -> int:
    return _ALIGNMENTS[opcode]


VALUE = I64
FLAG = I32
