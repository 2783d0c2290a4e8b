"""Events that a transition sends to picos of this engine: effects, turned into accepted events."""

from __future__ import annotations

from typing import Protocol

from picomesh.engine.inputs import Event
from picomesh.ledger.value import decode_plain, encode_value
from picomesh.transition import Transition


class Neighbours(Protocol):
    """What sending needs of the engine."""

    host: str

    def pico_of(self, eci: str) -> str | None: ...
    def refusal(self, pico: str, eci: str, domain: str, name: str) -> str | None: ...
    def new_eid(self) -> str: ...


def sends_of(done: Transition, engine: Neighbours) -> list[tuple[str, Event]]:
    """Each pico and the event for it. What no channel lets through is dropped, as in the mail."""
    effects = (effect.data for effect in done.effects if effect.kind == "send")
    return [sent for data in effects if (sent := _send_of(data, engine)) is not None]


def _send_of(effect: bytes, engine: Neighbours) -> tuple[str, Event] | None:
    message = decode_plain(effect)
    if message.get("host") not in (None, engine.host):
        return None
    eci, domain, name = (message.get(key) for key in ("eci", "domain", "name"))
    if not (isinstance(eci, str) and isinstance(domain, str) and isinstance(name, str)):
        return None
    pico = engine.pico_of(eci)
    if pico is None or engine.refusal(pico, eci, domain, name) is not None:
        return None
    attrs, eid = message.get("attrs"), message.get("eid")
    event = Event(
        eci=eci,
        domain=domain,
        name=name,
        attrs=encode_value(attrs if isinstance(attrs, dict) else {}),
        eid=eid if isinstance(eid, str) else engine.new_eid(),
        host=engine.host,
    )
    return pico, event
