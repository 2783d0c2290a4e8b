"""The gate: whether a raw module may become a ruleset, docs/formats/module.md.

An own implementation, because what an engine accepts by default grows with its releases, and
what a pico may do must not. Everything about the module as a whole is here, in the order of the
file; function bodies are typed by `body_types`. Time is linear in the module's bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from pico_abi import limits
from pico_abi.body_types import check_body
from pico_abi.context import Context, Memo, References, context_of
from pico_abi.contract import (
    HOST_FUNCTIONS_BY_NAME,
    MEMORY_EXPORT,
    REQUIRED_EXPORTS,
    RESERVED_PREFIX,
)
from pico_abi.refused import ModuleRefused
from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.leb128 import read_sleb

_PAGE_BYTES = 65_536

_valid_bodies: Memo[None] = Memo()


def validate(raw: bytes) -> None:
    """Raises `ModuleRefused` unless the bytes are a module of profile pico-1."""
    validated(raw)


@lru_cache(maxsize=1)  # who asks whether a module is admitted has it metered next
def validated(raw: bytes) -> tuple[m.Module, Context, list[References]]:
    """As `validate`; gives what was learnt, with the indices each function body uses."""
    if len(raw) > limits.MODULE_BYTES_MAX:
        raise ModuleRefused(
            limits.MODULE_BYTES_MAX, f"{len(raw)} bytes, the limit is {limits.MODULE_BYTES_MAX}"
        )
    module = decode_module(raw)
    _check_types(module)
    _check_imports(module)
    _check_functions(module)
    context = context_of(module)
    _check_memory_and_table(module)
    _check_globals(module)
    _check_exports(module, context)
    _check_elements(module, context)
    _check_data(module)
    _check_customs(module)
    return module, context, [_check_body(function, context) for function in module.functions]


def _check_body(function: m.Function, context: Context) -> References:
    known = _valid_bodies.get(function, context)
    if known is not None:
        return known[0]
    if len(function.body) > limits.FUNCTION_BYTES_MAX:
        raise ModuleRefused(
            function.offset,
            f"function of {len(function.body)} bytes, the limit is {limits.FUNCTION_BYTES_MAX}",
        )
    used = check_body(function, context)
    _valid_bodies.put(function, context, None, used, None)
    return used


def _at_most(offset: int, what: str, count: int, limit: int) -> None:
    if count > limit:
        raise ModuleRefused(offset, f"{count} {what}, the limit is {limit}")


def _offset(items: Iterable[m.Global | m.Export | m.FunctionType | m.Function]) -> int:
    return next((item.offset for item in items), 0)


def _check_types(module: m.Module) -> None:
    _at_most(_offset(module.types), "types", len(module.types), limits.TYPES_MAX)
    for item in module.types:
        _at_most(item.offset, "parameters", len(item.params), limits.TYPE_PARAMS_MAX)
        _at_most(item.offset, "results", len(item.results), limits.TYPE_RESULTS_MAX)


def _check_imports(module: m.Module) -> None:
    seen: set[tuple[str, str]] = set()
    for item in module.imports:
        name = (item.module, item.name)
        host = HOST_FUNCTIONS_BY_NAME.get(name)
        if host is None or not isinstance(item.description, int):
            raise ModuleRefused(item.offset, f"import {name} is not in the contract")
        if name in seen:
            raise ModuleRefused(item.offset, f"import {name} twice")
        seen.add(name)
        if item.description >= len(module.types):
            raise ModuleRefused(item.offset, f"type {item.description} is not there")
        if module.types[item.description] != host.type:
            raise ModuleRefused(item.offset, f"import {name} has another type in the contract")


def _check_functions(module: m.Module) -> None:
    total = len(module.imports) + len(module.functions)
    _at_most(_offset(module.functions), "functions", total, limits.FUNCTIONS_MAX)
    for item in module.functions:
        if item.type_index >= len(module.types):
            raise ModuleRefused(item.offset, f"function of type {item.type_index}, not there")
    if module.start is not None:
        raise ModuleRefused(0, "start function; nothing runs before it is paid for")


def _check_memory_and_table(module: m.Module) -> None:
    if len(module.memories) != 1:
        raise ModuleRefused(0, f"{len(module.memories)} memories, a module has exactly one")
    (memory,) = module.memories
    _check_limits(memory.offset, "memory", memory.minimum, memory.maximum)
    _at_most(memory.offset, "memory pages", memory.maximum or 0, limits.MEMORY_PAGES_MAX)
    if len(module.tables) > 1:
        raise ModuleRefused(module.tables[1].offset, "more than one table")
    for table in module.tables:
        _check_limits(table.offset, "table", table.minimum, table.maximum)
        _at_most(table.offset, "table slots", table.maximum or 0, limits.TABLE_SLOTS_MAX)


def _check_limits(offset: int, what: str, minimum: int, maximum: int | None) -> None:
    if maximum is None:
        raise ModuleRefused(offset, f"{what} without a maximum")
    if minimum > maximum:
        raise ModuleRefused(offset, f"{what} of minimum {minimum} above its maximum {maximum}")


def _check_globals(module: m.Module) -> None:
    _at_most(_offset(module.globals), "globals", len(module.globals), limits.GLOBALS_MAX)
    for item in module.globals:
        _check_constant(item.offset, item.init, item.value_type)


def _check_constant(offset: int, expression: bytes, value_type: int) -> None:
    """Constants only: there are no imported globals a `global.get` could mean."""
    if expression[0] != op.I32_CONST + (m.I32 - value_type):
        raise ModuleRefused(offset, f"initial value is not a {m.TYPE_NAMES[value_type]} constant")


def _check_exports(module: m.Module, context: Context) -> None:
    _at_most(_offset(module.exports), "exports", len(module.exports), limits.EXPORTS_MAX)
    counts = (
        len(context.functions),
        len(module.tables),
        len(module.memories),
        len(module.globals),
    )
    exports: dict[str, m.Export] = {}
    for item in module.exports:
        _at_most(item.offset, "bytes of name", len(item.name.encode()), limits.NAME_BYTES_MAX)
        if item.name.startswith(RESERVED_PREFIX):
            raise ModuleRefused(item.offset, f"export name {item.name!r} is reserved")
        if item.name in exports:
            raise ModuleRefused(item.offset, f"export name {item.name!r} twice")
        if item.index >= counts[item.kind]:
            raise ModuleRefused(
                item.offset, f"export of {m.KIND_NAMES[item.kind]} {item.index}, not there"
            )
        exports[item.name] = item
    _check_required_exports(exports, context)


def _check_required_exports(exports: dict[str, m.Export], context: Context) -> None:
    memory = exports.get(MEMORY_EXPORT)
    if memory is None or memory.kind != m.KIND_MEMORY:
        raise ModuleRefused(0, f"memory is not exported as {MEMORY_EXPORT!r}")
    for required in REQUIRED_EXPORTS:
        item = exports.get(required.name)
        if item is None or item.kind != m.KIND_FUNCTION:
            raise ModuleRefused(0, f"function {required.name!r} is not exported")
        wanted = (required.type.params, required.type.results)
        if context.functions[item.index] != wanted:
            raise ModuleRefused(item.offset, f"export {required.name!r} has the wrong type")


def _check_elements(module: m.Module, context: Context) -> None:
    slots = module.tables[0].minimum if module.tables else 0
    first = module.elements[0].offset if module.elements else 0
    _at_most(first, "element segments", len(module.elements), limits.ELEMENT_SEGMENTS_MAX)
    ranges = []
    for item in module.elements:
        if not module.tables:
            raise ModuleRefused(item.offset, "element segment without a table")
        ranges.append(
            _segment_range("element", item.offset, item.start, len(item.function_indices), slots)
        )
        for index in item.function_indices:
            if index >= len(context.functions):
                raise ModuleRefused(item.offset, f"function {index} in a segment is not there")
    _check_disjoint("element", ranges)


def _check_data(module: m.Module) -> None:
    size = module.memories[0].minimum * _PAGE_BYTES
    first = module.data[0].offset if module.data else 0
    _at_most(first, "data segments", len(module.data), limits.DATA_SEGMENTS_MAX)
    if module.data_count is not None and module.data_count != len(module.data):
        raise ModuleRefused(first, f"{module.data_count} data segments announced")
    _check_disjoint(
        "data",
        [
            _segment_range("data", item.offset, item.start, len(item.payload), size)
            for item in module.data
        ],
    )


def _segment_range(
    what: str, offset: int, expression: bytes, count: int, size: int
) -> tuple[int, int, int]:
    """(first, end, offset in the file) of an active segment, checked to lie inside."""
    _check_constant(offset, expression, m.I32)
    start = read_sleb(expression, 1, 32)[0] & 0xFFFF_FFFF
    if start + count > size:
        raise ModuleRefused(offset, f"{what} segment ends at {start + count}, beyond {size}")
    return start, start + count, offset


def _check_disjoint(what: str, ranges: list[tuple[int, int, int]]) -> None:
    """Segments that overlap hide what memory begins with; compilers never write them."""
    occupied = sorted(item for item in ranges if item[0] < item[1])
    for before, after in pairwise(occupied):
        if after[0] < before[1]:
            raise ModuleRefused(after[2], f"{what} segments overlap at {after[0]}")


def _check_customs(module: m.Module) -> None:
    first = module.customs[0].offset if module.customs else 0
    _at_most(first, "custom sections", len(module.customs), limits.CUSTOM_SECTIONS_MAX)
    for item in module.customs:
        _at_most(item.offset, "bytes of name", len(item.name.encode()), limits.NAME_BYTES_MAX)
