"""Modules that do one kind of instruction many times, for `picomesh bench fuel`.

`handle` reads the number of turns from the first four bytes of its event; each turn does the
instruction REPEATS times, so that the loop itself does not count for much. No operand is a
constant and every result is stored, so that no compiler can do without the work.
"""

from __future__ import annotations

import cbor2

from pico_abi.contract import MANIFEST_SECTION
from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.encode import encode_module
from pico_abi.wasm.instructions import EMPTY_BLOCK, instruction

REPEATS = 64
_EVENT, _LENGTH, _TURNS, _NUMBER, _WIDE, _OTHER_WIDE, _FLOAT, _OTHER_FLOAT = range(8)
_BUFFER = 4096
_BLOCK_BYTES = 16_384
_RETURN_AREA = 16


def _code(*parts: tuple[int, ...] | tuple[int, float]) -> bytes:
    return b"".join(instruction(*part) for part in parts)


def _integer(opcode: int) -> bytes:
    return _code(
        (op.LOCAL_GET, _NUMBER), (op.LOCAL_GET, _TURNS), (opcode,), (op.LOCAL_SET, _NUMBER)
    )


def _long(opcode: int) -> bytes:
    return _code(
        (op.LOCAL_GET, _WIDE), (op.LOCAL_GET, _OTHER_WIDE), (opcode,), (op.LOCAL_SET, _WIDE)
    )


def _float(opcode: int) -> bytes:
    return _code(
        (op.LOCAL_GET, _FLOAT), (op.LOCAL_GET, _OTHER_FLOAT), (opcode,), (op.LOCAL_SET, _FLOAT)
    )


def _bulk(opcode: int, *arguments: int) -> bytes:
    immediates = (0, 0) if opcode == op.MEMORY_COPY else (0,)
    return _code(*((op.I32_CONST, item) for item in arguments)) + instruction(opcode, *immediates)


_CALL_TYPE, _LEAF_FUNCTION = 3, 4
WORKLOADS: dict[str, bytes] = {
    "i32.add": _integer(op.I32_ADD),
    "i32.mul": _integer(op.I32_MUL),
    "i32.div_u": _integer(op.I32_DIV_U),
    "i64.add": _long(op.I64_ADD),
    "i64.div_u": _long(op.I64_DIV_U),
    "f64.add": _float(op.F64_ADD),
    "f64.mul": _float(op.F64_MUL),
    "f64.div": _float(op.F64_DIV),
    "f64.sqrt": _code((op.LOCAL_GET, _FLOAT), (op.F64_SQRT,), (op.LOCAL_SET, _FLOAT)),
    "i32.load": _code((op.I32_CONST, _BUFFER), (op.I32_LOAD, 2, 0), (op.LOCAL_SET, _NUMBER)),
    "i32.store": _code((op.I32_CONST, _BUFFER), (op.LOCAL_GET, _NUMBER), (op.I32_STORE, 2, 0)),
    "call": _code((op.CALL, _LEAF_FUNCTION)),
    "call_indirect": _code((op.I32_CONST, 0), (op.CALL_INDIRECT, _CALL_TYPE, 0)),
    "memory.fill, 16 KiB": _bulk(op.MEMORY_FILL, _BUFFER, 1, _BLOCK_BYTES),
    "memory.copy, 16 KiB": _bulk(op.MEMORY_COPY, _BUFFER, _BUFFER + _BLOCK_BYTES, _BLOCK_BYTES),
    "memory.copy, 8 bytes": _bulk(op.MEMORY_COPY, _BUFFER, _BUFFER + 64, 8),
}


def module(body: bytes) -> bytes:
    """A raw module whose `handle` does this body, turns times REPEATS."""
    handle = (
        _code((op.LOCAL_GET, _EVENT), (op.I32_LOAD, 2, 0), (op.LOCAL_SET, _TURNS))
        + _code((op.LOOP, EMPTY_BLOCK))
        + _code((op.LOCAL_GET, _TURNS), (op.I64_EXTEND_I32_U,), (op.LOCAL_SET, _OTHER_WIDE))
        + _code((op.LOCAL_GET, _TURNS), (op.F64_CONVERT_I32_U,), (op.LOCAL_SET, _OTHER_FLOAT))
        + _code((op.LOCAL_GET, _OTHER_FLOAT), (op.LOCAL_SET, _FLOAT))
        + body * REPEATS
        + _code(
            (op.LOCAL_GET, _TURNS),
            (op.I32_CONST, 1),
            (op.I32_SUB,),
            (op.LOCAL_TEE, _TURNS),
            (op.BR_IF, 0),
            (op.END,),
        )
        + _code((op.I32_CONST, _BUFFER), (op.LOCAL_GET, _NUMBER), (op.I32_STORE, 2, 0))
        + _code((op.I32_CONST, _BUFFER), (op.LOCAL_GET, _WIDE), (op.I64_STORE, 3, 8))
        + _code((op.I32_CONST, _BUFFER), (op.LOCAL_GET, _FLOAT), (op.F64_STORE, 3, 16))
        + _code((op.I32_CONST, _RETURN_AREA), (op.END,))
    )
    pointer = _code((op.I32_CONST, _RETURN_AREA), (op.END,))
    area = (_RETURN_AREA + 8).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x80"
    manifest = {"abi": "pico-1", "rid": "bench", "rules": [{"name": "r", "events": None}]}
    i32 = (m.I32,)
    return encode_module(
        m.Module(
            types=(
                m.FunctionType(i32 * 2, i32),
                m.FunctionType(i32 * 4, i32),
                m.FunctionType((), i32),
                m.FunctionType((), ()),
            ),
            functions=(
                m.Function(0, ((2, m.I32), (2, m.I64), (2, m.F64)), handle),
                m.Function(0, (), pointer),
                m.Function(1, (), _code((op.I32_CONST, 1024), (op.END,))),
                m.Function(2, (), pointer),
                m.Function(3, (), _code((op.END,))),
            ),
            tables=(m.Table(1, 1),),
            memories=(m.Memory(2, 2),),
            exports=(
                m.Export("memory", m.KIND_MEMORY, 0),
                m.Export("handle", m.KIND_FUNCTION, 0),
                m.Export("query", m.KIND_FUNCTION, 1),
                m.Export("cabi_realloc", m.KIND_FUNCTION, 2),
                m.Export("describe", m.KIND_FUNCTION, 3),
            ),
            elements=(m.ElementSegment(_code((op.I32_CONST, 0), (op.END,)), (_LEAF_FUNCTION,)),),
            data=(m.DataSegment(_code((op.I32_CONST, _RETURN_AREA), (op.END,)), area),),
            customs=(m.CustomSection(MANIFEST_SECTION, cbor2.dumps(manifest, canonical=True)),),
        )
    )
