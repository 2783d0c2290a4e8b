"""Runs the scripts of the WebAssembly core test suite on raw and metered modules side by side.

A script (`.wast`) is modules and assertions about calls. Each module that the profile admits, once
it has the exports that every ruleset has, runs twice: as it is and metered. Every call of the
script is made on both, and both must come to the same: the same bits, or a trap. Where the script
says what must come out, that is counted too. The scripts are not ours and not in this repository.
"""

from __future__ import annotations

import ctypes
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

import pico_abi
from pico_abi.contract import FUEL_EXPORT, REQUIRED_EXPORTS, STACK_EXPORT
from pico_abi.limits import MEMORY_PAGES_MAX
from pico_abi.stack_words import STACK_WORDS_MAX
from pico_abi.wasm import decode_module, encode_module
from pico_abi.wasm import module as m

FUEL = 10**15  # growth by all the memory there is pays for it, and fails
_NUMBERS = {"i32": 32, "i64": 64, "f32": 32, "f64": 64}
_MANTISSA_BITS = {32: 23, 64: 52}


@dataclass(frozen=True, slots=True)
class Node:
    """A list of the script, and where its text stands."""

    items: tuple[Node | str | bytes, ...]
    start: int
    end: int

    @property
    def head(self) -> str:
        return self.items[0] if self.items and isinstance(self.items[0], str) else ""


class ScriptError(Exception):
    """The text is no script."""


# --- reading ---


def read_script(text: str) -> list[Node]:
    """The commands of a script."""
    position, found = _skip(text, 0), []
    while position < len(text):
        node, position = _read(text, position)
        found.append(node)
        position = _skip(text, position)
    return found


def _read(text: str, start: int) -> tuple[Node, int]:
    """The list at a position; lists inside one another as deep as they come."""
    opened: list[tuple[int, list[Node | str | bytes]]] = []
    position = start
    while position < len(text):
        character = text[position]
        if character == "(":
            opened.append((position, []))
            position += 1
        elif character == ")":
            if not opened:
                break
            begin, items = opened.pop()
            position += 1
            node = Node(tuple(items), begin, position)
            if not opened:
                return node, position
            opened[-1][1].append(node)
        elif not opened:
            break
        elif character == '"':
            data, position = _string(text, position + 1)
            opened[-1][1].append(data)
        else:
            end = position
            while end < len(text) and text[end] not in '() \t\r\n";':
                end += 1
            opened[-1][1].append(text[position : max(end, position + 1)])
            position = max(end, position + 1)
        position = _skip(text, position)
    raise ScriptError(f"no list at {position}")


def _skip(text: str, position: int) -> int:
    """Past blanks and comments."""
    while position < len(text):
        if text.startswith(";;", position):
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif text.startswith("(;", position):
            depth, position = 1, position + 2
            while depth and position < len(text):
                pair = text[position : position + 2]
                depth += (pair == "(;") - (pair == ";)")
                position += 2 if pair in ("(;", ";)") else 1
        elif text[position] in " \t\r\n":
            position += 1
        else:
            break
    return position


_ESCAPES = {"t": b"\t", "n": b"\n", "r": b"\r", '"': b'"', "'": b"'", "\\": b"\\"}


def _string(text: str, position: int) -> tuple[bytes, int]:
    out = bytearray()
    while position < len(text) and text[position] != '"':
        character = text[position]
        if character != "\\":
            out += character.encode()
            position += 1
        elif text[position + 1] in _ESCAPES:
            out += _ESCAPES[text[position + 1]]
            position += 2
        elif text.startswith("u{", position + 1):
            end = text.index("}", position)
            out += chr(int(text[position + 3 : end], 16)).encode("utf-8", "surrogatepass")
            position = end + 1
        else:
            out.append(int(text[position + 1 : position + 3], 16))
            position += 3
    return bytes(out), position + 1


# --- values, as bit patterns ---


def bits_of(kind: str, text: str) -> int:
    """The bits of a constant as the text format writes it."""
    size = _NUMBERS[kind]
    text = text.replace("_", "")
    if kind[0] == "i":
        return int(text, 16 if "0x" in text.lower() else 10) % (1 << size)
    return _float_bits(text, size)


def _float_bits(text: str, size: int) -> int:
    sign = 1 << (size - 1) if text.startswith("-") else 0
    text = text.lstrip("+-")
    mantissa = _MANTISSA_BITS[size]
    infinity = (1 << (size - 1)) - (1 << mantissa)
    if text in ("inf", "infinity"):
        return sign | infinity
    if text.startswith("nan"):
        _, _, payload = text.partition(":")
        return sign | infinity | (int(payload, 16) if payload else 1 << (mantissa - 1))
    value = _fraction(text)
    return sign | _nearest(value, size, infinity)


def _fraction(text: str) -> Fraction:
    if not text.lower().startswith("0x"):
        return Fraction(text.rstrip(".") if text.endswith(".") else text.replace(".e", "e"))
    digits, _, power = text[2:].lower().partition("p")
    whole, _, part = digits.partition(".")
    number = Fraction(int(whole + part or "0", 16), 16 ** len(part))
    return number * Fraction(2) ** int(power or 0)


