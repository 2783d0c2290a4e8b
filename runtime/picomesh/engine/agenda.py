"""Which pico's schedules are to be looked at next: those that changed, and those that are due.

What is due stands in the picos' states, and there may be many picos. So each is looked at once when
the engine starts, and again only when it wrote its schedule or the time of its next entry has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush


class Agenda:
    """Picos by the time of their next entry."""

    def __init__(self, picos: Iterable[str] = ()) -> None:
        self._unseen = dict.fromkeys(picos)  # in the order in which they came
        self._next_ms: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def look_at(self, pico: str) -> None:
        """Its schedule may be another one now."""
        self._unseen[pico] = None

    def put(self, pico: str, at_ms: int) -> None:
        """Nothing of it is due before this time."""
        self._next_ms[pico] = at_ms
        heappush(self._heap, (at_ms, pico))

    def take(self, now_ms: int, most: int) -> Iterator[str]:
        """Picos to look at now; each is forgotten until it is put again."""
        for _ in range(most):
            pico = self._next(now_ms)
            if pico is None:
                return
            yield pico

    def _next(self, now_ms: int) -> str | None:
        if self._unseen:
            pico = next(iter(self._unseen))
            del self._unseen[pico]
            self._next_ms.pop(pico, None)
            return pico
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, pico = heappop(self._heap)
            if self._next_ms.get(pico) == at_ms:
                del self._next_ms[pico]
                return pico
        return None
