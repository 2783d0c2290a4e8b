"""Checks the fuel of one metered body, by accounting: docs/formats/pico-1.md §3 and §8.

Two numbers stand for the fuel that is left: the counter, and a local inside the function. It is
known at every place by how much each is too high: instructions of the ruleset spend, inserted
code takes. Where somebody can see the counter it must be right, and where ways meet the local
must be off by the same on all of them. Code that does more than is needed is refused as well: a
raw module has one metered form.
"""

from __future__ import annotations

from dataclasses import dataclass

from pico_abi.check_patterns import ANY, Patterns, Plan, Stream
from pico_abi.wasm import opcodes as op

_AMOUNT_MAX = 1 << 40
_START, _BEHIND_TRAP, _INSIDE = range(3)


@dataclass(slots=True)
class Way:
    """Where branches go, and what each has paid for the block that begins there."""

    paid: int | None = None
    named_by_table: bool = False

    def arrive(self, paid: int) -> bool:
        """One more comes here; whether it has paid as much as those before it."""
        if self.paid is None:
            self.paid = paid
        return self.paid == paid


class Purse:
    """The fuel of one function, followed through its basic blocks."""

    counter: int | None
    local: int | None
    prepaid: int | None  # what those who come here have paid for this block

    def __init__(self, stream: Stream, patterns: Patterns, plan: Plan, entry_cost: int) -> None:
        self.stream = stream
        self.patterns = patterns
        self.plan = plan
        self.index: int | None = None  # of the local that stands for the counter
        self.total = entry_cost
        self.begin_seen()
        self.counter = entry_cost
        self.spent = entry_cost

    def begin_seen(self) -> None:
        """A block where the counter is right and the local is not: function entry, behind calls."""
        self._begin(0, None)

    def begin_inside(self, paid: int, loop: bool = False) -> None:
        """A block of which the ways that lead there have paid something."""
        self._begin(None, -paid)
        self.loop = loop

    def begin_joined(self, way: Way) -> None:
        """A block where ways meet: if no table names it, they have paid all of it."""
        assert way.paid is not None  # somebody has arrived
        paid = way.paid
        if way.named_by_table and paid:
            raise self.stream.refuse("a way that a table names is paid for in advance")
        self._begin(None, -paid)
        self.prepaid = None if way.named_by_table else paid

    def _begin(self, counter: int | None, local: int | None) -> None:
        self.counter = counter  # how much more it says than there is, None if it says anything
        self.local = local
        self.prepaid = None
        self.loop = False
        self.spent = 0
        self.place = _START
        self.took_local = self.took_counter = self.showed = self.unseen = False

    # --- the ruleset's instructions ---

    def spend(self, price: int) -> None:
        self.place = _INSIDE
        self.spent += price
        self.total += price
        if self.counter is not None:
            self.counter += price
        if self.local is not None:
            self.local += price

    def may_trap(self) -> None:
        self._see("where the instruction may trap")
        self.place = _BEHIND_TRAP

    def end_seen(self) -> None:
        """The block ends where the counter can be seen: a call, a trap, the way out."""
        self._see("at the end of a block")
        if self.took_local or self.showed:
            raise self.stream.refuse("a local takes fuel and nothing comes of it")
        self._end(0)

    def end_inside(self, way: Way | None, shown: bool = False) -> int:
        """The block ends and others of the function follow; what it has paid for one of them."""
        if self.local is None or self.took_counter:
            raise self.stream.refuse("a block ends without its fuel in the local")
        paid = -self.local
        if shown:
            self._see("where the function may be left")
        if self.unseen:
            raise self.stream.refuse("the counter is written and nobody sees it")
        if not (way.arrive(paid) if way is not None else paid == 0):
            raise self.stream.refuse(f"{paid} is paid in advance, which others have not paid")
        self._end(paid)
        return paid

    def _end(self, paid: int) -> None:
        if self.prepaid is not None and self.prepaid != self.spent + paid:
            difference = self.prepaid - self.spent - paid
            raise self.stream.refuse(f"block is paid {difference} too much in advance")

    def _see(self, where: str) -> None:
        if self.counter != 0:
            raise self.stream.refuse(f"fuel is off by {self.counter} {where}")
        self.unseen = False

    # --- inserted code ---

    def read(self) -> None:
        """Inserted code that takes or shows fuel: where a block begins, or behind a trap."""
        place, self.place = self.place, _INSIDE
        if place == _INSIDE:
            return
        if self.loop and place == _START:
            (index,) = self.stream.expect(self.patterns.loop, "a comparison where a loop begins")
            self._own(index)
            if self.local:
                raise self.stream.refuse("a loop begins with something paid")
        source = self._source()
        if source is None:
            return
        self.stream.next()
        amount = self._amount(op.I64_SUB)
        shown = None if amount else self._amount(op.I64_ADD)
        match self.stream.next():
            case (_, op.LOCAL_SET, (index,), _) if place == _START and shown is None:
                self._own(index)
                self._take_local(source, amount)
            case (_, op.LOCAL_TEE, (index,), _) if place == _START and shown is None:
                self._own(index)
                self._take_local(source, amount)
                self._show(self._amount(op.I64_ADD) or 0)
                if self.stream.next()[1:3] != (op.GLOBAL_SET, (self.plan.fuel,)):
                    raise self.stream.refuse("fuel goes nowhere")
            case (_, op.GLOBAL_SET, (self.plan.fuel,), _):
                self._write(source, amount, shown, place)
            case _:
                raise self.stream.refuse("fuel goes nowhere")

    def _source(self) -> str | None:
        """Whether inserted code stands here, and where it takes from."""
        match self.stream.peek():
            case op.GLOBAL_GET if self.stream.number() == self.plan.fuel:
                return "counter"
            case op.LOCAL_GET if self.stream.number() == self.index:
                return "local"
        return None

    def _amount(self, operator: int) -> int | None:
        """A number that is subtracted or added, if one is."""
        found = self.stream.match(((op.I64_CONST, ANY), (operator,)))
        if found is None:
            return None
        if not -_AMOUNT_MAX < found[0] < _AMOUNT_MAX or found[0] == 0:
            raise self.stream.refuse(f"charge of {found[0]}")
        return found[0]

    def _own(self, index: int) -> None:
        if self.index is None:
            self.index = index
        if self.index != index:
            raise self.stream.refuse("two locals stand for the counter")

    def _take_local(self, source: str, amount: int | None) -> None:
        before = self.counter if source == "counter" else self.local
        if before is None or (source == "local" and amount is None):
            raise self.stream.refuse("fuel taken from where there is none, or none taken")
        self.local = before - (amount or 0)
        self.took_local = True

    def _show(self, unspent: int) -> None:
        if self.local is None:
            raise self.stream.refuse("a local is shown that does not stand for the counter")
        self._set_counter(self.local + unspent)
        self.showed = True

    def _write(self, source: str, amount: int | None, shown: int | None, place: int) -> None:
        """The counter is written: from itself, or from the local, which may mean either."""
        if source == "counter":
            if amount is None or self.counter is None:
                raise self.stream.refuse("the counter is written by itself")
            self._set_counter(self.counter - amount)
            self.took_counter = True
        elif amount is None and (shown is not None or place == _BEHIND_TRAP):
            self._show(shown or 0)
        elif place == _BEHIND_TRAP or self.local is None:
            raise self.stream.refuse("fuel is taken from the local behind a trap")
        else:
            self._set_counter(self.local - (amount or 0))
            self.took_counter = amount is not None

    def _set_counter(self, counter: int) -> None:
        if self.unseen or counter == self.counter:
            raise self.stream.refuse("the counter is written for nothing")
        self.counter = counter
        self.unseen = True
