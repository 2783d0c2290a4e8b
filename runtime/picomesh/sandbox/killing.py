"""The clock by which a guest is killed that runs for too long.

Wasmtime ends a guest when the engine's epoch is past the guest's own deadline. One thread lets the
epoch go on while transitions run, so that a transition costs no timer of its own: a thread for each
event took more than its guest did.
"""

from __future__ import annotations

import threading
import time
import weakref

import wasmtime

PERIODS = 10  # of a guest's time; it is killed at most one of them late
DEADLINE = PERIODS + 1  # in ticks: the first one may come at once


class Clock:
    """Ticks while somebody needs it."""

    def __init__(self, engine: wasmtime.Engine, kill_after_ms: int) -> None:
        self._engine = weakref.ref(engine)  # of an engine that is gone nothing is to be killed
        self._period_s = kill_after_ms / 1000 / PERIODS
        self._asked = object()  # another one with every time that somebody needs it
        self._is_ticking = False
        self._lock = threading.Lock()

    def need(self) -> None:
        """Ticks at least `DEADLINE` times from now on."""
        self._asked = object()
        if not self._is_ticking:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if not self._is_ticking:
                self._is_ticking = True
                threading.Thread(target=self._tick, name="picomesh clock", daemon=True).start()

    def _tick(self) -> None:
        """Counts ticks and not seconds: on a busy machine each can take much longer."""
        seen, ticks = None, 0
        while ticks <= DEADLINE:
            time.sleep(self._period_s)
            engine = self._engine()
            if engine is None:
                return
            engine.increment_epoch()
            del engine
            seen, ticks = (seen, ticks + 1) if self._asked is seen else (self._asked, 0)
        self._is_ticking = False
        if self._asked is not seen:  # somebody came and saw it tick
            self._start()
