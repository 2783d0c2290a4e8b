"""What one transition at a time needs of the direct way: buffers at fixed addresses, callbacks.

Host functions are defined once per lane, in a linker that knows no store, so they find the guest
that is running now in their lane. Each catches everything: an exception that left a callback would
be printed by ctypes and the guest would be told that all went well.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import wasmtime

from pico_abi import contract
from picomesh.sandbox.boundary import ACTIONS, Action
from picomesh.sandbox.direct_calls import DIRECT, INSIDE, Callback
from picomesh.sandbox.direct_guest import DirectGuest
from picomesh.sandbox.interface import GuestTrap
from picomesh.sandbox.native import (
    EXTERN_BYTES,
    EXTERN_ITEM,
    RAW_VALUE_BYTES,
    Cell,
    Library,
    MemoryAt,
    WordsAt,
    define_host_function,
)

_ARGUMENTS_MAX = 6
_INTERRUPT = wasmtime.TrapCode.INTERRUPT


class Place:
    """The handles of one instance, at addresses that are made once and used again."""

    __slots__ = (
        "_bytes",
        "entered",
        "fuel",
        "fuel_at",
        "function",
        "function_at",
        "instance",
        "memory",
        "memory_at",
        "realloc",
        "realloc_at",
        "stack",
        "stack_at",
    )

    def __init__(self) -> None:
        self._bytes = (ctypes.c_uint64 * (6 * EXTERN_BYTES // 8))()
        start = ctypes.addressof(self._bytes)
        externs = range(start, start + 6 * EXTERN_BYTES, EXTERN_BYTES)
        self.instance, self.memory, self.realloc, self.fuel, self.stack, self.function = externs
        self.memory_at = self.memory + EXTERN_ITEM
        self.realloc_at = self.realloc + EXTERN_ITEM
        self.fuel_at = self.fuel + EXTERN_ITEM
        self.stack_at = self.stack + EXTERN_ITEM
        self.function_at = self.function + EXTERN_ITEM
        self.entered = ""  # the export whose handle `function` is


class Lane:
    """Buffers, callbacks and a linker; one machine at a time uses them."""

    def __init__(self, engine: wasmtime.Engine, library: Library) -> None:
        self.library = library
        self.guest: DirectGuest | None = None
        self.places: list[Place] = []
        self.memories = MemoryAt()
        self._values = (ctypes.c_uint64 * (_ARGUMENTS_MAX * RAW_VALUE_BYTES // 8))()
        self.numbers_at = ctypes.addressof(self._values)
        self.numbers = memoryview(self._values).cast("B").cast("I")
        self._trap = (ctypes.c_uint64 * 1)()
        self.trap_at = ctypes.addressof(self._trap)
        self.trap = memoryview(self._trap).cast("B").cast("Q")
        self._cells = (Cell.of_i64(), Cell.of_i32())
        self.fuel, self.fuel_at = self._cells[0].number, self._cells[0].address
        self.stack, self.stack_at = self._cells[1].number, self._cells[1].address
        two = struct.Struct("<II")
        self.two_words: Callable[..., Any] = two.unpack_from
        self.put_two_words: Callable[..., Any] = two.pack_into
        self.call = library.func_call_unchecked
        self.instantiate = library.instance_pre_instantiate
        self.export_get = library.instance_export_get
        self.global_get = library.global_get
        self.global_set = library.global_set
        self.memory_data = library.memory_data
        self.memory_size = library.memory_data_size
        self.is_broken = False
        self._callbacks: list[tuple[Any, int]] = []
        self.linker = wasmtime.Linker(engine)
        for host in contract.HOST_FUNCTIONS:
            self._define(host)

    def place(self, index: int) -> Place:
        """The place of a machine's n-th instance."""
        if index == len(self.places):
            self.places.append(Place())
        place = self.places[index]
        place.entered = ""
        return place

    def _define(self, host: contract.HostFunction) -> None:
        key = (host.module, host.name)
        direct = DIRECT.get(key)
        if direct is None:
            function = self._plain_callback(ACTIONS[key], len(host.params))
        else:
            function = direct(self)
        callback, spare = self.library.host_function(function, self.lost)
        self._callbacks.append((callback, spare))  # C holds only the address
        address = self.library.address_of_function(callback)
        define_host_function(self.library, self.linker, host, address)

    def fail(self, problem: BaseException) -> int:
        """Keeps what a host function raised, and gives the trap that stops the guest."""
        guest = self.guest
        assert guest is not None, "a host function is called by a guest"
        if guest.raised is None:
            guest.raised = problem
        return self.library.host_trap()

    def lost(self, _: object, problem: BaseException, __: object) -> None:
        """What Python raised in front of or behind a host function, which gave its spare trap."""
        self.is_broken = True  # it has no other
        if self.guest is not None and self.guest.raised is None:
            self.guest.raised = problem

    def look_at(self, problem: BaseException) -> None:
        """Takes a lane out of use when a spare trap stopped the guest and nobody could say why."""
        if isinstance(problem, wasmtime.Trap) and problem.trap_code is _INTERRUPT:
            self.is_broken = True

    def __del__(self) -> None:
        if not self.is_broken:
            for _, spare in self._callbacks:
                self.library.wasm_trap_delete(spare)

    def _plain_callback(self, action: Action, count: int) -> Callback:
        """A host function of `boundary`, with the meter out while it runs."""
        indices = range(0, 4 * count, 4)
        arguments_at = WordsAt()

        def function(_: int, __: int, arguments: int, ___: int) -> int:
            try:
                guest = self.guest
                assert guest is not None, "a host function is called by a guest"
                words = arguments_at[arguments]
                numbers = [words[index] for index in indices]
                guest.take_meter()
                if guest.allocating:
                    raise GuestTrap(INSIDE)
                action(guest, *numbers)
                guest.give_meter()
            except BaseException as problem:
                return self.fail(problem)
            return 0

        return function
