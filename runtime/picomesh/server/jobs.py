"""What is to be done by the engine's thread: small jobs in order, and queries in turns.

A query can take as long as an event may, so the queries of one pico wait for each other and not
those of others for them. Full queues refuse: that is what is said to a client, instead of memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from picomesh.engine.errors import Overloaded

JOBS_MAX = 2_000
QUERIES_OF_PICO_MAX = 500

Job = Callable[[], None]


class Jobs:
    """Jobs from many threads for one."""

    def __init__(self, jobs_max: int = JOBS_MAX, queries_max: int = QUERIES_OF_PICO_MAX) -> None:
        self._jobs_max = jobs_max
        self._queries_max = queries_max
        self._change = threading.Condition()
        self._plain: deque[Job] = deque()
        self._turns: OrderedDict[str, deque[Job]] = OrderedDict()

    def put(self, job: Job, timeout_s: float = 0.0, *, wakes: bool = True) -> None:
        """Raises Overloaded when there is no room, also after that long.

        Who puts several at once wakes the thread behind the last one: it would otherwise begin,
        and make durable, a round with the first one alone.
        """
        with self._change:
            if len(self._plain) >= self._jobs_max and not self._change.wait_for(
                lambda: len(self._plain) < self._jobs_max, timeout_s
            ):
                raise Overloaded("the engine has too much to do", "try it again later")
            self._plain.append(job)
            if wakes:
                self._change.notify_all()

    def wake(self) -> None:
        """Says that there is something to do."""
        with self._change:
            self._change.notify_all()

    def put_turn(self, pico: str, job: Job) -> None:
        """A job that takes turns with those of other picos. Raises Overloaded."""
        with self._change:
            waiting = self._turns.setdefault(pico, deque())
            if len(waiting) >= self._queries_max:
                raise Overloaded("too many queries wait for this pico", "try it again later")
            waiting.append(job)
            self._change.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Until there is something to do, but not longer than that."""
        with self._change:
            self._change.wait_for(lambda: self._plain or self._turns, timeout_s)

    def next_plain(self) -> Job | None:
        with self._change:
            if not self._plain:
                return None
            self._change.notify_all()
            return self._plain.popleft()

    def next_turn(self) -> Job | None:
        """The first job of the pico whose turn it is."""
        with self._change:
            if not self._turns:
                return None
            pico, waiting = self._turns.popitem(last=False)
            job = waiting.popleft()
            if waiting:
                self._turns[pico] = waiting
            return job
