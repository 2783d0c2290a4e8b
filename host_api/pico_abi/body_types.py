"""Types one function body: the specification's validation algorithm, restricted to pico-1.

One loop reads an instruction, one table says what it does to the operand stack; control frames
are tuples on a list, so nothing recurses on input. After an unconditional branch the operand
stack is polymorphic: below `floor` it yields UNKNOWN, which fits every type.
"""

from __future__ import annotations

from collections.abc import Callable

from pico_abi import limits
from pico_abi.context import Context, References, Signature, references
from pico_abi.opcode_facts import MAKES_NAN
from pico_abi.refused import ModuleRefused
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.leb128 import read_sleb, read_uleb32
from pico_abi.wasm.module import F32, F64, I32, I64, TYPE_NAMES, VALUE_TYPES, Function
from pico_abi.wasm.signatures import ALIGNMENT_LOG2_MAX, SIGNATURES

UNKNOWN = 0

# (operands with the last first, result or 0) for opcodes without immediates; None for the others.
_FIXED: list[tuple[tuple[int, ...], int] | None] = [None] * 256
for _opcode, (_pops, _pushes) in SIGNATURES.items():
    if op.I32_EQZ <= _opcode <= op.I64_EXTEND32_S and _opcode not in MAKES_NAN:
        _FIXED[_opcode] = (_pops[::-1], _pushes[0])


class _Mismatch(Exception):
    """A rule does not hold at the current instruction; the loop adds the offset."""


_Frame = tuple[int, tuple[int, ...], tuple[int, ...], int, bool]  # opcode, params, results, outer


def check_body(function: Function, context: Context) -> References:
    """Refuses a body that is not well typed; returns the indices it uses."""
    return _Body(function, context).run()


