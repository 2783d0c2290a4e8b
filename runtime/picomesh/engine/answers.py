"""Answers to what guests ask: the network, other picos, this pico's record.

A question is the map {fn, args}; its answer {ok: value} or {error: text}, which the guest throws
(docs/formats/receipt.md §6). Answering changes nothing but the world outside: what a ruleset
wants done to its pico it says as an effect.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from picomesh.channels import CHANGES, ChannelError
from picomesh.engine.errors import OperatorError
from picomesh.engine.network import Network, NetworkError, UrllibNetwork
from picomesh.engine.records import PicoState
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, decode_value, encode_plain

ANSWER_BYTES_MAX = 1024 * 1024
_ECI_BYTES = 15


class Unanswerable(Exception):
    """A question whose answer is an error; the text is for the ruleset's author."""


class Asked(Protocol):
    """What answering needs of the engine."""

    def state(self, pico: str) -> PicoState: ...
    def pico_of(self, eci: str) -> str | None: ...
    def random_bytes(self, count: int) -> bytes: ...
    def query(
        self,
        pico: str,
        rid: str,
        name: str,
        args: dict[str, Value] | None = None,
        *,
        eci: str | None = None,
    ) -> Value: ...


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks what."""

    engine: Asked
    pico: str
    rid: str
    function: str
    args: list[Value]

    def argument(self, at: int) -> Value:
        return self.args[at] if at < len(self.args) else None


class Answerer:
    """Finds answers outside of any transition."""

    def __init__(self, network: Network | None = None) -> None:
        self._network = network or UrllibNetwork()

    def answer(self, engine: Asked, pico: str, rid: str, question: bytes) -> bytes:
        """The answer's bytes: always an answer, for a question that is none as well."""
        try:
            asked = _read(engine, pico, rid, question)
            answer = encode_plain({"ok": self._find(asked)})
            if len(answer) > ANSWER_BYTES_MAX:
                raise Unanswerable(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        except (Unanswerable, ChannelError, NetworkError, OperatorError, CodecError) as problem:
            return encode_plain({"error": str(problem)})
        return answer

    def _find(self, asked: Question) -> Value:
        domain, _, name = asked.function.partition(":")
        if domain == "http":
            return self._request(asked)
        if domain == "ctx" and name in CHANGES:
            return _channel(asked, name)
        found = _ANSWERS.get(asked.function)
        if found is None:
            raise Unanswerable(f"{asked.function} is not available in picomesh yet")
        return found(asked)

    def _request(self, asked: Question) -> Value:
        request = asked.argument(0)
        if not isinstance(request, dict):
            raise Unanswerable("a request is a map")
        method, url, headers = (request.get(key) for key in ("method", "url", "headers"))
        if not isinstance(method, str) or not isinstance(url, str):
            raise Unanswerable("a request needs a method and a url")
        named = headers if isinstance(headers, dict) else {}
        body = request.get("body")
        return self._network.request(
            method,
            url,
            {key: _header(value) for key, value in named.items()},
            body if isinstance(body, str) else None,
            request.get("redirect") != "manual",
        )


def _read(engine: Asked, pico: str, rid: str, question: bytes) -> Question:
    match decode_plain(question):
        case {"fn": str(function), "args": list(args)}:
            return Question(engine, pico, rid, str(function), args)
        case _:
            raise Unanswerable("a question needs fn and args")


def _header(value: Value) -> str:
    return value if isinstance(value, str) else str(value)


def _channel(asked: Question, name: str) -> Value:
    """What the channel will be; reserves an identifier for a new one."""
    eci = base64.b32encode(asked.engine.random_bytes(_ECI_BYTES)).decode("ascii").lower()
    channels = asked.engine.state(asked.pico).channels()
    _, record = CHANGES[name](asked.args, channels, eci)
    return record


def _channels(asked: Question) -> Value:
    channels = asked.engine.state(asked.pico).channels()
    return [*sorted(channels, key=lambda channel: str(channel["id"]))]


def _rulesets(asked: Question) -> Value:
    found: list[Value] = []
    for record in asked.engine.state(asked.pico).rulesets():
        config = decode_value(record.config)
        found.append({"rid": record.rid, "url": record.url, "config": config})
    return found


def _url(asked: Question) -> Value:
    for record in asked.engine.state(asked.pico).rulesets():
        if record.rid == asked.rid:
            return record.url
    return None


def _query(asked: Question) -> Value:
    """ctx:query(eci, rid, name, args): of the state before the transition that asks."""
    eci, rid, name, args = (asked.argument(at) for at in range(4))
    if not isinstance(eci, str) or not isinstance(rid, str) or not isinstance(name, str):
        raise Unanswerable("ctx:query needs an eci, a rid and a name")
    pico = asked.engine.pico_of(eci)
    if pico is None:
        raise Unanswerable(f"ECI not found {eci}")
    return asked.engine.query(pico, rid, name, args if isinstance(args, dict) else {}, eci=eci)


_ANSWERS: dict[str, Callable[[Question], Value]] = {
    "ctx:channels": _channels,
    "ctx:rulesets": _rulesets,
    "ctx:rid_url": _url,
    "ctx:parent": lambda asked: None,
    "ctx:children": lambda asked: [],
    "ctx:logs": lambda asked: [],
    "ctx:query": _query,
}
