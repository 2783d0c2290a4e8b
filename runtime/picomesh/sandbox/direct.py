"""The sandbox by direct calls: pooled memory, instances prepared ahead, one store a transition.

`machine` does the same with wasmtime's plain Python API. `open_sandbox` gives the direct one
where this wasmtime is the one it was written for, and the plain one everywhere else.
"""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

import wasmtime

from pico_abi import contract
from picomesh.kernel.library import find_library as find_kernel
from picomesh.sandbox.backends import WASMTIME_VERSION, BackendOptions, create_engine
from picomesh.sandbox.cache import ModuleCache
from picomesh.sandbox.direct_guest import DirectGuest
from picomesh.sandbox.guest import instance_fault
from picomesh.sandbox.interface import (
    EngineFault,
    Guest,
    GuestTrap,
    HostCalls,
    Meter,
    Program,
    Sandbox,
)
from picomesh.sandbox.killing import DEADLINE, Clock
from picomesh.sandbox.lane import Lane
from picomesh.sandbox.loop import Loop
from picomesh.sandbox.machine import INSTANCES_MAX, WasmtimeSandbox
from picomesh.sandbox.native import Library, Unavailable, address_of, take_problem

_I32, _I64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
_COUNTERS = {contract.FUEL_EXPORT: _I64, contract.STACK_EXPORT: _I32}


class DirectProgram:
    """A compiled module, and for each lane an instance of it that only needs its memory."""

    def __init__(self, module: wasmtime.Module) -> None:
        _check_exports(module)
        self.module = module
        self.prepared: dict[Lane | Loop, tuple[int, wasmtime.InstancePre]] = {}

    def prepare(self, lane: Lane | Loop) -> int:
        """The address of the prepared instance."""
        known = self.prepared.get(lane)
        if known is None:
            try:
                prepared = lane.linker.instantiate_pre(self.module)
            except wasmtime.WasmtimeError as problem:
                raise instance_fault(problem) from problem
            known = self.prepared[lane] = (address_of(prepared.ptr()), prepared)
        return known[0]


def _check_exports(module: wasmtime.Module) -> None:
    """The handles of an instance are not looked at again, so the module's types are, once."""
    kinds = {item.name: item.type for item in module.exports}
    if not isinstance(kinds.get(contract.MEMORY_EXPORT), wasmtime.MemoryType):
        raise EngineFault("the module's export 'memory' is not a memory")
    for name, content in _COUNTERS.items():
        kind = kinds.get(name)
        counter = isinstance(kind, wasmtime.GlobalType) and kind.mutable and kind.content == content
        if not counter:
            raise EngineFault(f"the module's export {name!r} is not its counter")
    for required in contract.REQUIRED_EXPORTS:
        kind = kinds.get(required.name)
        if not (
            isinstance(kind, wasmtime.FuncType)
            and kind.params == [_I32] * len(required.type.params)
            and kind.results == [_I32] * len(required.type.results)
        ):
            raise EngineFault(f"the module's export {required.name!r} has another type")


class DirectSandbox:
    """One wasmtime engine, modules compiled for it, and lanes for the machines that are open."""

    def __init__(
        self, library: Library, options: BackendOptions, cache: Path | None = None
    ) -> None:
        self._library = library
        self._options = options
        self.engine = _pooled_engine(options)
        self._engine_at = address_of(self.engine.ptr())
        self._cache = ModuleCache(self.engine, options, cache, "-pooled")
        self._free: list[Lane] = []
        kill_after_ms = options.kill_after_ms
        self._clock = None if kill_after_ms is None else Clock(self.engine, kill_after_ms)

    @property
    def backend(self) -> str:
        return self._options.backend

    @property
    def version(self) -> str:
        return WASMTIME_VERSION

    def load(self, metered: bytes) -> Program:
        """Compiles, or takes what was compiled before. Raises EngineFault when it cannot."""
        return DirectProgram(self._cache.load(metered))

    def machine(self, meter: Meter) -> DirectMachine:
        try:
            lane = self._free.pop()
        except IndexError:
            lane = Lane(self.engine, self._library)
        return DirectMachine(self, lane, self._engine_at, meter, self._clock)

    def loop(self, dispatch_fuel: int, start_fuel: int) -> Loop | None:
        """The kernel over this engine, which is told the fuel that an event and an instance cost.

        None where there is none for this system.
        """
        kernel = find_kernel()
        if kernel is None:
            return None
        prices = dispatch_fuel, start_fuel
        return Loop(kernel, self._library, self.engine, prices, self._clock)

    def give_back(self, lane: Lane) -> None:
        self._free.append(lane)