class _Body:
    __slots__ = (
        "blocks",
        "body",
        "context",
        "dead",
        "floor",
        "frames",
        "functions_used",
        "globals_used",
        "local_types",
        "offset",
        "types_used",
        "values",
    )

    def __init__(self, function: Function, context: Context) -> None:
        params, results = context.types[function.type_index]
        self.context = context
        self.body = function.body
        self.offset = function.offset
        self.local_types = list(params)
        for count, value_type in function.locals:
            if len(self.local_types) + count > limits.FUNCTION_LOCALS_MAX:
                total = len(self.local_types) + count
                raise ModuleRefused(
                    function.offset,
                    f"{total} locals, the limit is {limits.FUNCTION_LOCALS_MAX}",
                )
            self.local_types += [value_type] * count
        self.blocks = 1
        self.values: list[int] = []
        self.frames: list[_Frame] = [(op.BLOCK, (), results, 0, False)]
        self.floor = 0
        self.dead = False
        self.functions_used: set[int] = set()
        self.types_used: set[int] = set()
        self.globals_used: set[int] = set()

    def run(self) -> References:
        position = self.loop()
        if position != len(self.body):
            raise ModuleRefused(self.offset + position, "bytes after the end of a function")
        return references(self.functions_used, self.types_used, self.globals_used)

    def loop(self) -> int:
        """Runs to the `end` of the function and returns the position after it."""
        body, values, frames = self.body, self.values, self.frames
        fixed, rules, pop = _FIXED, _RULES, self.pop
        position = 0
        try:
            while frames:
                opcode = body[position]
                entry = fixed[opcode]
                if entry is not None:
                    pops, push = entry
                    for expected in pops:
                        if len(values) > self.floor and values[-1] == expected:
                            values.pop()
                        else:
                            pop(expected)
                    values.append(push)
                    position += 1
                else:
                    rule = rules[opcode]
                    if rule is None:
                        raise _Mismatch(f"opcode 0x{opcode:02x} is not allowed")
                    position = rule(self, position + 1)
                    if len(values) > limits.OPERANDS_MAX:
                        raise _Mismatch(f"more than {limits.OPERANDS_MAX} operands")
        except _Mismatch as mismatch:
            raise ModuleRefused(self.offset + position, str(mismatch)) from None
        except ModuleRefused as refused:
            raise ModuleRefused(self.offset + position, refused.reason) from None
        except IndexError:
            reason = "function ends inside an instruction or block"
            raise ModuleRefused(self.offset + position, reason) from None
        return position

    # --- the operand stack ---

    def pop(self, expected: int) -> int:
        values = self.values
        if len(values) > self.floor:
            actual = values.pop()
            if actual != expected and actual != UNKNOWN and expected != UNKNOWN:
                raise _Mismatch(f"expected {TYPE_NAMES[expected]}, found {TYPE_NAMES[actual]}")
            return actual
        if self.dead:
            return UNKNOWN
        raise _Mismatch("operand stack is empty")

    def pop_all(self, expected: tuple[int, ...]) -> None:
        values, count = self.values, len(expected)
        if len(values) - self.floor >= count and tuple(values[len(values) - count :]) == expected:
            del values[len(values) - count :]
            return
        for value_type in reversed(expected):
            if self.dead and len(values) == self.floor:
                return  # everything below is unknown, however many operands are left
            self.pop(value_type)

    def kill(self) -> None:
        """What follows an unconditional branch cannot run; its operands are unknown."""
        del self.values[self.floor :]
        self.dead = True

    # --- control frames ---

    def begin_block(self) -> None:
        """Counts where compiled code branches, the meter's branch behind float arithmetic too."""
        self.blocks += 1
        if self.blocks > limits.FUNCTION_BLOCKS_MAX:
            raise _Mismatch(f"more than {limits.FUNCTION_BLOCKS_MAX} basic blocks")

    def enter(self, opcode: int, params: tuple[int, ...], results: tuple[int, ...]) -> None:
        self.pop_all(params)
        if len(self.frames) > limits.BLOCK_DEPTH_MAX:
            raise _Mismatch(f"blocks nested deeper than {limits.BLOCK_DEPTH_MAX}")
        self.frames.append((opcode, params, results, self.floor, self.dead))
        self.floor = len(self.values)
        self.dead = False
        self.values += params

    def leave(self) -> _Frame:
        frame = self.frames.pop()
        self.pop_all(frame[2])
        if len(self.values) != self.floor:
            raise _Mismatch(f"{len(self.values) - self.floor} operands left at the end of a block")
        return frame

    def label(self, depth: int) -> tuple[int, ...]:
        """The types a branch carries: a loop is entered at its start, others at their end."""
        if depth >= len(self.frames):
            raise _Mismatch(f"branch to label {depth} of {len(self.frames)}")
        opcode, params, results, _, _ = self.frames[-1 - depth]
        return params if opcode == op.LOOP else results

    def block_type(self, position: int) -> tuple[Signature, int]:
        byte = self.body[position]
        if byte & 0xC0 == 0x40:  # a negative number is a single byte, never a padded one
            if byte == 0x40:
                return ((), ()), position + 1
            if byte in VALUE_TYPES:
                return ((), (byte,)), position + 1
        else:
            value, position = read_sleb(self.body, position, 33)
            if not 0 <= value < len(self.context.types):
                raise _Mismatch(f"block of type {value}, there are {len(self.context.types)}")
            self.types_used.add(value)
            return self.context.types[value], position
        raise _Mismatch("block type is not of this profile")


def _index(body: bytes, position: int) -> tuple[int, int]:
    byte = body[position]
    return (byte, position + 1) if byte < 0x80 else read_uleb32(body, position)


def _unreachable(state: _Body, position: int) -> int:
    state.kill()
    return position


def _nop(state: _Body, position: int) -> int:
    return position


def _block(state: _Body, position: int) -> int:
    opcode = state.body[position - 1]
    (params, results), position = state.block_type(position)
    if opcode == op.IF:
        state.pop(I32)
    if opcode != op.BLOCK:
        state.begin_block()
    state.enter(opcode, params, results)
    return position


