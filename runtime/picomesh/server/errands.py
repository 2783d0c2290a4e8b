"""Threads that wait for the network, so that the engine's thread does not.

Few errands of one pico run at once: a slow host that it talks to leaves threads for the others.
The threads end with the process: nobody waits for a host that does not answer.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

THREADS = 16
AT_ONCE_MAX = 4  # errands of one pico

Errand = Callable[[], None]


class Errands:
    """A pool of threads; picos take turns."""

    def __init__(self, threads: int = THREADS, at_once_max: int = AT_ONCE_MAX) -> None:
        self._threads_max = threads
        self._at_once_max = at_once_max
        self._change = threading.Condition()
        self._waiting: OrderedDict[str, deque[Errand]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._is_stopped = False

    def submit(self, pico: str, errand: Errand) -> None:
        """Has something done for a pico."""
        with self._change:
            self._waiting.setdefault(pico, deque()).append(errand)
            if len(self._threads) < min(self._threads_max, self._wanted()):
                name = f"picomesh network {len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._change.notify()

    def _wanted(self) -> int:
        return self._running.total() + sum(map(len, self._waiting.values()))

    def stop(self) -> None:
        """Begins nothing more."""
        with self._change:
            self._is_stopped = True
            self._waiting.clear()
            self._change.notify_all()

    def _work(self) -> None:
        while True:
            with self._change:
                while (found := self._next()) is None:
                    if self._is_stopped:
                        return
                    self._change.wait()
            pico, errand = found
            try:
                errand()
            finally:
                with self._change:
                    self._running[pico] -= 1
                    if not self._running[pico]:
                        del self._running[pico]
                    self._change.notify_all()

    def _next(self) -> tuple[str, Errand] | None:
        for pico, errands in self._waiting.items():
            if self._running[pico] >= self._at_once_max:
                continue
            self._running[pico] += 1
            errand = errands.popleft()
            if errands:
                self._waiting.move_to_end(pico)
            else:
                del self._waiting[pico]
            return pico, errand
        return None
