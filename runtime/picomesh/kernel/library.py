"""The library behind its C functions: addresses in, packets out.

It is called without the interpreter's lock, so that other threads go on while a guest runs.
"""

from __future__ import annotations

import ctypes
import importlib
import platform
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INTERFACE = 10  # of kernel.zig
HOST_FUNCTIONS = ("get", "put", "emit", "delete")  # those it has, by their numbers
_OTHER = len(HOST_FUNCTIONS)
_GIVEN = struct.Struct("<qqQQQQQ32s32s32sQ")  # event.zig: Given
_OUT_WORD = 19  # where its last field stands, in words of 8 bytes
_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_SOURCE = "uint8_t(uint8_t *, uint8_t)"

HERE = Path(__file__).resolve().parent

Read = Callable[[bytes, bool], bytes]  # a block by its digest, and whether it is a node

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "kernel_interface": (ctypes.c_uint32, []),
    "kernel_new": (_POINTER, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "kernel_delete": (None, [_POINTER]),
    "kernel_environment": (_POINTER, [_POINTER]),
    "kernel_host_function": (_POINTER, [ctypes.c_uint32]),
    "kernel_give": (ctypes.c_uint8, [_POINTER, ctypes.c_char_p, _SIZE]),
    "kernel_recipe_new": (_POINTER, [ctypes.c_char_p, _SIZE]),
    "kernel_recipe_add": (ctypes.c_uint8, [_POINTER, ctypes.c_char_p, _SIZE]),
    "kernel_recipe_delete": (None, [_POINTER]),
    "kernel_forget": (None, [_POINTER]),
    "kernel_many_bytes": (_SIZE, [_POINTER]),
    "kernel_group_new": (_POINTER, [_POINTER]),
    "kernel_group_delete": (None, [_POINTER]),
    "kernel_group_out": (_POINTER, [_POINTER]),
    "kernel_set_sender": (ctypes.c_uint8, [_POINTER, *[ctypes.c_char_p, _SIZE] * 2]),
    "kernel_seal_begin": (_SIZE, [_POINTER, ctypes.c_char_p, _SIZE]),
    "kernel_seal_finish": (_SIZE, [_POINTER, ctypes.c_char_p, _SIZE]),
    "kernel_is_message": (ctypes.c_uint8, [ctypes.c_char_p, _SIZE]),
    "kernel_is_list_of_rules": (ctypes.c_uint8, [ctypes.c_char_p, _SIZE]),
    "kernel_digest": (None, [ctypes.c_char_p, _SIZE, _POINTER]),
    "kernel_held_bytes": (_SIZE, [_POINTER]),
    "kernel_is_node": (ctypes.c_uint8, [ctypes.c_char_p, _SIZE]),
    "kernel_opener_new": (_POINTER, []),
    "kernel_opener_out": (_POINTER, [_POINTER]),
    "kernel_open": (_SIZE, [_POINTER, ctypes.c_char_p, _SIZE]),
    "kernel_pack": (_SIZE, [_POINTER, *[ctypes.c_char_p, _SIZE] * 2]),
}
# It runs guests, so other threads must be able to go on.
_EVENT_PARAMETERS: list[Any] = [_POINTER, _POINTER, _POINTER, *[ctypes.c_char_p] * 3]
_QUERY_PARAMETERS: list[Any] = [_POINTER, _POINTER, _POINTER, ctypes.c_char_p, _SIZE]
_AGAIN_PARAMETERS: list[Any] = [*_QUERY_PARAMETERS, ctypes.c_uint8]


class NoKernel(Exception):
    """There is no library for this system, or it is of another version."""


