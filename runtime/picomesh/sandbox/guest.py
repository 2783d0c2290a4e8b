"""One instance: the canonical ABI's lowering of wit/pico.wit, from the host's side.

Every host function has the same lines: read with a named maximum, act, charge for what goes back.
The module itself has paid for the call and the bytes of its arguments (docs/formats/pico-1.md §4:
the rewriter puts that charge before the call, into the same counter). Addresses from the guest
are checked against its memory before they are used, and while the host is inside the guest's
`cabi_realloc` no import may be called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import wasmtime

from pico_abi import contract, limits
from picomesh.sandbox.interface import (
    EngineFault,
    GuestTrap,
    HostCalls,
    Meter,
    OutOfFuel,
    OutOfStack,
)

MESSAGE_BYTE_FUEL = 1  # for each byte of an event, query, manifest or answer that is copied
_FAULT_CODES = (
    wasmtime.TrapCode.STACK_OVERFLOW,  # the native stack: its depth differs between backends
    wasmtime.TrapCode.INTERRUPT,  # the operator's kill switch
    wasmtime.TrapCode.OUT_OF_FUEL,  # native fuel, which is off
)


class WasmtimeGuest:
    """An instance, its memory and its meter, which is in its globals while the guest runs."""

    def __init__(
        self, store: wasmtime.Store, module: wasmtime.Module, calls: HostCalls, meter: Meter
    ) -> None:
        self._store = store
        self._calls = calls
        self._meter = meter
        self._allocating = False
        self._raised: BaseException | None = None
        try:
            instance = wasmtime.Instance(store, module, self._imports(module))
        except wasmtime.WasmtimeError as problem:
            raise EngineFault(f"an instance could not be made: {problem}") from problem
        except wasmtime.Trap as trap:  # a data segment does not fit
            raise GuestTrap(str(trap)) from trap
        self._exports = instance.exports(store)
        self._memory = self._export(contract.MEMORY_EXPORT, wasmtime.Memory)
        self._fuel = self._export(contract.FUEL_EXPORT, wasmtime.Global)
        self._stack = self._export(contract.STACK_EXPORT, wasmtime.Global)

    def describe(self) -> bytes:
        return self._lift_result(self._enter("describe"))

    def handle(self, event: bytes) -> bytes:
        message = self._message(event, limits.EVENT_BYTES_MAX, "an event")
        return self._lift_result(self._enter("handle", *message))

    def query(self, request: bytes) -> bytes:
        message = self._message(request, limits.REQUEST_BYTES_MAX, "a request")
        return self._lift_result(self._enter("query", *message))

    def _message(self, data: bytes, bytes_max: int, what: str) -> tuple[int, int]:
        if len(data) > bytes_max:
            raise GuestTrap(f"{what} of {len(data)} bytes, the limit is {bytes_max}")
        self._meter.charge(len(data) * MESSAGE_BYTE_FUEL)
        address, count = self._lower(data)
        return _signed(address), count

    # -- entering the guest

    def _export(self, name: str, kind: type[Any]) -> Any:
        export = self._exports[name]
        if not isinstance(export, kind):
            raise EngineFault(f"the module's export {name!r} is not a {kind.__name__}")
        return export

    def _enter(self, name: str, *arguments: int) -> int:
        """Calls an export with the meter in the guest's globals; sorts out how it ends."""
        function = self._export(name, wasmtime.Func)
        self._give_meter()
        try:
            result = function(self._store, *arguments)
        except BaseException as problem:
            self._take_meter()
            self._stop(problem)
        self._take_meter()
        if self._raised is not None:
            raise EngineFault("an exception in a host function was lost") from self._raised
        return int(result) & 0xFFFFFFFF

    def _stop(self, problem: BaseException) -> NoReturn:
        """Ends the run: by what a host function raised, or by the class of the trap."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if not isinstance(problem, Exception):  # an operator's interrupt
            raise problem
        if not isinstance(problem, wasmtime.Trap):
            raise EngineFault(str(problem)) from problem
        if self._meter.fuel < 0:
            raise OutOfFuel("out of fuel") from problem
        if self._meter.stack_words < 0:
            raise OutOfStack("out of stack") from problem
        if problem.trap_code is None or problem.trap_code in _FAULT_CODES:
            raise EngineFault(str(problem)) from problem
        raise GuestTrap(problem.trap_code.name.lower().replace("_", " ")) from problem

    def _give_meter(self) -> None:
        self._fuel.set_value(self._store, self._meter.fuel)
        self._stack.set_value(self._store, self._meter.stack_words)

    def _take_meter(self) -> None:
        self._meter.fuel = self._fuel.value(self._store)
        self._meter.stack_words = self._stack.value(self._store)

    # -- memory

    def _read(self, address: int, count: int, bytes_max: int, what: str) -> bytes:
        if count > bytes_max:
            raise GuestTrap(f"{what} of {count} bytes, the limit is {bytes_max}")
        if address + count > self._memory.data_len(self._store):
            raise GuestTrap(f"{what} reaches outside the memory")
        return bytes(self._memory.read(self._store, address, address + count))

    def _write(self, address: int, data: bytes, alignment: int = 1) -> None:
        if address % alignment:
            raise GuestTrap("a return area is not aligned")
        if address + len(data) > self._memory.data_len(self._store):
            raise GuestTrap("a result would reach outside the memory")
        if data:
            self._memory.write(self._store, data, address)

    def _allocate(self, count: int, alignment: int) -> int:
        """Memory in the guest for a result; the guest must not call out meanwhile."""
        self._allocating = True
        try:
            address = self._enter("cabi_realloc", 0, 0, alignment, count)
        finally:
            self._allocating = False
        if address % alignment or address + count > self._memory.data_len(self._store):
            raise GuestTrap("cabi_realloc gave memory that is not there or not aligned")
        return address

    def _lower(self, data: bytes) -> tuple[int, int]:
        """Copies bytes into the guest's memory."""
        address = self._allocate(len(data), 1)
        self._write(address, data)
        return address, len(data)

    def _lift_result(self, address: int) -> bytes:
        """The list whose {address, count} stands in the return area of an export."""
        if address % 4:
            raise GuestTrap("a return area is not aligned")
        area = self._read(address, 8, 8, "a return area")
        start, count = int.from_bytes(area[:4], "little"), int.from_bytes(area[4:], "little")
        self._meter.charge(count * MESSAGE_BYTE_FUEL)
        return self._read(start, count, limits.ANSWER_BYTES_MAX, "a result")

    # -- imports

    def _imports(self, module: wasmtime.Module) -> Sequence[wasmtime.Func]:
        functions: list[wasmtime.Func] = []
        for item in module.imports:
            action = _ACTIONS.get((item.module, item.name or ""))
            if action is None or not isinstance(item.type, wasmtime.FuncType):
                raise EngineFault(f"unknown import {item.module} {item.name}")
            functions.append(wasmtime.Func(self._store, item.type, self._guarded(action)))
        return functions

    def _guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """Around every host function: the meter out and in, and no exception lost.

        wasmtime-py keeps a callback's exception in one global of the process; another thread may
        overwrite it, so this guest keeps its own.
        """

        def function(*arguments: int) -> None:
            try:
                if self._allocating:
                    raise GuestTrap("an import was called inside cabi_realloc")
                self._take_meter()
                action(self, *(argument & 0xFFFFFFFF for argument in arguments))
                self._give_meter()
            except BaseException as problem:
                self._raised = problem
                self._fuel.set_value(self._store, self._meter.fuel)
                raise

        return function

    def _path(self, address: int, count: int) -> bytes:
        return self._read(address, count, limits.PATH_BYTES_MAX, "a path")

    def _give_list(self, area: int, data: bytes, byte_price: int) -> None:
        """Lowers a list<u8> and writes {address, count} at the return area."""
        self._meter.charge(len(data) * byte_price)
        self._write(area, _words(*self._lower(data)), 4)

    def state_get(self, address: int, count: int, area: int) -> None:
        value = self._calls.get(self._path(address, count))
        self._write(area, b"\x00" if value is None else b"\x01", 4)
        if value is not None:
            self._give_list(area + 4, value, _GET.result_byte_price)

    def state_put(self, address: int, count: int, at: int, length: int) -> None:
        path = self._path(address, count)
        self._calls.put(path, self._read(at, length, limits.VALUE_BYTES_MAX, "a value"))

    def state_delete(self, address: int, count: int) -> None:
        self._calls.delete(self._path(address, count))

    def state_scan(
        self, prefix_at: int, prefix_length: int, at: int, length: int, limit: int, area: int
    ) -> None:
        prefix = self._path(prefix_at, prefix_length)
        after = self._path(at, length)
        entries = self._calls.scan(prefix, after, min(limit, limits.SCAN_ENTRIES_MAX))
        size = sum(len(path) + len(value) for path, value in entries)
        self._meter.charge(size * _SCAN.result_byte_price)
        self._meter.charge(len(entries) * _SCAN.result_entry_price)
        rows = self._allocate(16 * len(entries), 4)
        for index, (path, value) in enumerate(entries):
            words = _words(*self._lower(path), *self._lower(value))
            self._write(rows + 16 * index, words, 4)
        self._write(area, _words(rows, len(entries)), 4)

    def effects_emit(self, address: int, count: int) -> None:
        self._calls.emit(self._read(address, count, limits.EFFECT_BYTES_MAX, "an effect"))

    def pico_ask(self, address: int, count: int, area: int) -> None:
        question = self._read(address, count, limits.REQUEST_BYTES_MAX, "a question")
        self._give_list(area, self._calls.ask(question), _ASK.result_byte_price)

    def rulesets_call(self, address: int, count: int, area: int) -> None:
        request = self._read(address, count, limits.REQUEST_BYTES_MAX, "a request")
        self._give_list(area, self._calls.call(request), _CALL.result_byte_price)


_GET, _PUT, _DELETE, _SCAN, _EMIT, _ASK, _CALL = contract.HOST_FUNCTIONS
_ACTIONS: dict[tuple[str, str], Callable[..., None]] = {
    (_GET.module, _GET.name): WasmtimeGuest.state_get,
    (_PUT.module, _PUT.name): WasmtimeGuest.state_put,
    (_DELETE.module, _DELETE.name): WasmtimeGuest.state_delete,
    (_SCAN.module, _SCAN.name): WasmtimeGuest.state_scan,
    (_EMIT.module, _EMIT.name): WasmtimeGuest.effects_emit,
    (_ASK.module, _ASK.name): WasmtimeGuest.pico_ask,
    (_CALL.module, _CALL.name): WasmtimeGuest.rulesets_call,
}


def _words(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in numbers)


def _signed(address: int) -> int:
    """wasmtime-py wants an i32 parameter as a signed number."""
    return address - (1 << 32) if address >= 1 << 31 else address
