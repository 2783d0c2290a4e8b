"""Time and randomness as arguments, so that tests and scenarios can bring their own."""

from __future__ import annotations

import os
import time
from typing import Protocol

PIECE_BYTES, PIECES = 32, 128


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

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def random_bytes(self, count: int) -> bytes:
        """From the system, of which many events' worth is asked at once; none is given twice."""
        if count > PIECE_BYTES:
            return os.urandom(count)
        try:
            return self._pieces.pop()[:count]  # in one step, so that any thread may ask
        except IndexError:
            data = os.urandom(PIECES * PIECE_BYTES)
            ends = range(0, len(data), PIECE_BYTES)
            pieces = [data[at : at + PIECE_BYTES] for at in ends]
            first = pieces.pop()
            self._pieces.extend(pieces)
            return first[:count]
