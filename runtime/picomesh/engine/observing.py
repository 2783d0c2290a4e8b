"""Runs a recorded transition again and notes which events each ruleset was given.

Nothing of it is in the way of an engine's own transitions: the observer lies around a sandbox of
its own, and only while somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.engine.perform import perform
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.trace import Trace, TracingSandbox, plain_way
from picomesh.ledger.tree import Blocks
from picomesh.sandbox.interface import Guest, HostCalls, Machine, Meter, Program, Sandbox
from picomesh.transition.calls import Calls


@dataclass(frozen=True, slots=True)
class Entry:
    """One event that was given to one ruleset, and the host calls behind it."""

    rid: str
    message: bytes
    ran: bytes | None  # what `handle` returned; None when it did not
    first: int
    last: int
    fuel: int


class _Watching:
    """A sandbox that notes which events its guests are given."""

    def __init__(self, inner: TracingSandbox, trace: Trace, entries: list[Entry]) -> None:
        self._inner = inner
        self._trace = trace
        self._entries = entries
        self.backend = inner.backend
        self.version = inner.version

    def load(self, metered: bytes) -> Program:
        return self._inner.load(metered)

    def machine(self, meter: Meter) -> Machine:
        return _Machine(self._inner.machine(meter), meter, self._trace, self._entries)


class _Machine:
    def __init__(self, inner: Machine, meter: Meter, trace: Trace, entries: list[Entry]) -> None:
        self._inner = inner
        self._meter = meter
        self._trace = trace
        self._entries = entries

    def start(self, program: Program, calls: HostCalls) -> Guest:
        assert isinstance(calls, Calls), "a transition's guests have no other"
        return _Guest(self, self._inner.start(program, calls), calls.ruleset.rid)

    def close(self) -> None:
        self._inner.close()

    def handle(self, guest: Guest, rid: str, event: bytes) -> bytes:
        first, fuel = len(self._trace.calls), self._meter.fuel
        ran: bytes | None = None
        try:
            ran = guest.handle(event)
            return ran
        finally:
            spent = fuel - max(self._meter.fuel, 0)
            self._entries.append(Entry(rid, event, ran, first, len(self._trace.calls), spent))


class _Guest:
    def __init__(self, machine: _Machine, inner: Guest, rid: str) -> None:
        self._machine = machine
        self._inner = inner
        self._rid = rid
        self.describe = inner.describe
        self.query = inner.query

    def handle(self, event: bytes) -> bytes:
        return self._machine.handle(self._inner, self._rid, event)


@dataclass(frozen=True, slots=True)
class Observed:
    """A transition that was run again, its host calls, and what its guests were given."""

    performed: Performed
    trace: Trace
    entries: tuple[Entry, ...]


class Observer:
    """One WASM engine for looking at many recorded transitions."""

    def __init__(self, programs: Programs) -> None:
        self._sandbox: Sandbox = plain_way(programs.sandbox)
        self._gate = programs.gate

    def run(self, blocks: Blocks, work: Work) -> Observed:
        """Runs it. Raises what `perform` raises."""
        trace, entries = Trace(work.fuel_limit), list[Entry]()
        sandbox = _Watching(TracingSandbox(self._sandbox, trace), trace, entries)
        performed = perform(Programs(sandbox, self._gate), blocks, work)
        return Observed(performed, trace, tuple(entries))
