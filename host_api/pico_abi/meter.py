"""Raw module to metered module: pure, byte-stable, docs/formats/pico-1.md §3-§7.

Two counters are appended to the module's globals and exported under reserved names; every body is
rewritten by `meter_body`; in front of every import stands a function that charges for the call,
so that an indirect call pays as well. Indices of the raw module keep their meaning.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from pico_abi.context import Context, Memo, References
from pico_abi.contract import (
    FUEL_EXPORT,
    GLOBAL_EXPORT,
    HOST_FUNCTIONS_BY_NAME,
    STACK_EXPORT,
    HostFunction,
)
from pico_abi.meter_body import meter_body
from pico_abi.meter_code import Counters, scaled_amount
from pico_abi.meter_walk import MeteredBody, Setting
from pico_abi.stack_words import HOST_FRAME_WORDS
from pico_abi.validate import validated
from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.encode import encode_module
from pico_abi.wasm.instructions import instruction

_metered_bodies: Memo[m.Function] = Memo()


def meter(raw: bytes, *, every_block: bool = False) -> bytes:
    """The metered form of a module; raises `ModuleRefused` if it is not of profile pico-1.

    With `every_block` the form for looking into a run (docs/formats/pico-1.md §10): it pays the
    same and stops in front of the first basic block that there is not enough fuel for.
    """
    module, context, used = validated(raw)
    setting, types = _setting(module, context, every_block)
    functions = [
        _metered(function, context, setting, references)
        for function, references in zip(module.functions, used, strict=True)
    ]
    return encode_module(_assembled(module, types, functions, setting))


def _setting(
    module: m.Module, context: Context, every_block: bool
) -> tuple[Setting, tuple[m.FunctionType, ...]]:
    """What bodies need to know of their module, and the module's types with those added."""
    result_types, types = _block_types(module)
    counters = Counters(len(module.globals), len(module.globals) + 1)
    thunks = len(context.functions)
    return Setting(counters, context.import_count, thunks, result_types, every_block), types


def _assembled(
    module: m.Module,
    types: tuple[m.FunctionType, ...],
    functions: list[m.Function],
    setting: Setting,
) -> m.Module:
    thunks = [_thunk(item, index, setting) for index, item in enumerate(module.imports)]
    return replace(
        module,
        types=types,
        functions=(*functions, *thunks),
        globals=(*module.globals, *_COUNTER_GLOBALS),
        exports=_exports(module, setting),
        elements=tuple([_element(item, setting) for item in module.elements]),
    )


_COUNTER_GLOBALS = (
    m.Global(m.I64, True, instruction(op.I64_CONST, 0) + instruction(op.END)),
    m.Global(m.I32, True, instruction(op.I32_CONST, 0) + instruction(op.END)),
)


def _block_types(module: m.Module) -> tuple[dict[tuple[int, ...], int], tuple[m.FunctionType, ...]]:
    """Types () -> results for the functions of several results, appended where missing."""
    types = list(module.types)
    found = {
        item.results: index for index, item in reversed(list(enumerate(types))) if not item.params
    }
    for function in module.functions:
        results = module.types[function.type_index].results
        if len(results) > 1 and results not in found:
            found[results] = len(types)
            types.append(m.FunctionType((), results))
    return found, tuple(types)


def _metered(
    function: m.Function, context: Context, setting: Setting, used: References
) -> m.Function:
    # What of the setting a body can see: thunks if it calls an import, the type of its block.
    calls_import = bool(used.functions) and used.functions[0] < setting.import_count
    results = context.types[function.type_index][1]
    extra = (
        setting.counters.fuel,
        setting.every_block,
        (setting.thunks, setting.import_count) if calls_import else None,
        setting.result_types.get(results) if len(results) > 1 else None,
    )
    known = _metered_bodies.get(function, context, extra)
    if known is not None:
        found = known[1]
        same = found.type_index == function.type_index
        return found if same else replace(found, type_index=function.type_index)
    result = _function(function, meter_body(function, context, setting))
    _metered_bodies.put(function, context, extra, used, result)
    return result


def _function(function: m.Function, body: MeteredBody) -> m.Function:
    return m.Function(function.type_index, body.locals, body.body)


