"""What every act is made of: the scene in which it is asked for, and the plan that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from picomesh.engine.family import (
    Relative,
    channels_of,
    child_of,
    children_of,
    encoded_channels_of,
    everything,
)
from picomesh.engine.records import RULESETS, PicoState, RulesetRecord, decode_ruleset
from picomesh.ledger.value import Value
from picomesh.transition.calls import Calls
from picomesh.transition.overlay import Overlay

if TYPE_CHECKING:
    from picomesh.engine.acts import PicoActs


SCAN_FUEL = 200  # for each record that an act looks through


class ActError(Exception):
    """What a ruleset wants cannot be; the text is for its author."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is answered, and what is done when the effect comes."""

    answer: Value
    apply: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """Who wants what, of which state."""

    acts: PicoActs
    calls: Calls
    args: list[Value]
    acting: bool = False

    @property
    def overlay(self) -> Overlay:
        return self.calls.attempt.overlay

    @property
    def pico(self) -> str:
        return self.acts.pico

    def argument(self, at: int) -> Value:
        return self.args[at] if at < len(self.args) else None

    def text(self, at: int, missing: str) -> str:
        """An argument that must be a text that is not blank."""
        value = self.argument(at)
        if not isinstance(value, str) or not value.strip():
            raise ActError(missing)
        return value

    def map_or_none(self, at: int) -> dict[str, Value]:
        """Attributes: a map, or nothing."""
        value = self.argument(at)
        if value is not None and not isinstance(value, dict):
            raise ActError("Expected a JSON map for event.data.attrs")
        return value or {}

    def installed(self) -> dict[str, RulesetRecord]:
        """The installed rulesets as of now, by rid, in their order."""
        found = [
            decode_ruleset(path[len(RULESETS) :].decode(), data)
            for path, data in everything(self.overlay, RULESETS)
        ]
        self._charge(len(found))
        found.sort(key=lambda record: (record.position, record.rid))
        return {record.rid: record for record in found}

    def ruleset(self, rid: str) -> RulesetRecord | None:
        """One of them."""
        self._charge(1)
        data = self.overlay.get(RULESETS + rid.encode())
        return None if data is None else decode_ruleset(rid, data)

    def channels(self) -> list[dict[str, Value]]:
        found = channels_of(self.overlay, self.pico)
        self._charge(len(found))
        return found

    def encoded_channels(self) -> list[bytes]:
        found = encoded_channels_of(self.overlay, self.pico)
        self._charge(len(found))
        return found

    def children(self) -> list[Relative]:
        found = children_of(self.overlay)
        self._charge(len(found))
        return found

    def child(self, eci: str) -> Relative | None:
        """The child behind a channel; its price is that of looking through all."""
        self.siblings()
        return child_of(self.overlay, eci)

    def siblings(self) -> tuple[int, int]:
        """How many children there are, and the place of the last one."""
        state = self.overlay.state
        assert isinstance(state, PicoState), "acts are on the state of a pico"
        count, last = state.siblings().with_changes(self.overlay.written)
        self._charge(count)
        return count, last

    def _charge(self, count: int) -> None:
        self.calls.attempt.meter.charge(SCAN_FUEL * count)

    def write(self, path: bytes, value: bytes | None) -> None:
        self.overlay.written[path] = value
