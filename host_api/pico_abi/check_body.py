"""Checks one metered body, by accounting instead of rewriting: docs/formats/pico-1.md §8.

It reads instruction by instruction with a purse (`check_fuel`): the ruleset's own instructions
spend, inserted code takes, and wherever a transition could end the counter must be right. What
the ruleset wrote itself is collected, so that the module without its meter can pass the
validator. Nothing here knows how the rewriter works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pico_abi import prices
from pico_abi.check_fuel import Purse, Way
from pico_abi.check_known import Constant, Memory, Operand, Result
from pico_abi.check_patterns import CANONICAL_NAN, Patterns, Plan, Stream
from pico_abi.context import Context, Memo, References, references
from pico_abi.opcode_facts import ACCESS_BYTES, BLIND_TO_NAN, CAN_TRAP, MAKES_NAN
from pico_abi.prices import PRICES
from pico_abi.refused import ModuleRefused
from pico_abi.stack_words import (
    LEAF_WORDS_MAX,
    VALUE_WEIGHTS,
    frame_words,
    result_weight,
    variable_words,
)
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, Instruction, instruction
from pico_abi.wasm.module import I32, I64, Function
from pico_abi.wasm.signatures import SIGNATURES

_SCRATCH_MAX = 4  # locals of inserted code: one of each type


@dataclass(slots=True)
class _Block:
    opcode: int
    height: int  # below its parameters
    params: int
    results: int
    since: int  # the place in the code from which ways to its end differ, -1: none yet
    way: Way = field(default_factory=Way)
    skipped: int = 0  # what an `if` that is false has paid
    branched_to: bool = False


@dataclass(frozen=True, slots=True)
class BareBody:
    """What the ruleset wrote: locals, body, and the block type its meter wrapped it in."""

    locals: tuple[tuple[int, int], ...]
    body: bytes
    wrapper_type: int | None
    types_used: frozenset[int]
    used: References


def check_body(function: Function, context: Context, plan: Plan, patterns: Patterns) -> BareBody:
    """Refuses a body that is not metered exactly; returns it without its meter."""
    extra = (plan.fuel, plan.stack, plan.import_count, _block_type(function, context))
    known = _checked.get(function, context, extra)
    if known is not None and _below_thunks(known[0], plan):
        return known[1]
    bare = _checked_body(function, context, plan, patterns)
    if _below_thunks(bare.used, plan):
        _checked.put(function, context, extra, bare.used, bare)
    return bare


_checked: Memo[BareBody] = Memo()


def _checked_body(function: Function, context: Context, plan: Plan, patterns: Patterns) -> BareBody:
    """How many locals are the meter's shows only at the end, and what entry costs at the start;
    so each price of entry that is possible is tried, and there are two at most."""
    problems = []
    for entry_cost in _entry_costs(function, context):
        try:
            return _Account(function, context, plan, patterns, entry_cost).run()
        except ModuleRefused as problem:
            problems.append(problem)
    raise max(problems, key=lambda problem: problem.offset)


def _entry_costs(function: Function, context: Context) -> list[int]:
    """The likeliest first."""
    variables = len(context.types[function.type_index][0])
    variables += sum(count for count, _ in function.locals)
    costs = []
    for own in range(_SCRATCH_MAX + 1):
        if own and (own > len(function.locals) or function.locals[-own][0] != 1):
            break
        costs.append(-(-(variables - own) // prices.LOCALS_PER_FUEL))
    return sorted(set(costs))


def _block_type(function: Function, context: Context) -> int | None:
    """The type of the block around a function of several results: the first that says so."""
    results = context.types[function.type_index][1]
    wanted = ((), results)
    return context.types.index(wanted) if len(results) > 1 and wanted in context.types else None


def _below_thunks(used: References, plan: Plan) -> bool:
    """Whether a body calls no import: where those functions stand differs between modules."""
    return not used.functions or used.functions[-1] < plan.thunks


class _Account:
    def __init__(
        self,
        function: Function,
        context: Context,
        plan: Plan,
        patterns: Patterns,
        entry_cost: int,
    ) -> None:
        self.function = function
        self.context = context
        self.plan = plan
        self.patterns = patterns
        self.entry_cost = entry_cost
        self.stream = Stream(function)
        self.purse = Purse(self.stream, patterns, plan, entry_cost)
        self.memory = Memory(context.memory_bytes, self.stream.items)
        self.params, self.results = context.types[function.type_index]
        self.variables = len(self.params) + sum(count for count, _ in function.locals)
        self.blocks: list[_Block] = [_Block(op.BLOCK, 0, 0, len(self.results), -1)]
        self.operands: list[Operand] = []
        self.height_max = 0
        self.weight = 0
        self.calls = False
        self.reachable = True
        self.bare: list[bytes] = []
        self.scratch: dict[int, int] = {}
        self.locals_max = -1
        self.types_used: set[int] = set()
        self.functions_used: set[int] = set()

    def run(self) -> BareBody:
        stream, patterns = self.stream, self.patterns
        wrapper_type: int | None = None
        words, leaf = stream.match(patterns.enter_leaf), True
        if words is None:
            words = stream.match(patterns.enter)
            if words is not None:
                leaf = False
                wrapper_type = self.wrapper()
        while self.blocks:
            self.step()
        if not leaf:
            if stream.expect(patterns.leave, "stack words given back") != words:
                raise stream.refuse("other stack words given back than taken")
            stream.expect(((op.END,),), "the end of the function")
        if stream.at != len(stream.items):
            raise stream.refuse("code after the end of the function")
        return self.conclude(words, leaf, wrapper_type)

    def wrapper(self) -> int | None:
        """The block that everything leaves through; its type is the function's results."""
        item = self.stream.next()
        if item.opcode != op.BLOCK:
            raise self.stream.refuse("expected a block around the function")
        (block_type,) = item.immediates
        if self.block_signature(block_type) != ((), self.results):
            raise self.stream.refuse("the block around the function has another type")
        if block_type >= 0 and block_type != _block_type(self.function, self.context):
            raise self.stream.refuse("the block around the function has a needless type")
        return block_type if block_type >= 0 else None

    def block_signature(self, block_type: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if block_type >= 0:
            if block_type >= len(self.context.types):
                raise self.stream.refuse("block of a type that is not there")
            return self.context.types[block_type]
        return ((), ()) if block_type == EMPTY_BLOCK else ((), (block_type + 128,))

    def conclude(self, words: list[int] | None, leaf: bool, wrapper_type: int | None) -> BareBody:
        """What only the whole body tells: its frame, its scratch locals, its entry price."""
        runs = self.function.locals
        if self.purse.index is not None:
            self.own_scratch([self.purse.index], I64)
        kept = len(runs) - len(self.scratch)
        variables = self.variables - len(self.scratch)
        declared = [(variables + at, run) for at, run in enumerate(runs[kept:])]
        own = [(local, (1, value_type)) for local, value_type in sorted(self.scratch.items())]
        if declared != own or self.locals_max >= variables:
            raise self.stream.refuse("locals of inserted code are not its own")
        parameters = variable_words((1, value_type) for value_type in self.params)
        needed = frame_words(parameters + variable_words(runs[:kept]), self.height_max, self.weight)
        self.check_frame(words, leaf, needed)
        if self.entry_cost != -(-variables // prices.LOCALS_PER_FUEL):
            raise self.stream.refuse("function entry has another price")
        wrappers = () if wrapper_type is None else (wrapper_type,)
        used = references(self.functions_used, {*self.types_used, *wrappers}, ())
        body = b"".join(self.bare)
        return BareBody(runs[:kept], body, wrapper_type, frozenset(self.types_used), used)

    def check_frame(self, words: list[int] | None, leaf: bool, needed: int) -> None:
        if leaf == self.calls:
            raise self.stream.refuse("calls without giving stack words back, or the reverse")
        small = needed <= LEAF_WORDS_MAX and self.purse.total <= prices.LEAF_FUEL_MAX
        if not self.calls and small != (words is None):
            raise self.stream.refuse("a small function that calls nothing is not checked")
        if words is not None and set(words) != {needed}:
            raise self.stream.refuse(f"{words[0]} stack words counted, the frame has {needed}")

    # --- operands ---

    def take(self, count: int, blind: bool = False) -> None:
        """Operands go to an instruction, which acts the same for all NaNs if it is blind."""
        if count > len(self.operands):
            raise self.stream.refuse("operand stack is empty")
        if count:
            for operand in self.operands[len(self.operands) - count :]:
                if isinstance(operand, Result) and operand.canonical == blind:
                    raise self.stream.refuse(
                        "a canonical NaN that nobody can tell"
                        if blind
                        else "expected a canonical NaN"
                    )
            del self.operands[len(self.operands) - count :]

    def at_control(self) -> None:
        """Whatever may be a NaN is canonical, where control begins, ends or goes elsewhere."""
        for at, operand in enumerate(self.operands):
            if isinstance(operand, Result):
                if not operand.canonical:
                    raise self.stream.refuse("expected a canonical NaN")
                self.operands[at] = None

    def reset_operands(self, height: int, count: int) -> None:
        if height > len(self.operands):
            raise self.stream.refuse("operand stack is empty")
        self.operands[height:] = [None] * count

    # --- the ruleset's instructions ---

    def step(self) -> None:
        if not self.reachable and self.stream.peek() not in (op.END, op.ELSE):
            raise self.stream.refuse("code that nothing reaches")
        if self.reachable:
            self.purse.read()
        if self.stream.peek() == op.LOCAL_TEE and self.computed_charge():
            return
        item = self.stream.next()
        self.purse.spend(PRICES[item.opcode])
        self.weight += VALUE_WEIGHTS[item.opcode]
        rule = _RULES.get(item.opcode)
        if rule is None:
            self.operator(item)
        else:
            rule(self, item)
        if len(self.operands) > self.height_max:
            self.height_max = len(self.operands)

    def keep(self, item: Instruction) -> None:
        self.bare.append(self.stream.body[item.offset : item.end])

    def operator(self, item: Instruction) -> None:
        """An instruction of fixed type."""
        opcode = item.opcode
        if opcode in (op.MEMORY_COPY, op.MEMORY_FILL, op.MEMORY_GROW):
            raise self.stream.refuse("memory changed in bulk before it is charged for")
        pops, pushes = SIGNATURES[opcode]
        self.take(len(pops), opcode in BLIND_TO_NAN)
        self.keep(item)
        if opcode in MAKES_NAN:
            found = self.stream.match(CANONICAL_NAN[MAKES_NAN[opcode]])
            if found is not None:
                self.own_scratch(found, MAKES_NAN[opcode])
            self.operands.append(Result(found is not None))
        else:
            self.operands += [None] * len(pushes)
        if opcode in CAN_TRAP:
            self.purse.may_trap()

    def own_scratch(self, found: list[int], value_type: int) -> None:
        if len(set(found)) != 1 or self.scratch.setdefault(found[0], value_type) != value_type:
            raise self.stream.refuse("inserted code mixes up its locals")

    def computed_charge(self) -> bool:
        """A bulk instruction with its charge in front, taken as one."""
        stream, patterns = self.stream, self.patterns
        for opcode, pattern in patterns.bulk.items():
            start = stream.at
            found = stream.match(pattern)
            if found is not None and stream.peek() == opcode:
                self.own_scratch(found, I32)
                self.purse.spend(PRICES[opcode])
                self.weight += VALUE_WEIGHTS[opcode]
                self.purse.end_seen()
                self.keep(stream.next())
                pops, pushes = SIGNATURES[opcode]
                self.take(len(pops))
                self.operands += [None] * len(pushes)
                self.purse.begin_seen()
                return True
            stream.at = start
        return False

    def unreachable(self) -> None:
        self.reachable = False

    def target(self, depth: int) -> Way | None:
        """Where a branch goes; None for a loop and for the way out, which nobody pays ahead."""
        if depth >= len(self.blocks):
            raise self.stream.refuse("branch out of the function past its end")
        block = self.blocks[-1 - depth]
        if block.opcode == op.LOOP:
            return None
        block.branched_to = True
        if block.since < 0:
            block.since = self.stream.at
        return block.way if depth < len(self.blocks) - 1 else None


_Rule = Callable[[_Account, Instruction], None]


def _block(account: _Account, item: Instruction) -> None:
    if item.opcode == op.IF:
        account.take(1)
    account.at_control()
    (block_type,) = item.immediates
    params, results = account.block_signature(block_type)
    if block_type >= 0:
        account.types_used.add(block_type)
    account.keep(item)
    height = len(account.operands) - len(params)
    account.reset_operands(max(height, 0), len(params))
    block = _Block(item.opcode, height, len(params), len(results), -1)
    account.blocks.append(block)
    if item.opcode == op.LOOP:
        account.operands[:] = [None] * len(account.operands)
        account.memory.begin_loop(account.stream.at - 1)
        account.purse.end_inside(None)
        account.purse.begin_inside(0, loop=True)
    elif item.opcode == op.IF:
        block.since = account.stream.at
        block.skipped = account.purse.end_inside(Way())
        account.purse.begin_inside(block.skipped)


def _else(account: _Account, item: Instruction) -> None:
    account.at_control()
    block = account.blocks[-1]
    if block.opcode != op.IF:
        raise account.stream.refuse("else without if")
    if account.reachable:
        account.purse.end_inside(block.way)
    if block.skipped:
        raise account.stream.refuse("a condition pays for what is only on one side")
    block.opcode = op.ELSE
    account.memory.forget(block.since)
    account.reset_operands(block.height, block.params)
    account.keep(item)
    account.reachable = True
    account.purse.begin_inside(0)


def _end(account: _Account, item: Instruction) -> None:
    account.at_control()
    block = account.blocks.pop()
    account.reset_operands(block.height, block.results)
    if block.since >= 0:
        account.memory.forget(block.since)
    account.keep(item)
    only_way = block.opcode == op.LOOP or (block.opcode == op.BLOCK and not block.branched_to)
    if not account.blocks:
        if account.reachable:
            account.purse.end_seen()
    elif not (account.reachable and only_way):
        if account.reachable:
            account.purse.end_inside(block.way)
        if block.opcode == op.IF and not block.way.arrive(block.skipped):
            raise account.stream.refuse("a condition has paid something else than others")
        if block.way.paid is None:  # nothing ever arrives here
            account.purse.begin_seen()
        else:
            account.purse.begin_joined(block.way)
    account.reachable = True


def _branch(account: _Account, item: Instruction) -> None:
    account.at_control()
    (depth,) = item.immediates
    way = account.target(depth)
    if depth == len(account.blocks) - 1:
        account.bare.append(instruction(op.RETURN))
        account.purse.end_seen()
    else:
        account.keep(item)
        account.purse.end_inside(way)
    account.unreachable()


def _branch_if(account: _Account, item: Instruction) -> None:
    account.take(1)
    account.at_control()
    (depth,) = item.immediates
    way = account.target(depth)
    account.keep(item)
    paid = account.purse.end_inside(way, shown=depth == len(account.blocks) - 1)
    account.purse.begin_inside(paid)


def _branch_table(account: _Account, item: Instruction) -> None:
    account.at_control()
    account.keep(item)
    ways = [account.target(depth) for depth in item.immediates]
    for way in ways:
        if way is not None:
            way.named_by_table = True
            if not way.arrive(0):
                raise account.stream.refuse("a way that a table names is paid for in advance")
    outermost = len(account.blocks) - 1
    if all(depth == outermost for depth in item.immediates):
        account.purse.end_seen()
    else:
        account.purse.end_inside(None, shown=outermost in item.immediates)
    account.unreachable()


def _unreachable(account: _Account, item: Instruction) -> None:
    account.at_control()
    account.keep(item)
    account.purse.end_seen()
    account.unreachable()


def _return(account: _Account, item: Instruction) -> None:
    raise account.stream.refuse("return passes by the place where stack words are given back")


def _call(account: _Account, item: Instruction) -> None:
    (index,) = item.immediates
    if index < account.plan.import_count or index >= len(account.context.functions):
        raise account.stream.refuse("host function called without paying, or no function at all")
    account.functions_used.add(index)
    params, results = account.context.functions[index]
    if index >= account.plan.thunks:
        account.bare.append(instruction(op.CALL, index - account.plan.thunks))
    else:
        account.keep(item)
    _called(account, params, results)


def _called(account: _Account, params: tuple[int, ...], results: tuple[int, ...]) -> None:
    account.calls = True
    account.weight += result_weight(results)
    account.take(len(params))
    account.operands += [None] * len(results)
    account.purse.end_seen()
    account.purse.begin_seen()


def _call_indirect(account: _Account, item: Instruction) -> None:
    index = item.immediates[0]
    if index >= len(account.context.types):
        raise account.stream.refuse("call of a type that is not there")
    account.types_used.add(index)
    account.take(1)
    account.keep(item)
    _called(account, *account.context.types[index])


def _local(account: _Account, item: Instruction) -> None:
    (index,) = item.immediates
    if index >= account.variables:
        raise account.stream.refuse("locals of inserted code are not its own")
    account.locals_max = max(account.locals_max, index)
    account.keep(item)
    if item.opcode != op.LOCAL_GET:
        account.take(1)
        account.memory.assign(index)
    if item.opcode != op.LOCAL_SET:
        account.operands.append(account.memory.read(index))


def _global(account: _Account, item: Instruction) -> None:
    if item.immediates[0] >= account.plan.fuel:
        raise account.stream.refuse("a counter is touched outside of inserted code")
    account.keep(item)
    if item.opcode == op.GLOBAL_SET:
        account.take(1)
    else:
        account.operands.append(None)


def _access(account: _Account, item: Instruction) -> None:
    opcode = item.opcode
    pops, pushes = SIGNATURES[opcode]
    account.take(len(pops) - 1)
    address = account.operands[-1] if account.operands else None
    account.take(1)
    account.operands += [None] * len(pushes)
    account.keep(item)
    end = item.immediates[1] + ACCESS_BYTES[opcode]
    if account.memory.access(account.stream.at, address, end):
        account.purse.may_trap()


def _constant(account: _Account, item: Instruction) -> None:
    account.keep(item)
    value = item.immediates[0] & 0xFFFF_FFFF
    account.operands.append(Constant(value) if item.opcode == op.I32_CONST else None)


def _nop(account: _Account, item: Instruction) -> None:
    account.keep(item)


def _drop(account: _Account, item: Instruction) -> None:
    account.keep(item)
    account.take(1, blind=True)


def _select(account: _Account, item: Instruction) -> None:
    account.keep(item)
    account.take(3)
    account.operands.append(None)


_RULES: dict[int, _Rule] = {
    op.NOP: _nop,
    op.DROP: _drop,
    op.SELECT: _select,
    **dict.fromkeys(range(op.I32_LOAD, op.I64_STORE32 + 1), _access),
    **dict.fromkeys(range(op.I32_CONST, op.F64_CONST + 1), _constant),
    **dict.fromkeys((op.LOCAL_GET, op.LOCAL_SET, op.LOCAL_TEE), _local),
    **dict.fromkeys((op.GLOBAL_GET, op.GLOBAL_SET), _global),
    **dict.fromkeys((op.BLOCK, op.LOOP, op.IF), _block),
    op.ELSE: _else,
    op.END: _end,
    op.BR: _branch,
    op.BR_IF: _branch_if,
    op.BR_TABLE: _branch_table,
    op.RETURN: _return,
    op.UNREACHABLE: _unreachable,
    op.CALL: _call,
    op.CALL_INDIRECT: _call_indirect,
}