def _thunk(item: m.Import, index: int, setting: Setting) -> m.Function:
    """Charges for a host call by its arguments, reserves stack for the host, and makes it."""
    host = HOST_FUNCTIONS_BY_NAME[(item.module, item.name)]
    assert isinstance(item.description, int)  # validated: imports are functions
    counters = setting.counters
    body = (
        counters.take_host_stack(HOST_FRAME_WORDS)
        + counters.charge_computed(_host_call_amount(host))
        + b"".join([instruction(op.LOCAL_GET, local) for local in range(len(host.params))])
        + instruction(op.CALL, index)
        + counters.give_stack(HOST_FRAME_WORDS)
        + instruction(op.END)
    )
    return m.Function(item.description, (), body)


def _host_call_amount(host: HostFunction) -> bytes:
    amount = instruction(op.I64_CONST, host.price)
    for local in host.lengths:
        amount += scaled_amount(local, host.argument_byte_price) + instruction(op.I64_ADD)
    return amount


def _through_thunk(index: int, setting: Setting) -> int:
    return setting.thunks + index if index < setting.import_count else index


def _exports(module: m.Module, setting: Setting) -> tuple[m.Export, ...]:
    return (
        *[
            replace(item, index=_through_thunk(item.index, setting))
            if item.kind == m.KIND_FUNCTION
            else item
            for item in module.exports
        ],
        m.Export(FUEL_EXPORT, m.KIND_GLOBAL, setting.counters.fuel),
        m.Export(STACK_EXPORT, m.KIND_GLOBAL, setting.counters.stack),
        *(_all_globals(module) if setting.every_block else ()),
    )


def _all_globals(module: m.Module) -> list[m.Export]:
    """Who looks into a run wants to see them."""
    return [
        m.Export(GLOBAL_EXPORT.format(index), m.KIND_GLOBAL, index)
        for index in range(len(module.globals))
    ]


def _element(item: m.ElementSegment, setting: Setting) -> m.ElementSegment:
    indices = tuple([_through_thunk(index, setting) for index in item.function_indices])
    return replace(item, function_indices=indices)


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """Where the instructions of a raw module went: slices of equal bytes, in metered order."""

    metered: tuple[int, ...]
    raw: tuple[int, ...]
    lengths: tuple[int, ...]

    def raw_offset(self, metered_offset: int) -> int | None:
        """The byte of the raw module that a byte of the metered one comes from; for inserted
        code, the instruction in front of which it stands. None where there is no raw code."""
        at = bisect_right(self.metered, metered_offset) - 1
        if at < 0 or self.raw[at] < 0:
            return None
        distance = metered_offset - self.metered[at]
        if distance < self.lengths[at]:
            return self.raw[at] + distance
        if self.lengths[at + 1]:
            return self.raw[at + 1]
        return self.raw[at] + self.lengths[at] - 1  # behind the body: its last byte

    def metered_offset(self, raw_offset: int) -> int | None:
        """The byte of the metered module that a byte of the raw one became; None for code that
        is not there any more, because nothing reaches it."""
        for metered, raw, length in zip(self.metered, self.raw, self.lengths, strict=True):
            if 0 <= raw <= raw_offset < raw + length:
                return metered + raw_offset - raw
        return None


def offset_map(raw: bytes, *, every_block: bool = False) -> OffsetMap:
    """The map from the metered form of a module back to the raw one. Nothing is remembered:
    the places of slices would fill more memory than the code."""
    module, context, _ = validated(raw)
    setting, types = _setting(module, context, every_block)
    bodies = [meter_body(function, context, setting) for function in module.functions]
    functions = [_function(*item) for item in zip(module.functions, bodies, strict=True)]
    encoded = encode_module(_assembled(module, types, functions, setting))
    placed = decode_module(encoded).functions
    slices: list[tuple[int, int, int]] = []
    for function, body, result in zip(module.functions, bodies, placed, strict=False):
        # Of no length, so that the check at function entry belongs to its first instruction.
        slices.append((result.offset, function.offset, 0))
        for metered_at, raw_at, length in body.slices:
            slices.append((result.offset + metered_at, function.offset + raw_at, length))
    own = len(module.functions)
    behind = placed[own].offset if own < len(placed) else len(encoded)
    slices.append((behind, -1, 0))
    starts, sources, lengths = zip(*slices, strict=True)
    return OffsetMap(starts, sources, lengths)
