"""Time and randomness as arguments, so that tests and scenarios can bring their own."""

from __future__ import annotations

import os
import time
from typing import Protocol


class World(Protocol):
    """What an engine takes from outside."""

    def now_ms(self) -> int: ...
    def elapsed_us(self) -> int: ...
    def random_bytes(self, count: int) -> bytes: ...


class RealWorld:
    """The clock and the random source of the operating system."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed_us(self) -> int:
        return time.perf_counter_ns() // 1_000

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)