def _nearest(value: Fraction, size: int, infinity: int) -> int:
    """The bits of the float nearest to a number that is not negative; ties to the even one."""

    def number(bits: int) -> Fraction:
        if bits >= infinity:  # where the next one would be
            return number(infinity - 1) * 2 - number(infinity - 2)
        raw = bits.to_bytes(size // 8, "little")
        return Fraction(struct.unpack("<f" if size == 32 else "<d", raw)[0])

    low, high = 0, infinity
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if number(middle) <= value else (low, middle)
    below, above = value - number(low), number(high) - value
    return low if below < above or (below == above and low % 2 == 0) else high


def is_nan(bits: int, size: int) -> bool:
    infinity = (1 << (size - 1)) - (1 << _MANTISSA_BITS[size])
    return bits & ~(1 << (size - 1)) > infinity


# --- modules ---


class NotAdmitted(Exception):
    """The profile does not have what the module uses."""


def as_ruleset(binary: bytes) -> bytes:
    """The module with what every ruleset exports, and limits where it has none."""
    try:
        module = decode_module(binary)
        raw = encode_module(_completed(module))
        pico_abi.validate(raw)
    except pico_abi.ModuleRefused as problem:
        raise NotAdmitted(problem.reason) from problem
    return raw


def _completed(module: m.Module) -> m.Module:
    types, functions = list(module.types), list(module.functions)
    exports = [item for item in module.exports if item.kind != m.KIND_MEMORY]
    taken = {item.name for item in exports}
    first = len(module.imports)
    for required in REQUIRED_EXPORTS:
        if required.name in taken:
            raise NotAdmitted(f"exports {required.name!r} itself")
        types.append(required.type)
        exports.append(m.Export(required.name, m.KIND_FUNCTION, first + len(functions)))
        functions.append(m.Function(len(types) - 1, (), b"\x41\x00\x0b"))
    memories = module.memories or (m.Memory(0, 0),)
    most = MEMORY_PAGES_MAX
    if "memory" in taken:
        raise NotAdmitted("exports 'memory' itself")
    exports.append(m.Export("memory", m.KIND_MEMORY, 0))
    return replace(
        module,
        types=tuple(types),
        functions=tuple(functions),
        exports=tuple(exports),
        memories=tuple(
            [
                m.Memory(item.minimum, most if item.maximum is None else item.maximum)
                for item in memories
            ]
        ),
        tables=tuple(
            [
                m.Table(item.minimum, item.minimum if item.maximum is None else item.maximum)
                for item in module.tables
            ]
        ),
    )


def _limit(declared: int | None, otherwise: int) -> int:
    return otherwise if declared is None else declared


class Form:
    """An instance of one form of a module; values go in and come out as bits."""

    def __init__(self, engine: wasmtime.Engine, code: bytes) -> None:
        self._store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self._store, wasmtime.Module(engine, code), [])
        self._exports: Any = instance.exports(self._store)
        self._is_metered = any(item.name == FUEL_EXPORT for item in decode_module(code).exports)

    def call(self, name: str, arguments: list[int]) -> list[int] | None:
        """The results, or None for a trap."""
        if self._is_metered:
            self._exports[FUEL_EXPORT].set_value(self._store, FUEL)
            self._exports[STACK_EXPORT].set_value(self._store, STACK_WORDS_MAX)
        function = self._exports[name]
        kind = function.type(self._store)
        numbers = (ffi.wasmtime_val_raw_t * max(len(arguments), len(kind.results), 1))()
        for number, bits in zip(numbers, arguments, strict=False):
            number.i64 = bits - (1 << 64) if bits >> 63 else bits
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call_unchecked(
            self._store._context(),
            ctypes.byref(function._func),
            numbers,
            len(numbers),
            ctypes.byref(trap),
        )
        assert not error, "a raw call fails by a trap or not at all"
        if trap:
            ffi.wasm_trap_delete(trap)
            assert not self._is_metered or self._exports[FUEL_EXPORT].value(self._store) >= 0
            return None
        sizes = [_NUMBERS[str(item)] for item in kind.results]
        return [
            number.i64 % (1 << 64) % (1 << size)
            for number, size in zip(numbers, sizes, strict=False)
        ]

    def types(self, name: str) -> list[str]:
        return [str(item) for item in self._exports[name].type(self._store).results]

    def global_bits(self, name: str) -> int:
        value = self._exports[name].value(self._store)
        if isinstance(value, float):
            return int.from_bytes(struct.pack("<d", value), "little")
        return int(value)


# --- running ---


@dataclass(slots=True)
class Tally:
    """What a script came to."""

    modules: int = 0
    admitted: int = 0
    calls: int = 0
    traps: int = 0
    as_expected: int = 0
    other_than_expected: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class Pair:
    """A module in both forms."""

    def __init__(self, engine: wasmtime.Engine, raw: bytes) -> None:
        metered = pico_abi.meter(raw)
        pico_abi.check(metered)
        self.raw, self.metered = Form(engine, raw), Form(engine, metered)


