"""Modules that do some instructions many times.

`handle` reads the number of turns from the first four bytes of its event; each turn does a body of
instructions REPEATS times, so that the loop itself does not count for much. A compiler must not do
without the work: each repeat goes on with what the one before left, stores go to places of their
own, and every result is stored in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cbor2

from pico_abi.contract import MANIFEST_SECTION
from pico_abi.limits import MEMORY_PAGES_MAX
from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.encode import encode_module
from pico_abi.wasm.instructions import EMPTY_BLOCK, instruction, instructions

REPEATS = 64
_EVENT, _LENGTH, TURNS, NUMBER, WIDE, OTHER_WIDE, FLOAT, OTHER_FLOAT, SINGLE, PLACE = range(10)
_LOCALS = ((2, m.I32), (2, m.I64), (2, m.F64), (1, m.F32), (1, m.I32))
BUFFER = 4096
_BLOCK_BYTES = 16_384
_RETURN_AREA = 16
_LEAF_TYPE, _LEAF, _OTHER_LEAF = 3, 4, 5
_WALK_MASK = 64 * 65_536 - 1  # how much memory a walk goes through
PAGES = 80

# Opcodes that one price stands for.
CLASSES: dict[str, tuple[int, ...]] = {
    "local": (op.LOCAL_GET, op.LOCAL_SET, op.LOCAL_TEE),
    "constant": tuple(range(op.I32_CONST, op.F64_CONST + 1)),
    "branch": (op.IF, op.BR, op.BR_IF),
    "select": (op.SELECT,),
    "multiply": (op.I32_MUL, op.I64_MUL),
    "divide": (*range(op.I32_DIV_S, op.I32_REM_U + 1), *range(op.I64_DIV_S, op.I64_REM_U + 1)),
    "load": tuple(range(op.I32_LOAD, op.I32_STORE)),
    "store": tuple(range(op.I32_STORE, op.I64_STORE32 + 1)),
    "global": (op.GLOBAL_GET, op.GLOBAL_SET),
    "float": (
        *range(op.F32_CEIL, op.F32_SQRT),
        *(op.F32_ADD, op.F32_SUB, op.F32_MUL, op.F32_MIN, op.F32_MAX),
        *range(op.F64_CEIL, op.F64_SQRT),
        *(op.F64_ADD, op.F64_SUB, op.F64_MUL, op.F64_MIN, op.F64_MAX),
    ),
    "root": (op.F32_SQRT, op.F64_SQRT, op.F32_DIV, op.F64_DIV),
    "convert": (
        *range(op.I32_TRUNC_F32_S, op.I32_TRUNC_F64_U + 1),
        *range(op.I64_TRUNC_F32_S, op.F64_PROMOTE_F32 + 1),
        *range(op.I32_TRUNC_SAT_F32_S, op.I64_TRUNC_SAT_F64_U + 1),
    ),
    "table jump": (op.BR_TABLE,),
    "call": (op.CALL,),
    "indirect call": (op.CALL_INDIRECT,),
    "bulk": (op.MEMORY_COPY, op.MEMORY_FILL),
    "grow": (op.MEMORY_GROW,),
}
_CLASS_OF = {code: name for name, codes in CLASSES.items() for code in codes}
BASE_CLASS = "integer"  # everything else that costs something
BASE_SNIPPET = "i32.add"  # what it takes is about a unit of fuel
_FREE = (op.NOP, op.BLOCK, op.LOOP, op.ELSE, op.END)
BULK_CLASS = "eight bytes in bulk"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A few instructions that leave the operand stack as it was."""

    name: str
    code: bytes | Callable[[int], bytes]  # the same in each repeat, or another
    bulk_bytes: int = 0

    def repeat(self, at: int) -> bytes:
        return self.code if isinstance(self.code, bytes) else self.code(at)

    def classes(self) -> Counter[str]:
        """How many of each class it runs; a branch is taken to run all that it could."""
        found: Counter[str] = Counter()
        for item in instructions(self.repeat(0)):
            if item.opcode not in _FREE:
                found[_CLASS_OF.get(item.opcode, BASE_CLASS)] += 1
        if self.bulk_bytes:
            found[BULK_CLASS] = self.bulk_bytes // 8
        return found


