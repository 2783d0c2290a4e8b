"""Guests written by hand in WebAssembly text, for behaviour no compiler would produce.

A `Guest` collects data and functions and gives a raw module that follows wit/pico.wit. What is
not said is harmless: `handle` runs no rules, `query` answers null, `describe` gives the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import wasmtime

MANIFEST_ADDRESS = 1024
DATA_ADDRESS = 8192
HEAP_ADDRESS = 32768
RETURN_AREA = 16  # where `$list` puts its {address, count}

_IMPORTS = """
 (import "picomesh:pico/state@1.0.0" "get" (func $get (param i32 i32 i32)))
 (import "picomesh:pico/state@1.0.0" "put" (func $put (param i32 i32 i32 i32)))
 (import "picomesh:pico/state@1.0.0" "delete" (func $delete (param i32 i32)))
 (import "picomesh:pico/state@1.0.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32)))
 (import "picomesh:pico/effects@1.0.0" "emit" (func $emit (param i32 i32)))
 (import "picomesh:pico/pico@1.0.0" "ask" (func $ask (param i32 i32 i32)))
 (import "picomesh:pico/rulesets@1.0.0" "call" (func $call (param i32 i32 i32)))
"""
_ALLOCATOR = f"""
 (global $top (mut i32) (i32.const {HEAP_ADDRESS}))
 (func $bump (param $count i32) (result i32)
   (local $address i32)
   (local.set $address (global.get $top))
   (global.set $top (i32.and
     (i32.add (i32.add (global.get $top) (local.get $count)) (i32.const 7)) (i32.const -8)))
   (local.get $address))
 (func $list (param i32 i32) (result i32)
   (i32.store (i32.const {RETURN_AREA}) (local.get 0))
   (i32.store (i32.const {RETURN_AREA + 4}) (local.get 1))
   (i32.const {RETURN_AREA}))
"""


@dataclass(slots=True)
class Guest:
    """A module in the making. Bodies are the instructions of the functions of the contract."""

    rid: str = "t"
    events: Iterable[tuple[str, str]] | None = (("a", "b"),)
    handle: str = ""
    handle_result: str = ""
    query: str = ""
    query_result: str = ""
    realloc: str = "(call $bump (local.get 3))"
    describe: str = f"(i32.const {MANIFEST_ADDRESS})"
    functions: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    pages: tuple[int, int] = (2, 4)
    _data: str = ""
    _next: int = DATA_ADDRESS

    def data(self, content: bytes) -> str:
        """Puts bytes into memory; gives the two constants `address count`."""
        address = self._next
        self._next += (len(content) + 15) & ~7
        self._data += f' (data (i32.const {address}) "{escaped(content)}")\n'
        return f"(i32.const {address}) (i32.const {len(content)})"

    def message(self, **fields: Any) -> str:
        """Puts a message (a canonical map) into memory."""
        return self.data(cbor2.dumps(fields, canonical=True))

    def value(self, value: Any) -> str:
        return self.data(cbor2.dumps(value, canonical=True))

    def manifest_bytes(self) -> bytes:
        events = None if self.events is None else [list(pair) for pair in self.events]
        manifest = {"abi": "pico-1", "rid": self.rid, "rules": [{"name": "r", "events": events}]}
        return cbor2.dumps(manifest | self.manifest, canonical=True)

    def text(self) -> str:
        manifest = self.manifest_bytes()
        head = (MANIFEST_ADDRESS + 8).to_bytes(4, "little") + len(manifest).to_bytes(4, "little")
        no_rules, null = self.data(b"\x80"), self.data(b"\xf6")
        return f"""(module {_IMPORTS}
 (memory (export "memory") {self.pages[0]} {self.pages[1]})
 {_ALLOCATOR}
 (data (i32.const {MANIFEST_ADDRESS}) "{escaped(head + manifest)}")
 {self._data}
 {self.functions}
 (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {self.realloc})
 (func (export "describe") (result i32) {self.describe})
 (func (export "handle") (param i32 i32) (result i32) {self.handle}
   {self.handle_result or f"(call $list {no_rules})"})
 (func (export "query") (param i32 i32) (result i32) {self.query}
   {self.query_result or f"(call $list {null})"}))"""

    def build(self) -> bytes:
        """The raw module, with its manifest as the custom section the host reads."""
        payload = b"\x0dpico:manifest" + self.manifest_bytes()
        return bytes(wasmtime.wat2wasm(self.text())) + b"\0" + uleb(len(payload)) + payload


def escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def uleb(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def counter(rid: str = "t") -> Guest:
    """Counts its events in `ent/n`, says so in a directive, and shares the count."""
    guest = Guest(rid, manifest={"shares": [{"name": "n", "kind": "function", "args": []}]})
    path = guest.data(b"ent/n")
    cell = guest.value(0)
    address = cell.split(")")[0] + ")"
    directive = guest.message(kind="directive", name="counted", options={}, rule="r")
    rules = guest.value([["r", True]])
    guest.handle = f"""
      (call $get {path} (i32.const 200))
      (if (i32.load8_u (i32.const 200))
        (then (i32.store8 {address} (i32.load8_u (i32.load (i32.const 204))))))
      (i32.store8 {address} (i32.add (i32.load8_u {address}) (i32.const 1)))
      (call $put {path} {cell})
      (call $emit {directive})"""
    guest.handle_result = f"(call $list {rules})"
    guest.query = f"(call $get {path} (i32.const 200))"
    guest.query_result = "(call $list (i32.load (i32.const 204)) (i32.load (i32.const 208)))"
    return guest


def thrower(rid: str = "t", message: str = "no") -> Guest:
    """Writes, says something, then throws."""
    guest = Guest(rid)
    guest.handle = f"""
      (call $put {guest.data(b"ent/n")} {guest.value(7)})
      (call $emit {guest.message(kind="directive", name="leak", options={}, rule="r")})
      (call $emit {guest.message(kind="log", level="info", message="", value="seen", rule="r")})
      (call $emit {guest.message(kind="throw", message=message)})
      (unreachable)"""
    return guest
