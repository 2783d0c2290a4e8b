"""Between the engine's thread and the server's loop.

A round of the engine tells many at once; they wake the loop once. What the loop reads at once wakes
the engine once, so that it becomes durable together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from functools import partial
from typing import Any

from picomesh.server.worker import Reply, Worker

_log = logging.getLogger("picomesh.server")


class Replies:
    """What the loop has still to hear, and whether it has something to say."""

    def __init__(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        self._loop = loop
        self._worker = worker
        self._will_wake = False
        self._ready: deque[tuple[Reply, Any, Exception | None]] = deque()
        self._is_coming = False

    def to(self, told: Reply) -> Reply:
        """For the engine's thread: `told` hears of it in the loop."""
        return partial(self._put, told)

    def wake_soon(self) -> None:
        """The engine was given something: it is woken when the loop has read what is there."""
        if not self._will_wake:
            self._will_wake = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._will_wake = False
        self._worker.wake()

    def _put(self, told: Reply, result: Any, problem: Exception | None) -> None:
        self._ready.append((told, result, problem))
        if not self._is_coming:
            self._is_coming = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_coming = False  # before anything is taken: what comes meanwhile calls again
        while self._ready:
            told, result, problem = self._ready.popleft()
            try:
                told(result, problem)
            except Exception:  # one that cannot be told keeps it from no other
                _log.exception("an answer could not be given")