def _code(*parts: tuple[int, ...]) -> bytes:
    return b"".join([instruction(*part) for part in parts])


def _binary(opcode: int, left: int, right: int) -> bytes:
    return _code((op.LOCAL_GET, left), (op.LOCAL_GET, right), (opcode,), (op.LOCAL_SET, left))


def _unary(opcode: int, source: int, target: int) -> bytes:
    return _code((op.LOCAL_GET, source), (opcode,), (op.LOCAL_SET, target))


def _bulk(opcode: int, *arguments: int) -> bytes:
    immediates = (0, 0) if opcode == op.MEMORY_COPY else (0,)
    pushed = _code(*((op.I32_CONST, item) for item in arguments))
    return pushed + instruction(opcode, *immediates)


def _load(opcode: int, target: int, place: bytes, offset: int = 0) -> bytes:
    return place + _code((opcode, 0, offset), (op.LOCAL_SET, target))


def _store(opcode: int, value: int, place: bytes, offset: int = 0) -> bytes:
    return place + _code((op.LOCAL_GET, value), (opcode, 0, offset))


def _stores(opcode: int, value: int) -> Callable[[int], bytes]:
    """Each repeat stores somewhere else; what it stores changes with the turn."""
    return lambda at: _store(opcode, value, _AT, 8 * at)


_AT = _code((op.I32_CONST, BUFFER))
_COUNT = _code((op.LOCAL_GET, PLACE), (op.I32_CONST, 1), (op.I32_ADD,), (op.LOCAL_TEE, PLACE))
_ANYWHERE = _code((op.LOCAL_GET, NUMBER), (op.I32_CONST, _WALK_MASK), (op.I32_AND,))


def _step(bytes_: int) -> bytes:
    """The place moves on through memory, round and round."""
    return _code(
        (op.LOCAL_GET, PLACE),
        (op.I32_CONST, bytes_),
        (op.I32_ADD,),
        (op.I32_CONST, _WALK_MASK),
        (op.I32_AND,),
        (op.LOCAL_TEE, PLACE),
    )


def _scramble() -> bytes:
    """The next of a sequence of numbers that no processor predicts."""
    return _code(
        (op.LOCAL_GET, NUMBER),
        (op.I32_CONST, 1_664_525),
        (op.I32_MUL,),
        (op.I32_CONST, 1_013_904_223),
        (op.I32_ADD,),
        (op.LOCAL_SET, NUMBER),
    )


def _if_bit(source: bytes, bit: int) -> bytes:
    changed = ((op.LOCAL_GET, WIDE), (op.I64_CONST, 3), (op.I64_MUL,), (op.LOCAL_SET, WIDE))
    choice = ((op.I32_CONST, 1 << bit), (op.I32_AND,), (op.IF, EMPTY_BLOCK))
    return source + _code(*choice, *changed, (op.END,))


def _table_jump(source: bytes, bit: int) -> bytes:
    choice = ((op.I32_CONST, bit), (op.I32_SHR_U,), (op.I32_CONST, 3), (op.I32_AND,))
    blocks = [(op.BLOCK, EMPTY_BLOCK)] * 3
    return _code(*blocks) + source + _code(*choice, (op.BR_TABLE, 0, 1, 2), *[(op.END,)] * 3)


def _there_and_back(there: int, back: int) -> bytes:
    """A number that is converted and converted back."""
    return _code((op.LOCAL_GET, FLOAT), (there,), (back,), (op.LOCAL_SET, FLOAT))


