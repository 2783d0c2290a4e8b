"""Children that are ready with the commit that makes them.

What a transition sends to a child that it has made is in the child's inbox with the commit. If the
child was run ahead for it (acting/young.py), its receipt is there already and joins the commit: who
is told of the child then finds it with all that its first event gave it. What such a child sends
looks up channels as the commit leaves them, for the store does not know them yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from picomesh.channels import CHANNELS, refusal
from picomesh.engine.inputs import Event
from picomesh.engine.sends import Neighbours
from picomesh.ledger.value import decode_value

if TYPE_CHECKING:
    from picomesh.engine.performed import Performed, Work
    from picomesh.engine.programs import Programs

# What else a transition does is left to follow after the commit.
_JOINING = frozenset(["directive", "send", "spawn"])


class Newborn:
    """The transitions of one commit: a `Neighbours` that sees what they change."""

    def __init__(self, neighbours: Neighbours, programs: Programs) -> None:
        self.host = neighbours.host
        self._neighbours = neighbours
        self._programs = programs
        self._last: dict[str, tuple[Work, Performed] | None] = {}
        self._channels: dict[str, tuple[str, bytes | None]] = {}

    def note(self, work: Work, performed: Performed) -> None:
        """Another transition of the commit."""
        if work.seq == 0 or work.pico in self._last:
            self._last[work.pico] = (work, performed)
        for path, value in performed.transition.writes:
            if path.startswith(CHANNELS):
                self._channels[path[len(CHANNELS) :].decode()] = (work.pico, value)

    def next_of(self, pico: str, event: Event, seed: bytes) -> tuple[Work, Performed] | None:
        """A child's next transition, if it was run ahead; all that follow it wait if not."""
        last = self._last.get(pico)
        if last is None:
            return None
        work, before = last
        after = replace(
            work,
            seq=work.seq + 1,
            prev=before.cid,
            given=event,
            seed=seed,
            pre=before.post,
            tape=(),
        )
        done = self._programs.ahead.take(after)
        kinds = set() if done is None else {item.kind for item in done.transition.effects}
        if done is None or kinds - _JOINING:
            self._last[pico] = None
            return None
        return after, done

    # -- what sending needs

    def pico_of(self, eci: str) -> str | None:
        if eci in self._channels:
            pico, record = self._channels[eci]
            return None if record is None else pico
        return eci if eci in self._last else self._neighbours.pico_of(eci)

    def event_refusal(
        self, pico: str, eci: str, domain: str, name: str, sender: str | None
    ) -> str | None:
        known = self._channels.get(eci)
        record = None if known is None or known[1] is None else decode_value(known[1])
        if isinstance(record, Mapping):
            return refusal(dict(record), "event", domain, name, sender)
        if eci in self._last:
            return None if eci == sender else "This is a family channel"
        return self._neighbours.event_refusal(pico, eci, domain, name, sender)
