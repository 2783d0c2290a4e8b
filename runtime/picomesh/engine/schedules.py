"""What is due: the schedules that rulesets keep in their state, and when each entry fires.

A ruleset's schedule is its entity variable `_schedule`, so it replays, moves and survives with
the pico. The engine only looks at the clock. An entry of type `at` is removed by the transition
that fires it; one that was missed fires at once, a repeated one that was missed is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from picomesh.engine.cron import CronError, next_after
from picomesh.engine.inputs import Event
from picomesh.engine.records import PicoState
from picomesh.ledger.value import Value, decode_value, encode_value

FAILED = ("picomesh", "schedule_failed")


class Sender(Protocol):
    """What an event is sent by."""

    host: str

    def new_eid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Due:
    """One entry of a schedule, and when it fires."""

    at_ms: int
    pico: str
    rid: str
    entry: str
    eci: str
    domain: str
    name: str
    attrs: dict[str, Value]

    def event(self, sender: Sender) -> Event:
        """The event that fires it."""
        attrs, entry = encode_value(self.attrs), [self.rid, self.entry]
        eid = sender.new_eid()
        return Event(self.eci, self.domain, self.name, attrs, eid, sender.host, [*entry])

    def failed(self) -> Due:
        """What is said of it when its own event failed."""
        attrs: dict[str, Value] = {"domain": self.domain, "name": self.name}
        return replace(self, domain=FAILED[0], name=FAILED[1], attrs=attrs)


class Schedules:
    """When repeated entries fire next; the only thing that is not in the state."""

    def __init__(self) -> None:
        self._ignored: set[tuple[str, str, str]] = set()
        # What each is, when it was asked about, and when it fires.
        self._next_ms: dict[tuple[str, str, str], tuple[str, int, int]] = {}

    def due(self, pico: str, state: PicoState, now_ms: int) -> list[Due]:
        """Every entry of a pico with its time, in the order of the times."""
        found: list[Due] = []
        for record in state.rulesets():
            data = state.get(b"ent/" + record.rid.encode() + b"/_schedule")
            entries = None if data is None else decode_value(data)
            for key, entry in entries.items() if isinstance(entries, dict) else []:
                item = self._due(pico, record.rid, key, entry, now_ms)
                if item is not None:
                    found.append(item)
        return sorted(found, key=lambda item: item.at_ms)

    def fired(self, item: Due) -> None:
        """A repeated entry has its next time from now on."""
        self._next_ms.pop((item.pico, item.rid, item.entry), None)

    def ignore(self, item: Due) -> None:
        """An entry that cannot even be taken out is left alone until the next start."""
        self._ignored.add((item.pico, item.rid, item.entry))

    def _due(self, pico: str, rid: str, key: str, entry: Value, now_ms: int) -> Due | None:
        """None for an entry that no engine could fire: what is in it is the ruleset's."""
        if not isinstance(entry, dict) or (pico, rid, key) in self._ignored:
            return None
        event = entry.get("event")
        at_ms = self._time(pico, rid, key, entry, now_ms)
        if at_ms is None or not isinstance(event, dict):
            return None
        data = event.get("data")
        attrs = data.get("attrs") if isinstance(data, dict) else None
        match event:
            case {"eci": str(eci), "domain": str(domain), "name": str(name)}:
                given = attrs if isinstance(attrs, dict) else {}
                return Due(at_ms, pico, rid, key, eci, domain, name, given)
            case _:
                return None

    def _time(
        self, pico: str, rid: str, key: str, entry: dict[str, Value], now_ms: int
    ) -> int | None:
        if entry.get("type") == "at":
            time = entry.get("time")
            return int(time) if isinstance(time, int | float) else None
        timespec = entry.get("timespec")
        if entry.get("type") != "repeat" or not isinstance(timespec, str):
            return None
        known = self._next_ms.get((pico, rid, key))
        if known is not None and known[0] == timespec and known[1] <= now_ms:
            return known[2]  # a clock that is set back asks again
        try:
            found = next_after(timespec, now_ms)
        except CronError:
            return None
        if found is not None:
            self._next_ms[pico, rid, key] = (timespec, now_ms, found)
        return found
