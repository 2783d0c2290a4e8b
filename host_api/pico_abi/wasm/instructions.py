"""Instructions in and out: one encoder by opcode, one iterator over a body.

The immediates of an opcode are decided by `IMMEDIATES`; everything not in it has none. The
iterator is for tools that look at whole bodies (listing, pruning, maps); the validator has its
own loop, because it also types what it reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pico_abi.refused import ModuleRefused
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.leb128 import read_sleb, read_uleb32, sleb, uleb

(
    NO_IMMEDIATE,
    BLOCK_TYPE,  # signed 33-bit: value type, -64 for none, or a type index
    INDEX,
    BRANCH_TABLE,  # labels..., the default last
    CALL_INDIRECT,  # type index, table index
    MEMORY_ARGUMENT,  # log2 of alignment, offset
    MEMORY_INDEX,  # one zero byte
    TWO_MEMORY_INDICES,
    I32_IMMEDIATE,
    I64_IMMEDIATE,
    F32_IMMEDIATE,  # as a bit pattern: a Python float cannot carry every NaN
    F64_IMMEDIATE,
) = range(12)

EMPTY_BLOCK = -64

IMMEDIATES: dict[int, int] = {
    **dict.fromkeys((op.BLOCK, op.LOOP, op.IF), BLOCK_TYPE),
    **dict.fromkeys((op.BR, op.BR_IF, op.CALL), INDEX),
    **dict.fromkeys(range(op.LOCAL_GET, op.GLOBAL_SET + 1), INDEX),
    **dict.fromkeys(range(op.I32_LOAD, op.I64_STORE32 + 1), MEMORY_ARGUMENT),
    **dict.fromkeys((op.MEMORY_SIZE, op.MEMORY_GROW, op.MEMORY_FILL), MEMORY_INDEX),
    op.MEMORY_COPY: TWO_MEMORY_INDICES,
    op.BR_TABLE: BRANCH_TABLE,
    op.CALL_INDIRECT: CALL_INDIRECT,
    op.I32_CONST: I32_IMMEDIATE,
    op.I64_CONST: I64_IMMEDIATE,
    op.F32_CONST: F32_IMMEDIATE,
    op.F64_CONST: F64_IMMEDIATE,
}


class Instruction(NamedTuple):
    """`offset` and `end` are positions in the bytes the body was read from.

    A tuple, because it is made a hundred thousand times for one module.
    """

    offset: int
    opcode: int
    immediates: tuple[int, ...]
    end: int


def instruction(opcode: int, *immediates: int | float) -> bytes:
    """The bytes of one instruction; floats may be given for `f32.const` and `f64.const`."""
    head = bytes((opcode,)) if opcode < 0x100 else bytes((op.PREFIX,)) + uleb(opcode & 0xFF)
    match IMMEDIATES.get(opcode, NO_IMMEDIATE):
        case kind if kind in (I32_IMMEDIATE, I64_IMMEDIATE, BLOCK_TYPE):
            (value,) = immediates
            return head + sleb(_signed(int(value), 64 if kind == I64_IMMEDIATE else 32))
        case kind if kind in (F32_IMMEDIATE, F64_IMMEDIATE):
            return head + _float_bytes(immediates[0], 4 if kind == F32_IMMEDIATE else 8)
        case kind if kind == BRANCH_TABLE:
            labels = [uleb(int(label)) for label in immediates]
            return head + uleb(len(labels) - 1) + b"".join(labels)
        case kind if kind == MEMORY_INDEX:
            return head + b"\0"
        case kind if kind == TWO_MEMORY_INDICES:
            return head + b"\0\0"
        case kind:
            expected = {NO_IMMEDIATE: 0, INDEX: 1, CALL_INDIRECT: 2, MEMORY_ARGUMENT: 2}[kind]
            if kind == CALL_INDIRECT and len(immediates) == 1:
                immediates = (*immediates, 0)
            assert len(immediates) == expected, (op.NAMES[opcode], immediates)
            return head + b"".join([uleb(int(value)) for value in immediates])


def _signed(value: int, bits: int) -> int:
    """Constants may be written unsigned, as in the text format; LEB128 wants them signed."""
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def _float_bytes(value: int | float, size: int) -> bytes:
    if isinstance(value, float):
        return struct.pack("<f" if size == 4 else "<d", value)
    return value.to_bytes(size, "little")


def instructions(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Instruction]:
    """The instructions of data[start:end] in order; refuses unknown opcodes and truncation."""
    stop = len(data) if end is None else end
    position = start
    while position < stop:
        offset = position
        opcode = data[position]
        position += 1
        if opcode == op.PREFIX:
            sub, position = read_uleb32(data, position)
            opcode = op.PREFIX << 8 | sub if sub < 0x100 else -1
        if opcode not in op.NAMES:
            raise ModuleRefused(offset, f"opcode {data[offset : offset + 2].hex()} is not allowed")
        kind = IMMEDIATES.get(opcode, NO_IMMEDIATE)
        values: tuple[int, ...] = ()
        if kind:
            values, position = read_immediates(data, position, kind)
        if position > stop:
            raise ModuleRefused(offset, "instruction runs past the end of its function")
        yield Instruction(offset, opcode, values, position)


def read_immediates(data: bytes, position: int, kind: int) -> tuple[tuple[int, ...], int]:
    """The immediates of one kind at a position, and the position after them."""
    match kind:
        case 0:
            return (), position
        case 2:
            value, position = read_uleb32(data, position)
            return (value,), position
        case 4 | 5:
            first, position = read_uleb32(data, position)
            second, position = read_uleb32(data, position)
            return (first, second), position
        case 1 | 8 | 9:
            value, position = read_sleb(data, position, {1: 33, 8: 32, 9: 64}[kind])
            return (value,), position
        case 10 | 11:
            size = 4 if kind == F32_IMMEDIATE else 8
            raw = _exactly(data, position, size)
            return (int.from_bytes(raw, "little"),), position + size
        case 6 | 7:
            raw = _exactly(data, position, kind - MEMORY_INDEX + 1)
            if any(raw):
                raise ModuleRefused(position, "memory index is not the single byte 0")
            return tuple(raw), position + len(raw)
        case _:
            return _read_branch_table(data, position)


def _exactly(data: bytes, position: int, size: int) -> bytes:
    raw = data[position : position + size]
    if len(raw) != size:
        raise ModuleRefused(position, "instruction runs past the end")
    return raw


def _read_branch_table(data: bytes, position: int) -> tuple[tuple[int, ...], int]:
    count, position = read_uleb32(data, position)
    labels = []
    for _ in range(count + 1):
        label, position = read_uleb32(data, position)
        labels.append(label)
    return tuple(labels), position