def _snippets() -> list[Snippet]:
    """The calibration reads most of these; the adversary mixes all."""
    binary = {
        NUMBER: (op.I32_ADD, op.I32_ROTL, op.I32_MUL, op.I32_DIV_U, op.I32_REM_S),
        WIDE: (op.I64_ADD, op.I64_MUL, op.I64_DIV_S, op.I64_REM_U),
        FLOAT: (op.F64_ADD, op.F64_MUL, op.F64_MIN, op.F64_DIV),
    }
    others = {NUMBER: TURNS, WIDE: OTHER_WIDE, FLOAT: OTHER_FLOAT}
    unary = {
        NUMBER: (op.I32_POPCNT, op.I32_CLZ),
        WIDE: (op.I64_CTZ, op.I64_EXTEND16_S),
        FLOAT: (op.F64_SQRT, op.F64_NEAREST),
    }
    found = [
        Snippet(op.text_name(code), _binary(code, local, others[local]))
        for local, codes in binary.items()
        for code in codes
    ]
    found += [
        Snippet(op.text_name(code), _unary(code, local, local))
        for local, codes in unary.items()
        for code in codes
    ]
    found += [
        Snippet(
            "f64 to i32 and back", _there_and_back(op.I32_TRUNC_SAT_F64_S, op.F64_CONVERT_I32_S)
        ),
        Snippet(
            "f64 to u64 and back", _there_and_back(op.I64_TRUNC_SAT_F64_U, op.F64_CONVERT_I64_U)
        ),
        Snippet("f64 to f32 and back", _there_and_back(op.F32_DEMOTE_F64, op.F64_PROMOTE_F32)),
    ]
    return [*found, *_memory_snippets(), *_control_snippets()]


def _memory_snippets() -> list[Snippet]:
    chase = _code((op.LOCAL_GET, PLACE), (op.I32_CONST, _WALK_MASK), (op.I32_AND,))
    count = _code((op.GLOBAL_GET, 0), (op.I64_CONST, 1), (op.I64_ADD,), (op.GLOBAL_SET, 0))
    fill, copy = op.MEMORY_FILL, op.MEMORY_COPY
    return [
        Snippet("i32.load", _load(op.I32_LOAD, PLACE, chase)),
        Snippet("i32.load8_u", _load(op.I32_LOAD8_U, PLACE, chase)),
        Snippet("i32.store", _stores(op.I32_STORE, TURNS)),
        Snippet("f64.store", _stores(op.F64_STORE, OTHER_FLOAT)),
        Snippet("a load every 64 bytes", _load(op.I32_LOAD, NUMBER, _step(64), BUFFER)),
        Snippet("a load on every page", _load(op.I64_LOAD, WIDE, _step(4096 + 64), BUFFER)),
        Snippet(
            "a store on every page", _store(op.I64_STORE, OTHER_WIDE, _step(4096 + 64), BUFFER)
        ),
        Snippet("loads here and there", _scramble() + _load(op.I64_LOAD, WIDE, _ANYWHERE, BUFFER)),
        Snippet("global", count),
        Snippet("fill, nothing", _bulk(fill, BUFFER, 1, 0)),
        Snippet("copy, 8 bytes", _bulk(copy, BUFFER, BUFFER + 64, 8), 8),
        Snippet("fill, 16 KiB", _bulk(fill, BUFFER, 1, _BLOCK_BYTES), _BLOCK_BYTES),
        Snippet("copy, 16 KiB", _bulk(copy, BUFFER, 2 * _BLOCK_BYTES, _BLOCK_BYTES), _BLOCK_BYTES),
        Snippet("grow by nothing", _code((op.I32_CONST, 0), (op.MEMORY_GROW,), (op.DROP,))),
    ]


def _control_snippets() -> list[Snippet]:
    one_of = ((op.LOCAL_GET, NUMBER), (op.LOCAL_GET, TURNS))
    odd = ((op.I32_CONST, 1), (op.I32_AND,))
    tiny = ((op.LOCAL_GET, FLOAT), (op.F64_CONST, 1), (op.F64_MUL,), (op.LOCAL_SET, FLOAT))
    number = _code((op.LOCAL_GET, NUMBER))
    leaf, jump = (op.CALL, _LEAF), (op.CALL_INDIRECT, _LEAF_TYPE, 0)
    chosen = _code((op.SELECT,), (op.LOCAL_SET, NUMBER))
    return [
        Snippet("count", _COUNT + _code((op.DROP,))),
        Snippet("select", _code(*one_of) + _COUNT + _code(*odd) + chosen),
        Snippet("subnormal product", _code(*tiny)),
        Snippet("scramble", _scramble()),
        Snippet("if, foreseen", _if_bit(_COUNT, 30)),
        Snippet("if, unforeseen", _scramble() + _if_bit(number, 9)),
        Snippet("table jump", _table_jump(_COUNT, 29)),
        Snippet("table jump, unforeseen", _scramble() + _table_jump(number, 11)),
        Snippet("call", _code(leaf)),
        Snippet("indirect call", _code((op.I32_CONST, 0), jump)),
        Snippet("indirect call, unforeseen", _scramble() + number + _code(*odd, jump)),
    ]


