"""Children that a transition makes, before they are born.

A rule that makes a child may go on to talk to it (`ctx:eventQuery`, `ctx:query`). The child does
not exist until the commit, but all that it will be follows from the parent's seed, so it is run
ahead: the same receipts come out again when the commit makes them.
"""

from __future__ import annotations

from picomesh.engine.acting.plan import Scene
from picomesh.engine.inputs import Spawn


class Young:
    """The children born in this run of a transition, by the channel to them."""

    def __init__(self) -> None:
        self.born: dict[str, tuple[str, Spawn]] = {}

    def answer(self, scene: Scene, name: str) -> bytes | None:
        return None