class Library:
    """The functions of one file."""

    def __init__(self, path: Path) -> None:
        try:
            quick, slow = ctypes.PyDLL(str(path)), ctypes.CDLL(str(path))
            for name, (result, parameters) in _FUNCTIONS.items():
                function = getattr(quick, name)
                function.restype, function.argtypes = result, parameters
                setattr(self, name.removeprefix("kernel_"), function)
            self.event: Any = slow.kernel_event
            self.event.restype, self.event.argtypes = _SIZE, _EVENT_PARAMETERS
            self.query: Any = slow.kernel_query
            self.query.restype, self.query.argtypes = _SIZE, _QUERY_PARAMETERS
            self.again: Any = slow.kernel_again
            self.again.restype, self.again.argtypes = _SIZE, _AGAIN_PARAMETERS
            self._cffi: Any = importlib.import_module("cffi").FFI()
        except (OSError, AttributeError, ImportError) as problem:
            raise NoKernel(str(problem)) from problem
        if self.interface() != INTERFACE:
            raise NoKernel("the library is of another version")

    def source(self, function: Callable[[Any, int], int]) -> tuple[Any, int]:
        """A callback, which has to be kept, and its address. By cffi, as sandbox/native.py says."""
        callback = self._cffi.callback(_SOURCE, function, error=0)
        return callback, int(self._cffi.cast("intptr_t", callback))

    def octets(self, pointer: Any, count: int) -> bytes:
        return bytes(self._cffi.buffer(pointer, count))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class Again:
    """Events that came to their cores: how many, and of the last one core and post digest."""

    count: int
    prev: bytes
    post: bytes
    packets: bytes  # parts (picomesh.kernel.parts)


class Recipe:
    """What is the same for the events of one kind (recipe.zig).

    Who makes it keeps what its addresses lead to as long as it.
    """

    __slots__ = ("_library", "address")

    def __init__(self, library: Library, data: bytes) -> None:
        self._library = library
        self.address = library.recipe_new(data, len(data))
        if not self.address:
            raise MemoryError("no memory for a recipe")

    def add(self, data: bytes) -> None:
        """Another kind of event, which rules raise."""
        if not self._library.recipe_add(self.address, data, len(data)):
            raise MemoryError("no memory for a recipe")

    def __del__(self) -> None:
        address, self.address = getattr(self, "address", None), None
        if address:
            self._library.recipe_delete(address)


