"""One run of one event or query: its guests, its writes, what it collected.

A run is thrown away when it fails, and also when it must be done again with an answer more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from pico_abi.limits import CALL_DEPTH_MAX
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_value, encode_value
from picomesh.sandbox.interface import (
    Guest,
    GuestTrap,
    Machine,
    Meter,
    Sandbox,
    Thrown,
)
from picomesh.transition.calls import Calls
from picomesh.transition.messages import (
    entry_seed,
    event_message,
    query_message,
    question_message,
)
from picomesh.transition.model import (
    Circumstances,
    Effect,
    Event,
    Installed,
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

    __slots__ = (
        "_calls",
        "_entered",
        "_guests",
        "asked",
        "eci",
        "effects",
        "eid",
        "emitted",
        "given",
        "is_changed",
        "logs",
        "machine",
        "may_write",
        "meter",
        "overlay",
        "queue",
        "removed",
        "rules",
        "rulesets",
    )

    def __init__(
        self,
        sandbox: Sandbox,
        state: State,
        rulesets: Sequence[Ruleset],
        given: Circumstances,
        may_write: bool,
    ) -> None:
        self.rulesets = rulesets if isinstance(rulesets, Installed) else Installed(rulesets)
        self.is_changed = False
        self.removed: set[str] = set()
        self.given = given
        self.may_write = may_write
        self.overlay = Overlay(state, {})
        self.meter = Meter(given.fuel_limit, given.stack_words_limit)
        self.machine: Machine = sandbox.machine(self.meter)
        self.queue: deque[tuple[Ruleset, Event]] = deque()
        self.eci = ""
        self.effects: list[Effect] = []
        self.logs: list[LogLine] = []
        self.rules: list[tuple[str, str, bool]] = []
        self.asked = 0
        self.emitted = 0
        self.eid = ""
        self._guests: dict[tuple[str, ...], Guest] = {}
        self._calls: dict[tuple[str, ...], Calls] = {}
        self._entered = 0

    def close(self) -> None:
        """Frees what guests hold, and lets go of them: they know this run, and it knows them."""
        self.machine.close()
        self._guests.clear()
        self._calls.clear()

    def result(self, outcome: str, message: str, answer: bytes) -> Transition:
        left = self.meter.fuel
        fuel = self.given.fuel_limit - (left if left > 0 else 0)
        tape = tuple(self.given.tape[: self.asked]) if self.asked else ()
        logs = tuple(self.logs) if self.logs else ()
        if outcome != "ok":
            return Transition(outcome, fuel, logs=logs, tape=tape, message=message)
        return Transition(
            outcome,
            fuel,
            self.overlay.changes(),
            tuple(self.effects),
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
        queue = self.queue
        while queue:
            ruleset, current = queue.popleft()
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
        for ruleset in self.rulesets.selecting(event.domain, event.name):
            if event.only is None or event.only == ruleset.rid:
                self.queue.append((ruleset, event))

    def abandon(self) -> None:
        """Drops all that is still queued, for every ruleset (`error error`)."""
        self.queue.clear()

    def replace(self, ruleset: Ruleset) -> None:
        """A ruleset is installed, or takes the place of its older version, from now on."""
        now = [ruleset if item.rid == ruleset.rid else item for item in self.rulesets]
        if not any(item is ruleset for item in now):
            now.append(ruleset)
        self.rulesets = Installed(now)
        self.is_changed = True
        self.removed.discard(ruleset.rid)
        self._guests.pop((ruleset.rid,), None)

    def remove(self, rid: str) -> None:
        """A ruleset sees nothing more, and what it still writes is dropped."""
        self.rulesets = Installed(item for item in self.rulesets if item.rid != rid)
        self.is_changed = True
        self.removed.add(rid)
        self._guests.pop((rid,), None)

    def _handle(self, queued: Ruleset, event: Event) -> None:
        ruleset = self.ruleset(queued.rid) if self.is_changed else queued
        if ruleset is None:  # it is gone by now, or else another version
            return
        self.meter.charge(DISPATCH_FUEL)
        rid = ruleset.rid
        guest = self.guest(ruleset, None)
        given = self.given
        message = event_message(event, self.eid, ruleset, given, self._next_seed())
        for name, fired in rules_of(guest.handle(message)):
            self.rules.append((rid, name, fired))

    def describe(self) -> bytes:
        """The manifest; and a KRL module computes its globals, which shows whether it can."""
        return self.check(self.rulesets[0])

    def check(self, ruleset: Ruleset) -> bytes:
        """The manifest that a module tells of itself, after its globals could be computed."""
        guest = self.guest(ruleset, None)
        manifest = guest.describe()
        if ruleset.computes_globals:
            guest.query(self._query_message(ruleset, "", "", b"\xa0"))
        return manifest

    def answer(self, query: Query) -> bytes:
        self.eid, self.eci = query.eid, query.eci
        ruleset = self.ruleset(query.rid)
        if ruleset is None:
            raise Thrown(f"Pico doesn't have {query.rid} installed.")
        self.meter.charge(DISPATCH_FUEL)
        message = self._query_message(ruleset, query.eci, query.name, query.args)
        return self.guest(ruleset, None).query(message)

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
        message = query_message(
            eci=None,
            txn=self.eid,
            url=ruleset.url,
            host=self.given.host,
            kind=str(request["kind"]),
            name=name,
            pico=self.given.pico,
            seed=self._next_seed(),
            time_ms=self.given.time_ms,
            args=encode_value(request["args"]),
            config=encode_value(request.get("config") or {}),
        )
        return guest.query(message)

    def ruleset(self, rid: str) -> Ruleset | None:
        return next((item for item in self.rulesets if item.rid == rid), None)

    def _query_message(self, ruleset: Ruleset, eci: str, name: str, args: bytes) -> bytes:
        query = Query(eci, ruleset.rid, name, args, self.eid)
        return question_message(query, ruleset, self.given, self._next_seed())

    def _next_seed(self) -> bytes:
        """Each entry into a guest gets a seed of its own."""
        self._entered += 1
        return entry_seed(self.given.seed, self._entered)

    def guest(self, ruleset: Ruleset, caller: Calls | None, use: str = "") -> Guest:
        """The instance of a ruleset; each use of it as a module has an instance of its own."""
        key = (ruleset.rid,) if caller is None else (*caller.key, f"{ruleset.rid}#{use}")
        guest = self._guests.get(key)
        if guest is None:
            self.meter.charge(START_FUEL)
            calls = self._calls[key] = Calls(self, ruleset, key)
            guest = self._guests[key] = self.machine.start(ruleset.program, calls)
        return guest


@lru_cache(maxsize=4096)  # a ruleset gives the same few answers again and again
def rules_of(ran: bytes) -> tuple[tuple[str, bool], ...]:
    """The rules that `handle` says have run, and whether they fired."""
    try:
        rows = decode_value(ran)
    except CodecError as problem:
        raise GuestTrap(f"handle returned what is not a value: {problem}") from problem
    rules: list[tuple[str, bool]] = []
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [str(name), bool(fired)]:
                rules.append((name, fired))
            case _:
                raise GuestTrap("handle returned what is not a list of [rule, fired]")
    return tuple(rules)
