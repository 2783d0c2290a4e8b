"""The host functions of one guest: its part of the state, and what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pico_abi.limits import EFFECTS_MAX
from picomesh.channels import CHANGES, CHANNELS, ChannelError
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, decode_value, encode_value
from picomesh.sandbox.interface import GuestTrap, Thrown
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
CHANNELS_MAX = 1_000  # of one pico


class Calls:
    """The host functions of one guest: its part of the state, and what it may do."""

    def __init__(self, attempt: Attempt, ruleset: Ruleset, key: tuple[str, ...]) -> None:
        self._attempt = attempt
        self._ruleset = ruleset
        self.key = key
        self.rule: Value = None  # of the user of this module, which its directives name

    # -- state: guest path `ent/x` of ruleset R is `ent/R/x` (docs/formats/state.md §1)

    def _full(self, path: bytes) -> bytes:
        for space in (b"ent/", b"select/"):
            if path.startswith(space):
                return space + self._ruleset.rid.encode() + b"/" + path[len(space) :]
        raise GuestTrap("a path outside this ruleset's part of the state")

    def _writable(self) -> Overlay:
        if not self._attempt.may_write:
            raise GuestTrap("a query cannot change the pico")
        return self._attempt.overlay

    def get(self, path: bytes) -> bytes | None:
        return self._attempt.overlay.get(self._full(path))

    def put(self, path: bytes, value: bytes) -> None:
        self._writable().written[self._full(path)] = value

    def delete(self, path: bytes) -> None:
        self._writable().written[self._full(path)] = None

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        full = self._full(prefix)
        cut = len(self._ruleset.rid.encode()) + 1
        start = self._full(after) if after else b""
        found = self._attempt.overlay.scan(full, start, limit)
        space = full.index(b"/") + 1
        return [(path[:space] + path[space + cut :], value) for path, value in found]

    # -- effects

    def emit(self, effect: bytes) -> None:
        self._attempt.emitted += 1
        if self._attempt.emitted > EFFECTS_MAX:
            raise GuestTrap(f"more than {EFFECTS_MAX} effects")
        try:
            message = decode_plain(effect)
        except CodecError as problem:
            raise GuestTrap(f"an effect that is not a message: {problem}") from problem
        match message:
            case {"kind": "throw", "message": text}:
                raise Thrown(text if isinstance(text, str) else str(text))
            case {"kind": "log", "level": level, "message": text, "value": value}:
                self._log(level, text, value, message.get("rule"))
            case {"kind": "directive"}:
                self._directive(effect, message)
            case {"kind": "send", "eci": str()}:
                self._writable()
                self._attempt.effects.append(Effect("send", self.key[0], effect))
            case {"kind": str(kind), "args": list(args), "answer": answer} if (
                kind.startswith("ctx.") and kind[4:] in CHANGES
            ):
                self._change_channel(kind[4:], args, answer)
            case {"kind": "abandon"}:
                self._writable()
                self._attempt.abandon()
            case {"kind": "raise", "domain": str(domain), "name": str(name), "attrs": attrs}:
                self._raise(domain, name, attrs, message.get("for"))
            case _:
                raise GuestTrap(f"an effect of unknown kind {message.get('kind')!r}")

    def _log(self, level: Value, text: Value, value: Value, rule: Value) -> None:
        rid = self._ruleset.rid
        line = LogLine(rid, _text(rule), _text(level), _text(text), value)
        self._attempt.logs.append(line)

    def _directive(self, effect: bytes, message: dict[str, Value]) -> None:
        attempt = self._attempt
        self._writable()
        host_rid = self.key[0]  # a module's directive carries the rid of who uses it
        attempt.effects.append(Effect("directive", host_rid, effect))
        directive: dict[str, Value] = {"type": "directive"}
        directive |= {key: message[key] for key in ("name", "options") if key in message}
        rule = self.rule if self.rule is not None else message.get("rule")
        directive["meta"] = {"rid": host_rid, "rule_name": rule, "txnId": attempt.eid}
        attempt.directives.append(directive)

    def _raise(self, domain: str, name: str, attrs: Value, only: Value) -> None:
        attempt = self._attempt
        self._writable()
        if not isinstance(attrs, dict) or not (only is None or isinstance(only, str)):
            raise GuestTrap("a raised event's attributes are not a map")
        attempt.offer(Event(attempt.eci, domain, name, encode_value(attrs), attempt.eid, only))

    def _change_channel(self, name: str, args: list[Value], answer: Value) -> None:
        """What a ruleset does to a channel; `answer` holds the identifier that was reserved."""
        overlay = self._writable()
        found = overlay.scan(CHANNELS, b"", CHANNELS_MAX)
        channels = [item for _, data in found if isinstance(item := decode_value(data), dict)]
        if len(channels) >= CHANNELS_MAX:
            raise GuestTrap(f"more than {CHANNELS_MAX} channels")
        eci = answer.get("id") if isinstance(answer, dict) else None
        try:
            changed, record = CHANGES[name](args, channels, eci if isinstance(eci, str) else "")
        except ChannelError as problem:
            raise GuestTrap(f"{name}: {problem}") from problem
        value = None if record is None else encode_value(record)
        overlay.written[CHANNELS + changed.encode()] = value

    # -- questions and other rulesets

    def ask(self, question: bytes) -> bytes:
        attempt = self._attempt
        position = attempt.asked
        if position >= QUESTIONS_MAX:
            raise GuestTrap(f"more than {QUESTIONS_MAX} questions")
        if position >= len(attempt.given.tape):
            raise NeedsAnswer(position, self._ruleset.rid, question)
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
                return self._attempt.call_module(self, message)
            case _:
                raise GuestTrap("a request without kind, rid, name and args")


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
