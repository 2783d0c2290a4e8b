"""Who pays for which instruction: the fuel of one function, docs/formats/pico-1.md §3.

A function's code falls into basic blocks, each with a cost. Inside a function a local stands for
the counter, so that a compiler keeps it in a register; the counter itself is written where
somebody could see it: before a call, before an instruction that may trap, and on the way out.
Where several ways meet, every way has paid in advance for the block that begins there, so that
it needs no code of its own. So the local is less than what is left by what is paid and not yet
spent, a number known at every place when the function is rewritten.
"""

from __future__ import annotations

from pico_abi.meter_code import Counters


class Label:
    """Where branches go. Who goes there has paid `prepaid` for what begins there."""

    __slots__ = ("entered", "pays_itself", "prepaid", "twin")

    def __init__(self, pays_itself: bool = False) -> None:
        self.pays_itself = pays_itself
        self.entered = False
        self.prepaid = 0
        self.twin: Label | None = None  # an `if` without `else` also goes there when it is false

    def resolve(self, prepaid: int) -> None:
        self.prepaid = prepaid
        if self.twin is not None:
            self.twin.prepaid = prepaid


NOWHERE = Label(pays_itself=True)


class Block:
    """One basic block, divided behind each instruction that may trap into portions."""

    __slots__ = ("after", "before", "costs", "entry", "header", "join", "pieces", "shown", "target")

    def __init__(
        self, before: Label, *, entry: bool = False, header: bool = False, join: bool = False
    ) -> None:
        self.before = before  # the label whose price those who come here have paid
        self.entry = entry  # begins where the counter itself is right: at entry, behind a call
        self.header = header  # of a loop
        self.join = join  # begins at the label
        self.pieces: list[int] = []  # where the portions begin, in the output
        self.costs: list[int] = []
        self.after = NOWHERE
        self.target = True  # control goes on in this function, by the local
        self.shown = False  # and perhaps leaves it, by the counter

    @property
    def cost(self) -> int:
        return sum(self.costs)


def resolve(blocks: list[Block]) -> None:
    """Settles what labels have prepaid. They lie ahead: so from the last block to the first."""
    for block in reversed(blocks):
        if block.join and not block.before.pays_itself:
            block.before.resolve(block.cost + block.after.prepaid)


def needs_local(blocks: list[Block]) -> bool:
    return any(block.target or not block.entry for block in blocks)


def code_of(block: Block, counters: Counters, local: int, every_block: bool) -> list[bytes]:
    """What stands in front of each portion of a block, once labels are resolved."""
    source = None if block.entry else local
    paid = block.before.prepaid
    if block.target:
        codes = _through_local(block, counters, source, local)
    else:
        codes = _through_counter(block, counters, source, paid)
    if every_block:
        if block.cost:
            codes[0] = counters.require(source, block.cost - paid) + codes[0]
    elif block.header:
        codes[0] = counters.require(source, 0) + codes[0]
    return codes


def _through_counter(
    block: Block, counters: Counters, source: int | None, paid: int
) -> list[bytes]:
    """The block ends where the counter is seen: each portion is taken from the counter itself."""
    codes = []
    for cost in block.costs:
        amount = cost - paid
        codes.append(counters.take(source, None, amount) if amount or source is not None else b"")
        source, paid = None, 0
    return codes


def _through_local(block: Block, counters: Counters, source: int | None, local: int) -> list[bytes]:
    """The block is taken from the local as a whole; the counter is written before each trap."""
    unspent = block.cost + block.after.prepaid
    amount = unspent - block.before.prepaid
    codes = []
    for cost in block.costs[:-1]:
        unspent -= cost
        codes.append(counters.left(local, 0) + counters.show(unspent))
    codes.append(b"")
    if block.shown and (unspent or len(codes) == 1):
        codes[-1] = counters.left(local, 0) + counters.write
    if amount or source is None:
        codes[0] = _taken(counters, source, local, amount, codes[0])
    return codes


def _taken(counters: Counters, source: int | None, local: int, amount: int, then: bytes) -> bytes:
    """Takes an amount; code that reads the local right after it needs no read of its own."""
    read = counters.left(local, 0)
    if then.startswith(read):
        return counters.left(source, amount) + counters.tee(local) + then[len(read) :]
    return counters.take(source, local, amount) + then
