"""Answers to what guests ask: the network, other picos, this pico's record.

A question is the map {fn, args}; its answer {ok: value} or {error: text}, which the guest throws
(docs/formats/receipt.md §6). Answering changes nothing but the world outside: what a ruleset
wants done to its pico it says as an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from picomesh.engine.errors import OperatorError
from picomesh.engine.naming import cid_of_url
from picomesh.engine.network import Network, NetworkError, UrllibNetwork
from picomesh.engine.system import is_system
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, encode_plain

ANSWER_BYTES_MAX = 1024 * 1024


KEY_HEADER = "idempotency-key"  # a crash may ask again: who is asked can tell by it
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_SLOW = ("http:", "ctx:module")


def is_slow(question: bytes) -> bool:
    """Whether the answer comes from the network."""
    try:
        asked = decode_plain(question)
    except CodecError:
        return False
    match asked:
        case {"fn": "ctx:module", "args": [str(url), *_]} if is_system(url) or cid_of_url(url):
            return False
    return str(asked.get("fn")).startswith(_SLOW)


class Unanswerable(Exception):
    """A question whose answer is an error; the text is for the ruleset's author."""


class Asked(Protocol):
    """What answering needs of the engine."""

    def pico_of(self, eci: str) -> str | None: ...
    def module(self, url: str, fresh: bool) -> Value: ...
    def recent_logs(self, pico: str) -> Value: ...
    def event_refusal(
        self, pico: str, eci: str, domain: str, name: str, sender: str | None
    ) -> str | None: ...
    def send_now(
        self,
        pico: str,
        domain: str,
        name: str,
        attrs: dict[str, Value],
        *,
        eci: str,
        sender: str,
    ) -> None: ...
    def query(
        self,
        pico: str,
        rid: str,
        name: str,
        args: dict[str, Value] | None = None,
        *,
        eci: str | None = None,
        sender: str | None = None,
    ) -> Value: ...


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks what."""

    engine: Asked
    pico: str
    rid: str
    function: str
    args: list[Value]
    key: str = ""  # under which something outside is done once

    def argument(self, at: int) -> Value:
        return self.args[at] if at < len(self.args) else None


class Answerer:
    """Finds answers outside of any transition."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or UrllibNetwork()

    def answer(self, engine: Asked, pico: str, rid: str, question: bytes, key: str = "") -> bytes:
        """The answer's bytes: always an answer, for a question that is none as well."""
        try:
            asked = _read(engine, pico, rid, question, key)
            answer = encode_plain({"ok": self._find(asked)})
            if len(answer) > ANSWER_BYTES_MAX:
                raise Unanswerable(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        except (Unanswerable, NetworkError, OperatorError, CodecError) as problem:
            return encode_plain({"error": str(problem)})
        return answer

    def failure(self, problem: Exception) -> bytes:
        """The answer when there is none; what is not for the author is not told."""
        known = isinstance(problem, NetworkError | OperatorError)
        return encode_plain({"error": str(problem) if known else "there is no answer"})

    def answer_known_module(self, engine: Asked, question: bytes) -> bytes:
        """The answer to `ctx:module` from what was fetched already."""
        match decode_plain(question):
            case {"fn": "ctx:module", "args": [str(url), _]}:
                known = encode_plain({"fn": "ctx:module", "args": [url, False]})
                return self.answer(engine, "", "", known)
            case _:
                raise AssertionError("only questions for modules are answered like this")

    def _find(self, asked: Question) -> Value:
        if asked.function.startswith("http:"):
            return self._request(asked)
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
        given = headers if isinstance(headers, dict) else {}
        named = {key: _header(value) for key, value in given.items()}
        if asked.key and method.upper() not in _HARMLESS:
            known = {key.lower() for key in named}
            named |= {} if KEY_HEADER in known else {KEY_HEADER: asked.key}
        body = request.get("body")
        return self.network.request(
            method,
            url,
            named,
            body if isinstance(body, str) else None,
            request.get("redirect") != "manual",
        )


def _read(engine: Asked, pico: str, rid: str, question: bytes, key: str) -> Question:
    match decode_plain(question):
        case {"fn": str(function), "args": list(args)}:
            return Question(engine, pico, rid, str(function), args, key)
        case _:
            raise Unanswerable("a question needs fn and args")


def _header(value: Value) -> str:
    return value if isinstance(value, str) else str(value)


def _module(asked: Question) -> Value:
    """The module behind a URL, and its source, by their hashes; kept before they are named."""
    url, fresh = asked.argument(0), asked.argument(1)
    if not isinstance(url, str):
        raise Unanswerable("a ruleset needs a url")
    return asked.engine.module(url.strip(), fresh is True)


def _channel(asked: Question) -> Value:
    """Whether a channel of another pico lets an event through: null, or an error."""
    match asked.args:
        case [str(eci), "event", str(domain), str(name)]:
            pico = _pico_of(asked, str(eci))
            found = asked.engine.event_refusal(pico, str(eci), str(domain), str(name), asked.pico)
            if found is not None:
                raise Unanswerable(found)
            return None
        case _:
            raise Unanswerable("which channel, and for what?")


def _pico_of(asked: Question, eci: str) -> str:
    pico = asked.engine.pico_of(eci)
    if pico is None:
        raise Unanswerable(f"ECI not found {eci}")
    return pico


def _event_query(asked: Question) -> Value:
    """ctx:eventQuery(eci, domain, name, attrs, rid, query, args): an event, then a question."""
    eci, domain, name, attrs, rid, question, args = (asked.argument(at) for at in range(7))
    for text in (eci, domain, name, rid, question):
        if not isinstance(text, str) or not text.strip():
            raise Unanswerable("ctx:eventQuery needs eci, domain, name, attrs, rid and query name")
    pico = _pico_of(asked, str(eci))
    if attrs is not None and not isinstance(attrs, dict):
        raise Unanswerable("Expected a JSON map for event.data.attrs")
    given = attrs or {}
    asked.engine.send_now(pico, str(domain), str(name), given, eci=str(eci), sender=asked.pico)
    named = args if isinstance(args, dict) else {}
    return asked.engine.query(pico, str(rid), str(question), named, eci=str(eci), sender=asked.pico)


def _logs(asked: Question) -> Value:
    return asked.engine.recent_logs(asked.pico)


def _query(asked: Question) -> Value:
    """ctx:query(eci, rid, name, args): of the state before the transition that asks."""
    eci, rid, name, args = (asked.argument(at) for at in range(4))
    if not isinstance(eci, str) or not isinstance(rid, str) or not isinstance(name, str):
        raise Unanswerable("ctx:query needs an eci, a rid and a name")
    pico = _pico_of(asked, eci)
    named = args if isinstance(args, dict) else {}
    return asked.engine.query(pico, rid, name, named, eci=eci, sender=asked.pico)


_ANSWERS: dict[str, Callable[[Question], Value]] = {
    "ctx:channel": _channel,
    "ctx:eventQuery": _event_query,
    "ctx:logs": _logs,
    "ctx:module": _module,
    "ctx:query": _query,
}
