"""Events that a transition sends to picos of this engine: effects, turned into accepted events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from picomesh.engine.inputs import Event
from picomesh.ledger.cid import digest_of
from picomesh.ledger.value import Value, decode_plain, encode_value
from picomesh.transition import Transition


class Neighbours(Protocol):
    """What sending needs of the engine."""

    host: str

    def pico_of(self, eci: str) -> str | None: ...
    def event_refusal(
        self, pico: str, eci: str, domain: str, name: str, sender: str | None
    ) -> str | None: ...


def sends_of(
    done: Transition, engine: Neighbours, sender: str, born: Mapping[str, str]
) -> list[tuple[int, str, Event]]:
    """The place of each effect, the pico and the event for it.

    `born` leads to children whose first receipt comes with this transition. What no channel lets
    through is dropped, as in the mail.
    """
    found: list[tuple[int, str, Event]] = []
    for at, effect in enumerate(done.effects):
        if effect.kind != "send":
            continue
        message = decode_plain(effect.data)
        if message.get("host") not in (None, engine.host):
            continue
        event = event_of(message, engine.host, effect.data)
        pico = None if event is None else born.get(event.eci) or engine.pico_of(event.eci)
        if event is None or pico is None:
            continue
        known = event.eci in born
        if known or _may_pass(engine, pico, event, sender):
            found.append((at, pico, event))
    return found


def _may_pass(engine: Neighbours, pico: str, event: Event, sender: str) -> bool:
    refused = engine.event_refusal(pico, event.eci, event.domain, event.name, sender)
    return refused is None


def event_of(message: Mapping[str, Value], host: str, effect: bytes) -> Event | None:
    """The event that an effect of kind `send` stands for; None when it is none."""
    eci, domain, name = (message.get(key) for key in ("eci", "domain", "name"))
    if not (isinstance(eci, str) and isinstance(domain, str) and isinstance(name, str)):
        return None
    attrs, eid = message.get("attrs"), message.get("eid")
    return Event(
        eci=eci,
        domain=domain,
        name=name,
        attrs=encode_value(attrs if isinstance(attrs, dict) else {}),
        eid=eid if isinstance(eid, str) else digest_of(effect).hex()[:24],
        host=host,
    )
