"""The three exports of the contract (wit/pico.wit): describe, handle, query.

Also here: the query without a name, by which a host asks a ruleset to compute all its globals
when it is installed, so that one that throws is refused then and not later.
"""

from __future__ import annotations

from krl.emit import values
from krl.emit.code import FLAG
from krl.emit.function import EmittedFunction, FunctionCode, Layout
from krl.lower import ir
from pico_abi.wasm import FunctionType, opcodes

HANDLE_TYPE = FunctionType((FLAG, FLAG), (FLAG,))
DESCRIBE_TYPE = FunctionType((), (FLAG,))
_BYTES, _BYTE_COUNT = 0, 1


def make_exports(layout: Layout, manifest_address: int) -> dict[str, EmittedFunction]:
    """The exported functions by name, in the order they are added to the module."""
    return {
        "describe": _describe(layout, manifest_address),
        "handle": _handle(layout),
        "query": _query(layout),
    }


def _start(layout: Layout, name: str, function_type: FunctionType) -> FunctionCode:
    return FunctionCode(layout, ir.Function(name, "function"), function_type.params)


def _finish(f: FunctionCode, function_type: FunctionType) -> EmittedFunction:
    body = bytes(f.code.bytes) + bytes((opcodes.END,))
    calls = frozenset(f.code.calls)
    return EmittedFunction(f.function.name, function_type, f.code.local_groups(), body, calls)


def _describe(layout: Layout, manifest_address: int) -> EmittedFunction:
    f = _start(layout, "describe", DESCRIBE_TYPE)
    f.code.i32(manifest_address)
    f.code.i32(len(layout.program.manifest))
    f.code.call(layout.guest.function("rt_describe"))
    return _finish(f, DESCRIBE_TYPE)


def _handle(layout: Layout) -> EmittedFunction:
    """Tries the rules in source order; one that says so keeps the event from those after it."""
    f = _start(layout, "handle", HANDLE_TYPE)
    code, guest = f.code, layout.guest
    code.get(_BYTES)
    code.get(_BYTE_COUNT)
    code.call(guest.function("rt_event_begin"))
    with code.block() as done:
        for rule in layout.program.rules:
            with code.block() as next_rule:
                if rule.events is not None:
                    _any_event(f, rule.events)
                    code.op(opcodes.I32_EQZ)
                    code.branch_if(next_rule)
                code.call(layout.function_index(rule.function))
                code.branch_if(done)
    code.call(guest.function("rt_event_end"))
    return _finish(f, HANDLE_TYPE)


def _any_event(f: FunctionCode, events: tuple[tuple[str, str], ...]) -> None:
    code, data = f.code, f.layout.data
    code.i32(0)
    for domain, name in events:
        code.i64(data.string(domain))
        code.i64(data.string(name))
        code.call(f.layout.guest.function("rt_event_is"))
        code.op(opcodes.I32_OR)


def _answers(f: FunctionCode, exposed: tuple[ir.Share, ...], asks: str, answers: str) -> None:
    """For each name: if it is the one asked for, answers and returns."""
    code, guest = f.code, f.layout.guest
    for share in exposed:
        code.i64(f.layout.data.string(share.name))
        code.call(guest.function(asks))
        with code.block(opcodes.IF):
            values.value(f, share.value)
            code.call(guest.function(answers))
            code.call(guest.function("rt_query_end"))
            code.op(opcodes.RETURN)


def _query(layout: Layout) -> EmittedFunction:
    f = _start(layout, "query", HANDLE_TYPE)
    code, guest, data = f.code, layout.guest, layout.data
    code.get(_BYTES)
    code.get(_BYTE_COUNT)
    code.call(guest.function("rt_query_begin"))
    _answers(f, layout.program.shares, "rt_query_is", "rt_query_call")
    _answers(f, layout.program.provides, "rt_module_is", "rt_module_run")
    code.i64(data.string(""))
    code.call(guest.function("rt_query_is"))
    with code.block(opcodes.IF):
        for index in range(len(layout.program.global_names)):
            values.value(f, ir.ReadGlobal(index))
            code.op(opcodes.DROP)
        values.value(f, ir.Singleton("undefined"))
        code.call(guest.function("rt_query_end"))
        code.op(opcodes.RETURN)
    code.call(guest.function("rt_query_unknown"))
    code.op(opcodes.UNREACHABLE)
    return _finish(f, HANDLE_TYPE)
