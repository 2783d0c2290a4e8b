"""What a bench was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a bench tries."""

    rounds: int = 5
    slice_ms: float = 700
    warm_ms: float = 500
    checked_max: int = 1_000

    @classmethod
    def of(cls, small: bool) -> Effort:
        return cls(1, 1, 1, 3) if small else cls()


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a bench."""

    small: bool
    has_peer: bool
    effort: Effort
    only: tuple[str, ...] = ()

    def wants(self, label: str) -> bool:
        return not self.only or any(part in label for part in self.only)
