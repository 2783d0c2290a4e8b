"""The guest library alone in a sandbox: calls its exports with values written into its memory.

It stands between the tests and the bytes: the layout it writes is that of guest/include/krl.h.
KRL functions are Python callables here, reached through one slot of the guest's table.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import cbor2
import wasmtime

GUEST = Path(__file__).resolve().parents[3] / "rulesets" / "krl" / "guest" / "guest.wasm"

TAG_CONSTANT, TAG_STRING, TAG_ARRAY, TAG_MAP, TAG_FUNCTION, TAG_REGEXP = range(0xFFF9, 0xFFFF)
CALLBACK_SLOT = 0  # the linker leaves the first slot of the table empty
FRESH_AFTER_BYTES = 8 * 1024 * 1024
I32, I64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()


class _Null:
    """JavaScript's null; Python's None stands for undefined."""

    def __repr__(self) -> str:
        return "NULL"


NULL = _Null()
CONSTANTS: tuple[object, ...] = (None, NULL, False, True)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression."""

    source: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class GuestFunction:
    """A function that lives in the guest, or a Python callable that was handed in."""

    value: int


class Thrown(Exception):
    """The guest ended the transition; the message is its first argument."""


Answer = Callable[[Any], Any]


@dataclass(slots=True)
class Host:
    """What the imports do: effects are recorded, questions are answered by `answer`."""

    effects: list[dict[str, Any]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    answer: Answer = lambda question: {"error": "nobody answers"}


@cache
def _compiled() -> tuple[wasmtime.Engine, wasmtime.Module]:
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, GUEST.read_bytes())


@cache
def export_names() -> frozenset[str]:
    """The names that the built guest exports."""
    return frozenset(export.name for export in _compiled()[1].exports)