SNIPPETS = _snippets()
# What prices are fitted to. The others depend on more than their instructions: caches, branches.
CALIBRATION = [
    item
    for item in SNIPPETS
    if "every" not in item.name and "here" not in item.name and "unforeseen" not in item.name
    if item.name != "subnormal product"
]


def module(snippets: Sequence[Snippet]) -> bytes:
    """A raw module whose `handle` does these snippets in a row, turns times REPEATS."""
    body = b"".join([item.repeat(at) for at in range(REPEATS) for item in snippets])
    loop = (
        _code((op.LOOP, EMPTY_BLOCK))
        + _code((op.LOCAL_GET, TURNS), (op.I64_EXTEND_I32_U,), (op.LOCAL_SET, OTHER_WIDE))
        + _code((op.LOCAL_GET, TURNS), (op.F64_CONVERT_I32_U,), (op.LOCAL_SET, OTHER_FLOAT))
        + _code((op.LOCAL_GET, OTHER_FLOAT), (op.LOCAL_SET, FLOAT))
        + body
        + _code((op.LOCAL_GET, TURNS), (op.I32_CONST, 1), (op.I32_SUB,), (op.LOCAL_TEE, TURNS))
        + _code((op.BR_IF, 0), (op.END,))
    )
    kept = [(op.I32_STORE, NUMBER), (op.I64_STORE, WIDE), (op.F64_STORE, FLOAT)]
    kept += [(op.F32_STORE, SINGLE), (op.I32_STORE, PLACE)]
    handle = (
        _code((op.LOCAL_GET, _EVENT), (op.I32_LOAD, 2, 0), (op.LOCAL_SET, TURNS))
        + loop
        + b"".join([_store(opcode, local, _AT) for opcode, local in kept])
        + _code((op.I32_CONST, _RETURN_AREA), (op.END,))
    )
    return encode_module(_module(handle))


def _module(handle: bytes) -> m.Module:
    pointer = _code((op.I32_CONST, _RETURN_AREA), (op.END,))
    area = (_RETURN_AREA + 8).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\x80"
    manifest = {"abi": "pico-1", "rid": "bench", "rules": [{"name": "r", "events": None}]}
    i32 = (m.I32,)
    nothing = m.Function(_LEAF_TYPE, (), _code((op.END,)))
    names = ("handle", "query", "cabi_realloc", "describe")
    return m.Module(
        types=(
            m.FunctionType(i32 * 2, i32),
            m.FunctionType(i32 * 4, i32),
            m.FunctionType((), i32),
            m.FunctionType((), ()),
        ),
        functions=(
            m.Function(0, _LOCALS, handle),
            m.Function(0, (), pointer),
            m.Function(1, (), _code((op.I32_CONST, 1024), (op.END,))),
            m.Function(2, (), pointer),
            nothing,
            nothing,
        ),
        tables=(m.Table(2, 2),),
        memories=(m.Memory(PAGES, MEMORY_PAGES_MAX),),
        globals=(m.Global(m.I64, True, _code((op.I64_CONST, 0), (op.END,))),),
        exports=(
            m.Export("memory", m.KIND_MEMORY, 0),
            *[m.Export(name, m.KIND_FUNCTION, at) for at, name in enumerate(names)],
        ),
        elements=(m.ElementSegment(_code((op.I32_CONST, 0), (op.END,)), (_LEAF, _OTHER_LEAF)),),
        data=(m.DataSegment(_code((op.I32_CONST, _RETURN_AREA), (op.END,)), area),),
        customs=(m.CustomSection(MANIFEST_SECTION, cbor2.dumps(manifest, canonical=True)),),
    )
