"""One run of one event or query: its guests, its writes, what it collected.

A run is thrown away when it fails, and also when it must be done again with an answer more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pico_abi.limits import CALL_DEPTH_MAX
from picomesh.ledger.cid import digest_of
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import (
    Encoded,
    Value,
    decode_value,
    encode_plain,
    encode_value,
)
from picomesh.sandbox.interface import (
    Guest,
    GuestTrap,
    Machine,
    Meter,
    Sandbox,
    Thrown,
)
from picomesh.transition.calls import Calls
from picomesh.transition.model import (
    Circumstances,
    Effect,
    Event,
    LogLine,
    Query,
    Ruleset,
    State,
    Transition,
)
from picomesh.transition.overlay import Overlay

DISPATCH_FUEL = 1_000  # for each event that is offered to a ruleset
START_FUEL = 10_000  # for each instance


class Attempt:
    """One run of one event or query: its guests, its overlay, what it collected."""

    def __init__(
        self,
        sandbox: Sandbox,
        state: State,
        rulesets: Sequence[Ruleset],
        given: Circumstances,
        may_write: bool,
    ) -> None:
        self.rulesets = list(rulesets)
        self.removed: set[str] = set()
        self.given = given
        self.may_write = may_write
        self.overlay = Overlay(state)
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
        self._calls: dict[tuple[str, ...], Calls] = {}
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
        try:
            entries = None if data is None else decode_value(data)
        except CodecError:  # a module that is not KRL's may store anything there
            return
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

    def replace(self, ruleset: Ruleset) -> None:
        """A ruleset is installed, or takes the place of its older version, from now on."""
        places = [at for at, item in enumerate(self.rulesets) if item.rid == ruleset.rid]
        for at in places:
            self.rulesets[at] = ruleset
        if not places:
            self.rulesets.append(ruleset)
        self.removed.discard(ruleset.rid)
        self._guests.pop((ruleset.rid,), None)

    def remove(self, rid: str) -> None:
        """A ruleset sees nothing more, and what it still writes is dropped."""
        self.rulesets = [item for item in self.rulesets if item.rid != rid]
        self.removed.add(rid)
        self._guests.pop((rid,), None)

    def _handle(self, queued: Ruleset, event: Event) -> None:
        ruleset = self.ruleset(queued.rid)
        if ruleset is None:
            return
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
        return self.check(self.rulesets[0])

    def check(self, ruleset: Ruleset) -> bytes:
        """The manifest that a module tells of itself, after its globals could be computed."""
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

    def call_module(self, caller: Calls, request: dict[str, Value]) -> bytes:
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

    def guest(self, ruleset: Ruleset, caller: Calls | None, use: str = "") -> Guest:
        """The instance of a ruleset; each use of it as a module has an instance of its own."""
        key = (ruleset.rid,) if caller is None else (*caller.key, f"{ruleset.rid}#{use}")
        if key not in self._guests:
            self.meter.charge(START_FUEL)
            self._calls[key] = Calls(self, ruleset, key)
            self._guests[key] = self.machine.start(ruleset.program, self._calls[key])
        return self._guests[key]


def _selects(ruleset: Ruleset, event: Event) -> bool:
    if event.only is not None and event.only != ruleset.rid:
        return False
    return ruleset.selects is None or (event.domain, event.name) in ruleset.selects
