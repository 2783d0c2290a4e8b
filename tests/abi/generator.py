"""Random well-typed modules of profile pico-1: every opcode, traps, loops, calls, dead code.

A seed gives one module. Types are kept by construction: `value` writes code that leaves one value
of a type, `statement` writes code that leaves nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict

from pico_abi.contract import HOST_FUNCTIONS
from pico_abi.wasm import (
    F32,
    F64,
    I32,
    I64,
    DataSegment,
    ElementSegment,
    Export,
    Function,
    FunctionType,
    Global,
    Import,
    Memory,
    Module,
    Table,
    encode_module,
    instruction,
)
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.signatures import ALIGNMENT_LOG2_MAX, SIGNATURES

TYPES = (I32, I64, F32, F64)
CONSTANTS = {I32: op.I32_CONST, I64: op.I64_CONST, F32: op.F32_CONST, F64: op.F64_CONST}
BITS = {
    F32: (0x7FC00000, 0xFFC00000, 0x7FA00001, 0x3F800000, 0xBF000000, 0, 1 << 31, 0x7F7FFFFF),
    F64: (0x7FF8 << 48, 0xFFF8 << 48, 0x7FF4000000000001, 0x3FF0 << 48, 0xBFE0 << 48, 0, 1 << 63),
}
_MAKERS: dict[int, list[int]] = defaultdict(list)
_STORES = [opcode for opcode in ALIGNMENT_LOG2_MAX if opcode >= op.I32_STORE]
for _opcode, (_, _pushes) in SIGNATURES.items():
    if _pushes and _opcode not in (*CONSTANTS.values(), op.MEMORY_GROW):
        _MAKERS[_pushes[0]].append(_opcode)


def generate(seed: int) -> bytes:
    """A raw module whose `handle` calls into a few random functions."""
    return _Generator(random.Random(seed)).module()


class _Generator:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.types = [
            FunctionType((), (I32,)),
            FunctionType((I32, I32), (I32,)),
            FunctionType((I32,) * 4, (I32,)),
            FunctionType((I32, I32), ()),
            FunctionType((I32,) * 4, ()),
            FunctionType((I32, I64), (F64, I32)),
        ]
        self.imports = [
            Import(item.module, item.name, 3 if len(item.params) == 2 else 4)
            for item in HOST_FUNCTIONS
            if item.name in ("emit", "put")
        ]
        for _ in range(4):
            self.types.append(FunctionType(self.some_types(3), self.some_types(2)))
        self.signatures = [
            1,
            2,
            0,
            *[rng.randrange(len(self.types)) for _ in range(rng.randint(1, 4))],
        ]
        self.globals = [
            Global(value_type, True, self.constant(value_type) + b"\x0b") for value_type in TYPES
        ]

    def some_types(self, count: int) -> tuple[int, ...]:
        return tuple(self.rng.choice(TYPES) for _ in range(self.rng.randint(0, count)))

    def module(self) -> bytes:
        first = len(self.imports)
        functions = [self.function(type_index) for type_index in self.signatures]
        slots = tuple(self.rng.randrange(first + len(functions)) for _ in range(6))
        zero = instruction(op.I32_CONST, 0) + b"\x0b"
        return encode_module(
            Module(
                types=tuple(self.types),
                imports=tuple(self.imports),
                functions=tuple(functions),
                tables=(Table(8, 8),),
                memories=(Memory(1, 3),),
                globals=tuple(self.globals),
                exports=(
                    Export("memory", 2, 0),
                    Export("handle", 0, first),
                    Export("query", 0, first),
                    Export("cabi_realloc", 0, first + 1),
                    Export("describe", 0, first + 2),
                    *[Export(f"global{index}", 3, index) for index in range(4)],
                ),
                elements=(ElementSegment(zero, slots),),
                data=(DataSegment(zero, self.rng.randbytes(64)),),
            )
        )

    def constant(self, value_type: int) -> bytes:
        rng = self.rng
        if value_type in BITS:
            return instruction(CONSTANTS[value_type], rng.choice(BITS[value_type]))
        bits = 32 if value_type == I32 else 64
        choices = (0, 1, -1, rng.randint(-64, 64), rng.getrandbits(bits), 1 << (bits - 1))
        return instruction(CONSTANTS[value_type], rng.choice(choices))

    def function(self, type_index: int) -> Function:
        runs = tuple((self.rng.randint(0, 3), value_type) for value_type in TYPES)
        signature = self.types[type_index]
        variables = list(signature.params)
        for count, value_type in runs:
            variables += [value_type] * count
        body = _Body(self, variables, signature.results)
        return Function(type_index, runs, body.write())


class _Body:
    """Writes one body. `labels` are the types a branch to each open block carries."""

    def __init__(self, owner: _Generator, variables: list[int], results: tuple[int, ...]) -> None:
        self.owner = owner
        self.rng = owner.rng
        self.variables = variables
        self.labels: list[tuple[int, ...]] = [results]
        self.size = 0

    def write(self) -> bytes:
        out = self.statements(self.rng.randint(0, 4), 3)
        return out + self.values(self.labels[0], 3) + bytes((op.END,))

    def statements(self, count: int, depth: int) -> bytes:
        return b"".join([self.statement(depth) for _ in range(count)])

    def values(self, types: tuple[int, ...], depth: int) -> bytes:
        return b"".join([self.value(value_type, depth) for value_type in types])

    def drops(self, count: int) -> bytes:
        return bytes((op.DROP,)) * count

    def pick(self, value_type: int) -> int | None:
        found = [at for at, item in enumerate(self.variables) if item == value_type]
        return self.rng.choice(found) if found else None

    # --- code that leaves one value ---

    def value(self, value_type: int, depth: int) -> bytes:
        self.size += 1
        if depth <= 0 or self.size > 300:
            return self.leaf(value_type)
        choice = self.rng.randrange(12)
        if choice < 5:
            return self.operator(value_type, depth)
        if choice == 5:
            return self.block(value_type, depth)
        if choice == 6:
            return self.call_for(value_type, depth)
        if choice == 7:
            parts = self.values((value_type, value_type, I32), depth - 1)
            return parts + instruction(op.SELECT)
        if choice == 8 and (local := self.pick(value_type)) is not None:
            return self.value(value_type, depth - 1) + instruction(op.LOCAL_TEE, local)
        if choice == 9:
            return self.statement(depth - 1) + self.value(value_type, depth - 1)
        if choice == 10 and value_type == I32:
            return (
                self.value(I32, 0)
                + instruction(op.I32_CONST, 3)
                + instruction(op.I32_AND)
                + instruction(op.MEMORY_GROW)
            )
        return self.leaf(value_type)

    def leaf(self, value_type: int) -> bytes:
        local = self.pick(value_type)
        choice = self.rng.randrange(3)
        if choice == 0 and local is not None:
            return instruction(op.LOCAL_GET, local)
        if choice == 1:
            return instruction(op.GLOBAL_GET, TYPES.index(value_type))
        return self.owner.constant(value_type)

    def operator(self, value_type: int, depth: int) -> bytes:
        opcode = self.rng.choice(_MAKERS[value_type])
        pops = SIGNATURES[opcode][0]
        if opcode in ALIGNMENT_LOG2_MAX:
            return self.address(depth - 1) + self.access(opcode)
        return self.values(pops, depth - 1) + instruction(opcode)

    def access(self, opcode: int) -> bytes:
        alignment = self.rng.randint(0, ALIGNMENT_LOG2_MAX[opcode])
        offset = self.rng.choice((0, 0, 4, 1000, 65_530, 70_000))
        return instruction(opcode, alignment, offset)

    def address(self, depth: int) -> bytes:
        if self.rng.randrange(8) == 0:
            return self.value(I32, depth)
        mask = instruction(op.I32_CONST, 0xFFF) + instruction(op.I32_AND)
        return self.value(I32, depth) + mask

    def block(self, value_type: int, depth: int) -> bytes:
        kind = self.rng.choice((op.BLOCK, op.LOOP, op.IF))
        head = self.value(I32, depth - 1) if kind == op.IF else b""
        head += bytes((kind, value_type))
        self.labels.append(() if kind == op.LOOP else (value_type,))
        body = self.statements(self.rng.randint(0, 2), depth - 1) + self.value(
            value_type, depth - 1
        )
        if kind == op.IF:
            body += bytes((op.ELSE,)) + self.value(value_type, depth - 1)
        self.labels.pop()
        return head + body + bytes((op.END,))

    def call_for(self, value_type: int, depth: int) -> bytes:
        """A call whose results contain the type; the others are dropped around it."""
        first = len(self.owner.imports)
        wanted = [
            (index, self.owner.types[type_index])
            for index, type_index in enumerate(self.owner.signatures, first)
            if self.owner.types[type_index].results[:1] == (value_type,)
        ]
        if not wanted:
            return self.leaf(value_type)
        index, signature = self.rng.choice(wanted)
        out = self.values(signature.params, depth - 1)
        if self.rng.randrange(4) == 0:
            out += self.value(I32, 0) + instruction(op.I32_CONST, 7) + instruction(op.I32_AND)
            out += instruction(op.CALL_INDIRECT, self.owner.types.index(signature))
        else:
            out += instruction(op.CALL, index)
        return out + self.drops(len(signature.results) - 1)

    # --- code that leaves nothing ---

    def statement(self, depth: int) -> bytes:
        self.size += 1
        if depth <= 0 or self.size > 300:
            return instruction(op.NOP)
        writers = (
            self.set_variable,
            self.store,
            self.branch,
            self.void_block,
            self.host_call,
            self.bulk,
            self.loop,
            self.wide_block,
            self.dead_end,
        )
        return self.rng.choice(writers)(depth - 1)

    def set_variable(self, depth: int) -> bytes:
        value_type = self.rng.choice(TYPES)
        local = self.pick(value_type)
        if local is None or self.rng.randrange(3) == 0:
            at = TYPES.index(value_type)
            return self.value(value_type, depth) + instruction(op.GLOBAL_SET, at)
        return self.value(value_type, depth) + instruction(op.LOCAL_SET, local)

    def store(self, depth: int) -> bytes:
        opcode = self.rng.choice(_STORES)
        value_type = SIGNATURES[opcode][0][1]
        return self.address(depth) + self.value(value_type, depth) + self.access(opcode)

    def branch(self, depth: int) -> bytes:
        """A conditional branch, a table, or an if around an unconditional one."""
        label = self.rng.randrange(len(self.labels))
        types = self.labels[-1 - label]
        match self.rng.randrange(4):
            case 0 | 1:
                taken = (
                    self.values(types, depth)
                    + self.value(I32, depth)
                    + instruction(op.BR_IF, label)
                )
                return taken + self.drops(len(types))
            case 2:
                return self.table(types, depth)
        head = self.value(I32, depth) + bytes((op.IF, 0x40))
        if label == len(self.labels) - 1 and self.rng.randrange(2):
            return head + self.values(types, 0) + instruction(op.RETURN) + b"\x0b"
        return head + self.values(types, 0) + instruction(op.BR, label + 1) + b"\x0b"

    def table(self, types: tuple[int, ...], depth: int) -> bytes:
        """A br_table in a block of its own, sometimes with dead code behind it."""
        self.labels.append(())
        count = len(self.labels)
        same = [at for at in range(1, count) if self.labels[-1 - at] == types]
        labels = [self.rng.choice(same) for _ in range(self.rng.randint(1, 3))]
        code = self.values(types, depth) + self.value(I32, depth)
        code += instruction(op.BR_TABLE, *labels) + self.drops(self.rng.randrange(2))
        self.labels.pop()
        return bytes((op.BLOCK, 0x40)) + code + b"\x0b"

    def void_block(self, depth: int) -> bytes:
        kind = self.rng.choice((op.BLOCK, op.IF))
        head = self.value(I32, depth) if kind == op.IF else b""
        self.labels.append(())
        body = self.statements(self.rng.randint(0, 3), depth)
        if kind == op.IF and self.rng.randrange(2):
            body += bytes((op.ELSE,)) + self.statements(1, depth)
        self.labels.pop()
        return head + bytes((kind, 0x40)) + body + b"\x0b"

    def loop(self, depth: int) -> bytes:
        """Counts a local down if there is one; may run for ever, which fuel ends."""
        local = self.pick(I32)
        self.labels.append(())
        body = self.statements(self.rng.randint(0, 2), depth)
        self.labels.pop()
        if local is None:
            return bytes((op.LOOP, 0x40)) + body + b"\x0b"
        again = instruction(op.LOCAL_GET, local) + instruction(op.I32_CONST, 1)
        again += instruction(op.I32_SUB) + instruction(op.LOCAL_TEE, local)
        again += instruction(op.I32_CONST, 7) + instruction(op.I32_AND) + instruction(op.BR_IF, 0)
        return bytes((op.LOOP, 0x40)) + body + again + b"\x0b"

    def wide_block(self, depth: int) -> bytes:
        """A block with parameters and several results."""
        self.labels.append((F64, I32))
        body = instruction(op.I64_EQZ) + instruction(op.DROP) + instruction(op.DROP)
        body += self.values((F64, I32), depth)
        self.labels.pop()
        head = self.values((I32, I64), depth) + bytes((op.BLOCK, 5))
        return head + body + b"\x0b" + self.drops(2)

    def host_call(self, depth: int) -> bytes:
        index = self.rng.randrange(len(self.owner.imports))
        item = self.owner.imports[index]
        assert isinstance(item.description, int)
        mask = instruction(op.I32_CONST, 255) + instruction(op.I32_AND)
        out = b"".join(
            [self.value(I32, 0) + mask for _ in self.owner.types[item.description].params]
        )
        return out + instruction(op.CALL, index)

    def bulk(self, depth: int) -> bytes:
        opcode = self.rng.choice((op.MEMORY_COPY, op.MEMORY_FILL))
        length = self.value(I32, 0) + instruction(op.I32_CONST, 1023) + instruction(op.I32_AND)
        return self.address(depth) + self.address(depth) + length + instruction(opcode)

    def dead_end(self, depth: int) -> bytes:
        """A trap or a return that is seldom reached, with code behind it that never is."""
        stop = instruction(op.UNREACHABLE)
        if self.rng.randrange(2):
            stop = self.values(self.labels[0], 0) + instruction(op.RETURN)
        condition = self.value(I32, depth) + instruction(op.I32_CONST, 15) + instruction(op.I32_AND)
        condition += instruction(op.I32_EQZ)
        dead = self.rng.choice((b"", instruction(op.DROP), bytes((op.BLOCK, 0x40, op.END, op.NOP))))
        return condition + bytes((op.IF, 0x40)) + stop + dead + b"\x0b"
