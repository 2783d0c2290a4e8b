"""A virtual clock and a seeded random source: the same case gives the same results for ever."""

from __future__ import annotations

from picomesh.ledger.cid import DIGEST_BYTES, digest_of

START_MS = 1767225600000  # 2026-01-01T00:00:00.000Z
STEP_MS = 1000


class VirtualWorld:
    """Time moves when it is told to; randomness is a hash of the seed and a counter."""

    def __init__(self, start_ms: int = START_MS, seed: int = 1) -> None:
        self.clock_ms = start_ms
        self._seed = seed
        self._drawn = 0

    def now_ms(self) -> int:
        return self.clock_ms

    def elapsed_us(self) -> int:
        return 0

    def random_bytes(self, count: int) -> bytes:
        drawn = b""
        while len(drawn) < count:
            self._drawn += 1
            drawn += digest_of(f"picomesh scenario {self._seed} {self._drawn}".encode())
        assert len(drawn) >= DIGEST_BYTES
        return drawn[:count]
