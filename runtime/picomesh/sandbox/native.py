"""The C functions of libwasmtime that an event needs, called directly (docs/performance.md §3).

wasmtime-py rebuilds types and wraps every export at each call, which takes ten times as long as
the work itself. These are the same functions of the same library through a second handle, with
addresses as plain integers. Nothing is checked by anybody: a wrong address or a handle of another
store ends the process. So this module is used only with the release and the struct layouts that it
was written for, and `direct` alone uses it; `Unavailable` sends everybody else the plain way.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

from pico_abi import contract
from pico_abi.wasm.module import I32
from picomesh.sandbox.backends import WASMTIME_VERSION
from picomesh.sandbox.interface import EngineFault

RELEASE = "50.0."
EXTERN_BYTES = 32
EXTERN_ITEM = 8  # where the handle stands in an extern
RAW_VALUE_BYTES = 16
VALUE_BYTES = 32
VALUE_NUMBER = 8  # where the number stands in a value
_KIND_I32, _KIND_I64 = 0, 1
_TRAP_INTERRUPT = 10


class Unavailable(Exception):
    """This wasmtime is not the one that was measured."""


_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_TEXT = ctypes.c_char_p

# (environment, caller, arguments, number of them) -> 0 or the address of a trap
_HOST_FUNCTION = "intptr_t(intptr_t, intptr_t, intptr_t, size_t)"

# With the interpreter's lock held: each takes less than a microsecond and never enters a guest.
_QUICK: dict[str, tuple[Any, list[Any]]] = {
    "wasmtime_store_new": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "wasmtime_store_context": (_POINTER, [_POINTER]),
    "wasmtime_store_delete": (None, [_POINTER]),
    "wasmtime_store_limiter": (None, [_POINTER, *[ctypes.c_int64] * 5]),
    "wasmtime_context_set_epoch_deadline": (None, [_POINTER, ctypes.c_uint64]),
    "wasmtime_instance_export_get": (
        ctypes.c_bool,
        [_POINTER, _POINTER, _TEXT, _SIZE, _POINTER],
    ),
    "wasmtime_memory_data": (_POINTER, [_POINTER, _POINTER]),
    "wasmtime_memory_data_size": (_SIZE, [_POINTER, _POINTER]),
    "wasmtime_global_get": (None, [_POINTER, _POINTER, _POINTER]),
    "wasmtime_global_set": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "wasmtime_trap_new_code": (_POINTER, [ctypes.c_uint8]),
    "wasm_trap_delete": (None, [_POINTER]),
    "wasmtime_error_delete": (None, [_POINTER]),
}
# These run a guest or much of the library, so other threads must be able to go on.
_SLOW: dict[str, tuple[Any, list[Any]]] = {
    "wasmtime_instance_pre_instantiate": (_POINTER, [_POINTER] * 4),
    "wasmtime_func_call_unchecked": (_POINTER, [_POINTER, _POINTER, _POINTER, _SIZE, _POINTER]),
    "wasmtime_linker_define_func_unchecked": (
        _POINTER,
        [_POINTER, _TEXT, _SIZE, _TEXT, _SIZE, _POINTER, _POINTER, _POINTER, _POINTER],
    ),
}
_SIZES = {
    "wasmtime_func_t": 16,
    "wasmtime_global_t": 24,
    "wasmtime_memory_t": 24,
    "wasmtime_instance_t": 16,
    "wasmtime_extern_t": EXTERN_BYTES,
    "wasmtime_val_t": VALUE_BYTES,
    "wasmtime_val_raw_t": RAW_VALUE_BYTES,
}


def _check() -> None:
    if not WASMTIME_VERSION.startswith(RELEASE):
        raise Unavailable(f"wasmtime {WASMTIME_VERSION}, this code knows {RELEASE}x")
    for name, size in _SIZES.items():
        if ctypes.sizeof(getattr(ffi, name)) != size:
            raise Unavailable(f"{name} has another size than {size}")
    if ffi.wasmtime_extern_t.of.offset != EXTERN_ITEM:
        raise Unavailable("wasmtime_extern_t has another layout")
    if ffi.wasmtime_val_t.of.offset != VALUE_NUMBER:
        raise Unavailable("wasmtime_val_t has another layout")
    kinds = (ffi.WASMTIME_I32.value, ffi.WASMTIME_I64.value)
    codes = ffi.wasmtime_trap_code_enum
    interrupt = codes.WASMTIME_TRAP_CODE_INTERRUPT.value
    if kinds != (_KIND_I32, _KIND_I64) or interrupt != _TRAP_INTERRUPT:
        raise Unavailable("wasmtime numbers its kinds or traps in another way")


class Library:
    """The functions by name, without the prefix `wasmtime_`."""

    def __init__(self) -> None:
        _check()
        try:
            quick, slow = ctypes.PyDLL(str(ffi.filename)), ctypes.CDLL(str(ffi.filename))
            for handle, table in ((quick, _QUICK), (slow, _SLOW)):
                for name, (result, parameters) in table.items():
                    function = handle[name]
                    function.restype, function.argtypes = result, parameters
                    setattr(self, name.removeprefix("wasmtime_"), function)
            self._cffi: Any = importlib.import_module("cffi").FFI()
        except (OSError, AttributeError, ImportError) as problem:
            raise Unavailable(str(problem)) from problem

    def host_function(
        self,
        function: Callable[[int, int, int, int], int],
        lost: Callable[[Any, BaseException, Any], None],
    ) -> tuple[Any, int]:
        """A host function for C, and the trap it gives when Python fails in front of it.

        By cffi and not ctypes: an exception can come before a function's first line (a signal, the
        end of Python's stack), and then ctypes returns what happens to be in memory as the address
        of a trap. With cffi it is this trap, which stops the guest once; `lost` gets the exception.
        """
        spare = self.host_trap()
        callback = self._cffi.callback(_HOST_FUNCTION, function, error=spare, onerror=lost)
        return callback, spare

    def address_of_function(self, callback: Any) -> int:
        return int(self._cffi.cast("intptr_t", callback))

    def address_of_c(self, name: str) -> int:
        """Where a function of the library stands, for those who call it from C."""
        address = ctypes.cast(getattr(self, name), _POINTER).value
        assert address is not None, "it was found when the library was loaded"
        return address

    def host_trap(self) -> int:
        """A trap that stops the guest; why is kept beside it. On its own it is an engine fault."""
        return int(self.trap_new_code(_TRAP_INTERRUPT))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def address_of(pointer: Any) -> int:
    """The address in one of wasmtime-py's pointers."""
    address = ctypes.cast(pointer, _POINTER).value
    assert address is not None, "wasmtime-py holds no null pointers"
    return address