class DirectMachine:
    """One store: the guests of one transition, with a common budget and native stack."""

    __slots__ = ("_context", "_guests", "_lane", "_meter", "_sandbox", "_store")

    def __init__(
        self,
        sandbox: DirectSandbox,
        lane: Lane,
        engine_at: int,
        meter: Meter,
        clock: Clock | None,
    ) -> None:
        self._sandbox = sandbox
        self._lane = lane
        self._meter = meter
        self._guests: list[DirectGuest] = []
        library = lane.library
        self._store: int | None = library.store_new(engine_at, None, None)
        self._context: int = library.store_context(self._store)
        if clock is not None:
            library.context_set_epoch_deadline(self._context, DEADLINE)
            clock.need()

    def start(self, program: Program, calls: HostCalls) -> Guest:
        """A fresh instance."""
        if not isinstance(program, DirectProgram):
            raise EngineFault("a program of another sandbox")
        if self._store is None:
            raise EngineFault("this machine is closed")
        lane, guests = self._lane, self._guests
        if len(guests) >= INSTANCES_MAX:
            raise EngineFault(f"more than {INSTANCES_MAX} instances in one transition")
        place = lane.place(len(guests))
        prepared = program.prepare(lane)
        error = lane.instantiate(prepared, self._context, place.instance, lane.trap_at)
        if error is not None or lane.trap[0]:
            trap, lane.trap[0] = lane.trap[0], 0
            problem = take_problem(error, trap)
            if isinstance(problem, wasmtime.Trap):  # a data segment does not fit
                raise GuestTrap(str(problem)) from problem
            raise instance_fault(problem) from problem
        guest = DirectGuest(lane, self._context, place, calls, self._meter)
        guests.append(guest)
        return guest

    def close(self) -> None:
        """Frees the memory of all guests; they are of no use behind this."""
        store, self._store = self._store, None
        if store is None:
            return
        for guest in self._guests:
            guest.close()
        self._guests.clear()
        self._lane.library.store_delete(store)
        if not self._lane.is_broken:
            self._sandbox.give_back(self._lane)


_engines: WeakValueDictionary[BackendOptions, wasmtime.Engine] = WeakValueDictionary()


def _pooled_engine(options: BackendOptions) -> wasmtime.Engine:
    """Address space is not endless, so sandboxes of one kind share a pool; not if one that kills
    its guests would kill those of another."""
    if options.kill_after_ms is not None:
        return create_engine(options, pooled=True)
    engine = _engines.get(options)
    if engine is None:
        engine = _engines[options] = create_engine(options, pooled=True)
    return engine


_library: Library | Unavailable | None = None


def find_library() -> Library | None:
    """The C functions, or None when this wasmtime is another one than they were written for."""
    global _library
    if _library is None:
        try:
            _library = Library()
        except Unavailable as problem:
            _library = problem
    return _library if isinstance(_library, Library) else None


def open_sandbox(options: BackendOptions | None = None, cache: Path | None = None) -> Sandbox:
    """The fastest sandbox that there is here."""
    options = options or BackendOptions()
    library = None if options.plain else find_library()
    if library is None:
        return WasmtimeSandbox(options, cache)
    try:
        return DirectSandbox(library, options, cache)
    except EngineFault:  # no room for the pool, or a backend that the plain way has neither
        return WasmtimeSandbox(options, cache)