class Machine:
    """One instance at a time; a fresh one replaces it when its arena has grown large."""

    def __init__(self) -> None:
        self.host = Host()
        self._context: tuple[str, bytes] | None = None
        self._start()

    def _start(self) -> None:
        engine, module = _compiled()
        self._store = wasmtime.Store(engine)
        self._callbacks: list[Callable[..., Any]] = []
        imports = [self._import(item) for item in module.imports]
        self._exports = wasmtime.Instance(self._store, module, imports).exports(self._store)
        self._memory = cast(wasmtime.Memory, self._exports["memory"])
        callback_type = wasmtime.FuncType([I32, I32, I32], [I64])
        callback = wasmtime.Func(self._store, callback_type, self._call_back)
        table = cast(wasmtime.Table, self._exports["__indirect_function_table"])
        table.set(self._store, CALLBACK_SLOT, callback)
        if self._context:
            self._begin(*self._context)

    def _import(self, item: wasmtime.ImportType) -> wasmtime.Func:
        behaviour = {
            "emit": self._emit,
            "ask": self._ask,
            "get": lambda *arguments: self._write(arguments[2], b"\0"),
        }.get(item.name or "", lambda *arguments: None)
        assert callable(behaviour)
        return wasmtime.Func(self._store, cast(wasmtime.FuncType, item.type), behaviour)

    def _emit(self, address: int, byte_count: int) -> None:
        effect = _unfolded(cbor2.loads(self._read(address, byte_count)))
        if effect["kind"] == "throw":
            raise Thrown(effect.get("message"))
        self.host.effects.append(effect)

    def _ask(self, address: int, byte_count: int, return_area: int) -> None:
        question = _unfolded(cbor2.loads(self._read(address, byte_count)))
        self.host.questions.append(question)
        answer = cbor2.dumps(self.host.answer(question), canonical=True)
        place = self._invoke("cabi_realloc", 0, 0, 1, len(answer))
        self._write(place, answer)
        self._write(return_area, struct.pack("<II", place, len(answer)))

    def _call_back(self, function: int, count: int, arguments: int) -> int:
        (number,) = struct.unpack("<d", self._read(function + 16, 8))
        values = struct.unpack(f"<{count}Q", self._read(arguments, 8 * count))
        result = self._callbacks[int(number)](*(self.read(value) for value in values))
        return _signed(self.write(result))

    # ---- memory ----

    def _read(self, address: int, byte_count: int) -> bytes:
        return bytes(self._memory.read(self._store, address, address + byte_count))

    def _write(self, address: int, data: bytes) -> None:
        self._memory.write(self._store, data, address)

    def _invoke(self, name: str, *arguments: int) -> Any:
        return cast(wasmtime.Func, self._exports[name])(self._store, *arguments)

    def _place(self, data: bytes) -> int:
        address = cast(int, self._invoke("rt_allocate", max(len(data), 8)))
        self._write(address, data)
        return address

    # ---- values ----

    def write(self, value: Any) -> int:
        """The value as the guest sees it; it lives until the next fresh instance."""
        if value is None or value is NULL or isinstance(value, bool):
            constant = next(i for i, known in enumerate(CONSTANTS) if known is value)
            return TAG_CONSTANT << 48 | constant
        if isinstance(value, int | float):
            bits = struct.unpack("<Q", struct.pack("<d", value))[0]
            return 0x7FF8 << 48 if value != value else cast(int, bits)
        if isinstance(value, str):
            return TAG_STRING << 48 | self._write_string(value)
        if isinstance(value, GuestFunction):
            return value.value
        if isinstance(value, Pattern):
            flags = ("g" in value.flags) | ("i" in value.flags) << 1
            source = self._write_string(value.source)
            return TAG_REGEXP << 48 | self._place(struct.pack("<6I", source, flags, 0, 0, 0, 0))
        if isinstance(value, Mapping):
            return self._write_map(value)
        if isinstance(value, Sequence):
            items = [self.write(item) for item in value]
            data = struct.pack(f"<2I{len(items)}Q", len(items), 0, *items)
            return TAG_ARRAY << 48 | self._place(data)
        return self._write_callback(value)

    def _write_string(self, text: str) -> int:
        units = text.encode("utf-16-le", "surrogatepass")
        wide = any(units[1::2])
        data = struct.pack("<2I", len(units) // 2, wide)
        return self._place(data + (units if wide else units[::2]))

    def _write_map(self, value: Mapping[str, Any]) -> int:
        flat = [self.write(part) for pair in value.items() for part in pair]
        pairs = self._place(struct.pack(f"<{len(flat)}Q", *flat))
        return cast(int, self._invoke("rt_map", len(value), pairs)) & (1 << 64) - 1

    def _write_callback(self, callback: Callable[..., Any]) -> int:
        self._callbacks.append(callback)
        shape = self._place(struct.pack("<2I", 0, 0))
        number = float(len(self._callbacks) - 1)
        data = struct.pack("<4Id", CALLBACK_SLOT, shape, 1, 0, number)
        return TAG_FUNCTION << 48 | self._place(data)

    def read(self, value: int) -> Any:
        """A value of the guest as a Python one."""
        value &= (1 << 64) - 1
        tag, address = value >> 48, value & 0xFFFFFFFF
        if tag < TAG_CONSTANT:
            return _number(value)
        if tag == TAG_CONSTANT:
            return CONSTANTS[address]
        if tag == TAG_STRING:
            return self._read_string(address)
        if tag == TAG_ARRAY:
            return self._read_array(address)
        if tag == TAG_MAP:
            keys = self.read(self._invoke("rt_each_keys", _signed(value)))
            values = self.read(self._invoke("rt_each_values", _signed(value)))
            return dict(zip(keys, values, strict=True))
        if tag == TAG_REGEXP:
            return self._read_pattern(value)
        assert tag == TAG_FUNCTION, f"not a value: {value:016x}"
        return GuestFunction(value)

    def _read_string(self, address: int) -> str:
        length, flags = struct.unpack("<2I", self._read(address, 8))
        units = address + 8
        if flags & 2:
            (units,) = struct.unpack("<I", self._read(units, 4))
        if flags & 1:
            return self._read(units, 2 * length).decode("utf-16-le", "surrogatepass")
        return self._read(units, length).decode("latin-1")

    def _read_array(self, address: int) -> list[Any]:
        (length,) = struct.unpack("<I", self._read(address, 4))
        values = struct.unpack(f"<{length}Q", self._read(address + 8, 8 * length))
        return [self.read(value) for value in values]

    def _read_pattern(self, value: int) -> Pattern:
        text = self.call("as", GuestFunction(value), "String")
        source, _, flags = text[len("re#") :].rpartition("#")
        return Pattern(source, flags)

    # ---- calls ----

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls `lib_<name>`."""
        values = [self.write(argument) for argument in arguments]
        place = self._place(struct.pack(f"<{len(values)}Q", *values))
        return self.read(self._invoke(f"lib_{name}", 0, len(values), place))

    def call_core(self, name: str, *arguments: Any) -> Any:
        """Calls `rt_<name>`, which takes each value by itself; what it returns is not read."""
        return self._invoke(f"rt_{name}", *(_signed(self.write(item)) for item in arguments))

    def attempt(self, name: str, *arguments: Any) -> Any:
        """Like `call`, but a throw is a result: {"!": message}."""
        self.refresh()
        stack = cast(wasmtime.Global, self._exports["__stack_pointer"])
        before = stack.value(self._store)
        try:
            return self.call(name, *arguments)
        except Thrown as thrown:
            stack.set_value(self._store, before)  # nobody else unwinds what was thrown through
            return {"!": thrown.args[0]}

    def refresh(self) -> None:
        """A fresh instance, when this one has filled much memory."""
        if self._memory.data_len(self._store) > FRESH_AFTER_BYTES:
            self._start()

    def begin(self, kind: str, record: Mapping[str, Any]) -> None:
        """Starts an event or a query with this record as its context."""
        self._context = (kind, cbor2.dumps(record, canonical=True))
        self._begin(*self._context)

    def _begin(self, kind: str, data: bytes) -> None:
        self._invoke(f"rt_{kind}_begin", self._place(data), len(data))


def _unfolded(value: Any) -> Any:
    """A decoded value with the maps whose order is not CBOR's as maps again."""
    if isinstance(value, list):
        return [_unfolded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["/"]:
        flat = value["/"]
        value = dict(zip(flat[::2], flat[1::2], strict=True))
    return {key: _unfolded(item) for key, item in value.items()}


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _number(bits: int) -> int | float | None:
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    if math.isfinite(number) and number == int(number):
        return int(number)
    return cast(float, number)
