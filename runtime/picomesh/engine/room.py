"""How much may wait: for one pico, and for the whole engine.

Who sends from outside is told to come back later. Between picos nobody could be told, so what they
send to one whose inbox is full is dropped and counted: a pico that multiplies its own events would
otherwise fill the memory of all.
"""

from __future__ import annotations

from picomesh.engine.errors import Overloaded
from picomesh.store.held import Sent
from picomesh.store.store import Store

WAITING_EVENTS_MAX = 100_000  # accepted and not run yet, of all picos
PICO_EVENTS_MAX = 10_000  # of one pico; a sender outside has to come back later
WAITING_BYTES_MAX = 512 * 1024 * 1024
PICO_BYTES_MAX = 64 * 1024 * 1024  # of one pico; past it, also what picos send it is dropped


class Room:
    """The room of a store's inbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dropped = 0  # events between picos that there was no room for

    def check(self, pico: str) -> None:
        """Raises Overloaded when so much waits that a sender has to come back later."""
        store = self._store
        if store.waiting_count(pico) >= PICO_EVENTS_MAX or self._is_full(pico):
            raise Overloaded("too many events wait for this pico", "send it again later")
        if store.waiting_count() >= WAITING_EVENTS_MAX:
            raise Overloaded("too many events wait for this engine", "send it again later")

    def _is_full(self, pico: str) -> bool:
        """Whether no memory is left for what waits."""
        total = self._store.waiting_bytes()
        if total < PICO_BYTES_MAX:
            return False
        return total >= WAITING_BYTES_MAX or self._store.waiting_bytes(pico) >= PICO_BYTES_MAX

    def fitting(self, sent: list[Sent]) -> list[Sent]:
        """What picos send each other, but for what a full inbox has no room for."""
        kept = [item for item in sent if not self._is_full(item.pico)]
        self.dropped += len(sent) - len(kept)
        return kept