def define_host_function(
    library: Library,
    linker: wasmtime.Linker,
    host: contract.HostFunction,
    function_at: int,
    environment: int | None = None,
) -> None:
    """Gives a linker a host function of the contract by its address. Raises EngineFault."""
    assert all(kind == I32 for kind in host.params), "the contract has addresses and lengths"
    kind = wasmtime.FuncType([wasmtime.ValType.i32()] * len(host.params), [])
    module, name = host.module.encode(), host.name.encode()
    error = library.linker_define_func_unchecked(
        address_of(linker.ptr()),
        module,
        len(module),
        name,
        len(name),
        address_of(kind.ptr()),
        function_at,
        environment,
        None,
    )
    if error:
        raise EngineFault(str(take_problem(error, None)))


def take_problem(error: int | None, trap: int | None) -> BaseException:
    """What a call came back with, as wasmtime-py's exception, which frees it.

    A trap with a text comes back as an error, one with a code as a trap, so both are looked at.
    """
    if error:
        return wasmtime.WasmtimeError._from_ptr(
            ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t))
        )
    return wasmtime.Trap._from_ptr(ctypes.cast(trap or 0, ctypes.POINTER(ffi.wasm_trap_t)))


class Cell:
    """A value of a global in C's layout: its address, and the number in it."""

    __slots__ = ("_bytes", "address", "number")

    def __init__(self, kind: int) -> None:
        self._bytes = (ctypes.c_uint8 * VALUE_BYTES)()
        self._bytes[0] = kind
        self.address = ctypes.addressof(self._bytes)
        view = memoryview(self._bytes).cast("B")[VALUE_NUMBER:]
        self.number = view[:8].cast("q") if kind == _KIND_I64 else view[:4].cast("i")

    @classmethod
    def of_i64(cls) -> Cell:
        return cls(_KIND_I64)

    @classmethod
    def of_i32(cls) -> Cell:
        return cls(_KIND_I32)


class WordsAt(dict[int, memoryview]):
    """The 32-bit words behind an address that C gave us, one every four bytes.

    The arguments of a host function stand on the native stack, at a few addresses that come again
    and again, so the views are kept. One is only good while the host function runs.
    """

    COUNT_MAX = 1024
    WORDS = 6 * RAW_VALUE_BYTES // 4

    def __missing__(self, address: int) -> memoryview:
        if len(self) >= self.COUNT_MAX:
            self.clear()
        words = (ctypes.c_uint32 * self.WORDS).from_address(address)
        view = self[address] = memoryview(words).cast("B").cast("I")
        return view


class MemoryAt(dict[tuple[int, int], memoryview]):
    """A guest's memory by its address and size; the pool gives the same places again."""

    COUNT_MAX = 256

    def __missing__(self, key: tuple[int, int]) -> memoryview:
        if len(self) >= self.COUNT_MAX:
            self.clear()
        address, size = key
        view = memoryview((ctypes.c_uint8 * size).from_address(address)).cast("B")
        self[key] = view
        return view
