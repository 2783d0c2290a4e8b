"""What a transition needs from a WASM engine, and how a guest's run can end.

Blame decides the class: a `GuestStop` is the guest's own doing, the same on every engine, and
becomes an outcome in a receipt. An `EngineFault` is this machine's doing and never becomes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class EngineFault(Exception):
    """This engine could not carry on; the event stays queued and no receipt is written."""


class TimedOut(EngineFault):
    """The operator's kill switch: the guest took longer than this machine gives it."""


class NoMemory(EngineFault):
    """The system has no memory for an instance."""


class NativeStackEnded(EngineFault):
    """The native stack ended before the profile's own did, which a larger one would not."""


class CompilerFault(EngineFault):
    """The WASM engine's compiler did not compile a module that the gate admitted."""


class CompilerRefused(CompilerFault):
    """It says why; another release or backend may compile it."""


class CompilerCrashed(CompilerFault):
    """It ended, killed by the system or by itself."""


class CompilerTooSlow(CompilerFault):
    """It took longer than the operator gives it."""


class GuestStop(Exception):
    """The guest ended its transition; `outcome` is the class that the receipt records."""

    outcome = "trap"


class GuestTrap(GuestStop):
    """An instruction trapped, or the guest broke a rule of the boundary."""


class OutOfFuel(GuestStop):
    outcome = "out-of-fuel"


class OutOfStack(GuestStop):
    outcome = "out-of-stack"


class Thrown(GuestStop):
    """The ruleset threw; the text is for people and stays out of the receipt."""

    outcome = "throw"


@dataclass(slots=True)
class Meter:
    """What is left of a transition's budget; all its guests draw from this one."""

    fuel: int
    stack_words: int

    def charge(self, price: int) -> None:
        """Takes fuel before the work is done; stops the guest when there is not enough."""
        self.fuel -= price
        if self.fuel < 0:
            raise OutOfFuel("out of fuel in a host function")

    def check(self) -> None:
        """Stops a guest that has run and spent more than there was: it compares only here and
        there (docs/formats/pico-1.md §3), and out of fuel comes before every other end."""
        if self.fuel < 0:
            raise OutOfFuel("out of fuel")


class HostCalls(Protocol):
    """The imports of one guest, with bytes instead of addresses."""

    def get(self, path: bytes) -> bytes | None: ...
    def put(self, path: bytes, value: bytes) -> None: ...
    def delete(self, path: bytes) -> None: ...
    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]: ...
    def emit(self, effect: bytes) -> None: ...
    def ask(self, question: bytes) -> bytes: ...
    def call(self, request: bytes) -> bytes: ...


class Guest(Protocol):
    """One instance of a module, alive for one transition."""

    def describe(self) -> bytes: ...
    def handle(self, event: bytes) -> bytes: ...
    def query(self, request: bytes) -> bytes: ...


class Program(Protocol):
    """A metered module, compiled for one backend."""


class Machine(Protocol):
    """The instances of one transition; they share a meter and are gone when it is closed."""

    def start(self, program: Program, calls: HostCalls) -> Guest: ...
    def close(self) -> None: ...


class Sandbox(Protocol):
    """A WASM engine."""

    @property
    def backend(self) -> str: ...
    @property
    def version(self) -> str: ...
    def load(self, metered: bytes) -> Program: ...
    def machine(self, meter: Meter) -> Machine: ...
