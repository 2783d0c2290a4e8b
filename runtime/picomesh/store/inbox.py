"""The accepted events that have no receipt yet, as they are remembered beside their table.

Each pico's events run in the order of their arrival. Picos take turns: what waits for one of them
holds up no other. How much waits is known in bytes, which is what a full memory is made of.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

_OVERHEAD_BYTES = 512  # of an event in memory, about


@dataclass(slots=True)
class Accepted:
    """An event that was accepted and has no receipt yet; `given` as in `Sent`."""

    arrival: int
    pico: str
    event: bytes
    time_ms: int
    seed: bytes
    given: object = field(default=None, compare=False)

    @property
    def size_bytes(self) -> int:
        """How much of memory it takes, about."""
        return len(self.event) + _OVERHEAD_BYTES


@dataclass(slots=True)
class _Queue:
    """What waits for one pico, by arrival."""

    items: dict[int, Accepted] = field(default_factory=dict)
    size_bytes: int = 0


class Inbox:
    """What waits, by pico."""

    def __init__(self, items: Iterable[Accepted] = ()) -> None:
        self.size_bytes = 0
        self._picos: dict[int, str] = {}
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        for item in items:
            self.add(item)

    def __len__(self) -> int:
        return len(self._picos)

    def __contains__(self, arrival: int) -> bool:
        return arrival in self._picos

    def add(self, item: Accepted) -> None:
        queue = self._queues.get(item.pico)
        if queue is None:
            queue = self._queues[item.pico] = _Queue()
        size_bytes = item.size_bytes
        queue.items[item.arrival] = item
        queue.size_bytes += size_bytes
        self.size_bytes += size_bytes
        self._picos[item.arrival] = item.pico

    def remove(self, arrival: int) -> None:
        """What is not there is gone already."""
        pico = self._picos.pop(arrival, None)
        if pico is None:
            return
        queue = self._queues[pico]
        size_bytes = queue.items.pop(arrival).size_bytes
        queue.size_bytes -= size_bytes
        self.size_bytes -= size_bytes
        if not queue.items:
            del self._queues[pico]

    def of(self, pico: str) -> list[Accepted]:
        queue = self._queues.get(pico)
        return [] if queue is None else list(queue.items.values())

    def bytes_of(self, pico: str) -> int:
        queue = self._queues.get(pico)
        return 0 if queue is None else queue.size_bytes

    def count_of(self, pico: str) -> int:
        queue = self._queues.get(pico)
        return 0 if queue is None else len(queue.items)

    def take_turn(self, skip: Collection[str] = ()) -> Accepted | None:
        """The first event of the pico whose turn it is, whose next turn is after all others'."""
        for pico, queue in self._queues.items():
            if pico not in skip:
                self._queues.move_to_end(pico)
                return next(iter(queue.items.values()))
        return None
