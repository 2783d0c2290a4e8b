"""The contract of wit/pico.wit as data: what a module imports, exports, pays and may answer.

The gate checks a module against it, the runtime builds its linker from it, the compiler reads
names and types from it; a test proves that it says what the WIT file says. Host calls are priced
per call and per byte (docs/formats/pico-1.md §4): the rewriter charges for the arguments before
the call, the host charges for the answer after it, through the same counter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from enum import IntEnum

from pico_abi import limits, prices, stack_words
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.module import I32, FunctionType

PACKAGE = "picomesh:pico@1.0.0"
PROFILE = "pico-1"

FUEL_EXPORT = "pico-1:fuel"
STACK_EXPORT = "pico-1:stack"
RESERVED_PREFIX = "pico-1:"
GLOBAL_EXPORT = "pico-1:global {}"  # of the form for looking into a run: by index

MANIFEST_SECTION = "pico:manifest"
SOURCE_MAP_SECTION = "pico:source-map"


class Outcome(IntEnum):
    """How a transition ended, as receipts record it. Never any error text."""

    OK = 0
    THROW = 1
    TRAP = 2
    OUT_OF_FUEL = 3
    OUT_OF_STACK = 4


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One import. `lengths` are the core parameters that count bytes the host will read."""

    interface: str
    name: str
    wit: str
    params: tuple[int, ...]
    lengths: tuple[int, ...]
    price: int
    argument_byte_price: int
    result_byte_price: int
    result_entry_price: int
    writes: bool

    @property
    def module(self) -> str:
        package, _, version = PACKAGE.partition("@")
        return f"{package}/{self.interface}@{version}"

    @property
    def type(self) -> FunctionType:
        return FunctionType(self.params, ())


def _host(
    interface: str,
    name: str,
    wit: str,
    lengths: tuple[int, ...],
    prices: tuple[int, int, int, int],
    writes: bool = False,
) -> HostFunction:
    """Every list is a pointer and a length; a result adds the address it is written to."""
    arguments, _, result = wit.partition(" -> ")
    count = 2 * arguments.count("list<u8>") + arguments.count("u32") + (1 if result else 0)
    return HostFunction(interface, name, wit, (I32,) * count, lengths, *prices, writes)


# Prices: call, byte of an argument, byte of the result, entry of the result.
HOST_FUNCTIONS: tuple[HostFunction, ...] = (
    _host(
        "state",
        "get",
        "func(path: list<u8>) -> option<list<u8>>",
        (1,),
        (2_000, 4, 1, 0),
    ),
    _host(
        "state",
        "put",
        "func(path: list<u8>, value: list<u8>)",
        (1, 3),
        (4_000, 4, 0, 0),
        writes=True,
    ),
    _host("state", "delete", "func(path: list<u8>)", (1,), (4_000, 4, 0, 0), writes=True),
    _host(
        "state",
        "scan",
        "func(prefix: list<u8>, after: list<u8>, limit: u32) -> list<tuple<list<u8>, list<u8>>>",
        (1, 3),
        (4_000, 4, 1, 500),
    ),
    _host("effects", "emit", "func(effect: list<u8>)", (1,), (2_000, 4, 0, 0)),
    _host("pico", "ask", "func(question: list<u8>) -> list<u8>", (1,), (4_000, 4, 1, 0)),
    _host("rulesets", "call", "func(request: list<u8>) -> list<u8>", (1,), (20_000, 4, 1, 0)),
)

HOST_FUNCTIONS_BY_NAME: dict[tuple[str, str], HostFunction] = {
    (item.module, item.name): item for item in HOST_FUNCTIONS
}


@dataclass(frozen=True, slots=True)
class RequiredExport:
    """A function every module exports; `wit` is empty for the canonical ABI's own."""

    name: str
    wit: str
    type: FunctionType


MEMORY_EXPORT = "memory"
REQUIRED_EXPORTS: tuple[RequiredExport, ...] = (
    RequiredExport("cabi_realloc", "", FunctionType((I32,) * 4, (I32,))),
    RequiredExport("describe", "func() -> list<u8>", FunctionType((), (I32,))),
    RequiredExport("handle", "func(event: list<u8>) -> list<u8>", FunctionType((I32, I32), (I32,))),
    RequiredExport(
        "query", "func(request: list<u8>) -> list<u8>", FunctionType((I32, I32), (I32,))
    ),
)


def profile_text() -> str:
    """Everything that decides what a module may do and what it pays, one fact a line."""
    return "\n".join([f"profile {PROFILE}", *_profile_facts()]) + "\n"


def _profile_facts() -> Iterator[str]:
    for code, price in sorted(prices.PRICES.items()):
        weight = stack_words.VALUE_WEIGHTS[code]
        yield f"opcode 0x{code:02x} {op.text_name(code)} price {price} weight {weight}"
    for part in (limits, prices, stack_words):
        for name, value in sorted(vars(part).items()):
            if name.isupper() and type(value) is int:
                yield f"constant {name} {value}"
    for item in HOST_FUNCTIONS:
        yield f"import {astuple(item)}"
    for required in REQUIRED_EXPORTS:
        yield f"export {required.name} {required.type.params} {required.type.results}"
    for outcome in Outcome:
        yield f"outcome {outcome.value} {outcome.name}"


def profile_hash() -> str:
    """SHA-256 of `profile_text`. A test freezes it: another hash is another profile."""
    return hashlib.sha256(profile_text().encode()).hexdigest()
