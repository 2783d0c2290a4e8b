"""Meters one function body: docs/formats/pico-1.md §3 (fuel), §6 (stack) and §7 (NaN).

Here is what each opcode does on the walk over a valid body (`meter_walk`): what it costs, what it
does to the operands, and where it begins and ends basic blocks. Code that nothing can reach is
left out, which keeps operand heights plain. The result depends on the body, its type and what its
indices name.
"""

from __future__ import annotations

from pico_abi import prices
from pico_abi.context import Context
from pico_abi.meter_blocks import NOWHERE, Block, Label
from pico_abi.meter_code import bulk_amount, scaled_amount
from pico_abi.meter_walk import Frame, MeteredBody, Nan, Rewriter, Rule, Setting, read_instruction
from pico_abi.opcode_facts import ACCESS_BYTES, BLIND_TO_NAN, CAN_TRAP, MAKES_NAN
from pico_abi.prices import PRICES
from pico_abi.reach import assigned_in_loops, constant_address
from pico_abi.stack_words import VALUE_WEIGHTS, result_weight
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, instruction
from pico_abi.wasm.leb128 import read_sleb, read_uleb32
from pico_abi.wasm.module import I32, Function
from pico_abi.wasm.signatures import SIGNATURES


def meter_body(function: Function, context: Context, setting: Setting) -> MeteredBody:
    """The metered form of a body that has passed validation."""
    return Rewriter(function, context, setting).run(_RULES)


def _index(body: bytes, position: int) -> tuple[int, int]:
    byte = body[position]
    return (byte, position + 1) if byte < 0x80 else read_uleb32(body, position)


def _nop(state: Rewriter, opcode: int, position: int) -> int:
    return position


