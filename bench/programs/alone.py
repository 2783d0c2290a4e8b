"""Runs a recorded guest alone, with a host that is WASM too: no Python is measured with it.

The host is a script of recorded answers in the memory of one instance, and functions of another
that copy them to where the guest wants them. Guest and host import each other, so a table stands
between them that is filled last.
"""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from pico_abi.contract import FUEL_EXPORT, HOST_FUNCTIONS, STACK_EXPORT
from pico_abi.limits import FUEL_LIMIT_MAX
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh.sandbox.recording import RecordedCall, RecordedMessage

_NOTHING = -1  # in the script: the answer `none`

_SCRIPT = """(module (memory (export "memory") 16 4096)
  (func (export "word") (param i32) (result i64) (i64.load (local.get 0))))"""

_HOST = """(module
  (import "t" "table" (table 7 funcref))
  (import "g" "memory" (memory 0))
  (import "g" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "s" "word" (func $word (param i32) (result i64)))
  (global $at (mut i32) (i32.const 0))
  (func $next (result i32)
    (i32.wrap_i64 (call $word (global.get $at)))
    (global.set $at (i32.add (global.get $at) (i32.const 8))))
  (func $copy (param $size i32) (result i32) (local $start i32) (local $to i32) (local $end i32)
    (local.set $start (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $size)))
    (local.set $to (local.get $start))
    (local.set $end (i32.add (local.get $to) (local.get $size)))
    (block $done (loop $words
      (br_if $done (i32.gt_u (i32.add (local.get $to) (i32.const 8)) (local.get $end)))
      (i64.store align=1 (local.get $to) (call $word (global.get $at)))
      (global.set $at (i32.add (global.get $at) (i32.const 8)))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (br $words)))
    (global.set $at (i32.and (i32.add (global.get $at) (i32.const 7)) (i32.const -8)))
    (block $done (loop $bytes
      (br_if $done (i32.eq (local.get $to) (local.get $end)))
      (i32.store8 (local.get $to) (call $next))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br $bytes)))
    (local.get $start))
  (func $give (param $size i32) (param $area i32)
    (i32.store (local.get $area) (call $copy (local.get $size)))
    (i32.store offset=4 (local.get $area) (local.get $size)))
  (func $get (param i32 i32) (param $area i32) (local $size i32)
    (local.set $size (call $next))
    (i32.store8 (local.get $area) (i32.ge_s (local.get $size) (i32.const 0)))
    (if (i32.ge_s (local.get $size) (i32.const 0))
      (then (call $give (local.get $size) (i32.add (local.get $area) (i32.const 4))))))
  (func $put (param i32 i32 i32 i32))
  (func $delete (param i32 i32))
  (func $scan (param i32 i32 i32 i32 i32) (param $area i32)
    (local $count i32) (local $row i32)
    (local.set $count (call $next))
    (local.set $row (call $realloc (i32.const 0) (i32.const 0) (i32.const 4)
      (i32.mul (local.get $count) (i32.const 16))))
    (i32.store (local.get $area) (local.get $row))
    (i32.store offset=4 (local.get $area) (local.get $count))
    (block $done (loop $rows
      (br_if $done (i32.eqz (local.get $count)))
      (call $give (call $next) (local.get $row))
      (call $give (call $next) (i32.add (local.get $row) (i32.const 8)))
      (local.set $row (i32.add (local.get $row) (i32.const 16)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $rows))))
  (func $ask (param i32 i32) (param $area i32)
    (call $give (call $next) (local.get $area)))
  (elem (i32.const 0) $get $put $delete $scan $emit $ask $ask)
  (func $emit (param i32 i32)))"""


def _table() -> str:
    """Functions of the contract's types that go through a table."""
    functions = []
    for index, host in enumerate(HOST_FUNCTIONS):
        kinds = f"(param {'i32 ' * len(host.params)})"
        arguments = " ".join(f"(local.get {at})" for at in range(len(host.params)))
        call = f"(call_indirect {kinds} {arguments} (i32.const {index}))"
        functions.append(f'(func (export "{host.module}.{host.name}") {kinds} {call})')
    return f'(module (table (export "table") 7 funcref) {" ".join(functions)})'


