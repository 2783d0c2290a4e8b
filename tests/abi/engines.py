"""Runs metered modules on the backends of wasmtime and reports all that a receipt could see."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cache

import wasmtime

from pico_abi.contract import FUEL_EXPORT, HOST_FUNCTIONS, STACK_EXPORT, Outcome

BACKENDS = ("cranelift", "cranelift-none", "pulley", "winch")


@cache
def engine(backend: str) -> wasmtime.Engine:
    config = wasmtime.Config()
    if backend == "cranelift-none":
        config.cranelift_opt_level = "none"
    elif backend == "pulley":
        config.target = "pulley64"
    elif backend == "winch":
        # wasmtime-py's property does not offer the third strategy of wasmtime.h.
        wasmtime._ffi.wasmtime_config_strategy_set(config.ptr(), 2)
    return wasmtime.Engine(config)


@dataclass(frozen=True, slots=True)
class Run:
    """`fuel` is what was used, `globals` the module's own as bit patterns."""

    outcome: Outcome
    fuel: int
    memory: str
    globals: tuple[int, ...]
    results: tuple[object, ...]


def run(
    metered: bytes,
    backend: str = "cranelift",
    *,
    fuel: int = 1_000_000,
    stack: int = 10_000,
    export: str = "handle",
    arguments: tuple[int, ...] = (0, 0),
) -> Run:
    """One fresh instance, one call."""
    store = wasmtime.Store(engine(backend))
    linker = wasmtime.Linker(store.engine)
    for item in HOST_FUNCTIONS:
        kinds = [wasmtime.ValType.i32()] * len(item.params)
        linker.define_func(item.module, item.name, wasmtime.FuncType(kinds, []), _nothing)
    module = wasmtime.Module(store.engine, metered)
    exports = linker.instantiate(store, module).exports(store)
    counters = exports[FUEL_EXPORT], exports[STACK_EXPORT]
    fuel_left, stack_left = counters
    assert isinstance(fuel_left, wasmtime.Global) and isinstance(stack_left, wasmtime.Global)
    fuel_left.set_value(store, fuel)
    stack_left.set_value(store, stack)
    outcome, results = Outcome.OK, ()
    function, memory = exports[export], exports["memory"]
    assert isinstance(function, wasmtime.Func) and isinstance(memory, wasmtime.Memory)
    try:
        found = function(store, *arguments)
        results = tuple(found) if isinstance(found, list) else (found,)
    except wasmtime.Trap as trap:
        assert trap.trap_code != wasmtime.TrapCode.STACK_OVERFLOW, "the engine's stack ended first"
        outcome = Outcome.OUT_OF_STACK if stack_left.value(store) < 0 else Outcome.TRAP
    if fuel_left.value(store) < 0:
        outcome, results = Outcome.OUT_OF_FUEL, ()
    if outcome == Outcome.OK:
        assert stack_left.value(store) == stack, "stack words were not all given back"
    used = fuel if outcome == Outcome.OUT_OF_FUEL else fuel - fuel_left.value(store)
    digest = hashlib.sha256(memory.read(store)).hexdigest()
    others = [
        bits_of(item.value(store))
        for name, item in exports._extern_map.items()
        if isinstance(item, wasmtime.Global) and name not in (FUEL_EXPORT, STACK_EXPORT)
    ]
    return Run(outcome, used, digest, tuple(others), results)


def bits_of(value: int | float) -> int:
    """A float as its bits, so that NaNs compare; an f32 as the double of the same number."""
    if isinstance(value, float):
        return int.from_bytes(struct.pack("<d", value), "little")
    return value


def _nothing(*arguments: int) -> None:
    """A host function that does nothing."""