def _local_get(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    local, position = _index(state.body, position)
    state.operands.append(state.reach.value_of(local))
    return position


def _local_set(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    local, position = _index(state.body, position)
    state.take_operands(1)
    state.reach.assign(local)
    return position


def _local_tee(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    local, position = _index(state.body, position)
    state.take_operands(1)
    state.operands.append(state.reach.assign(local))
    return position


def _global_get(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.value_weight += VALUE_WEIGHTS[opcode]
    state.operands.append(None)
    return _index(state.body, position)[1]


def _global_set(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.take_operands(1)
    return _index(state.body, position)[1]


def _memory(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.value_weight += VALUE_WEIGHTS[opcode]
    position = _index(state.body, position)[1]
    offset, position = _index(state.body, position)
    load = opcode < op.I32_STORE
    if not load:
        state.take_operands(1)
    address = state.operands.pop()
    assert not isinstance(address, Nan)  # validated: an address is an integer
    if load:
        state.operands.append(None)
    if not state.reach.covers(address, offset + ACCESS_BYTES[opcode]):
        state.may_trap(position)
    return position


def _pure(state: Rewriter, opcode: int, position: int) -> int:
    """An operator without immediates: counted, split after a trap, its NaN made canonical."""
    state.cost += PRICES[opcode]
    state.value_weight += VALUE_WEIGHTS[opcode]
    pops, result = _ARITY[opcode]
    if opcode in BLIND_TO_NAN and state.nans:
        for operand in state.operands[len(state.operands) - pops :]:
            state.nans -= isinstance(operand, Nan)
        del state.operands[len(state.operands) - pops :]
    else:
        state.take_operands(pops)
    if opcode in MAKES_NAN:
        state.copy_until(position)
        state.operands.append(Nan(state.insert(b""), MAKES_NAN[opcode]))
        state.nans += 1
    elif result:
        state.operands.append(None)
    if opcode in CAN_TRAP:
        state.may_trap(position)
    return position


def _memory_size(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.value_weight += VALUE_WEIGHTS[opcode]
    state.operands.append(None)
    return position + 1


def _memory_grow(state: Rewriter, opcode: int, position: int) -> int:
    state.value_weight += VALUE_WEIGHTS[opcode]
    local = state.scratch_local(I32)
    amount = scaled_amount(local, prices.GROW_PAGE_PRICE)
    state.operands[-1] = None
    return _computed(state, opcode, position - 1, position + 1, local, amount)


def _computed(state: Rewriter, opcode: int, start: int, end: int, local: int, amount: bytes) -> int:
    """Charges by the operand on top before an instruction runs; what follows is a new block."""
    state.cost += PRICES[opcode]
    state.end_by_counter()
    state.copy_until(start)
    state.insert(instruction(op.LOCAL_TEE, local) + state.setting.counters.charge_computed(amount))
    state.begin(Block(NOWHERE, entry=True), end)
    return end


def _prefixed(state: Rewriter, prefix: int, position: int) -> int:
    start = position - 1
    opcode, _, end = read_instruction(state.body, start)
    if opcode not in (op.MEMORY_COPY, op.MEMORY_FILL):
        return _pure(state, opcode, end)
    local = state.scratch_local(I32)
    state.take_operands(3)
    return _computed(state, opcode, start, end, local, bulk_amount(local))


def _constant(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.operands.append(None)
    match opcode:
        case op.I32_CONST:
            value, position = read_sleb(state.body, position, 32)
            state.operands[-1] = constant_address(value & 0xFFFF_FFFF)
            return position
        case op.I64_CONST:
            while state.body[position] >= 0x80:
                position += 1
            return position + 1
        case op.F32_CONST:
            return position + 4
        case _:
            return position + 8


def _block_arity(state: Rewriter, position: int) -> tuple[int, int, int]:
    """Parameters, results, position after the block type."""
    _, (value,), after = read_instruction(state.body, position - 1)
    if value >= 0:
        params, results = state.context.types[value]
        return len(params), len(results), after
    return 0, 0 if value == EMPTY_BLOCK else 1, after


def _open(state: Rewriter, opcode: int, params: int, results: int) -> Frame:
    height = len(state.operands) - params
    state.operands[height:] = [None] * params
    frame = Frame(opcode, height, params, results, state.reach.now)
    state.frames.append(frame)
    return frame


def _block(state: Rewriter, opcode: int, position: int) -> int:
    state.at_control()
    params, results, after = _block_arity(state, position)
    _open(state, opcode, params, results)
    return after


def _loop(state: Rewriter, opcode: int, position: int) -> int:
    """The header is entered again and again, and pays each time."""
    state.at_control()
    state.operands[:] = [None] * len(state.operands)
    params, results, after = _block_arity(state, position)
    if state.loops is None:
        state.loops = assigned_in_loops(state.body, position - 1)
    state.reach.begin_loop(state.loops[position - 1])
    _open(state, opcode, params, results)
    state.end_by_local()
    state.begin(Block(NOWHERE, header=True), after)
    return after


def _if(state: Rewriter, opcode: int, position: int) -> int:
    state.cost += PRICES[opcode]
    state.operands.pop()
    state.at_control()
    params, results, after = _block_arity(state, position)
    frame = _open(state, opcode, params, results)
    frame.skip = Label()
    state.end_by_local(frame.skip)
    state.begin(Block(frame.skip), after)
    return after


def _else(state: Rewriter, _: int, position: int) -> int:
    state.at_control()
    frame = state.frames[-1]
    if state.live:
        state.end_by_local(frame.label)
        frame.label.entered = True
    frame.opcode = op.ELSE
    state.reach.forget_since(frame.met)
    state.operands[frame.height :] = [None] * frame.params
    state.begin(Block(NOWHERE), position)
    return position


def _end(state: Rewriter, _: int, position: int) -> int:
    state.at_control()
    frame = state.frames.pop()
    state.operands[frame.height :] = [None] * frame.results
    if frame.met >= 0:
        state.reach.forget_since(frame.met)
    if not state.frames:
        if state.live:
            state.end_by_counter()
        return position
    falls_through = frame.opcode == op.LOOP or (frame.opcode == op.BLOCK and not frame.targeted)
    if state.live and falls_through:
        return position  # only the block itself arrives here: it goes on
    label = frame.label
    if frame.opcode == op.IF:
        label.twin = frame.skip
        label.entered = True
    if state.live:
        state.end_by_local(label)
        label.entered = True
    if label.entered:
        state.begin(Block(label, join=True), position)
    else:
        state.begin(Block(NOWHERE, entry=True), position)  # nothing ever arrives here
    return position


def _target(state: Rewriter, depth: int) -> Label:
    """The label of a branch: of a loop there is nothing paid in advance."""
    frame = state.frames[-1 - depth]
    if frame.opcode == op.LOOP:
        return NOWHERE
    if frame.met < 0:
        frame.met = state.reach.now
    frame.targeted = True
    frame.label.entered = True
    return frame.label


def _branch(state: Rewriter, opcode: int, position: int) -> int:
    depth, position = read_uleb32(state.body, position)
    state.at_control()
    state.cost += PRICES[opcode]
    label = _target(state, depth)
    if depth == len(state.frames) - 1:
        state.end_by_counter()
    else:
        state.end_by_local(label)
    return state.die(position)


def _branch_if(state: Rewriter, opcode: int, position: int) -> int:
    depth, position = read_uleb32(state.body, position)
    state.cost += PRICES[opcode]
    state.operands.pop()
    state.at_control()
    label = _target(state, depth)
    state.end_by_local(label, shown=depth == len(state.frames) - 1)
    state.begin(Block(label), position)
    return position


def _branch_table(state: Rewriter, opcode: int, position: int) -> int:
    _, labels, after = read_instruction(state.body, position - 1)
    state.at_control()
    state.cost += PRICES[opcode]
    outermost = len(state.frames) - 1
    for depth in labels:
        _target(state, depth).pays_itself = True
    if all(depth == outermost for depth in labels):
        state.end_by_counter()
    else:
        state.end_by_local(shown=outermost in labels)
    return state.die(after)


def _return(state: Rewriter, opcode: int, position: int) -> int:
    state.at_control()
    state.cost += PRICES[opcode]
    # The outermost block ends where the stack words are given back, see outer_block. Without
    # calls there is no such block and the branch means the same as the return.
    state.replace(position - 1, position, instruction(op.BR, len(state.frames) - 1))
    state.end_by_counter()
    return state.die(position)


def _unreachable(state: Rewriter, opcode: int, position: int) -> int:
    state.at_control()
    state.cost += PRICES[opcode]
    state.end_by_counter()
    return state.die(position)


def _call(state: Rewriter, opcode: int, position: int) -> int:
    index, after = _index(state.body, position)
    state.cost += PRICES[opcode]
    if index < state.setting.import_count:
        thunk = instruction(op.CALL, state.setting.thunks + index)
        state.replace(position - 1, after, thunk)
    return _called(state, state.context.functions[index], after)


def _called(
    state: Rewriter, signature: tuple[tuple[int, ...], tuple[int, ...]], position: int
) -> int:
    params, results = signature
    state.calls = True
    state.value_weight += result_weight(results)
    state.take_operands(len(params))
    state.operands += [None] * len(results)
    state.end_by_counter()
    state.begin(Block(NOWHERE, entry=True), position)
    return position


def _call_indirect(state: Rewriter, opcode: int, position: int) -> int:
    index, position = _index(state.body, position)
    state.cost += PRICES[opcode]
    state.operands.pop()
    return _called(state, state.context.types[index], position + 1)


_ARITY = {code: (len(pops), len(pushes)) for code, (pops, pushes) in SIGNATURES.items()}
_ARITY[op.SELECT] = (3, 1)
_ARITY[op.DROP] = (1, 0)

_RULES: list[Rule] = [_pure] * 256
_RULES[op.I32_LOAD : op.I64_STORE32 + 1] = [_memory] * (op.I64_STORE32 - op.I32_LOAD + 1)
_RULES[op.I32_CONST : op.F64_CONST + 1] = [_constant] * 4
_RULES[op.NOP] = _nop
_RULES[op.LOCAL_GET] = _local_get
_RULES[op.LOCAL_SET] = _local_set
_RULES[op.LOCAL_TEE] = _local_tee
_RULES[op.GLOBAL_GET] = _global_get
_RULES[op.GLOBAL_SET] = _global_set
_RULES[op.MEMORY_SIZE] = _memory_size
_RULES[op.MEMORY_GROW] = _memory_grow
_RULES[op.BLOCK] = _block
_RULES[op.LOOP] = _loop
_RULES[op.IF] = _if
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