def _else(state: _Body, position: int) -> int:
    frame = state.leave()
    if frame[0] != op.IF:
        raise _Mismatch("else without if")
    state.frames.append((op.ELSE, *frame[1:]))
    state.dead = False
    state.values += frame[1]
    return position


def _end(state: _Body, position: int) -> int:
    opcode, params, results, state.floor, state.dead = state.leave()
    if opcode == op.IF and params != results:
        raise _Mismatch("if without else changes the operand stack")
    state.values += results
    return position


def _branch(state: _Body, position: int) -> int:
    depth, position = _index(state.body, position)
    state.pop_all(state.label(depth))
    state.kill()
    return position


def _branch_if(state: _Body, position: int) -> int:
    depth, position = _index(state.body, position)
    state.begin_block()
    state.pop(I32)
    types = state.label(depth)
    state.pop_all(types)
    state.values += types
    return position


def _branch_table(state: _Body, position: int) -> int:
    count, position = _index(state.body, position)
    if count + 1 > limits.BRANCH_LABELS_MAX:
        raise _Mismatch(f"br_table of {count + 1} labels, limit {limits.BRANCH_LABELS_MAX}")
    state.begin_block()
    labels = []
    for _ in range(count + 1):
        label, position = _index(state.body, position)
        labels.append(label)
    state.pop(I32)
    default = state.label(labels[-1])
    seen: set[tuple[int, ...]] = set()
    for label in labels:
        types = state.label(label)
        if len(types) != len(default):
            raise _Mismatch("labels of a br_table carry different numbers of operands")
        if types not in seen:
            seen.add(types)
            _peek(state, types)
    state.kill()
    return position


def _peek(state: _Body, types: tuple[int, ...]) -> None:
    """Checks operands and leaves them, unknown ones still unknown."""
    start = max(state.floor, len(state.values) - len(types))
    kept = state.values[start:]
    state.pop_all(types)
    state.values[start:] = kept


def _return(state: _Body, position: int) -> int:
    state.pop_all(state.frames[0][2])
    state.kill()
    return position


