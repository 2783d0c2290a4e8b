"""One transition: (state, event, tape) -> (writes, effects, fuel, outcome), atomic.

Pure but for the sandbox it is given: no clock, no file, no network. Every installed ruleset sees
the event in order, then every raised event, first in first out (docs/formats/receipt.md §4). What
a ruleset does is collected here and thrown away when the transition fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pico_abi.limits import CALL_DEPTH_MAX, EFFECTS_MAX, SCAN_BYTES_MAX
from picomesh.channels import CHANGES, CHANNELS, ChannelError
from picomesh.ledger.cid import digest_of
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import (
    Encoded,
    Value,
    decode_plain,
    decode_value,
    encode_plain,
    encode_value,
)
from picomesh.sandbox.interface import (
    Guest,
    GuestStop,
    GuestTrap,
    Machine,
    Meter,
    Program,
    Sandbox,
    Thrown,
)

DISPATCH_FUEL = 1_000  # for each event that is offered to a ruleset
CHANNELS_MAX = 1_000  # of one pico
START_FUEL = 10_000  # for each instance


class NeedsAnswer(Exception):
    """The guest asked what the tape does not answer; the engine answers and runs again."""

    def __init__(self, position: int, rid: str, question: bytes) -> None:
        super().__init__(f"question {position} of {rid} has no answer yet")
        self.position = position
        self.rid = rid
        self.question = question


class TapeDiverged(Exception):
    """The guest asked something else than what the tape records."""


class State(Protocol):
    """The state before the transition."""

    def get(self, path: bytes) -> bytes | None: ...
    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One installed ruleset, ready to run."""

    rid: str
    program: Program
    selects: frozenset[tuple[str, str]] | None  # None: every event
    config: dict[str, Value]
    url: str = ""
    provides: frozenset[str] = frozenset()
    computes_globals: bool = False  # by the query without a name


@dataclass(frozen=True, slots=True)
class Answer:
    """One entry of the tape."""

    question: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """What reaches a pico, or what a rule of it raised."""

    eci: str
    domain: str
    name: str
    attrs: bytes
    eid: str
    only: str | None = None  # the one ruleset that sees it
    fired: tuple[str, str] | None = None  # the ruleset and entry whose schedule sent it


@dataclass(frozen=True, slots=True)
class Query:
    """A question to one ruleset of a pico."""

    eci: str
    rid: str
    name: str
    args: bytes
    eid: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a run is given besides state and event; all of it is in the receipt."""

    pico: str
    host: str
    time_ms: int
    seed: bytes
    fuel_limit: int
    stack_words_limit: int
    tape: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What the engine is asked to do once the transition is durable."""

    kind: Literal["directive", "send"]
    rid: str
    data: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for people; outside the receipt's core, and kept when the transition fails."""

    rid: str
    rule: str
    level: str
    message: str
    value: Value


@dataclass(frozen=True, slots=True)
class Transition:
    """What a run came to. A failed one has no writes and no effects, but fuel and logs."""

    outcome: str
    fuel: int
    writes: tuple[tuple[bytes, bytes | None], ...] = ()
    effects: tuple[Effect, ...] = ()
    directives: tuple[dict[str, Value], ...] = ()
    logs: tuple[LogLine, ...] = ()
    tape: tuple[Answer, ...] = ()
    rules: tuple[tuple[str, str, bool], ...] = ()
    answer: bytes = b""
    message: str = ""


