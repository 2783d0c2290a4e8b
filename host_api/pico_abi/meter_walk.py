"""The walk over one function body that the rewriter makes, and what it carries along.

The body is copied in slices, with room in front of every basic block and behind every instruction
that may trap or make a NaN. What each block costs, and who pays for it, is known at the end
(`meter_blocks`); then the room is filled. What each opcode does on the walk is in `meter_body`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pico_abi import prices
from pico_abi.context import Context
from pico_abi.meter_blocks import NOWHERE, Block, Label, code_of, needs_local, resolve
from pico_abi.meter_code import Counters, canonical_nan
from pico_abi.reach import Reach
from pico_abi.stack_words import LEAF_WORDS_MAX, frame_words, variable_words
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.instructions import (
    EMPTY_BLOCK,
    IMMEDIATES,
    NO_IMMEDIATE,
    instruction,
    read_immediates,
)
from pico_abi.wasm.leb128 import read_uleb32, sleb
from pico_abi.wasm.module import I64, Function


@dataclass(frozen=True, slots=True)
class Setting:
    """What a metered body needs to know of its module besides what it refers to."""

    counters: Counters
    import_count: int
    thunks: int  # index of the first function that stands before an import
    result_types: dict[tuple[int, ...], int]  # block types for several results
    every_block: bool = False  # compare the counter in front of every block


@dataclass(frozen=True, slots=True)
class MeteredBody:
    """The function's code entry, and which raw position each copied slice begins at."""

    locals: tuple[tuple[int, int], ...]
    body: bytes
    slices: tuple[tuple[int, int, int], ...]  # metered position, raw position, byte count


class Nan:
    """A result that may be any NaN, as long as nothing has taken it that can tell."""

    __slots__ = ("piece", "value_type")

    def __init__(self, piece: int, value_type: int) -> None:
        self.piece = piece
        self.value_type = value_type


# What is known of an operand: the number of a local's value or a constant (see `reach`), a NaN.
Operand = int | Nan | None


class Frame:
    """An open block of the body."""

    __slots__ = ("height", "label", "met", "opcode", "params", "results", "skip", "targeted")

    def __init__(self, opcode: int, height: int, params: int, results: int, now: int) -> None:
        self.opcode = opcode
        self.height = height  # below the parameters
        self.params = params
        self.results = results
        self.targeted = False  # a branch goes to its end
        self.label = Label()  # of its end
        self.skip: Label | None = None  # where an `if` goes that is false
        # Since when ways to its end differ: for an `if` from its start, else its first branch.
        self.met = now if opcode == op.IF else -1


