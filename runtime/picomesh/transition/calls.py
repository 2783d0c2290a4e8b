"""The host functions of one guest: its part of the state, and what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pico_abi.limits import EFFECTS_MAX
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, encode_value
from picomesh.sandbox.interface import GuestTrap, Thrown
from picomesh.transition.known import is_known_directive, learn_directive
from picomesh.transition.model import (
    Effect,
    Event,
    LogLine,
    NeedsAnswer,
    Ruleset,
    TapeDiverged,
)
from picomesh.transition.overlay import Overlay

if TYPE_CHECKING:
    from picomesh.transition.attempt import Attempt

QUESTIONS_MAX = 100  # of one transition, which runs again for each


class Calls:
    """The host functions of one guest: its part of the state, and what it may do."""

    def __init__(self, attempt: Attempt, ruleset: Ruleset, key: tuple[str, ...]) -> None:
        self.attempt = attempt
        self.ruleset = ruleset
        self.key = key
        self._written = attempt.overlay.written
        self._read = attempt.overlay.state.get
        self.rule: Value = None  # of the user of this module, which its directives name
        self._ent = ruleset.spaces[b"ent/"]
        self._select = ruleset.spaces[b"select/"]

    # -- state: guest path `ent/x` of ruleset R is `ent/R/x` (docs/formats/state.md §1)

    def _full(self, path: bytes) -> bytes:
        if path[:4] == b"ent/":
            return self._ent + path[4:]
        if path[:7] == b"select/":
            return self._select + path[7:]
        raise GuestTrap("a path outside this ruleset's part of the state")

    def _writable(self) -> Overlay:
        if not self.attempt.may_write:
            raise GuestTrap("a query cannot change the pico")
        return self.attempt.overlay

    def get(self, path: bytes) -> bytes | None:
        full = self._ent + path[4:] if path[:4] == b"ent/" else self._full(path)
        written = self._written
        return written[full] if full in written else self._read(full)

    def put(self, path: bytes, value: bytes) -> None:
        full = self._ent + path[4:] if path[:4] == b"ent/" else self._full(path)
        attempt = self.attempt
        if not attempt.may_write:
            raise GuestTrap("a query cannot change the pico")
        if not attempt.removed or self.ruleset.rid not in attempt.removed:
            self._written[full] = value

    def delete(self, path: bytes) -> None:
        self._write(path, None)

    def _write(self, path: bytes, value: bytes | None) -> None:
        full, overlay = self._full(path), self._writable()
        if self.ruleset.rid not in self.attempt.removed:  # what it stored went with it
            overlay.written[full] = value

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        full = self._full(prefix)
        cut = len(self.ruleset.rid.encode()) + 1
        start = self._full(after) if after else b""
        found = self.attempt.overlay.scan(full, start, limit)
        space = full.index(b"/") + 1
        return [(path[:space] + path[space + cut :], value) for path, value in found]

    # -- effects

    def emit(self, effect: bytes) -> None:
        attempt = self.attempt
        attempt.emitted += 1
        if attempt.emitted > EFFECTS_MAX:
            raise GuestTrap(f"more than {EFFECTS_MAX} effects")
        if is_known_directive(effect):
            self._directive(effect)
            return
        try:
            message = decode_plain(effect)
        except CodecError as problem:
            raise GuestTrap(f"an effect that is not a message: {problem}") from problem
        if message.get("kind") == "directive":
            self._directive(effect)
            learn_directive(effect, message)
            return
        match message:
            case {"kind": "throw", "message": text}:
                raise Thrown(text if isinstance(text, str) else str(text))
            case {"kind": "log", "level": _, "message": _, "value": _}:
                attempt.logs.append(log_line(self.ruleset.rid, message))
            case {"kind": "send", "eci": str()}:
                self._writable()
                self.attempt.effects.append(Effect("send", self.key[0], effect))
            case {"kind": "request", "request": dict(), "event": _}:
                self._writable()
                self.attempt.effects.append(Effect("request", self.key[0], effect))
            case {"kind": str(kind), "args": list(args)} if (
                kind.startswith("ctx.") and self.attempt.given.acts is not None
            ):
                self._writable()
                self.attempt.given.acts.act(self, kind[4:], args)
            case {"kind": "abandon"}:
                self._writable()
                self.attempt.abandon()
            case {"kind": "raise", "domain": str(domain), "name": str(name), "attrs": attrs}:
                self._raise(domain, name, attrs, message.get("for"))
            case _:
                raise GuestTrap(f"an effect of unknown kind {message.get('kind')!r}")

    def _directive(self, effect: bytes) -> None:
        attempt = self.attempt
        if not attempt.may_write:
            raise GuestTrap("a query cannot change the pico")
        rid = self.key[0]  # a module's directive carries the rid of who uses it
        attempt.effects.append(Effect("directive", rid, effect, self.rule, attempt.eid))

    def _raise(self, domain: str, name: str, attrs: Value, only: Value) -> None:
        attempt = self.attempt
        self._writable()
        if not isinstance(attrs, dict) or not (only is None or isinstance(only, str)):
            raise GuestTrap("a raised event's attributes are not a map")
        attempt.offer(Event(attempt.eci, domain, name, encode_value(attrs), attempt.eid, only))

    # -- questions and other rulesets

    def ask(self, question: bytes) -> bytes:
        """What follows from the state is answered here; the rest is on the tape."""
        acts = self.attempt.given.acts
        answer = None if acts is None else acts.answer(self, question)
        return self.ask_tape(question) if answer is None else answer

    def ask_tape(self, question: bytes) -> bytes:
        attempt = self.attempt
        position = attempt.asked
        if position >= QUESTIONS_MAX:
            raise GuestTrap(f"more than {QUESTIONS_MAX} questions")
        if position >= len(attempt.given.tape):
            raise NeedsAnswer(position, self.ruleset.rid, question)
        entry = attempt.given.tape[position]
        if entry.question != question:
            raise TapeDiverged(f"question {position} is not the one on the tape")
        attempt.asked += 1
        return entry.answer

    def call(self, request: bytes) -> bytes:
        """Runs a function of another ruleset, in an instance that only this user has."""
        try:
            message = decode_plain(request)
        except CodecError as problem:
            raise GuestTrap(f"a request that is not a message: {problem}") from problem
        match message:
            case {
                "kind": "function" | "action",
                "rid": str(),
                "name": str(),
                "args": dict(),
            }:
                return self.attempt.call_module(self, message)
            case _:
                raise GuestTrap("a request without kind, rid, name and args")


def log_line(rid: str, message: dict[str, Value]) -> LogLine:
    """What a ruleset logs, from its effect of kind `log`."""
    rule, level, text = (_text(message.get(name)) for name in ("rule", "level", "message"))
    return LogLine(rid, rule, level, text, message["value"])


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
