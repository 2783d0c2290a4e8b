"""The sandbox by wasmtime's plain Python API: engines, compiled modules, one store a transition.

The per-guest work (addresses, charges, imports) is in `guest`; here is what outlives a guest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import wasmtime

from picomesh.sandbox.backends import WASMTIME_VERSION, BackendOptions, create_engine
from picomesh.sandbox.cache import ModuleCache
from picomesh.sandbox.guest import WasmtimeGuest
from picomesh.sandbox.interface import EngineFault, Guest, HostCalls, Meter, Program
from picomesh.sandbox.killing import DEADLINE, Clock

MEMORY_BYTES_MAX = 4 * 1024 * 1024 * 1024 - 65536  # modules declare their own, lower limit
INSTANCES_MAX = 1024


@dataclass(frozen=True, slots=True)
class WasmtimeProgram:
    """A module compiled for one engine."""

    module: wasmtime.Module


class WasmtimeSandbox:
    """One wasmtime engine, and a cache of modules compiled for it."""

    def __init__(self, options: BackendOptions | None = None, cache: Path | None = None) -> None:
        self._options = options or BackendOptions()
        self._engine = create_engine(self._options)
        self._cache = ModuleCache(self._engine, self._options, cache)
        kill_after_ms = self._options.kill_after_ms
        self._clock = None if kill_after_ms is None else Clock(self._engine, kill_after_ms)

    @property
    def backend(self) -> str:
        return self._options.backend

    @property
    def version(self) -> str:
        return WASMTIME_VERSION

    def load(self, metered: bytes) -> Program:
        """Compiles, or takes what was compiled before. Raises EngineFault when it cannot."""
        return WasmtimeProgram(self._cache.load(metered))

    def machine(self, meter: Meter) -> WasmtimeMachine:
        return WasmtimeMachine(self._engine, meter, self._clock)


class WasmtimeMachine:
    """One store: the guests of one transition, with a common budget and native stack."""

    def __init__(self, engine: wasmtime.Engine, meter: Meter, clock: Clock | None) -> None:
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=MEMORY_BYTES_MAX, instances=INSTANCES_MAX)
        self._meter = meter
        if clock is not None:
            self._store.set_epoch_deadline(DEADLINE)
            clock.need()

    def start(self, program: Program, calls: HostCalls) -> Guest:
        """A fresh instance."""
        if not isinstance(program, WasmtimeProgram):
            raise EngineFault("a program of another sandbox")
        return WasmtimeGuest(self._store, program.module, calls, self._meter)

    def close(self) -> None:
        self._store.close()