def _item(data: bytes) -> bytes:
    """Whole words, then what is left one byte a word, as `$copy` reads them."""
    whole = len(data) & ~7
    tail = b"".join(byte.to_bytes(8, "little") for byte in data[whole:])
    return struct.pack("<q", len(data)) + data[:whole] + tail


def _answer(call: RecordedCall) -> bytes:
    match call.answer:
        case bytes() as data:
            return _item(data)
        case list() as rows:
            items = b"".join(_item(path) + _item(value) for path, value in rows)
            return struct.pack("<q", len(rows)) + items
        case None:
            return struct.pack("<q", _NOTHING) if call.function == "get" else b""


@dataclass(frozen=True, slots=True)
class Run:
    """What one life of a guest came to; `answers` are its return areas' contents."""

    elapsed_ns: int
    fuel: int
    answers: tuple[bytes, ...]


class Alone:
    """A module, raw or metered, compiled to run alone."""

    def __init__(self, engine: wasmtime.Engine, module: bytes) -> None:
        self._engine = engine
        self._module = wasmtime.Module(engine, module)
        self._table = wasmtime.Module(engine, _table())
        self._host = wasmtime.Module(engine, _HOST)
        self._script = wasmtime.Module(engine, _SCRIPT)
        self._numbers = (ffi.wasmtime_val_raw_t * 2)()

    def run(self, messages: Sequence[RecordedMessage]) -> Run:
        """A fresh instance that gets the messages; only its own time counts."""
        store = wasmtime.Store(self._engine)
        exports = self._instantiate(store, messages)
        elapsed_ns, answers = 0, []
        for item in messages:
            size = len(item.message)
            address = exports["cabi_realloc"](store, 0, 0, 1, size)
            exports["memory"].write(store, item.message, address)
            started_ns = time.perf_counter_ns()
            area = self._call(store, exports[item.export], address, size)
            elapsed_ns += time.perf_counter_ns() - started_ns
            start, count = struct.unpack("<II", exports["memory"].read(store, area, area + 8))
            answers.append(bytes(exports["memory"].read(store, start, start + count)))
        fuel = 0
        if self._is_metered():
            fuel = FUEL_LIMIT_MAX - exports[FUEL_EXPORT].value(store)
        store.close()
        return Run(elapsed_ns, fuel, tuple(answers))

    def _is_metered(self) -> bool:
        return any(item.name == FUEL_EXPORT for item in self._module.exports)

    def _instantiate(self, store: wasmtime.Store, messages: Sequence[RecordedMessage]) -> Any:
        table = wasmtime.Instance(store, self._table, []).exports(store)
        functions = [table[f"{item.module}.{item.name}"] for item in self._module.imports]
        guest: Any = wasmtime.Instance(store, self._module, functions).exports(store)
        script: Any = wasmtime.Instance(store, self._script, []).exports(store)
        text = b"".join(_answer(call) for item in messages for call in item.calls)
        pages = -(-len(text) // 65_536) - script["memory"].size(store)
        script["memory"].grow(store, max(pages, 0) + 1)
        script["memory"].write(store, text, 0)
        parts = [table["table"], guest["memory"], guest["cabi_realloc"], script["word"]]
        wasmtime.Instance(store, self._host, parts)
        if self._is_metered():
            guest[FUEL_EXPORT].set_value(store, FUEL_LIMIT_MAX)
            guest[STACK_EXPORT].set_value(store, STACK_WORDS_MAX)
        return guest

    def _call(self, store: wasmtime.Store, function: Any, address: int, size: int) -> int:
        """By the C function: wasmtime-py's own way takes longer than some guests."""
        numbers, trap = self._numbers, ctypes.POINTER(ffi.wasm_trap_t)()
        numbers[0].i32, numbers[1].i32 = address, size
        at = ctypes.byref(function._func)
        error = ffi.wasmtime_func_call_unchecked(
            store._context(), at, numbers, 2, ctypes.byref(trap)
        )
        assert not error and not trap, "a recorded guest does not trap"
        return int(numbers[0].i32) & 0xFFFF_FFFF