class Rewriter:
    """One function on its way from raw to metered."""

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
        self.blocks: list[Block] = []
        self.block = Block(NOWHERE, entry=True)
        self.cost = 0  # of the open portion
        self.live = True
        self.operands: list[Operand] = []
        self.height_max = 0
        self.nans = 0  # how many operands are a `Nan`
        self.value_weight = 0
        self.calls = False
        self.reach = Reach(context.memory_bytes)
        self.loops: dict[int, int] | None = None
        self.frames = [Frame(op.BLOCK, 0, 0, len(self.results), 0)]
        self.frames[0].label = NOWHERE

    def run(self, rules: Sequence[Rule]) -> MeteredBody:
        body, operands = self.body, self.operands
        position = 0
        self.begin(self.block, position)
        self.cost = -(-self.variables // prices.LOCALS_PER_FUEL)
        while self.frames:
            opcode = body[position]
            position = rules[opcode](self, opcode, position + 1)
            if len(operands) > self.height_max:
                self.height_max = len(operands)
        assert position == len(body)
        return self.assemble(position)

    # --- output ---

    def copy_until(self, position: int) -> None:
        if position > self.copied:
            self.pieces.append(self.body[self.copied : position])
            self.sources.append(self.copied)
        self.copied = position

    def insert(self, code: bytes) -> int:
        """Writes inserted code; the number of its piece, for code that is not known yet."""
        self.pieces.append(code)
        self.sources.append(-1)
        return len(self.pieces) - 1

    def replace(self, start: int, end: int, code: bytes) -> None:
        """Writes `code` instead of the raw bytes from start to end."""
        self.copy_until(start)
        self.insert(code)
        self.copied = end

    def scratch_local(self, value_type: int) -> int:
        return self.scratch.setdefault(value_type, self.variables + len(self.scratch))

    # --- blocks ---

    def begin(self, block: Block, position: int) -> None:
        self.block = block
        self.blocks.append(block)
        self.begin_portion(position)
        self.live = True

    def begin_portion(self, position: int) -> None:
        self.copy_until(position)
        self.block.pieces.append(self.insert(b""))
        self.cost = 0

    def may_trap(self, position: int) -> None:
        """An instruction that may trap ends a portion: until there the work is done."""
        self.block.costs.append(self.cost)
        self.begin_portion(position)

    def end_by_counter(self) -> None:
        """The block ends where the counter is seen: at a call, a trap, the way out."""
        self.block.costs.append(self.cost)
        self.block.target = False

    def end_by_local(self, after: Label = NOWHERE, shown: bool = False) -> None:
        """The block ends and others of this function come after it."""
        self.block.costs.append(self.cost)
        self.block.after = after
        self.block.shown = shown

    def die(self, position: int) -> int:
        """Behind an unconditional branch: leaves out what cannot be reached."""
        self.live = False
        self.copy_until(position)
        depth = 0
        while depth or self.body[position] not in (op.END, op.ELSE):
            opcode, _, after = read_instruction(self.body, position)
            depth += (opcode in (op.BLOCK, op.LOOP, op.IF)) - (opcode == op.END)
            position = after
        self.copied = position
        return position

    # --- operands ---

    def take_operands(self, count: int) -> None:
        """Operands go where a NaN can be told from another."""
        if count:
            if self.nans:
                self.settle_nans(len(self.operands) - count)
            del self.operands[len(self.operands) - count :]

    def settle_nans(self, height: int) -> None:
        """Whatever may be a NaN above a height becomes canonical where it was made."""
        for at in range(height, len(self.operands)):
            operand = self.operands[at]
            if isinstance(operand, Nan):
                local = self.scratch_local(operand.value_type)
                self.pieces[operand.piece] = canonical_nan(operand.value_type, local)
                self.operands[at] = None
                self.nans -= 1

    def at_control(self) -> None:
        if self.nans:
            self.settle_nans(0)

    # --- the whole function ---

    def assemble(self, position: int) -> MeteredBody:
        self.copy_until(position)
        resolve(self.blocks)
        local = self.scratch_local(I64) if needs_local(self.blocks) else -1
        every_block = self.setting.every_block
        for block in self.blocks:
            codes = code_of(block, self.setting.counters, local, every_block)
            for piece, code in zip(block.pieces, codes, strict=True):
                self.pieces[piece] = code
        before, after = self.around()
        slices = []
        at = len(before)
        for item, source in zip(self.pieces, self.sources, strict=True):
            if source >= 0:
                slices.append((at, source, len(item)))
            at += len(item)
        runs = self.function.locals + tuple((1, value_type) for value_type in self.scratch)
        return MeteredBody(runs, before + b"".join(self.pieces) + after, tuple(slices))

    def around(self) -> tuple[bytes, bytes]:
        """What stands before and behind the body: the check of the stack."""
        words = frame_words(self.variable_words, self.height_max, self.value_weight)
        counters = self.setting.counters
        if self.calls:
            before = counters.enter(words) + self.outer_block()
            return before, counters.give_stack(words) + instruction(op.END)
        cost = sum(block.cost for block in self.blocks)
        if words <= LEAF_WORDS_MAX and cost <= prices.LEAF_FUEL_MAX:
            return b"", b""
        return counters.enter_leaf(words), b""

    def outer_block(self) -> bytes:
        """A block around the body, so that every way out passes where the words are given back."""
        match self.results:
            case ():
                return instruction(op.BLOCK, EMPTY_BLOCK)
            case (value_type,):
                return bytes((op.BLOCK, value_type))
            case several:
                return bytes((op.BLOCK,)) + sleb(self.setting.result_types[several])


Rule = Callable[[Rewriter, int, int], int]
"""What an opcode does: from the position behind it to the one behind its immediates."""


def read_instruction(body: bytes, position: int) -> tuple[int, tuple[int, ...], int]:
    """The instruction at a position of a valid body: opcode, immediates, position after it."""
    opcode = body[position]
    position += 1
    if opcode == op.PREFIX:
        sub, position = read_uleb32(body, position)
        opcode = op.PREFIX << 8 | sub
    values, position = read_immediates(body, position, IMMEDIATES.get(opcode, NO_IMMEDIATE))
    return opcode, values, position
