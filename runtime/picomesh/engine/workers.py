"""Worker processes: transitions of many picos run side by side, ahead of the one writer.

A transition is a function of its work. So the events that wait for a pico are given to the process
that the pico belongs to, which runs them one behind the other, from the pico's newest receipt on.
The engine goes on as it does without: it takes one event after the other, and where it would run
it, it asks whether just this work was run elsewhere, and else runs it itself. It alone signs,
writes and releases effects, in the same order. So there are the same receipts with and without
workers, whatever a worker does, or when it dies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from picomesh.engine.errors import OperatorError
from picomesh.engine.hands import COMMAND, Hand
from picomesh.engine.inputs import Event
from picomesh.engine.parcels import unpack
from picomesh.engine.programs import admit_module
from picomesh.engine.working import Row
from picomesh.ledger.cid import Cid
from picomesh.store.held import Sent

if TYPE_CHECKING:
    from picomesh.engine.commit import Done
    from picomesh.engine.options import Options
    from picomesh.engine.performed import Head, Performed, Work
    from picomesh.store.home import Home

WORKERS_MAX = 64
ORDER_MAX = 64  # events that are ordered at once
BUSY = 96  # results to come with which a worker has enough to do
EXPECTED_MAX = 10_000  # events of one pico; what comes behind is run by the engine
PAYS = 4  # events that a worker must have run of a chain before it may begin again
TOGETHER_MIN = 2  # an event that is alone is run faster by the engine
WORTH_FUEL = 300_000  # of an event: with less, to take it from a worker takes as long as to run it
FUELS_MAX = 100_000  # picos of which it is remembered


def hire(home: Home, options: Options, head_of: Callable[[str], Head | None]) -> Workers:
    """Starts the worker processes that the options ask for. Raises OperatorError."""
    if options.gate is not admit_module:
        raise OperatorError("workers have the gate of profile pico-1", "do without workers")
    if not 0 < options.workers <= WORKERS_MAX:
        raise OperatorError(f"{options.workers} workers", f"there can be 1 to {WORKERS_MAX}")
    numbers = [options.kill_after_ms, options.compile_ms_max]
    arguments = [
        str(home.database),
        str(home.cache),
        options.backend,
        "plain" if options.plain else "kernel" if options.kernel else "",
        *("" if number is None else str(number) for number in numbers),
    ]
    try:
        return Workers(options.workers, arguments, head_of)
    except OSError as problem:
        raise OperatorError(
            f"worker processes cannot be started: {problem}", "do without workers"
        ) from problem


@dataclass(slots=True)
class Expected:
    """An event that will be run; `number` is that of its result once it is ordered."""

    chain: Chain
    sent: Sent
    number: int = -1


@dataclass(slots=True)
class Chain:
    """What is expected of one pico, and what its next transition begins with."""

    number: int
    pico: str
    hand: int
    fuel_limit: int
    waiting: deque[Expected] = field(default_factory=deque)
    seq: int = 0
    prev: Cid | None = None  # None before anything is ordered
    pre: Cid | None = None
    taken: int = 0
    is_dropped: bool = False


class Workers:
    """Hands, the picos that belong to each, and what is expected of them."""

    def __init__(
        self,
        count: int,
        arguments: Sequence[str],
        head_of: Callable[[str], Head | None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.hands = [Hand(arguments, command) for _ in range(count)]
        self._backlogs: list[deque[Expected]] = [deque() for _ in self.hands]
        self._head_of = head_of
        self._chains: dict[str, Chain] = {}
        self._homes: dict[str, int] = {}
        self._fuels: dict[str, int] = {}  # of a pico's events, about
        self._count = 0
        self.taken = 0  # transitions that were run by workers

    def close(self) -> None:
        for hand in self.hands:
            hand.close()

    def expect(self, sent: Sent, fuel_limit: int) -> None:
        """An event that will be run as it stands here, behind what is expected already."""
        if not isinstance(sent.given, Event):
            return
        if self._fuels.get(sent.pico, WORTH_FUEL) < WORTH_FUEL:
            return
        chain = self._chains.get(sent.pico)
        if chain is None:
            chain = self._chains[sent.pico] = self._chain(sent.pico, fuel_limit)
        if len(chain.waiting) < EXPECTED_MAX and not self.hands[chain.hand].is_dead:
            expected = Expected(chain, sent)
            chain.waiting.append(expected)
            self._backlogs[chain.hand].append(expected)

    def note(self, done: Done) -> None:
        """What events of a pico took: whose events take little are left to the engine."""
        fuels = self._fuels
        for work, performed, _ in done:
            if isinstance(work.given, Event):
                before = fuels.get(work.pico)
                if before is None and len(fuels) >= FUELS_MAX:
                    fuels.clear()
                fuel = performed.fuel
                fuels[work.pico] = fuel if before is None else (3 * before + fuel) // 4

    def expects(self, pico: str) -> bool:
        """Whether a worker runs events of a pico, or will."""
        return pico in self._chains

    def _chain(self, pico: str, fuel_limit: int) -> Chain:
        home = self._homes.get(pico)
        if home is None:
            home = self._homes[pico] = len(self._homes) % len(self.hands)
        self._count += 1
        return Chain(self._count, pico, home, fuel_limit)

    def start(self) -> None:
        """Orders what is expected, of workers that have not enough to do."""
        if sum(map(len, self._backlogs)) < TOGETHER_MIN and not self._is_busy():
            return
        for hand, backlog in zip(self.hands, self._backlogs, strict=True):
            if backlog and not hand.is_dead and hand.waiting < BUSY:
                self._order(hand, backlog)

    def _is_busy(self) -> bool:
        return any(hand.waiting > 0 for hand in self.hands)

    def _order(self, hand: Hand, backlog: deque[Expected]) -> None:
        rows: list[Row] = []
        while backlog and len(rows) < ORDER_MAX:
            expected = backlog.popleft()
            chain, sent = expected.chain, expected.sent
            if chain.is_dropped:
                continue
            begin = None
            if chain.prev is None:
                head = self._head_of(chain.pico)
                if head is None:
                    continue
                chain.seq, chain.prev, chain.pre = head.seq + 1, head.cid, head.post
                begin = (chain.pico, chain.seq, head.cid.raw, head.post.raw, chain.fuel_limit)
            event = sent.given
            assert isinstance(event, Event), "nothing else is expected"
            fields = (event.eci, event.domain, event.name, event.attrs, event.eid, event.host)
            expected.number = hand.ordered + len(rows)
            given = (*fields, event.schedule)
            rows.append((chain.number, begin, given, sent.event, sent.time_ms, sent.seed))
        if rows:
            hand.order(rows)

    def take(self, work: Work) -> Performed | None:
        """This work, if a worker has run it or will have: then it is waited for."""
        chain = self._chains.get(work.pico)
        if chain is None:
            return None
        self.start()
        hand = self.hands[chain.hand]
        if not chain.waiting:  # its worker is dead
            self._drop(chain)
            return None
        expected = chain.waiting[0]
        data = b""
        if expected.number >= 0 and _is_same(chain, expected.sent, work):
            data = hand.result(expected.number)
        if not data:
            self._drop(chain)
            if chain.taken >= PAYS:
                self._begin_again(chain, work)
            return None
        performed = unpack(data)
        chain.waiting.popleft()
        chain.seq, chain.prev, chain.pre = work.seq + 1, performed.cid, performed.post
        chain.taken += 1
        if not chain.waiting:
            del self._chains[chain.pico]
        self.taken += 1
        return performed

    def _drop(self, chain: Chain) -> None:
        """What was run for this pico is of no use."""
        chain.is_dropped = True
        del self._chains[chain.pico]
        for expected in chain.waiting:
            if expected.number >= 0:
                self.hands[chain.hand].drop(expected.number)
        backlog = self._backlogs[chain.hand]
        self._backlogs[chain.hand] = deque(item for item in backlog if not item.chain.is_dropped)

    def _begin_again(self, chain: Chain, work: Work) -> None:
        """Something came in between: what is left runs from where the pico stands behind it."""
        left = [item.sent for item in chain.waiting if item.sent.event != work.given_bytes]
        for sent in left:
            self.expect(sent, chain.fuel_limit)

    def forget(self) -> None:
        """What is expected was undone."""
        for chain in list(self._chains.values()):
            self._drop(chain)


def _is_same(chain: Chain, sent: Sent, work: Work) -> bool:
    """Whether a worker's transition is this one: all that decides it is equal."""
    return (
        work.given_bytes == sent.event
        and work.seed == sent.seed
        and work.time_ms == sent.time_ms
        and work.seq == chain.seq
        and work.prev == chain.prev
        and work.pre == chain.pre
        and work.fuel_limit == chain.fuel_limit
        and not work.tape
    )
