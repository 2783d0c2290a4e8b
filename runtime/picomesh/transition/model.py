"""What goes into a transition and what comes out, and the two ways in which it is no result.

Records that are made with every event are not frozen: to freeze one takes three times as long as
to make it. Nobody changes them all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from picomesh.ledger.value import Value, decode_plain, encode_value
from picomesh.sandbox.interface import Program

if TYPE_CHECKING:
    from picomesh.transition.calls import Calls

EffectKind: TypeAlias = Literal["directive", "send", "request", "spawn", "remove", "flush"]


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
    config_bytes: bytes = field(init=False)
    spaces: dict[bytes, bytes] = field(init=False)  # guest's space -> its part of the state

    def __post_init__(self) -> None:
        rid = self.rid.encode() + b"/"
        object.__setattr__(self, "config_bytes", encode_value(self.config))
        object.__setattr__(self, "spaces", {b"ent/": b"ent/" + rid, b"select/": b"select/" + rid})

    def does_select(self, domain: str, name: str) -> bool:
        return self.selects is None or (domain, name) in self.selects


class Installed(tuple[Ruleset, ...]):
    """The rulesets of a pico in order; which of them select an event is remembered."""

    KNOWN_MAX = 1_000

    def __init__(self, _: Iterable[Ruleset] = ()) -> None:
        self._selecting: dict[tuple[str, str], tuple[Ruleset, ...]] = {}

    def selecting(self, domain: str, name: str) -> tuple[Ruleset, ...]:
        """Those that see an event."""
        found = self._selecting.get((domain, name))
        if found is None:
            if len(self._selecting) >= self.KNOWN_MAX:
                self._selecting.clear()
            found = tuple(item for item in self if item.does_select(domain, name))
            self._selecting[domain, name] = found
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """One entry of the tape."""

    question: bytes
    answer: bytes


@dataclass(slots=True)
class Event:
    """What reaches a pico, or what a rule of it raised."""

    eci: str
    domain: str
    name: str
    attrs: bytes
    eid: str
    only: str | None = None  # the one ruleset that sees it
    fired: tuple[str, str] | None = None  # the ruleset and entry whose schedule sent it


@dataclass(slots=True)
class Query:
    """A question to one ruleset of a pico."""

    eci: str
    rid: str
    name: str
    args: bytes
    eid: str


class Acts(Protocol):
    """What a ruleset asks of and does to its own pico: a function of state and seed alone."""

    def answer(self, calls: Calls, question: bytes) -> bytes | None: ...
    def act(self, calls: Calls, name: str, args: list[Value]) -> None: ...


@dataclass(slots=True)
class Circumstances:
    """What a run is given besides state and event; all of it is in the receipt."""

    pico: str
    host: str
    time_ms: int
    seed: bytes
    fuel_limit: int
    stack_words_limit: int
    tape: Sequence[Answer] = ()
    acts: Acts | None = None


class Effect:
    """What the engine is asked to do once the transition is durable.

    A directive is for whoever waits for the event, as it was emitted; `rule` is that of the user
    of the module that it comes from, or else the effect names one.
    """

    __slots__ = ("data", "eid", "kind", "rid", "rule")

    def __init__(
        self, kind: EffectKind, rid: str, data: bytes, rule: Value = None, eid: str = ""
    ) -> None:
        self.kind = kind
        self.rid = rid
        self.data = data
        self.rule = rule
        self.eid = eid

    def shown(self) -> dict[str, Value]:
        """A directive as the reference shows it."""
        message = decode_plain(self.data)
        shown: dict[str, Value] = {"type": "directive"}
        shown |= {key: message[key] for key in ("name", "options") if key in message}
        rule = self.rule if self.rule is not None else message.get("rule")
        shown["meta"] = {"rid": self.rid, "rule_name": rule, "txnId": self.eid}
        return shown


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for people; outside the receipt's core, and kept when the transition fails."""

    rid: str
    rule: str
    level: str
    message: str
    value: Value


@dataclass(slots=True)
class Transition:
    """What a run came to. A failed one has no writes and no effects, but fuel and logs."""

    outcome: str
    fuel: int
    writes: tuple[tuple[bytes, bytes | None], ...] = ()
    effects: tuple[Effect, ...] = ()
    logs: tuple[LogLine, ...] = ()
    tape: tuple[Answer, ...] = ()
    rules: tuple[tuple[str, str, bool], ...] = ()
    answer: bytes = b""
    message: str = ""

    @property
    def directives(self) -> tuple[dict[str, Value], ...]:
        return tuple([item.shown() for item in self.effects if item.kind == "directive"])
