"""Whether a module is properly metered, decided from the metered bytes alone, in linear time.

An auditor runs it on a module that somebody else rewrote: docs/formats/pico-1.md §8. It checks
the counters, the functions in front of the imports and every body, takes all of it away, and puts
what remains through the validator. It shares the codec, the prices and the limits with the
rewriter, and nothing of how the rewriter works.
"""

from __future__ import annotations

from dataclasses import replace

from pico_abi import limits
from pico_abi.check_body import BareBody, check_body
from pico_abi.check_patterns import Patterns, Plan, Stream
from pico_abi.context import context_of
from pico_abi.contract import FUEL_EXPORT, HOST_FUNCTIONS_BY_NAME, STACK_EXPORT
from pico_abi.refused import ModuleRefused
from pico_abi.stack_words import HOST_FRAME_WORDS
from pico_abi.validate import validate
from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.encode import encode_module

# Every charge is shorter than this many times the instruction it pays for.
_GROWTH_MAX = 64


def check(metered: bytes) -> None:
    """Raises `ModuleRefused` unless the bytes are a properly metered module of pico-1."""
    validate(encode_module(bare_module(metered)))


def bare_module(metered: bytes) -> m.Module:
    """The module without its meter, once the meter has been checked."""
    if len(metered) > _GROWTH_MAX * limits.MODULE_BYTES_MAX:
        raise ModuleRefused(0, f"{len(metered)} bytes are more than metering makes of any module")
    module = decode_module(metered)
    _check_indices(module)
    context = context_of(module)
    plan = _plan(module)
    patterns = Patterns(plan)
    own = module.functions[: _own_count(module)]
    bodies = [check_body(item, context, plan, patterns) for item in own]
    for index, item in enumerate(module.imports):
        _check_thunk(module, index, item, plan)
    return replace(
        module,
        types=_bare_types(module, bodies),
        functions=tuple(
            [
                m.Function(function.type_index, body.locals, body.body)
                for function, body in zip(module.functions, bodies, strict=False)
            ]
        ),
        globals=module.globals[:-2],
        exports=tuple([_bare_export(item, plan) for item in module.exports[:-2]]),
        elements=tuple([_bare_element(item, plan) for item in module.elements]),
    )


def _own_count(module: m.Module) -> int:
    """How many functions are the ruleset's; one more stands in front of each import."""
    return len(module.functions) - len(module.imports)


def _check_indices(module: m.Module) -> None:
    """What the rest of the check takes for granted: types are there, imports are functions."""
    if _own_count(module) < 0:
        raise ModuleRefused(0, "an import without a function that pays for it")
    for item in module.functions:
        if item.type_index >= len(module.types):
            raise ModuleRefused(item.offset, f"type {item.type_index} is not there")
    for imported in module.imports:
        if not isinstance(imported.description, int) or imported.description >= len(module.types):
            raise ModuleRefused(imported.offset, "import is not a function")
        if (imported.module, imported.name) not in HOST_FUNCTIONS_BY_NAME:
            raise ModuleRefused(imported.offset, f"import {imported.name!r} not in the contract")


def _plan(module: m.Module) -> Plan:
    """The counters: the last two globals, zero at the start, exported last and only once."""
    first = len(module.globals) - 2
    wanted = ((m.I64, True, b"\x42\x00\x0b"), (m.I32, True, b"\x41\x00\x0b"))
    found = tuple((item.value_type, item.mutable, item.init) for item in module.globals[-2:])
    if first < 0 or found != wanted:
        raise ModuleRefused(0, "the last two globals are not the counters")
    exports = (
        m.Export(FUEL_EXPORT, m.KIND_GLOBAL, first),
        m.Export(STACK_EXPORT, m.KIND_GLOBAL, first + 1),
    )
    if module.exports[-2:] != exports:
        raise ModuleRefused(0, "the last two exports are not the counters")
    for item in module.exports[:-2]:
        if item.kind == m.KIND_GLOBAL and item.index >= first:
            raise ModuleRefused(item.offset, f"export {item.name!r} is a counter")
    return Plan(first, first + 1, len(module.imports), len(module.imports) + _own_count(module))


def _check_thunk(module: m.Module, index: int, item: m.Import, plan: Plan) -> None:
    """The function before an import: reserves stack, charges by the arguments, makes the call."""
    function = module.functions[_own_count(module) + index]
    if function.type_index != item.description or function.locals:
        raise ModuleRefused(function.offset, "function before an import is not of its type")
    host = HOST_FUNCTIONS_BY_NAME[(item.module, item.name)]
    get, put = (op.GLOBAL_GET, plan.fuel), (op.GLOBAL_SET, plan.fuel)
    words = (op.GLOBAL_GET, plan.stack), (op.I32_CONST, HOST_FRAME_WORDS)
    trap = ((op.IF, -64), (op.UNREACHABLE,), (op.END,))
    pattern: list[tuple[int, ...]] = [*words, (op.I32_SUB,), (op.GLOBAL_SET, plan.stack)]
    pattern += [words[0], (op.I32_CONST, 0), (op.I32_LT_S,), *trap]
    pattern += [get, (op.I64_CONST, host.price)]
    for length in host.lengths:
        pattern += [(op.LOCAL_GET, length), (op.I64_EXTEND_I32_U,)]
        pattern += [(op.I64_CONST, host.argument_byte_price), (op.I64_MUL,), (op.I64_ADD,)]
    pattern += [(op.I64_SUB,), put, get, (op.I64_CONST, 0), (op.I64_LT_S,), *trap]
    pattern += [(op.LOCAL_GET, local) for local in range(len(host.params))]
    pattern += [(op.CALL, index), *words, (op.I32_ADD,), (op.GLOBAL_SET, plan.stack), (op.END,)]
    stream = Stream(function)
    stream.expect(pattern, f"the function that pays for {item.name!r}")
    if stream.at != len(stream.items):
        raise stream.refuse("code after the end of a function before an import")


def _bare_types(module: m.Module, bodies: list[BareBody]) -> tuple[m.FunctionType, ...]:
    """The types without those that only the blocks around functions use."""
    used: set[int] = {item.type_index for item in module.functions}
    used |= {item.description for item in module.imports if isinstance(item.description, int)}
    used.update(*[body.types_used for body in bodies])
    wrappers = {body.wrapper_type for body in bodies}
    count = len(module.types)
    while count and count - 1 not in used and count - 1 in wrappers:
        count -= 1
    return module.types[:count]


def _bare_index(index: int, offset: int, plan: Plan) -> int:
    if index < plan.import_count:
        raise ModuleRefused(offset, "an import can be reached without paying")
    if index >= plan.thunks + plan.import_count:
        raise ModuleRefused(offset, f"function {index} is not there")
    return index - plan.thunks if index >= plan.thunks else index


def _bare_export(item: m.Export, plan: Plan) -> m.Export:
    if item.kind != m.KIND_FUNCTION:
        return item
    return replace(item, index=_bare_index(item.index, item.offset, plan))


def _bare_element(item: m.ElementSegment, plan: Plan) -> m.ElementSegment:
    indices = [_bare_index(index, item.offset, plan) for index in item.function_indices]
    return replace(item, function_indices=tuple(indices))
