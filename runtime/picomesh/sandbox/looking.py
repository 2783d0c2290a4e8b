"""A sandbox for looking into a run: it stops anywhere, and shows what every guest held there.

Guests run the form of their modules that compares the fuel in front of every basic block and
exports every global (docs/formats/pico-1.md §10). So a transition with a fuel limit of k stops at
one place, and memory, globals and host calls of that place are the same on every backend. What a
run pays and does up to there is what the metered form pays and does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pico_abi
from pico_abi.check import bare_module
from pico_abi.wasm.encode import encode_module
from picomesh.ledger.cid import digest_of
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.guest import WasmtimeGuest
from picomesh.sandbox.interface import EngineFault, Guest, HostCalls, Machine, Meter, Program
from picomesh.sandbox.machine import WasmtimeMachine, WasmtimeSandbox
from picomesh.sandbox.noted import NotedCalls
from picomesh.sandbox.recording import Answer


@dataclass(frozen=True, slots=True)
class SeenCall:
    """One host call, and the fuel that was left when it reached the host."""

    function: str
    arguments: tuple[bytes | int, ...]
    answer: Answer
    fuel_left: int


@dataclass(slots=True)
class SeenGuest:
    """What one guest held when the run ended. Floats in globals are bit patterns."""

    memory: bytes = b""
    globals: tuple[int, ...] = ()
    calls: list[SeenCall] = field(default_factory=list)

    def note(
        self, function: str, arguments: tuple[bytes | int, ...], answer: Answer, fuel_left: int
    ) -> None:
        self.calls.append(SeenCall(function, arguments, answer, fuel_left))

    def digest(self) -> bytes:
        """One hash of all that is seen here."""
        calls = repr(self.calls).encode()
        parts = digest_of(self.memory), repr(self.globals).encode(), digest_of(calls)
        return digest_of(b"".join(parts))


def looking_form(metered: bytes) -> bytes:
    """From the metered form of a module; the ruleset's own bytes are not needed for it."""
    return pico_abi.meter(encode_module(bare_module(metered)), every_block=True)


class LookingSandbox:
    """Like the plain sandbox; `seen` holds the guests of the machine that was closed last."""

    def __init__(self, options: BackendOptions | None = None) -> None:
        self._inner = WasmtimeSandbox(options)
        self.seen: list[SeenGuest] = []

    @property
    def backend(self) -> str:
        return self._inner.backend

    @property
    def version(self) -> str:
        return self._inner.version

    def load(self, metered: bytes) -> Program:
        return self._inner.load(looking_form(metered))

    def machine(self, meter: Meter) -> Machine:
        return _Machine(self._inner.machine(meter), meter, self._see)

    def _see(self, guests: list[SeenGuest]) -> None:
        self.seen = guests


class _Machine:
    """Looks at its guests before they are gone."""

    def __init__(
        self, inner: WasmtimeMachine, meter: Meter, see: Callable[[list[SeenGuest]], None]
    ) -> None:
        self._inner = inner
        self._meter = meter
        self._see = see
        self._guests: list[tuple[WasmtimeGuest, SeenGuest]] = []

    def start(self, program: Program, calls: HostCalls) -> Guest:
        seen = SeenGuest()
        guest = self._inner.start(program, NotedCalls(calls, self._meter, seen.note))
        if not isinstance(guest, WasmtimeGuest):
            raise EngineFault("a guest that cannot be looked into")
        self._guests.append((guest, seen))
        return guest

    def close(self) -> None:
        for guest, seen in self._guests:
            seen.memory = guest.memory_read(0, guest.memory_size())
            seen.globals = guest.own_globals()
        self._see([seen for _, seen in self._guests])
        self._inner.close()