def _call(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    if index >= len(state.context.functions):
        raise _Mismatch(f"call of function {index}, there are {len(state.context.functions)}")
    state.functions_used.add(index)
    state.begin_block()
    params, results = state.context.functions[index]
    state.pop_all(params)
    state.values += results
    return position


def _call_indirect(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    if state.body[position] != 0 or not state.context.has_table:
        raise _Mismatch("call_indirect through a table that is not there")
    if index >= len(state.context.types):
        raise _Mismatch(f"call_indirect of type {index}, there are {len(state.context.types)}")
    state.types_used.add(index)
    state.begin_block()
    params, results = state.context.types[index]
    state.pop(I32)
    state.pop_all(params)
    state.values += results
    return position + 1


def _drop(state: _Body, position: int) -> int:
    state.pop(UNKNOWN)
    return position


def _select(state: _Body, position: int) -> int:
    state.pop(I32)
    first = state.pop(UNKNOWN)
    second = state.pop(first)
    state.values.append(first or second)
    return position


def _local_type(state: _Body, index: int) -> int:
    if index >= len(state.local_types):
        raise _Mismatch(f"local {index} of {len(state.local_types)}")
    return state.local_types[index]


def _local_get(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    state.values.append(_local_type(state, index))
    return position


def _local_set(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    state.pop(_local_type(state, index))
    return position


def _local_tee(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    value_type = _local_type(state, index)
    state.pop(value_type)
    state.values.append(value_type)
    return position


def _global_type(state: _Body, index: int) -> tuple[int, bool]:
    if index >= len(state.context.globals):
        raise _Mismatch(f"global {index} of {len(state.context.globals)}")
    state.globals_used.add(index)
    return state.context.globals[index]


def _global_get(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    state.values.append(_global_type(state, index)[0])
    return position


def _global_set(state: _Body, position: int) -> int:
    index, position = _index(state.body, position)
    value_type, mutable = _global_type(state, index)
    if not mutable:
        raise _Mismatch(f"global {index} is not mutable")
    state.pop(value_type)
    return position


def _memory(state: _Body, position: int) -> int:
    opcode = state.body[position - 1]
    alignment, position = _index(state.body, position)
    if alignment > ALIGNMENT_LOG2_MAX[opcode]:
        raise _Mismatch(f"alignment 2^{alignment} is larger than the access")
    _, position = _index(state.body, position)
    return _apply(state, opcode, position)


def _apply(state: _Body, opcode: int, position: int) -> int:
    pops, pushes = SIGNATURES[opcode]
    for value_type in reversed(pops):
        state.pop(value_type)
    state.values += pushes
    return position


def _float(state: _Body, position: int) -> int:
    state.begin_block()
    return _apply(state, state.body[position - 1], position)


def _memory_size(state: _Body, position: int) -> int:
    _zero(state, position)
    if state.body[position - 1] == op.MEMORY_GROW:
        state.begin_block()
    return _apply(state, state.body[position - 1], position + 1)


def _zero(state: _Body, position: int) -> None:
    if state.body[position] != 0:
        raise _Mismatch("memory index is not 0")


def _constant(state: _Body, position: int) -> int:
    opcode = state.body[position - 1]
    match opcode:
        case op.I32_CONST:
            if state.body[position] < 0x80:
                position += 1
            else:
                _, position = read_sleb(state.body, position, 32)
        case op.I64_CONST:
            _, position = read_sleb(state.body, position, 64)
        case op.F32_CONST:
            position += 4
        case _:
            position += 8
    state.values.append((I32, I64, F32, F64)[opcode - op.I32_CONST])
    return position


def _prefixed(state: _Body, position: int) -> int:
    sub, position = _index(state.body, position)
    opcode = op.PREFIX << 8 | sub if sub < 0x100 else -1
    if opcode not in SIGNATURES:
        raise _Mismatch(f"opcode 0xfc {sub} is not allowed")
    if opcode == op.MEMORY_COPY:
        _zero(state, position)
        position += 1
    if opcode in (op.MEMORY_COPY, op.MEMORY_FILL):
        _zero(state, position)
        position += 1
        state.begin_block()
    return _apply(state, opcode, position)


_Rule = Callable[[_Body, int], int]
_RULES: list[_Rule | None] = [None] * 256
_RULES[op.I32_LOAD : op.I64_STORE32 + 1] = [_memory] * (op.I64_STORE32 - op.I32_LOAD + 1)
_RULES[op.I32_CONST : op.F64_CONST + 1] = [_constant] * 4
for _opcode in MAKES_NAN:
    _RULES[_opcode] = _float
_RULES[op.MEMORY_SIZE] = _RULES[op.MEMORY_GROW] = _memory_size
_RULES[op.BLOCK] = _RULES[op.LOOP] = _RULES[op.IF] = _block
_RULES[op.UNREACHABLE] = _unreachable
_RULES[op.NOP] = _nop
_RULES[op.ELSE] = _else
_RULES[op.END] = _end
_RULES[op.BR] = _branch
_RULES[op.BR_IF] = _branch_if
_RULES[op.BR_TABLE] = _branch_table
_RULES[op.RETURN] = _return
_RULES[op.CALL] = _call
_RULES[op.CALL_INDIRECT] = _call_indirect
_RULES[op.DROP] = _drop
_RULES[op.SELECT] = _select
_RULES[op.LOCAL_GET] = _local_get
_RULES[op.LOCAL_SET] = _local_set
_RULES[op.LOCAL_TEE] = _local_tee
_RULES[op.GLOBAL_GET] = _global_get
_RULES[op.GLOBAL_SET] = _global_set
_RULES[op.PREFIX] = _prefixed
