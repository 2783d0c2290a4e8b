"""One instance by wasmtime's plain Python API: what `direct_guest` is compared with.

What the boundary means is in `boundary`; here is how memory is reached, how the guest is entered
and how that ends.
"""

from __future__ import annotations

import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import wasmtime

from pico_abi import contract
from picomesh.sandbox.boundary import ACTIONS, Action, BoundaryGuest
from picomesh.sandbox.interface import (
    EngineFault,
    GuestTrap,
    HostCalls,
    Meter,
    NativeStackEnded,
    NoMemory,
    OutOfFuel,
    OutOfStack,
    TimedOut,
)

_FAULTS: dict[wasmtime.TrapCode | None, type[EngineFault]] = {
    wasmtime.TrapCode.STACK_OVERFLOW: NativeStackEnded,  # its depth differs between backends
    wasmtime.TrapCode.INTERRUPT: TimedOut,  # the operator's kill switch
    wasmtime.TrapCode.OUT_OF_FUEL: EngineFault,  # native fuel, which is off
    None: EngineFault,
}


def raise_stop(problem: BaseException, meter: Meter) -> NoReturn:
    """Ends the run by the class of a trap, once the meter says what is left."""
    if not isinstance(problem, Exception):  # an operator's interrupt
        raise problem
    if not isinstance(problem, wasmtime.Trap):
        raise EngineFault(str(problem)) from problem
    if meter.fuel < 0:
        raise OutOfFuel("out of fuel") from problem
    if meter.stack_words < 0:
        raise OutOfStack("out of stack") from problem
    code = problem.trap_code
    if code is None or code in _FAULTS:
        raise _FAULTS[code](str(problem)) from problem
    raise GuestTrap(code.name.lower().replace("_", " ")) from problem


def instance_fault(problem: BaseException) -> EngineFault:
    """An instance that could not be made, by what it lacked."""
    text = f"an instance could not be made: {problem}"
    lacks_memory = any(word in text.lower() for word in _NO_MEMORY)
    return NoMemory(text) if lacks_memory else EngineFault(text)


# How wasmtime and the systems below it say so.
_NO_MEMORY = ("cannot allocate memory", "out of memory", "failed to allocate", "os error 12")


_TRAPS = {  # how the processor says that WASM trapped; a blocked one ends the process
    getattr(signal, name, signal.SIGINT) for name in ("SIGILL", "SIGSEGV", "SIGFPE", "SIGBUS")
} - {signal.SIGINT}


@contextmanager
def _signals_waiting() -> Iterator[None]:
    """Signals come when the guest has returned.

    Python would raise what a handler raises in front of the first line of a host function, where
    nothing can catch it, and ctypes would return garbage as the address of a trap.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None or threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread, and Windows has no masks
        return
    before = mask(signal.SIG_BLOCK, signal.valid_signals() - _TRAPS)
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


class WasmtimeGuest(BoundaryGuest):
    """An instance, its memory and its meter, which is in its globals while the guest runs."""

    __slots__ = ("_exports", "_fuel", "_memory", "_stack", "_store")

    def __init__(
        self,
        store: wasmtime.Store,
        module: wasmtime.Module,
        calls: HostCalls,
        meter: Meter,
    ) -> None:
        super().__init__(calls, meter)
        self._store = store
        try:
            instance = wasmtime.Instance(store, module, self._imports(module))
        except wasmtime.WasmtimeError as problem:
            raise instance_fault(problem) from problem
        except wasmtime.Trap as trap:  # a data segment does not fit
            raise GuestTrap(str(trap)) from trap
        self._exports = instance.exports(store)
        self._memory = self._export(contract.MEMORY_EXPORT, wasmtime.Memory)
        self._fuel = self._export(contract.FUEL_EXPORT, wasmtime.Global)
        self._stack = self._export(contract.STACK_EXPORT, wasmtime.Global)

    def _export(self, name: str, kind: type[Any]) -> Any:
        export = self._exports[name]
        if not isinstance(export, kind):
            raise EngineFault(f"the module's export {name!r} is not a {kind.__name__}")
        return export

    # -- entering the guest

    def enter(self, name: str, *arguments: int) -> int:
        function = self._export(name, wasmtime.Func)
        self._give_meter()
        try:
            with _signals_waiting():
                result = function(self._store, *map(_signed, arguments))
        except BaseException as problem:
            self._take_meter()
            self._stop(problem)
        self._take_meter()
        if self.raised is not None:
            raise EngineFault("an exception in a host function was lost") from self.raised
        self.meter.check()
        return int(result) & 0xFFFFFFFF

    def _stop(self, problem: BaseException) -> NoReturn:
        """Ends the run: by what a host function raised, or by the class of the trap."""
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised
        raise_stop(problem, self.meter)

    def _give_meter(self) -> None:
        self._fuel.set_value(self._store, self.meter.fuel)
        self._stack.set_value(self._store, self.meter.stack_words)

    def _take_meter(self) -> None:
        self.meter.fuel = self._fuel.value(self._store)
        self.meter.stack_words = self._stack.value(self._store)

    # -- memory

    def memory_size(self) -> int:
        return int(self._memory.data_len(self._store))

    def memory_read(self, address: int, end: int) -> bytes:
        return bytes(self._memory.read(self._store, address, end))

    def memory_write(self, address: int, data: bytes) -> None:
        self._memory.write(self._store, data, address)

    def own_globals(self) -> tuple[int, ...]:
        """What the ruleset's globals hold, as bit patterns, where the module shows them."""
        found: list[int] = []
        while (name := contract.GLOBAL_EXPORT.format(len(found))) in self._exports:
            found.append(_bits(self._export(name, wasmtime.Global).value(self._store)))
        return tuple(found)

    # -- imports

    def _imports(self, module: wasmtime.Module) -> Sequence[wasmtime.Func]:
        functions: list[wasmtime.Func] = []
        for item in module.imports:
            action = ACTIONS.get((item.module, item.name or ""))
            if action is None or not isinstance(item.type, wasmtime.FuncType):
                raise EngineFault(f"unknown import {item.module} {item.name}")
            functions.append(wasmtime.Func(self._store, item.type, self._guarded(action)))
        return functions

    def _guarded(self, action: Action) -> Callable[..., None]:
        """Around every host function: the meter out and in, and no exception lost.

        wasmtime-py keeps a callback's exception in one global of the process; another thread may
        overwrite it, so this guest keeps its own.
        """

        def function(*arguments: int) -> None:
            try:
                self._take_meter()
                if self.allocating:
                    raise GuestTrap("an import was called inside cabi_realloc")
                action(self, *(argument & 0xFFFFFFFF for argument in arguments))
                self._give_meter()
            except BaseException as problem:
                self.raised = problem
                self._fuel.set_value(self._store, self.meter.fuel)
                raise

        return function


def _signed(address: int) -> int:
    """wasmtime-py wants an i32 parameter as a signed number."""
    return address - (1 << 32) if address >= 1 << 31 else address


def _bits(value: int | float) -> int:
    """A float as its bits, so that NaNs compare; an f32 as the double of the same number."""
    if isinstance(value, float):
        return int.from_bytes(struct.pack("<d", value), "little")
    return value