class Script:
    """One script: its modules by name, the last one without."""

    def __init__(self, engine: wasmtime.Engine, text: str, tally: Tally) -> None:
        self._engine = engine
        self._text = text
        self._tally = tally
        self._pairs: dict[str, Pair | None] = {}

    def run(self) -> None:
        for node in read_script(self._text):
            match node.head:
                case "module":
                    self._module(node)
                case "invoke":
                    self._act(node, None)
                case name if name.startswith("assert_return") or name in _TRAPS:
                    action, *expected = [item for item in node.items[1:] if isinstance(item, Node)]
                    if action.head in ("invoke", "get"):
                        self._act(action, (name, expected))

    def _module(self, node: Node) -> None:
        """A module, or the definition of one that is never instantiated."""
        self._tally.modules += 1
        names = [item for item in node.items[1:2] if isinstance(item, str) and item[0] == "$"]
        pair = None
        try:
            pair = Pair(self._engine, as_ruleset(_binary(self._text, node)))
            self._tally.admitted += 1
        except (NotAdmitted, wasmtime.WasmtimeError, wasmtime.Trap) as problem:
            reason = str(problem).splitlines()[0][:60]
            self._tally.refusals[reason] += 1
        self._pairs[""] = pair
        for name in names:
            self._pairs[name] = pair

    def _act(self, node: Node, asserted: tuple[str, list[Node]] | None) -> None:
        """A call on both forms; they must come to the same."""
        items = list(node.items[1:])
        name = items.pop(0) if items and isinstance(items[0], str) else ""
        pair = self._pairs.get(str(name))
        if pair is None:
            return
        export = items.pop(0)
        assert isinstance(export, bytes)
        text = export.decode("utf-8", "surrogatepass")
        if node.head == "get":
            self._compare_globals(pair, text)
            return
        arguments = [_value(item) for item in items if isinstance(item, Node)]
        raw, metered = pair.raw.call(text, arguments), pair.metered.call(text, arguments)
        self._tally.calls += 1
        self._tally.traps += raw is None
        kinds = pair.raw.types(text)
        if not _same(kinds, raw, metered):
            where = self._text.count("\n", 0, node.start) + 1
            self._tally.differences.append(f"line {where}: raw {raw}, metered {metered}")
        if asserted is not None:
            self._expect(node, *asserted, kinds, metered)

    def _compare_globals(self, pair: Pair, name: str) -> None:
        self._tally.calls += 1
        if pair.raw.global_bits(name) != pair.metered.global_bits(name):
            self._tally.differences.append(f"global {name}")

    def _expect(
        self,
        node: Node,
        name: str,
        expected: list[Node],
        kinds: list[str],
        found: list[int] | None,
    ) -> None:
        if name in _TRAPS:
            good = found is None
        elif name != "assert_return":  # the old assertions about NaN
            good = found is not None and is_nan(found[0], _NUMBERS[kinds[0]])
        else:
            good = (
                found is not None
                and len(found) == len(expected)
                and all(map(_is_expected, kinds, found, expected))
            )
        if good:
            self._tally.as_expected += 1
        else:
            line = self._text.count("\n", 0, node.start) + 1
            self._tally.other_than_expected.append(f"line {line}: {found}")


_TRAPS = ("assert_trap", "assert_exhaustion")


def _binary(text: str, node: Node) -> bytes:
    words = [item for item in node.items[1:3] if isinstance(item, str) and item[0] != "$"]
    if "quote" in words:
        raise NotAdmitted("module in quotes")
    if "binary" in words:
        return b"".join([item for item in node.items if isinstance(item, bytes)])
    return bytes(wasmtime.wat2wasm(text[node.start : node.end]))


def _value(node: Node) -> int:
    kind = node.head.partition(".")[0]
    text = node.items[1]
    if kind not in _NUMBERS or not isinstance(text, str):
        raise ScriptError(f"a value {node.head}")
    return bits_of(kind, text)


def _same(kinds: list[str], raw: list[int] | None, metered: list[int] | None) -> bool:
    """Equal bits; where arithmetic may give any NaN, the metered module gives one of them."""
    if raw is None or metered is None:
        return raw is metered
    return all(
        a == b or (kind[0] == "f" and is_nan(a, _NUMBERS[kind]) and b == bits_of(kind, "nan"))
        for kind, a, b in zip(kinds, raw, metered, strict=True)
    )


def _is_expected(kind: str, bits: int, expected: Node) -> bool:
    text = expected.items[1]
    assert isinstance(text, str)
    if text in ("nan:canonical", "nan:arithmetic"):
        return is_nan(bits, _NUMBERS[kind])
    return bits == bits_of(kind, text)


def run_scripts(texts: Iterator[tuple[str, str]]) -> dict[str, Tally]:
    """Every script by name; a script that cannot be read counts as nothing."""
    engine = wasmtime.Engine()
    found = {}
    for name, text in texts:
        tally = found[name] = Tally()
        try:
            Script(engine, text, tally).run()
        except ScriptError as problem:
            tally.refusals[f"cannot be read: {problem}"] += 1
    return found
