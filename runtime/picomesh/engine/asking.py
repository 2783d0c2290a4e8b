"""Who asks whom, what was answered already, and who has to wait for it.

A transition that asks runs again from the start when the answer is there. Its own answers are on
its tape. What a pico that it asks has to ask in turn is on no tape, so it is remembered here until
the first one is done: nothing outside is asked twice, and nobody waits in the engine's thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from picomesh.engine.errors import OperatorError
from picomesh.ledger.cid import digest_of
from picomesh.transition import Answer, NeedsAnswer

QUESTION_DEPTH_MAX = 8  # queries that ask queries of other picos
QUESTIONS_BEHIND_MAX = 1_000  # that picos answer each other behind one event or query
SLICE_US = 100_000  # of running again and again, until others have their turn
_KEY_BYTES = 16


@dataclass(slots=True)
class Asker:
    """An event or a query from outside that asks, until it is done."""

    pico: str
    seed: bytes
    time_ms: int
    fuel_left: int  # for all that it asks of other picos
    arrival: int | None = None  # None: a query
    tape: list[Answer] = field(default_factory=list)  # of a query; an event's is in the store
    found: dict[str, bytes] = field(default_factory=dict)  # for picos that it asks, by key
    sent: dict[str, int] = field(default_factory=dict)  # events that it waits for, by key
    moments: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: int = 0
    _times: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def begin(self) -> None:
        """It runs from the start."""
        self._times.clear()

    def key(self, pico: str, what: bytes) -> str:
        """The name of what a pico does behind this event: the same in every run of it."""
        self._times[pico, what] += 1
        return self._name(f"{self._times[pico, what]} {pico} ".encode() + what)

    def key_at(self, position: int) -> str:
        """The name of its own question at a place of its tape."""
        return self._name(f"at {position}".encode())

    def _name(self, what: bytes) -> str:
        return digest_of(b"picomesh question " + self.seed + what)[:_KEY_BYTES].hex()


class Postponed(Exception):
    """A pico cannot go on now; the others can."""

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker.pico)
        self.asker = asker
        self.pico = asker.pico


class AnswerLater(Postponed):
    """A question whose answer takes long; it is found elsewhere, and the event runs again."""

    def __init__(self, asker: Asker, pico: str, need: NeedsAnswer, key: str, own: bool) -> None:
        super().__init__(asker)
        self.asks = pico  # the pico that asks, maybe because it was asked
        self.need = need
        self.key = key
        self.is_own = own


class WaitsFor(Postponed):
    """An event to another pico that has to be done first."""

    def __init__(self, asker: Asker, arrival: int) -> None:
        super().__init__(asker)
        self.arrival = arrival


class HadItsTurn(Postponed):
    """It has asked much; others come first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an event ended that somebody waits for."""

    outcome: str
    message: str


class Asking:
    """The questions of one engine."""

    def __init__(self) -> None:
        self.stack: list[str] = []  # picos that wait for an answer right now
        self.current: Asker | None = None
        self._events: dict[int, Asker] = {}
        self._waits: dict[str, str] = {}  # pico to pico
        self._outcomes: dict[int, Outcome | None] = {}

    def forget(self) -> None:
        """After something was undone: arrivals may be given again."""
        self._events.clear()
        self._waits.clear()
        self._outcomes.clear()

    # -- who asks

    def event(self, arrival: int, make: Callable[[], Asker]) -> Asker:
        """The asker that an event is; made when it first asks."""
        known = self._events.get(arrival)
        if known is None:
            known = self._events[arrival] = make()
        return known

    def begins(self, arrival: int) -> None:
        """An event runs, maybe again."""
        known = self._events.get(arrival)
        if known is not None:
            known.begin()
            self._waits.pop(known.pico, None)

    @contextmanager
    def asked_by(self, asker: Asker, pico: str) -> Iterator[None]:
        """Somebody answers; until then this pico waits."""
        if len(self.stack) >= QUESTION_DEPTH_MAX:
            raise OperatorError(f"queries ask each other more than {QUESTION_DEPTH_MAX} deep")
        asker.asked += 1
        if asker.asked > QUESTIONS_BEHIND_MAX:
            raise OperatorError(f"more than {QUESTIONS_BEHIND_MAX} questions behind one event")
        before = self.current
        self.stack.append(pico)
        self.current = asker
        try:
            yield
        finally:
            self.stack.pop()
            self.current = before

    def check_cycle(self, pico: str) -> None:
        """Raises OperatorError when a pico would wait for an event to itself."""
        if pico in self.stack:
            way = " -> ".join([*self.stack[self.stack.index(pico) :], pico])
            raise OperatorError(f"a pico cannot wait for its own event: {way}")

    # -- waiting for events

    def wait_for(self, asker: Asker, pico: str, arrival: int) -> Outcome:
        """How an event to another pico ended. Raises WaitsFor until it has."""
        found = self._outcomes.setdefault(arrival, None)
        if found is not None:
            return found
        at: str | None = pico
        while at is not None:
            if at == asker.pico:
                raise OperatorError("picos cannot wait for each other's events")
            at = self._waits.get(at)
        self._waits[asker.pico] = pico
        raise WaitsFor(asker, arrival)

    def happened(self, arrival: int, outcome: str, message: str) -> None:
        """An event is done with, and what it asked is forgotten."""
        if arrival in self._outcomes:
            self._outcomes[arrival] = Outcome(outcome, message)
        asker = self._events.pop(arrival, None)
        if asker is not None:
            self._waits.pop(asker.pico, None)
            for sent in asker.sent.values():
                self._outcomes.pop(sent, None)
