"""Small modules in text form, with everything a ruleset must export around the part of interest."""

from __future__ import annotations

import wasmtime

MEMORY = '(memory (export "memory") 1 2)'
EXPORTS = """
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
(func (export "describe") (result i32) i32.const 0)
(func (export "query") (param i32 i32) (result i32) i32.const 0)
"""
HANDLE = '(func (export "handle") (param i32 i32) (result i32) i32.const 0)'


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def module(parts: str = "", handle: str = HANDLE, memory: str = MEMORY) -> bytes:
    """A complete raw module; imports must come first in `parts`."""
    return wat(f"(module {parts} {memory} {EXPORTS} {handle})")


def handling(body: str, variables: str = "", parts: str = "", memory: str = MEMORY) -> bytes:
    """A module whose `handle` has the given locals and body."""
    head = '(func $handle (export "handle") (param i32 i32) (result i32)'
    return module(parts, f"{head} {variables} {body})", memory)


def host(interface: str, name: str, params: int, label: str) -> str:
    """An import of the contract."""
    types = " ".join(["i32"] * params)
    where = f'"picomesh:pico/{interface}@1.0.0" "{name}"'
    return f"(import {where} (func ${label} (param {types})))"