def run(
    sandbox: Sandbox, state: State, event: Event, rulesets: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Runs one event to its end. Raises NeedsAnswer, and EngineFault when this machine failed."""
    return _finish(_Attempt(sandbox, state, rulesets, given, may_write=True), event)


def ask(
    sandbox: Sandbox, state: State, query: Query, rulesets: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Runs one query, which can change nothing; its answer is in `Transition.answer`."""
    return _finish(_Attempt(sandbox, state, rulesets, given, may_write=False), query)


def describe(
    sandbox: Sandbox, ruleset: Ruleset, others: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Asks a module for its manifest, as an install does; the answer is in `answer`."""
    attempt = _Attempt(sandbox, _NoState(), [ruleset, *others], given, may_write=False)
    return _finish(attempt, None)


def _finish(attempt: _Attempt, work: Event | Query | None) -> Transition:
    outcome, message, answer = "ok", "", b""
    try:
        match work:
            case Event():
                attempt.react(work)
            case Query():
                answer = attempt.answer(work)
            case None:
                answer = attempt.describe()
    except GuestStop as stop:
        outcome, message = stop.outcome, str(stop)
    finally:
        attempt.machine.close()
    return attempt.result(outcome, message, answer)


class _NoState:
    def get(self, path: bytes) -> bytes | None:
        return None

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return []


@dataclass(slots=True)
class _Overlay:
    """The writes so far over the state before, so that a rule reads what it wrote."""

    state: State
    written: dict[bytes, bytes | None] = field(default_factory=dict)

    def get(self, path: bytes) -> bytes | None:
        return self.written[path] if path in self.written else self.state.get(path)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        # Every written path can hide one of the state's, so ask for that many more.
        found = dict(self.state.scan(prefix, after, limit + len(self.written)))
        for path, value in self.written.items():
            if path.startswith(prefix) and path > after:
                found.pop(path, None)
                if value is not None:
                    found[path] = value
        return _within_limits(sorted(found.items())[:limit])

    def changes(self) -> tuple[tuple[bytes, bytes | None], ...]:
        """What is different now, in order of the paths."""
        changed = (item for item in self.written.items() if self.state.get(item[0]) != item[1])
        return tuple(sorted(changed, key=lambda item: item[0]))


def _within_limits(entries: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What of a scan fits into SCAN_BYTES_MAX; the first entry always does."""
    size = 0
    for count, (path, value) in enumerate(entries):
        size += len(path) + len(value)
        if size > SCAN_BYTES_MAX and count:
            return entries[:count]
    return entries


class _Attempt:
    """One run of one event or query: its guests, its overlay, what it collected."""

    def __init__(
        self,
        sandbox: Sandbox,
        state: State,
        rulesets: Sequence[Ruleset],
        given: Circumstances,
        may_write: bool,
    ) -> None:
        self.rulesets = rulesets
        self.given = given
        self.may_write = may_write
        self.overlay = _Overlay(state)
        self.meter = Meter(given.fuel_limit, given.stack_words_limit)
        self.machine: Machine = sandbox.machine(self.meter)
        self.queue: deque[tuple[Ruleset, Event]] = deque()
        self.eci = ""
        self.effects: list[Effect] = []
        self.directives: list[dict[str, Value]] = []
        self.logs: list[LogLine] = []
        self.rules: list[tuple[str, str, bool]] = []
        self.asked = 0
        self.emitted = 0
        self.eid = ""
        self._guests: dict[tuple[str, ...], Guest] = {}
        self._calls: dict[tuple[str, ...], _Calls] = {}
        self._entered = 0

    def result(self, outcome: str, message: str, answer: bytes) -> Transition:
        fuel = self.given.fuel_limit - max(self.meter.fuel, 0)
        tape = tuple(self.given.tape[: self.asked])
        logs = tuple(self.logs)
        if outcome != "ok":
            return Transition(outcome, fuel, logs=logs, tape=tape, message=message)
        return Transition(
            outcome,
            fuel,
            self.overlay.changes(),
            tuple(self.effects),
            tuple(self.directives),
            logs,
            tape,
            tuple(self.rules),
            answer,
        )

    def react(self, event: Event) -> None:
        """Offers an event to every ruleset, then every raised event, first in first out."""
        self.eid = event.eid
        self.eci = event.eci
        if event.fired is not None:
            self._remove_fired(*event.fired)
        self.offer(event)
        while self.queue:
            ruleset, current = self.queue.popleft()
            self._handle(ruleset, current)

    def _remove_fired(self, rid: str, entry: str) -> None:
        """An entry of type `at` fires once; it leaves the schedule with what it causes."""
        path = b"ent/" + rid.encode() + b"/_schedule"
        data = self.overlay.get(path)
        entries = None if data is None else decode_value(data)
        if isinstance(entries, dict):
            found = entries.get(entry)
            if isinstance(found, dict) and found.get("type") == "at":
                del entries[entry]
                self.overlay.written[path] = encode_value(entries)

    def offer(self, event: Event) -> None:
        """Queues an event for every ruleset that selects it, in the order of installation."""
        self.queue.extend((ruleset, event) for ruleset in self.rulesets if _selects(ruleset, event))

    def abandon(self) -> None:
        """Drops all that is still queued, for every ruleset (`error error`)."""
        self.queue.clear()

    def _handle(self, ruleset: Ruleset, event: Event) -> None:
        self.meter.charge(DISPATCH_FUEL)
        guest = self.guest(ruleset, None)
        message = {
            **self._common(ruleset, event.eci),
            "attrs": Encoded(event.attrs),
            "domain": event.domain,
            "eid": event.eid,
            "name": event.name,
        }
        self._note_rules(ruleset.rid, guest.handle(encode_plain(message)))

    def _note_rules(self, rid: str, ran: bytes) -> None:
        try:
            rows = decode_value(ran)
        except CodecError as problem:
            raise GuestTrap(f"handle returned what is not a value: {problem}") from problem
        for row in rows if isinstance(rows, list) else [None]:
            match row:
                case [str(name), bool(fired)]:
                    self.rules.append((rid, name, fired))
                case _:
                    raise GuestTrap("handle returned what is not a list of [rule, fired]")

    def describe(self) -> bytes:
        """The manifest; and a KRL module computes its globals, which shows whether it can."""
        ruleset = self.rulesets[0]
        guest = self.guest(ruleset, None)
        manifest = guest.describe()
        if ruleset.computes_globals:
            message = {**self._common(ruleset, ""), "args": Encoded(b"\xa0"), "name": ""}
            guest.query(encode_plain(message))
        return manifest

    def answer(self, query: Query) -> bytes:
        self.eid, self.eci = query.eid, query.eci
        ruleset = self.ruleset(query.rid)
        if ruleset is None:
            raise Thrown(f"Pico doesn't have {query.rid} installed.")
        self.meter.charge(DISPATCH_FUEL)
        message = {
            **self._common(ruleset, query.eci),
            "args": Encoded(query.args),
            "name": query.name,
        }
        return self.guest(ruleset, None).query(encode_plain(message))

    def call_module(self, caller: _Calls, request: dict[str, Value]) -> bytes:
        """What one ruleset asks of another one of the same pico (docs/formats/module.md)."""
        if len(caller.key) >= CALL_DEPTH_MAX:
            raise GuestTrap(f"modules used more than {CALL_DEPTH_MAX} deep")
        rid, name = str(request["rid"]), str(request["name"])
        use = str(request.get("use", 0))
        ruleset = self.ruleset(rid)
        if ruleset is None:
            raise Thrown(f"Module not found: {rid}")
        if name not in ruleset.provides:
            raise Thrown(f"{rid} does not provide {name}")
        self.meter.charge(DISPATCH_FUEL)
        guest = self.guest(ruleset, caller, use)
        calls = self._calls[(*caller.key, f"{rid}#{use}")]
        calls.rule = caller.rule if caller.rule is not None else request.get("rule")
        message = self._common(ruleset, self.eci)
        del message["eci"]  # a module does not see who called
        message |= {
            "args": Encoded(encode_value(request["args"])),
            "config": Encoded(encode_value(request.get("config") or {})),
            "kind": str(request["kind"]),
            "name": name,
        }
        return guest.query(encode_plain(message))

    def ruleset(self, rid: str) -> Ruleset | None:
        return next((item for item in self.rulesets if item.rid == rid), None)

    def _common(self, ruleset: Ruleset, eci: str) -> dict[str, Value | Encoded]:
        """The fields every message to a guest has; each gets its own seed."""
        self._entered += 1
        return {
            "config": Encoded(encode_value(ruleset.config)),
            "eci": eci,
            "host": self.given.host,
            "pico": self.given.pico,
            "seed": digest_of(self.given.seed + self._entered.to_bytes(8, "big")),
            "time": self.given.time_ms,
            "txn": self.eid,
            "url": ruleset.url,
        }

    def guest(self, ruleset: Ruleset, caller: _Calls | None, use: str = "") -> Guest:
        """The instance of a ruleset; each use of it as a module has an instance of its own."""
        key = (ruleset.rid,) if caller is None else (*caller.key, f"{ruleset.rid}#{use}")
        if key not in self._guests:
            self.meter.charge(START_FUEL)
            self._calls[key] = _Calls(self, ruleset, key)
            self._guests[key] = self.machine.start(ruleset.program, self._calls[key])
        return self._guests[key]


def _selects(ruleset: Ruleset, event: Event) -> bool:
    if event.only is not None and event.only != ruleset.rid:
        return False
    return ruleset.selects is None or (event.domain, event.name) in ruleset.selects


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


class _Calls:
    """The host functions of one guest: its part of the state, and what it may do."""

    def __init__(self, attempt: _Attempt, ruleset: Ruleset, key: tuple[str, ...]) -> None:
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

    def _writable(self) -> _Overlay:
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
