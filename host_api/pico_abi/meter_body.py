"""Meters one function body: docs/formats/pico-1.md §3 (fuel), §6 (stack) and §7 (NaN).

One walk over a valid body copies it in slices and leaves room in front of every basic block; when
the block ends, its cost is known and the room is filled. A block that can trap in its middle is
checked as a whole where it begins and pays in portions, one before each part that runs for
certain, so the fuel at a trap is what was done. Code that nothing can reach is left out, which
keeps operand heights plain. The result depends on the body, its type and what its indices name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pico_abi import prices
from pico_abi.context import Context
from pico_abi.meter_code import Counters, bulk_amount, canonical_nan, scaled_amount
from pico_abi.opcode_facts import BLIND_TO_NAN, CAN_TRAP, MAKES_NAN
from pico_abi.prices import PRICES
from pico_abi.stack_words import VALUE_WEIGHTS, frame_words, result_weight, variable_words
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import (
    EMPTY_BLOCK,
    IMMEDIATES,
    NO_IMMEDIATE,
    instruction,
    read_immediates,
)
from pico_abi.wasm.leb128 import read_uleb32, sleb
from pico_abi.wasm.module import I32, Function
from pico_abi.wasm.signatures import SIGNATURES


@dataclass(frozen=True, slots=True)
class Setting:
    """What a metered body needs to know of its module besides what it refers to."""

    counters: Counters
    import_count: int
    thunks: int  # index of the first function that stands before an import
    result_types: dict[tuple[int, ...], int]  # block types for several results


@dataclass(frozen=True, slots=True)
class MeteredBody:
    """The function's code entry, and which raw position each copied slice begins at."""

    locals: tuple[tuple[int, int], ...]
    body: bytes
    slices: tuple[tuple[int, int, int], ...]  # metered position, raw position, byte count


def meter_body(function: Function, context: Context, setting: Setting) -> MeteredBody:
    """The metered form of a body that has passed validation."""
    return _Rewriter(function, context, setting).run()


class _Frame:
    """An open block of the body, and whether a branch goes to its end."""

    __slots__ = ("height", "opcode", "params", "results", "targeted")

    def __init__(self, opcode: int, height: int, params: int, results: int) -> None:
        self.opcode = opcode
        self.height = height  # below the parameters
        self.params = params
        self.results = results
        self.targeted = False


