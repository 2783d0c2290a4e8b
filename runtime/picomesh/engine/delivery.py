"""What leaves the engine by HTTP: events for picos elsewhere, and requests that answer as events.

At least once, under one key for all tries; the receiver knows a key that it has seen. Deliveries
of one pico to one target go one after the other, so they arrive in the order they were sent.
Nothing leaves before the receipt that wants it is durable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from picomesh.engine.answers import KEY_HEADER as KEY_HEADER
from picomesh.engine.inputs import Event
from picomesh.engine.network import Network, NetworkError
from picomesh.engine.performed import Work
from picomesh.ledger.cid import digest_of
from picomesh.ledger.value import Value, decode_plain, encode_plain, encode_value
from picomesh.store.store import Outgoing
from picomesh.transition import Effect, Transition

TRIES_MAX = 300  # about three days, then it is dropped and counted
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 15 * 60 * 1_000
_RETRY_STATUS = 500  # from here on the other side has not understood, or has no room


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of a try: done with an answer, or to be tried again."""

    done: bool
    answer: dict[str, Value]
    problem: str = ""


def outgoing_of(done: Transition, host: str, work: Work) -> list[Outgoing]:
    """The deliveries of a transition that was performed."""
    found = (
        _outgoing(effect, at, host, work)
        for at, effect in enumerate(done.effects)
        if effect.kind in ("send", "request")
    )
    return [item for item in found if item is not None]


def _outgoing(effect: Effect, at: int, host: str, work: Work) -> Outgoing | None:
    message = decode_plain(effect.data)
    key = digest_of(f"picomesh delivery {at} ".encode() + work.seed).hex()[:32]
    if effect.kind == "request":
        request = message["request"]
        if not isinstance(request, dict):
            return None
        target = _origin(request.get("url"))
        data = encode_plain({"event": message["event"], "request": request})
        return None if target is None else Outgoing(work.pico, target, key, data)
    other, eci = message.get("host"), message.get("eci")
    domain, name = message.get("domain"), message.get("name")
    if not isinstance(other, str) or other == host or _origin(other) is None:
        return None
    if not (isinstance(eci, str) and isinstance(domain, str) and isinstance(name, str)):
        return None
    path = "/".join(quote(part, safe="") for part in (eci, "event", domain, name))
    attrs = message.get("attrs")
    body = json.dumps(attrs if isinstance(attrs, dict) else {}, ensure_ascii=False)
    request = {
        "method": "POST",
        "url": f"{other.rstrip('/')}/c/{path}",
        "headers": {"content-type": "application/json"},
        "body": body,
    }
    data = encode_plain({"event": None, "request": request})
    return Outgoing(work.pico, str(_origin(other)), key, data)


def _origin(url: Value) -> str | None:
    """Scheme and host of a URL; None when nothing can be sent there."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    usable = parts.scheme in ("http", "https") and parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if usable else None


def deliver(network: Network, item: Outgoing) -> Delivered:
    """One try."""
    request = decode_plain(item.request)["request"]
    assert isinstance(request, dict), "we wrote it"
    headers, body = request.get("headers"), request.get("body")
    given = headers if isinstance(headers, dict) else {}
    named = {key: value for key, value in given.items() if isinstance(value, str)}
    try:
        answer = network.request(
            str(request.get("method")),
            str(request.get("url")),
            {**named, KEY_HEADER: item.key},
            body if isinstance(body, str) else None,
            request.get("redirect") != "manual",
        )
    except NetworkError as problem:
        return Delivered(False, {}, str(problem))
    status = answer.get("status_code")
    later = isinstance(status, int) and (status >= _RETRY_STATUS or status == 429)
    return Delivered(not later, answer, f"status {status!r}" if later else "")


def wait_ms(tries: int) -> int:
    """How long to wait after so many tries that failed."""
    return int(min(FIRST_WAIT_MS * 2 ** min(tries, 20), LONGEST_WAIT_MS))


def answer_event(item: Outgoing, answer: Mapping[str, Value], eci: str, host: str) -> Event | None:
    """The event that a request with `autosend` asked for; None for anything else."""
    wanted = decode_plain(item.request)["event"]
    if not isinstance(wanted, dict):
        return None
    domain, name = wanted.get("domain"), wanted.get("name") or wanted.get("type")
    if not isinstance(domain, str) or not isinstance(name, str):
        return None
    attrs = wanted.get("attrs")
    given = encode_value({**(attrs if isinstance(attrs, dict) else {}), **answer})
    chosen = wanted.get("eci")
    target = chosen if isinstance(chosen, str) else eci
    return Event(target, domain, name, given, item.key, host)
