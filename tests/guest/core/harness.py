"""The bare guest library in wasmtime, with a host made of a dictionary: what the tests talk to.

Values go in through an entity variable's bytes or are built in memory; they come out as the answer
of a query. So every test passes through the codec, and none needs the compiler.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import wasmtime

from krl.guest import guest_bytes
from picomesh.ledger.value import Value, decode_plain, decode_value, encode_plain, encode_value

UNDEFINED, NULL, FALSE, TRUE, UNSET = (0xFFF9 << 48 | number for number in range(5))
_TAG_STRING, _TAG_REGEXP = 0xFFFA, 0xFFFE
SEED = bytes(range(32))


class Thrown(Exception):
    """The guest emitted a throw."""


@functools.cache
def _engine() -> wasmtime.Engine:
    return wasmtime.Engine()


@functools.cache
def _module() -> wasmtime.Module:
    return wasmtime.Module(_engine(), guest_bytes())


class Guest:
    """One instance; `state` and `effects` are what its host calls saw."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.effects: list[dict[str, Value]] = []
        self.requests: list[tuple[str, bytes]] = []
        self.answers: list[bytes] = []
        self._store = wasmtime.Store(_engine())
        linker = wasmtime.Linker(_engine())
        for module, name, parameter_count, function in self._imports():
            types = [wasmtime.ValType.i32()] * parameter_count
            linker.define_func(
                f"picomesh:pico/{module}@1.0.0", name, wasmtime.FuncType(types, []), function
            )
        self._exports = linker.instantiate(self._store, _module()).exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self.memory = memory

    # -- the host's side

    def _imports(self) -> list[tuple[str, str, int, Any]]:
        return [
            ("state", "get", 3, self._get),
            ("state", "put", 4, self._put),
            ("state", "delete", 2, self._delete),
            ("state", "scan", 6, self._scan),
            ("effects", "emit", 2, self._emit),
            ("pico", "ask", 3, functools.partial(self._answer, "ask")),
            ("rulesets", "call", 3, functools.partial(self._answer, "call")),
        ]

    def _get(self, path: int, path_bytes: int, out: int) -> None:
        stored = self.state.get(self.read(path, path_bytes).decode())
        if stored is None:
            self.write(out, b"\0")
        else:
            self.write(out, b"\1")
            self.write(out + 4, struct.pack("<II", *self._give(stored)))

    def _put(self, path: int, path_bytes: int, value: int, value_bytes: int) -> None:
        name = self.read(path, path_bytes).decode()
        self.puts.append(name)
        self.state[name] = self.read(value, value_bytes)

    def _delete(self, path: int, path_bytes: int) -> None:
        self.state.pop(self.read(path, path_bytes).decode(), None)

    def _scan(
        self, prefix: int, size: int, after: int, after_size: int, limit: int, out: int
    ) -> None:
        start, behind = self.read(prefix, size).decode(), self.read(after, after_size).decode()
        found = sorted(path for path in self.state if path.startswith(start) and path > behind)
        rows = b"".join(
            struct.pack("<IIII", *self._give(path.encode()), *self._give(self.state[path]))
            for path in found[:limit]
        )
        self.write(out, struct.pack("<II", self._give(rows)[0], len(found[:limit])))

    def _emit(self, effect: int, size: int) -> None:
        self.effects.append(decode_plain(self.read(effect, size)))

    def _answer(self, import_name: str, question: int, size: int, out: int) -> None:
        self.requests.append((import_name, self.read(question, size)))
        self.write(out, struct.pack("<II", *self._give(self.answers.pop(0))))

    def _give(self, data: bytes) -> tuple[int, int]:
        address = self.call("cabi_realloc", 0, 0, 8, len(data))
        self.write(address, data)
        return address, len(data)

    # -- memory and calls

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory.read(self._store, address, address + size))

    def write(self, address: int, data: bytes) -> None:
        if data:  # wasmtime-py refuses nothing at the very end of a memory
            self.memory.write(self._store, data, address)

    def memory_bytes(self) -> int:
        return self.memory.data_len(self._store)

    def place(self, data: bytes) -> int:
        return self._give(data)[0]

    def call(self, name: str, *arguments: int) -> int:
        """Calls an export; i64 results come back unsigned. Raises Thrown or wasmtime's Trap."""
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        kinds = function.type(self._store).params
        signed = [
            _signed(argument, 64 if str(kind) == "i64" else 32)
            for argument, kind in zip(arguments, kinds, strict=True)
        ]
        try:
            result = function(self._store, *signed)
        except wasmtime.Trap:
            if self.effects and self.effects[-1].get("kind") == "throw":
                raise Thrown(self.effects.pop()["message"]) from None
            raise
        if result is not None and str(function.type(self._store).results[0]) == "i64":
            return int(result) & (1 << 64) - 1
        return int(result or 0)

    # -- values

    def text(self, text: str, *, wide: bool | None = None) -> int:
        """A string value, made in memory as the compiler lays it out."""
        units = text.encode("utf-16-le", "surrogatepass")
        is_wide = any(units[1::2]) if wide is None else wide
        data = units if is_wide else units[::2]
        address = self.place(struct.pack("<II", len(units) // 2, is_wide) + data)
        return _TAG_STRING << 48 | address

    def array(self, *items: int) -> int:
        packed = struct.pack(f"<{len(items)}Q", *items)
        return self.call("rt_array", len(items), self.place(packed))

    def map(self, *keys_and_values: int) -> int:
        packed = struct.pack(f"<{len(keys_and_values)}Q", *keys_and_values)
        return self.call("rt_map", len(keys_and_values) // 2, self.place(packed))

    def regexp(self, source: str, flags: str = "") -> int:
        bits = sum(bit for flag, bit in (("g", 1), ("i", 2)) if flag in flags)
        source_address = self.text(source) & 0xFFFFFFFF
        return _TAG_REGEXP << 48 | self.place(struct.pack("<6I", source_address, bits, *[0] * 4))

    def value(self, value: Value) -> int:
        """A value through the decoder."""
        return self.decode(encode_value(value))

    def decode(self, data: bytes) -> int:
        self.state["ent/in"] = data
        self.begin_event()
        return self.call("rt_entity_get", self.text("in"))

    def show(self, value: int) -> Value:
        """What a query would answer."""
        return decode_value(self.encode(value))

    def encode(self, value: int) -> bytes:
        return self.returned(self.call("rt_query_end", value))

    def returned(self, area: int) -> bytes:
        address, size = struct.unpack("<II", self.read(area, 8))
        return self.read(address, size)

    def library(self, name: str, *arguments: int) -> int:
        packed = struct.pack(f"<{len(arguments)}Q", *arguments)
        return self.call(f"lib_{name}", 0, len(arguments), self.place(packed))

    def to_string(self, value: int) -> Value:
        """KRL's toString."""
        return self.show(self.call("rt_chevron", 1, self.place(struct.pack("<Q", value))))

    def begin_event(self, attrs: Value = None, **more: Value) -> None:
        fields: dict[str, Any] = {
            **{"attrs": attrs or {}, "config": {}, "domain": "test", "eci": "eci", "eid": "eid"},
            **{"host": "http://localhost", "name": "event", "pico": "pico", "seed": SEED},
            **{"time": 1_767_225_600_000, "txn": "txn"},
            **more,
        }
        data = encode_plain(fields)
        self.call("rt_event_begin", self.place(data), len(data))

    def end_event(self) -> Value:
        return decode_value(self.returned(self.call("rt_event_end")))

    def begin_query(self, name: str, args: Value = None) -> None:
        fields: dict[str, Any] = {
            **{"args": args or {}, "config": {}, "eci": "eci", "host": "h", "name": name},
            **{"pico": "pico", "seed": SEED, "time": 0, "txn": "txn"},
        }
        data = encode_plain(fields)
        self.call("rt_query_begin", self.place(data), len(data))


_shared: list[Guest] = []


def shared_guest() -> Guest:
    """An instance for many examples, in an event; one that grew is replaced."""
    if not _shared or _shared[0].memory_bytes() > 4 << 20:
        _shared[:] = [Guest()]
        _shared[0].begin_event()
    return _shared[0]


def number(d: float) -> int:
    """A number value."""
    return int(struct.unpack("<Q", struct.pack("<d", d))[0])


def number_of(value: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", value))[0])


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
