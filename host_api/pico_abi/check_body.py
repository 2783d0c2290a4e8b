"""Checks one metered body, by accounting instead of rewriting: docs/formats/pico-1.md §8.

It reads instruction by instruction with a purse: inserted code puts fuel in, the ruleset's own
instructions take their price out, and wherever a transition could end or control could go
elsewhere the purse must be empty. What the ruleset wrote itself is collected, so that the module
without its meter can pass the validator. Nothing here knows how the rewriter works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pico_abi import prices
from pico_abi.check_patterns import CANONICAL_NAN, Patterns, Plan, Stream
from pico_abi.context import Context, Memo, References, references
from pico_abi.opcode_facts import BLIND_TO_NAN, CAN_TRAP, MAKES_NAN
from pico_abi.prices import PRICES
from pico_abi.stack_words import VALUE_WEIGHTS, frame_words, result_weight, variable_words
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import EMPTY_BLOCK, Instruction, instruction
from pico_abi.wasm.module import I32, Function
from pico_abi.wasm.signatures import SIGNATURES


@dataclass(slots=True)
class _Block:
    opcode: int
    height: int  # below its parameters
    params: int
    results: int
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
    bare = _Account(function, context, plan, patterns).run()
    if _below_thunks(bare.used, plan):
        _checked.put(function, context, extra, bare.used, bare)
    return bare


_checked: Memo[BareBody] = Memo()


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
        self, function: Function, context: Context, plan: Plan, patterns: Patterns
    ) -> None:
        self.function = function
        self.context = context
        self.plan = plan
        self.patterns = patterns
        self.stream = Stream(function)
        self.params, self.results = context.types[function.type_index]
        self.purse = 0  # taken from the counter, not yet spent
        self.promised = 0  # known to be in the counter, to be taken in this block
        self.fresh = True  # nothing has run since the block began
        self.after_trap = False
        self.entry_cost: int | None = None  # what the first block paid beyond its instructions
        self.blocks: list[_Block] = [_Block(op.BLOCK, 0, 0, len(self.results))]
        self.height = 0
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
        leaf = stream.match(patterns.enter_leaf)
        if leaf is not None:
            words = leaf[0]
        else:
            words = stream.expect(patterns.enter, "a check of the stack at function entry")[0]
            wrapper_type = self.wrapper()
        while self.blocks:
            self.step()
        if leaf is None and stream.expect(patterns.leave, "stack words given back") != [words]:
            raise stream.refuse("other stack words given back than taken")
        if leaf is None:
            stream.expect(((op.END,),), "the end of the function")
        if stream.at != len(stream.items):
            raise stream.refuse("code after the end of the function")
        return self.conclude(words, leaf is not None, wrapper_type)

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

    def conclude(self, words: int, leaf: bool, wrapper_type: int | None) -> BareBody:
        """What only the whole body tells: its frame, its scratch locals, its entry price."""
        runs = self.function.locals
        kept = len(runs) - len(self.scratch)
        total = len(self.params) + sum(count for count, _ in runs)
        variables = total - len(self.scratch)
        declared = [(variables + at, run) for at, run in enumerate(runs[kept:])]
        own = [(local, (1, value_type)) for local, value_type in sorted(self.scratch.items())]
        if declared != own or self.locals_max >= variables:
            raise self.stream.refuse("locals of inserted code are not its own")
        parameters = variable_words((1, value_type) for value_type in self.params)
        needed = frame_words(parameters + variable_words(runs[:kept]), self.height_max, self.weight)
        if words != needed:
            raise self.stream.refuse(f"{words} stack words counted, the frame has {needed}")
        if leaf == self.calls:
            raise self.stream.refuse("calls without giving stack words back, or the reverse")
        if (self.entry_cost or 0) != (variables + prices.LOCALS_PER_FUEL - 1) // (
            prices.LOCALS_PER_FUEL
        ):
            raise self.stream.refuse("function entry has another price")
        wrappers = () if wrapper_type is None else (wrapper_type,)
        used = references(self.functions_used, {*self.types_used, *wrappers}, ())
        body = b"".join(self.bare)
        return BareBody(runs[:kept], body, wrapper_type, frozenset(self.types_used), used)

    # --- the purse ---

    def settle(self) -> None:
        """Here a transition may end or control go elsewhere: everything paid must be spent."""
        if self.entry_cost is None:
            self.entry_cost = self.purse
            self.purse = 0
        if self.purse or self.promised:
            raise self.stream.refuse(f"block is charged {self.purse + self.promised} too much")
        self.fresh = True

    def fill(self) -> None:
        """Reads inserted code that charges, in front of an instruction of the ruleset."""
        stream, patterns = self.stream, self.patterns
        if self.fresh:
            if (found := stream.match(patterns.charge)) is not None:
                self.purse += self.positive(found[0])
            elif (found := stream.match(patterns.require)) is not None:
                self.promised = self.positive(found[0])
                first = stream.expect(patterns.take, "the first portion of a block")[0]
                self.pay_portion(first)
                if not self.promised:
                    raise stream.refuse("a block of one portion asks for it apart")
        elif self.after_trap and self.promised:
            found = stream.match(patterns.take)
            if found is not None:
                self.pay_portion(found[0])

    def pay_portion(self, amount: int) -> None:
        self.promised -= self.positive(amount)
        self.purse += amount
        if self.promised < 0:
            raise self.stream.refuse("block takes more fuel than it asked for")

    def positive(self, amount: int) -> int:
        if not 0 < amount < 1 << 40:
            raise self.stream.refuse(f"charge of {amount}")
        return amount

    # --- the ruleset's instructions ---

    def step(self) -> None:
        if not self.reachable and self.stream.peek() not in (op.END, op.ELSE):
            raise self.stream.refuse("code that nothing reaches")
        if self.reachable:
            self.fill()
        if self.stream.peek() == op.LOCAL_TEE and self.computed_charge():
            return
        item = self.stream.next()
        self.fresh = self.after_trap = False
        self.purse -= PRICES[item.opcode]
        self.weight += VALUE_WEIGHTS[item.opcode]
        rule = _RULES.get(item.opcode)
        if rule is None:
            self.operator(item)
        else:
            rule(self, item)
        if self.height > self.height_max:
            self.height_max = self.height

    def keep(self, item: Instruction) -> None:
        self.bare.append(self.stream.body[item.offset : item.end])

    def operator(self, item: Instruction) -> None:
        """An instruction of fixed type."""
        opcode = item.opcode
        if opcode in (op.MEMORY_COPY, op.MEMORY_FILL, op.MEMORY_GROW):
            raise self.stream.refuse("memory changed in bulk before it is charged for")
        pops, pushes = SIGNATURES[opcode]
        self.height += len(pushes) - len(pops)
        self.keep(item)
        if opcode in CAN_TRAP:
            self.settle_portion()
        if opcode in MAKES_NAN and self.stream.peek() not in BLIND_TO_NAN:
            self.canonical(MAKES_NAN[opcode])

    def settle_portion(self) -> None:
        if self.entry_cost is None:
            self.entry_cost = self.purse
            self.purse = 0
        if self.purse:
            raise self.stream.refuse(f"fuel is off by {self.purse} where the instruction may trap")
        self.after_trap = True

    def canonical(self, value_type: int) -> None:
        found = self.stream.expect(CANONICAL_NAN[value_type], "a canonical NaN")
        self.own_scratch(found, value_type)

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
                self.purse -= PRICES[opcode]
                self.weight += VALUE_WEIGHTS[opcode]
                self.settle()
                self.keep(stream.next())
                pops, pushes = SIGNATURES[opcode]
                self.height += len(pushes) - len(pops)
                return True
            stream.at = start
        return False

    def unreachable(self) -> None:
        self.settle()
        self.reachable = False

    def branch_to(self, depth: int) -> None:
        if depth >= len(self.blocks):
            raise self.stream.refuse("branch out of the function past its end")
        self.blocks[-1 - depth].branched_to = True


_Rule = Callable[[_Account, Instruction], None]


def _block(account: _Account, item: Instruction) -> None:
    (block_type,) = item.immediates
    params, results = account.block_signature(block_type)
    if block_type >= 0:
        account.types_used.add(block_type)
    if item.opcode == op.IF:
        account.height -= 1
    if item.opcode != op.BLOCK:
        account.settle()
    account.keep(item)
    height = account.height - len(params)
    account.blocks.append(_Block(item.opcode, height, len(params), len(results)))


def _else(account: _Account, item: Instruction) -> None:
    block = account.blocks[-1]
    if block.opcode != op.IF:
        raise account.stream.refuse("else without if")
    if account.reachable:
        account.settle()
    account.fresh = account.reachable = True
    block.opcode = op.ELSE
    account.height = block.height + block.params
    account.keep(item)


def _end(account: _Account, item: Instruction) -> None:
    block = account.blocks.pop()
    account.height = block.height + block.results
    only_way = block.opcode == op.LOOP or (block.opcode == op.BLOCK and not block.branched_to)
    if not account.reachable:
        account.fresh = True
    elif not only_way or not account.blocks:
        account.settle()
    account.reachable = True
    account.keep(item)


def _branch(account: _Account, item: Instruction) -> None:
    (depth,) = item.immediates
    account.branch_to(depth)
    if depth == len(account.blocks) - 1:
        account.bare.append(instruction(op.RETURN))
    else:
        account.keep(item)
    account.unreachable()


def _branch_if(account: _Account, item: Instruction) -> None:
    account.branch_to(item.immediates[0])
    account.height -= 1
    account.keep(item)
    account.settle()


def _branch_table(account: _Account, item: Instruction) -> None:
    for depth in item.immediates:
        account.branch_to(depth)
    account.keep(item)
    account.unreachable()


def _unreachable(account: _Account, item: Instruction) -> None:
    account.keep(item)
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
    account.height += len(results) - len(params)
    account.settle()


def _call_indirect(account: _Account, item: Instruction) -> None:
    index = item.immediates[0]
    if index >= len(account.context.types):
        raise account.stream.refuse("call of a type that is not there")
    account.types_used.add(index)
    account.height -= 1
    account.keep(item)
    _called(account, *account.context.types[index])


def _local(account: _Account, item: Instruction) -> None:
    (index,) = item.immediates
    account.locals_max = max(account.locals_max, index)
    _plain(account, item)


def _global(account: _Account, item: Instruction) -> None:
    if item.immediates[0] >= account.plan.fuel:
        raise account.stream.refuse("a counter is touched outside of inserted code")
    _plain(account, item)


def _plain(account: _Account, item: Instruction) -> None:
    account.height += _HEIGHTS[item.opcode]
    account.keep(item)


_HEIGHTS = {
    op.NOP: 0,
    op.DROP: -1,
    op.SELECT: -2,
    op.LOCAL_GET: 1,
    op.LOCAL_SET: -1,
    op.LOCAL_TEE: 0,
    op.GLOBAL_GET: 1,
    op.GLOBAL_SET: -1,
}
_RULES: dict[int, _Rule] = {
    **dict.fromkeys((op.NOP, op.DROP, op.SELECT), _plain),
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