class Kernel:
    """One machine: a wasmtime engine's events, one at a time."""

    def __init__(
        self, library: Library, engine_at: int, functions: Sequence[int], limits: Sequence[int]
    ) -> None:
        """`functions` and `limits` in the order of guest.zig: Library, Limits."""
        self.library = library
        self._lock = threading.Lock()
        self._read: Read | None = None
        self._problem: BaseException | None = None
        self._source, source_at = library.source(self._bring)
        table = (ctypes.c_uint64 * len(functions))(*functions)
        numbers = (ctypes.c_uint64 * len(limits))(*limits)
        self._machine = library.new(
            engine_at, ctypes.addressof(table), ctypes.addressof(numbers), source_at
        )
        if not self._machine:
            raise NoKernel("no memory for a machine")
        self._given = ctypes.create_string_buffer(_GIVEN.size)
        self._given_at = ctypes.addressof(self._given)
        self._words = memoryview(self._given).cast("B").cast("Q")

    def __del__(self) -> None:
        machine, self._machine = getattr(self, "_machine", None), None
        if machine:
            self.library.delete(machine)

    @property
    def environment(self) -> int:
        return int(self.library.environment(self._machine))

    def host_function(self, name: str) -> int:
        """The address of a host function by its name in the contract."""
        number = HOST_FUNCTIONS.index(name) if name in HOST_FUNCTIONS else _OTHER
        return int(self.library.host_function(number))

    def forget(self) -> None:
        """Drops the nodes and values that it remembers."""
        self.library.forget(self._machine)

    @property
    def held_bytes(self) -> int:
        """What these take."""
        return int(self.library.held_bytes(self._machine))

    def event(
        self,
        recipe: Recipe,
        read: Read,
        fuel_limit: int,
        time_ms: int,
        seq: int,
        prev: bytes | None,
        pre: bytes,
        seed: bytes,
        eid: bytes,
        attrs: bytes,
        given: bytes,
    ) -> bytes | None:
        """The packet of an event; None when Python has to run it.

        `prev`, `pre` and `seed` are digests of 32 bytes; `given` is the input's block, or empty.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._read = read
            _GIVEN.pack_into(
                *(self._given, 0, fuel_limit, time_ms, seq, prev is not None, len(eid)),
                *(len(attrs), len(given), prev or b"", pre, seed, 0),
            )
            count = self.library.event(
                self._machine, recipe.address, self._given_at, eid, attrs, given
            )
            if self._problem is not None:
                self._raise_interrupt()
            return ctypes.string_at(self._words[_OUT_WORD], count) if count else None
        except struct.error:  # a number that has no room there: Python takes any
            return None
        finally:
            self._read = None
            self._lock.release()

    def query(
        self, recipe: Recipe, read: Read, fuel_limit: int, pre: bytes, message: bytes
    ) -> tuple[int, bytes] | None:
        """Fuel and answer of a query to the recipe's ruleset; None when Python has to run it."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._read = read
            none = bytes(32)
            _GIVEN.pack_into(
                *(self._given, 0, fuel_limit, 0, 0, False, 0, 0, 0, none, pre, none, 0)
            )
            count = self.library.query(
                self._machine, recipe.address, self._given_at, message, len(message)
            )
            self._raise_interrupt()
            if not count:
                return None
            data = ctypes.string_at(self._words[_OUT_WORD], count)
            return int(_FUEL.unpack_from(data)[0]), data[_FUEL.size :]
        except struct.error:  # as in `event`
            return None
        finally:
            self._read = None
            self._lock.release()

    def again(
        self,
        recipe: Recipe,
        read: Read,
        fuel_limit: int,
        seq: int,
        prev: bytes,
        pre: bytes,
        rows: bytes,
        is_net: bool = False,
    ) -> Again | None:
        """Runs recorded events of one kind, as far as each comes to its core.

        Rows are those of `rows`; the first one has this `seq`, `prev` and `pre`. With `is_net`
        there is one packet, of what they come to together, and none unless all come to their cores.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._read = read
            _GIVEN.pack_into(
                *(self._given, 0, fuel_limit, 0, seq, True, 0, 0, 0, prev, pre, bytes(32), 0),
            )
            count = self.library.again(
                self._machine, recipe.address, self._given_at, rows, len(rows), is_net
            )
            self._raise_interrupt()
            if not count:
                return None
            size = self.library.many_bytes(self._machine)
            *_, prev, post, _, out = _GIVEN.unpack(self._given)
            return Again(count, prev, post, ctypes.string_at(out, size))
        finally:
            self._read = None
            self._lock.release()

    def _raise_interrupt(self) -> None:
        """Raises what somebody interrupted with; all other problems Python meets again."""
        problem, self._problem = self._problem, None
        if problem is not None and not isinstance(problem, Exception):
            raise problem

    def _bring(self, digest: Any, is_node: int) -> int:
        """Gives a block that the machine asks for; 0 when it cannot be had."""
        try:
            assert self._read is not None, "it asks while an event runs"
            data = self._read(self.library.octets(digest, 32), bool(is_node))
            return int(self.library.give(self._machine, data, len(data)))
        except BaseException as problem:
            self._problem = problem
            return 0


_FUEL = struct.Struct("<q")


def library_path(system: str, machine: str) -> Path:
    """Where the library for a system lies, if it was built."""
    return HERE / f"kernel-{system}-{machine}.so"


_found: Library | NoKernel | None = None


def find_library() -> Library | None:
    """The library for this system, or None when there is none."""
    global _found
    if _found is None:
        try:
            _found = Library(library_path(platform.system().lower(), platform.machine()))
        except NoKernel as problem:
            _found = problem
    return _found if isinstance(_found, Library) else None
