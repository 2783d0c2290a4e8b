"""One wasmtime engine per backend, with every knob set by name.

Nothing here decides a result: fuel, stack and NaN bits are the module's own business after the
rewriter. Each knob is stated all the same, so that a new default of a new release changes nothing.
A wrong combination makes wasmtime abort the process; tests/runtime/test_backends.py builds each
engine in a child process.
"""

from __future__ import annotations

import mmap
import sys
from dataclasses import dataclass
from importlib.metadata import version

import wasmtime
from wasmtime import _ffi as ffi

from pico_abi import limits
from picomesh.sandbox.interface import EngineFault

WASMTIME_VERSION = version("wasmtime")
BACKENDS = ("cranelift", "cranelift-none", "pulley", "winch")
# Above what the logical stack limit of profile pico-1 can use natively (8 bytes a word, times 4),
# below the 8 MiB of a Linux main thread.
WASM_STACK_BYTES_MAX = 4 * 1024 * 1024
_MEMORY_RESERVATION_BYTES = 4 * 1024 * 1024 * 1024
_GUARD_BYTES = 64 * 1024 * 1024  # more than wasmtime leaves free between memories
_WINCH_STRATEGY = 2  # wasmtime_strategy_t; wasmtime-py's property offers only Cranelift
_PULLEY_TARGET = b"pulley64"

POOL_INSTANCES_MAX = 1024  # of 4 GiB address space each, so 4 of the 128 TiB of a process
POOL_RESIDENT_BYTES = 256 * limits.KIB
_POOL = {
    "linear_memory_keep_resident": POOL_RESIDENT_BYTES,
    "table_keep_resident": 16 * limits.TABLE_SLOTS_MAX,
    "total_core_instances": POOL_INSTANCES_MAX,
    "total_memories": POOL_INSTANCES_MAX,
    "total_tables": POOL_INSTANCES_MAX,
    "table_elements": limits.TABLE_SLOTS_MAX,
    "max_memory_size": limits.MEMORY_PAGES_MAX * 64 * limits.KIB,
    "max_core_instance_size": limits.MIB,
    "max_unused_warm_slots": 16,
}

_OFF = [
    "wasm_threads",
    "wasm_tail_call",
    "wasm_multi_memory",
    "wasm_memory64",
    "wasm_relaxed_simd",
    "wasm_simd",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "wasm_component_model",
    "shared_memory",
    "consume_fuel",
    "parallel_compilation",
    "debug_info",
    "cranelift_debug_verifier",
]
_ON = ["wasm_bulk_memory", "wasm_multi_value", "wasm_reference_types"]


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What an operator may choose. The kill switch costs speed and yields engine faults only.

    `plain` asks for wasmtime's own Python API, which is slower and comes to the same results.
    """

    backend: str = "cranelift"
    kill_after_ms: int | None = None
    plain: bool = False
    compile_ms_max: int | None = None  # compiles in a process of its own, no longer than this


def create_engine(options: BackendOptions, *, pooled: bool = False) -> wasmtime.Engine:
    """An engine for a backend. Raises EngineFault when this build does not have it."""
    if options.backend not in BACKENDS:
        raise EngineFault(f"unknown backend {options.backend!r}; there is {', '.join(BACKENDS)}")
    config = wasmtime.Config()
    _set_common(config, options)
    _set_backend(config, options.backend)
    if pooled:
        _set_pool(config)
    try:
        engine = wasmtime.Engine(config)
    except wasmtime.WasmtimeError as problem:
        raise EngineFault(f"backend {options.backend} cannot start: {problem}") from problem
    return engine


def _set_common(config: wasmtime.Config, options: BackendOptions) -> None:
    config.wasm_relaxed_simd_deterministic = True
    for name in _OFF:
        setattr(config, name, False)
    for name in _ON:
        setattr(config, name, True)
    config.epoch_interruption = options.kill_after_ms is not None
    config.profiler = "none"
    pointer = config.ptr()
    ffi.wasmtime_config_async_stack_size_set(pointer, 2 * WASM_STACK_BYTES_MAX)
    config.max_wasm_stack = WASM_STACK_BYTES_MAX
    ffi.wasmtime_config_cranelift_nan_canonicalization_set(pointer, False)
    ffi.wasmtime_config_signals_based_traps_set(pointer, True)
    ffi.wasmtime_config_memory_init_cow_set(pointer, True)
    ffi.wasmtime_config_memory_may_move_set(pointer, False)
    ffi.wasmtime_config_memory_reservation_set(pointer, _MEMORY_RESERVATION_BYTES)
    ffi.wasmtime_config_native_unwind_info_set(pointer, True)


def _set_pool(config: wasmtime.Config) -> None:
    """Memory for instances, mapped once; a slot costs address space, and memory once used.

    A guest's stack and data lie at low addresses (docs/performance.md §4): what is below
    POOL_RESIDENT_BYTES is overwritten for the next instance, the rest is given back to the
    system, which costs two microseconds for each page when it is used again.
    """
    _check_room()
    pool = ffi.wasmtime_pooling_allocation_config_new()
    for name, value in _POOL.items():
        getattr(ffi, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)


def _check_room() -> None:
    """Whether the pool will find its address space: wasmtime aborts the process when not."""
    if sys.platform == "win32":
        return
    slot_bytes = _MEMORY_RESERVATION_BYTES + _GUARD_BYTES
    try:
        mmap.mmap(-1, POOL_INSTANCES_MAX * slot_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANON, 0).close()
    except (OSError, ValueError) as problem:
        raise EngineFault(f"no address space for a pool of memory: {problem}") from problem


def _set_backend(config: wasmtime.Config, backend: str) -> None:
    config.strategy = "cranelift"
    config.cranelift_opt_level = "speed"
    match backend:
        case "cranelift-none":
            config.cranelift_opt_level = "none"
        case "pulley":
            ffi.wasmtime_config_target_set(config.ptr(), _PULLEY_TARGET)
        case "winch":
            ffi.wasmtime_config_strategy_set(config.ptr(), _WINCH_STRATEGY)
