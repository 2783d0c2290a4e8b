"""Builds the loop in C with the compiler that builds the guest library, and runs it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from floor.work import TOTAL, Work
from pico_abi import contract
from picomesh.ledger.value import decode_value
from picomesh.sandbox.backends import BackendOptions, create_engine
from picomesh.sandbox.native import address_of

HERE = Path(__file__).resolve().parent
_HASHES_MAX = 64
_SYNC_EVERY = 64
_VALUE_BYTES_MAX = 4096
_CALLBACKS = {"get": "floor_get", "put": "floor_put", "emit": "floor_emit"}


class Unbuilt(Exception):
    """There is no compiler for it here."""


class _Setup(ctypes.Structure):
    _fields_ = (
        ("engine", ctypes.c_void_p),
        ("prepared", ctypes.c_void_p),
        ("file", ctypes.c_int),
        ("sync_every", ctypes.c_int),
        ("append_bytes", ctypes.c_uint32),
        ("hash_count", ctypes.c_uint32),
        ("hash_bytes", ctypes.c_uint32 * _HASHES_MAX),
    )


class _Result(ctypes.Structure):
    _fields_ = (
        ("wall_s", ctypes.c_double),
        ("cpu_s", ctypes.c_double),
        ("fuel", ctypes.c_int64),
    )


def build(folder: Path) -> Path:
    """The loop as a library. Raises Unbuilt."""
    if find_spec("ziglang") is None:
        raise Unbuilt("it is built with ziglang: pip install the requirement of the guest library")
    library = folder / "floor.so"
    words = ["build-lib", "-dynamic", "-O", "ReleaseFast", "-lc", "-fallow-shlib-undefined"]
    files = [str(HERE / name) for name in ("floor.c", "blake3.zig")]
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *words, f"-femit-bin={library}", *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unbuilt(done.stderr.strip())
    return library


class Floor:
    """The loop over the engine, the module and the work of picomesh's own event."""

    def __init__(self, library: Path, work: Work, appended: Path) -> None:
        ctypes.CDLL(str(ffi.filename), mode=ctypes.RTLD_GLOBAL)  # where its calls are found
        self._loop = ctypes.CDLL(str(library))
        self._loop.floor_run.restype = ctypes.c_bool
        self._loop.floor_value.restype = ctypes.c_uint32
        self._work = work
        self._engine = create_engine(BackendOptions(), pooled=True)
        self._linker = wasmtime.Linker(self._engine)
        for host in contract.HOST_FUNCTIONS:
            self._define(host)
        module = wasmtime.Module(self._engine, work.metered)
        self._prepared = self._linker.instantiate_pre(module)
        self._file = os.open(appended, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        os.close(self._file)

    def _define(self, host: contract.HostFunction) -> None:
        name = _CALLBACKS.get(host.name, "floor_refuse")
        callback = ctypes.cast(self._loop[name], ctypes.c_void_p)
        kind = wasmtime.FuncType([wasmtime.ValType.i32()] * len(host.params), [])
        names = (host.module.encode(), host.name.encode())
        function: Any = self._plain("wasmtime_linker_define_func_unchecked")
        function.argtypes = [ctypes.c_void_p, *[ctypes.c_char_p, ctypes.c_size_t] * 2]
        function.argtypes += [ctypes.c_void_p] * 4
        function.restype = ctypes.c_void_p
        words = (item for name in names for item in (name, len(name)))
        linker = address_of(self._linker.ptr())
        error = function(linker, *words, address_of(kind.ptr()), callback, None, None)
        assert error is None, f"cannot define {host.name}"

    def _plain(self, name: str) -> Any:
        return ctypes.CDLL(str(ffi.filename))[name]

    def instantiate(self, events: int) -> dict[str, Any]:
        """Stores and instances that nobody enters."""
        result = self._call(self._setup(False), b"", events)
        return {"done": events, "wall_s": result.wall_s, "cpu_s": result.cpu_s}

    def run(self, events: int, *, is_whole: bool = True) -> dict[str, Any]:
        """So many events from a counter at nothing; with hashes and the disk, or the guest only."""
        setup = self._setup(is_whole)
        self._call(setup, self._work.clear, 1)
        result = self._call(setup, self._work.count, events)
        into = (ctypes.c_uint8 * _VALUE_BYTES_MAX)()
        count = self._loop.floor_value(TOTAL, len(TOTAL), into)
        total = decode_value(bytes(into[:count]))
        assert total == events, f"the floor counted {total!r} of {events}"
        return {"done": events, "wall_s": result.wall_s, "cpu_s": result.cpu_s}

    def _call(self, setup: _Setup, message: bytes, events: int) -> _Result:
        result = _Result()
        done = self._loop.floor_run(
            ctypes.byref(setup), message, len(message), ctypes.c_int64(events), ctypes.byref(result)
        )
        assert done, "an event of the floor did not come to its end"
        return result

    def _setup(self, is_whole: bool) -> _Setup:
        setup = _Setup()
        setup.engine = address_of(self._engine.ptr())
        setup.prepared = address_of(self._prepared.ptr())
        setup.file = self._file
        if is_whole:
            setup.sync_every = _SYNC_EVERY
            setup.append_bytes = self._work.append_bytes
            setup.hash_count = len(self._work.hashes)
            setup.hash_bytes[: len(self._work.hashes)] = self._work.hashes
        return setup
