"""Transitions of children that were run before their commit, so that it need not run them again.

A rule that talks to a child it has just made has the child run ahead (acting/young.py). What then
comes with the commit, or right behind it, is the same work, and a transition is a function of its
work. Nothing depends on what is kept here: what is not found is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from picomesh.engine.inputs import encode_input

if TYPE_CHECKING:
    from picomesh.engine.performed import Performed, Work

KEPT_MAX = 256


class Elsewhere(Protocol):
    """Other processes that run transitions ahead (`workers`)."""

    def take(self, work: Work) -> Performed | None: ...


class Ahead:
    """What was run ahead, by all that decides it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Performed] = {}
        self.elsewhere: Elsewhere | None = None

    def __bool__(self) -> bool:
        return bool(self._kept) or self.elsewhere is not None

    def keep(self, work: Work, performed: Performed) -> None:
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[_key(work)] = performed

    def get(self, work: Work) -> Performed | None:
        """For another try of the parent's transition."""
        return self._kept.get(_key(work))

    def take(self, work: Work) -> Performed | None:
        """For the commit."""
        found = self._kept.pop(_key(work), None) if self._kept else None
        if found is None and self.elsewhere is not None:
            found = self.elsewhere.take(work)
        return found


def _key(work: Work) -> tuple[object, ...]:
    return (
        work.pico,
        work.seq,
        work.prev,
        b"" if work.seq == 0 else encode_input(work.given),  # a pico's name is that of its first
        work.time_ms,
        work.seed,
        work.fuel_limit,
        work.pre,
        work.tape,
    )
