"""What a transition does at the boundary, call by call, and where in its source it stands.

A trace lies around any sandbox and changes nothing that the guest or the receipt could see. It
remembers every host call with the fuel that was left, and can stop the run behind one of them: the
guest's next basic block then finds no fuel, on every engine at the same place (pico-1.md §3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from picomesh.ledger.cid import digest_of
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.boundary import SCAN, BoundaryGuest
from picomesh.sandbox.direct import DirectSandbox
from picomesh.sandbox.interface import (
    Guest,
    GuestStop,
    HostCalls,
    Machine,
    Meter,
    Program,
    Sandbox,
)
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.sandbox.noted import NotedCalls
from picomesh.sandbox.recording import Answer
from picomesh.transition.calls import Calls

_WITH_PATH = ("get", "put", "delete", "scan")


@dataclass(frozen=True, slots=True)
class Call:
    """One host call. `path` is the full path of the state, for those that name one."""

    rid: str
    function: str
    arguments: tuple[bytes | int, ...]
    answer: Answer
    fuel_left: int
    path: bytes | None = None
    run: int = 0  # 0 is the transition itself; others are those of children that it runs ahead

    def same_question(self, other: Call) -> bool:
        """Whether both ask or do the same, whatever is answered."""
        mine = (self.run, self.rid, self.function, self.arguments)
        return mine == (other.run, other.rid, other.function, other.arguments)


@dataclass(slots=True)
class Trace:
    """The host calls of one run. With `stop_behind`, it ends behind the call of that number; with
    `sees_memory`, `memory` is the hash of what all guests hold in the end."""

    fuel_limit: int
    stop_behind: int | None = None
    sees_memory: bool = False
    memory: bytes = b""
    calls: list[Call] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)  # the fuel that each run began with
    stopped: GuestStop | None = None
    stopped_in: str = ""

    def fuel_used(self, at: int) -> int:
        """The fuel that the transition had used when a call was made.

        What a child takes is taken from it when the child is done.
        """
        own = (call for call in reversed(self.calls[: at + 1]) if call.run == 0)
        last = next(own, None)
        return 0 if last is None else self.fuel_limit - last.fuel_left

    def own_fuel(self, call: Call) -> int:
        """The fuel that a call's own run had used."""
        return (self.limits[call.run] if call.run else self.fuel_limit) - call.fuel_left

    def written(self) -> dict[bytes, bytes | None]:
        """What the pico's guests wrote, path by path, up to where the run came."""
        found: dict[bytes, bytes | None] = {}
        for call in self.calls:
            if call.run == 0 and call.path is not None and call.function in ("put", "delete"):
                value = call.arguments[-1] if call.function == "put" else None
                found[call.path] = value if isinstance(value, bytes) else None
        return found


def plain_way(sandbox: Sandbox) -> Sandbox:
    """A sandbox of the same engine in which the meter can be read at any host call."""
    if isinstance(sandbox, DirectSandbox):
        return WasmtimeSandbox(BackendOptions(sandbox.backend, plain=True))
    return sandbox


class TracingSandbox:
    """A sandbox whose guests are watched."""

    def __init__(self, inner: Sandbox, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace

    @property
    def backend(self) -> str:
        return self._inner.backend

    @property
    def version(self) -> str:
        return self._inner.version

    def load(self, metered: bytes) -> Program:
        return self._inner.load(metered)

    def machine(self, meter: Meter) -> Machine:
        return _Machine(self._inner.machine(meter), meter, self._trace)


class _Machine:
    def __init__(self, inner: Machine, meter: Meter, trace: Trace) -> None:
        self._inner = inner
        self._meter = meter
        self._trace = trace
        self._guests: list[Guest] = []
        self._run = len(trace.limits)
        trace.limits.append(meter.fuel)

    def start(self, program: Program, calls: HostCalls) -> Guest:
        assert isinstance(calls, Calls), "a transition's guests have no other"
        notes = _Notes(calls.ruleset.rid, self._meter, self._trace, self._run)
        guest = self._inner.start(program, NotedCalls(calls, self._meter, notes.note))
        self._guests.append(guest)
        return _Guest(guest, calls.ruleset.rid, self._trace)

    def close(self) -> None:
        if self._trace.sees_memory:
            held = [item for item in self._guests if isinstance(item, BoundaryGuest)]
            parts = [digest_of(item.memory_read(0, item.memory_size())) for item in held]
            self._trace.memory = digest_of(b"".join(parts))
        self._inner.close()


class _Guest:
    """Remembers how the innermost guest ended; what is around it ends with it."""

    def __init__(self, inner: Guest, rid: str, trace: Trace) -> None:
        self._inner = inner
        self._rid = rid
        self._trace = trace

    def describe(self) -> bytes:
        try:
            return self._inner.describe()
        except GuestStop as stop:
            self._note(stop)
            raise

    def handle(self, event: bytes) -> bytes:
        try:
            return self._inner.handle(event)
        except GuestStop as stop:
            self._note(stop)
            raise

    def query(self, request: bytes) -> bytes:
        try:
            return self._inner.query(request)
        except GuestStop as stop:
            self._note(stop)
            raise

    def _note(self, stop: GuestStop) -> None:
        if self._trace.stopped is None:
            self._trace.stopped, self._trace.stopped_in = stop, self._rid


class _Notes:
    """Adds the calls of a ruleset's guest to the trace, and stops the run where it says."""

    def __init__(self, rid: str, meter: Meter, trace: Trace, run: int) -> None:
        self._rid = rid
        self._meter = meter
        self._trace = trace
        self._run = run

    def note(
        self, function: str, arguments: tuple[bytes | int, ...], answer: Answer, fuel_left: int
    ) -> None:
        path = self._full(arguments[0]) if function in _WITH_PATH else None
        call = Call(self._rid, function, arguments, answer, fuel_left, path, self._run)
        self._trace.calls.append(call)
        if self._trace.stop_behind == len(self._trace.calls) - 1:
            self._meter.fuel = _answer_price(answer)

    def _full(self, path: bytes | int) -> bytes:
        assert isinstance(path, bytes), "a path comes first"
        space, _, rest = path.partition(b"/")
        return space + b"/" + self._rid.encode() + b"/" + rest


def _answer_price(answer: Answer) -> int:
    """What the host takes for an answer before the guest goes on; then there is no fuel left."""
    match answer:
        case None:
            return 0
        case bytes():
            return len(answer)
        case _:
            size = sum(len(path) + len(value) for path, value in answer)
            return size + len(answer) * SCAN.result_entry_price