class _Rewriter:
    def __init__(self, function: Function, context: Context, setting: Setting) -> None:
        self.function = function
        self.context = context
        self.setting = setting
        self.body = function.body
        params, self.results = context.types[function.type_index]
        self.variables = len(params) + sum(count for count, _ in function.locals)
        self.variable_words = variable_words((1, item) for item in params)
        self.variable_words += variable_words(function.locals)
        self.scratch: dict[int, int] = {}
        # Output: bytes, and for slices of the body their raw position (-1 for inserted code).
        self.pieces: list[bytes] = []
        self.sources: list[int] = []
        self.copied = 0  # everything before this raw position is in `pieces` or left out
        self.portions: list[tuple[int, int]] = []  # (piece to fill, cost) of the open block
        self.portion = 0
        self.cost = 0
        self.live = True
        self.height = 0
        self.height_max = 0
        self.value_weight = 0
        self.calls = False
        self.frames = [_Frame(op.BLOCK, 0, 0, len(self.results))]

    def run(self) -> MeteredBody:
        body = self.body
        position = 0
        self.begin_block(position)
        self.cost = -(-(self.variables) // prices.LOCALS_PER_FUEL)
        while self.frames:
            opcode = body[position]
            delta = _PLAIN[opcode]
            if delta is not None:
                self.cost += PRICES[opcode]
                self.height += delta
                position += 1
            else:
                position = _RULES[opcode](self, opcode, position + 1)
            if self.height > self.height_max:
                self.height_max = self.height
        assert position == len(body)
        return self.assemble(position)

    # --- output ---

    def copy_until(self, position: int) -> None:
        if position > self.copied:
            self.pieces.append(self.body[self.copied : position])
            self.sources.append(self.copied)
        self.copied = position

    def insert(self, code: bytes) -> None:
        self.pieces.append(code)
        self.sources.append(-1)

    def replace(self, start: int, end: int, code: bytes) -> None:
        """Writes `code` instead of the raw bytes from start to end."""
        self.copy_until(start)
        self.insert(code)
        self.copied = end

    def scratch_local(self, value_type: int) -> int:
        return self.scratch.setdefault(value_type, self.variables + len(self.scratch))

    # --- blocks ---

    def begin_block(self, position: int) -> None:
        self.portions = []
        self.begin_portion(position)
        self.live = True

    def begin_portion(self, position: int) -> None:
        self.copy_until(position)
        self.portion = len(self.pieces)
        self.cost = 0
        self.insert(b"")

    def end_portion(self) -> None:
        if self.cost:
            self.portions.append((self.portion, self.cost))

    def end_block(self) -> None:
        self.end_portion()
        counters = self.setting.counters
        if len(self.portions) == 1:
            ((portion, cost),) = self.portions
            self.pieces[portion] = counters.charge(cost)
        elif self.portions:
            for portion, cost in self.portions:
                self.pieces[portion] = counters.take_fuel(cost)
            first = self.portions[0][0]
            total = sum(cost for _, cost in self.portions)
            self.pieces[first] = counters.require(total) + self.pieces[first]

    def die(self, position: int) -> int:
        """Ends the block at an unconditional branch and leaves out what cannot be reached."""
        self.end_block()
        self.live = False
        self.copy_until(position)
        depth = 0
        while depth or self.body[position] not in (op.END, op.ELSE):
            opcode, _, after = _read(self.body, position)
            depth += (opcode in (op.BLOCK, op.LOOP, op.IF)) - (opcode == op.END)
            position = after
        self.copied = position
        return position

    # --- the whole function ---

    def assemble(self, position: int) -> MeteredBody:
        self.copy_until(position)
        words = frame_words(self.variable_words, self.height_max, self.value_weight)
        counters = self.setting.counters
        if self.calls:
            before = counters.take_stack(words) + self.outer_block()
            after = counters.give_stack(words) + instruction(op.END)
        else:
            before, after = counters.require_stack(words), b""
        slices = []
        at = len(before)
        for piece, source in zip(self.pieces, self.sources, strict=True):
            if source >= 0:
                slices.append((at, source, len(piece)))
            at += len(piece)
        runs = self.function.locals + tuple((1, value_type) for value_type in self.scratch)
        return MeteredBody(runs, before + b"".join(self.pieces) + after, tuple(slices))

    def outer_block(self) -> bytes:
        """A block around the body, so that every way out passes where the words are given back."""
        match self.results:
            case ():
                return instruction(op.BLOCK, EMPTY_BLOCK)
            case (value_type,):
                return bytes((op.BLOCK, value_type))
            case several:
                return bytes((op.BLOCK,)) + sleb(self.setting.result_types[several])


def _read(body: bytes, position: int) -> tuple[int, tuple[int, ...], int]:
    """The instruction at a position of a valid body: opcode, immediates, position after it."""
    opcode = body[position]
    position += 1
    if opcode == op.PREFIX:
        sub, position = read_uleb32(body, position)
        opcode = op.PREFIX << 8 | sub
    values, position = read_immediates(body, position, IMMEDIATES.get(opcode, NO_IMMEDIATE))
    return opcode, values, position


_Rule = Callable[[_Rewriter, int, int], int]


def _pay(state: _Rewriter, opcode: int) -> None:
    state.cost += PRICES[opcode]
    state.value_weight += VALUE_WEIGHTS[opcode]


def _skip_index(state: _Rewriter, position: int) -> int:
    body = state.body
    while body[position] >= 0x80:
        position += 1
    return position + 1


def _push_indexed(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    state.height += 1
    return _skip_index(state, position)


def _pop_indexed(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    state.height -= 1
    return _skip_index(state, position)


def _tee(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    return _skip_index(state, position)


def _memory(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    pops, pushes = SIGNATURES[opcode]
    state.height += len(pushes) - len(pops)
    position = _skip_index(state, _skip_index(state, position))
    state.end_portion()
    state.begin_portion(position)
    return position


def _pure(state: _Rewriter, opcode: int, position: int) -> int:
    """An operator without immediates: counted, split after a trap, its NaN made canonical."""
    _pay(state, opcode)
    state.height += _DELTA[opcode]
    if opcode in CAN_TRAP:
        state.end_portion()
        state.begin_portion(position)
    elif opcode in MAKES_NAN:
        _canonicalize(state, MAKES_NAN[opcode], position)
    return position


def _canonicalize(state: _Rewriter, value_type: int, position: int) -> None:
    following = state.body[position]
    if following == op.PREFIX:
        following = op.PREFIX << 8 | state.body[position + 1] & 0x7F
    if following not in BLIND_TO_NAN:
        state.copy_until(position)
        state.insert(canonical_nan(value_type, state.scratch_local(value_type)))


def _memory_size(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    state.height += 1
    return position + 1


def _memory_grow(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    local = state.scratch_local(I32)
    amount = scaled_amount(local, prices.GROW_PAGE_PRICE)
    return _computed(state, position - 1, position + 1, local, amount)


def _computed(state: _Rewriter, start: int, end: int, local: int, amount: bytes) -> int:
    """Charges by the operand on top before an instruction runs; what follows is a new block."""
    state.end_block()
    state.copy_until(start)
    state.insert(instruction(op.LOCAL_TEE, local) + state.setting.counters.charge_computed(amount))
    state.begin_block(end)
    return end


def _prefixed(state: _Rewriter, prefix: int, position: int) -> int:
    start = position - 1
    opcode, _, end = _read(state.body, start)
    if opcode not in (op.MEMORY_COPY, op.MEMORY_FILL):
        return _pure(state, opcode, end)
    _pay(state, opcode)
    local = state.scratch_local(I32)
    _computed(state, start, end, local, bulk_amount(local))
    state.height -= 3
    return end


def _constant(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    state.height += 1
    match opcode:
        case op.F32_CONST:
            return position + 4
        case op.F64_CONST:
            return position + 8
    return _skip_index(state, position)


def _block_arity(state: _Rewriter, position: int) -> tuple[int, int, int]:
    """Parameters, results, position after the block type."""
    _, (value,), after = _read(state.body, position - 1)
    if value >= 0:
        params, results = state.context.types[value]
        return len(params), len(results), after
    return 0, 0 if value == EMPTY_BLOCK else 1, after


def _block(state: _Rewriter, opcode: int, position: int) -> int:
    params, results, after = _block_arity(state, position)
    if opcode == op.LOOP:
        # The header is entered again and again, and pays each time.
        state.end_block()
        state.begin_block(after)
    elif opcode == op.IF:
        _pay(state, opcode)
        state.height -= 1
        state.end_block()
        state.begin_block(after)
    state.frames.append(_Frame(opcode, state.height - params, params, results))
    return after


def _else(state: _Rewriter, _: int, position: int) -> int:
    if state.live:
        state.end_block()
    frame = state.frames[-1]
    frame.opcode = op.ELSE
    state.height = frame.height + frame.params
    state.begin_block(position)
    return position


def _end(state: _Rewriter, _: int, position: int) -> int:
    frame = state.frames.pop()
    state.height = frame.height + frame.results
    falls_through = frame.opcode == op.LOOP or (frame.opcode == op.BLOCK and not frame.targeted)
    if state.frames and state.live and falls_through:
        return position  # only the block itself arrives here: it goes on
    if state.live:
        state.end_block()
    if state.frames:
        state.begin_block(position)
    return position


def _target(state: _Rewriter, depth: int) -> None:
    state.frames[-1 - depth].targeted = True


def _branch(state: _Rewriter, opcode: int, position: int) -> int:
    depth, position = read_uleb32(state.body, position)
    _pay(state, opcode)
    _target(state, depth)
    return state.die(position)


def _branch_if(state: _Rewriter, opcode: int, position: int) -> int:
    depth, position = read_uleb32(state.body, position)
    _pay(state, opcode)
    _target(state, depth)
    state.height -= 1
    state.end_block()
    state.begin_block(position)
    return position


def _branch_table(state: _Rewriter, opcode: int, position: int) -> int:
    _, labels, after = _read(state.body, position - 1)
    _pay(state, opcode)
    for label in labels:
        _target(state, label)
    return state.die(after)


def _return(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    # The outermost block ends where the stack words are given back, see outer_block. Without
    # calls there is no such block and the branch means the same as the return.
    state.replace(position - 1, position, instruction(op.BR, len(state.frames) - 1))
    return state.die(position)


def _unreachable(state: _Rewriter, opcode: int, position: int) -> int:
    _pay(state, opcode)
    return state.die(position)


def _call(state: _Rewriter, opcode: int, position: int) -> int:
    index, after = read_uleb32(state.body, position)
    _pay(state, opcode)
    state.end_block()
    if index < state.setting.import_count:
        thunk = instruction(op.CALL, state.setting.thunks + index)
        state.replace(position - 1, after, thunk)
    return _called(state, state.context.functions[index], after)


def _called(
    state: _Rewriter, signature: tuple[tuple[int, ...], tuple[int, ...]], position: int
) -> int:
    params, results = signature
    state.calls = True
    state.value_weight += result_weight(results)
    state.height += len(results) - len(params)
    state.begin_block(position)
    return position


def _call_indirect(state: _Rewriter, opcode: int, position: int) -> int:
    index, position = read_uleb32(state.body, position)
    _pay(state, opcode)
    state.height -= 1
    state.end_block()
    return _called(state, state.context.types[index], position + 1)


_DELTA = {code: len(pushes) - len(pops) for code, (pops, pushes) in SIGNATURES.items()}
_DELTA[op.SELECT] = -2
# Height change of opcodes that need nothing but their price; None for the others.
_PLAIN: list[int | None] = [None] * 256
_PLAIN[op.NOP] = 0
_PLAIN[op.DROP] = -1

_RULES: list[_Rule] = [_pure] * 256
_RULES[op.I32_LOAD : op.I64_STORE32 + 1] = [_memory] * (op.I64_STORE32 - op.I32_LOAD + 1)
_RULES[op.I32_CONST : op.F64_CONST + 1] = [_constant] * 4
_RULES[op.LOCAL_GET] = _RULES[op.GLOBAL_GET] = _push_indexed
_RULES[op.LOCAL_SET] = _RULES[op.GLOBAL_SET] = _pop_indexed
_RULES[op.LOCAL_TEE] = _tee
_RULES[op.MEMORY_SIZE] = _memory_size
_RULES[op.MEMORY_GROW] = _memory_grow
_RULES[op.BLOCK] = _RULES[op.LOOP] = _RULES[op.IF] = _block
_RULES[op.ELSE] = _else
_RULES[op.END] = _end
_RULES[op.BR] = _branch
_RULES[op.BR_IF] = _branch_if
_RULES[op.BR_TABLE] = _branch_table
_RULES[op.RETURN] = _return
_RULES[op.UNREACHABLE] = _unreachable
_RULES[op.CALL] = _call
_RULES[op.CALL_INDIRECT] = _call_indirect
_RULES[op.PREFIX] = _prefixed
