"""Emits a program: one WebAssembly function for each IR function, entries, exports, data."""

from __future__ import annotations

from dataclasses import dataclass

from krl.emit import exports, needs, steps, values
from krl.emit.code import EMPTY, FLAG, VALUE, Code
from krl.emit.data import ITEM_BYTES, UNDEFINED, Data
from krl.emit.function import (
    ENTRY_TYPE,
    EXPORT_COUNT,
    EmittedFunction,
    FunctionCode,
    Layout,
    is_entry,
    needs_entry,
)
from krl.emit.guest import Guest
from krl.lower import ir
from pico_abi.wasm import FunctionType, opcodes

WORDS_PER_SLOT = 3  # so that STACK_BYTES of the guest's memory is more than the metered stack takes
# Arguments so far forward are read whether they are there or not: memory goes on behind every list
# (arena.c).
_READ_ANYWAY_MAX = 8
_ARGUMENT_COUNT, _ARGUMENTS = 1, 2  # parameters of an entry, behind the closure


@dataclass(frozen=True, slots=True)
class Emitted:
    """What the linker adds to the guest library. Functions are numbered from its end."""

    functions: tuple[EmittedFunction, ...]
    table: tuple[int, ...]
    data_start: int
    data: bytes
    exports: dict[str, int]
    manifest_address: int
    manifest: bytes
    needs: frozenset[str]  # of the library's optional parts


def emit(program: ir.Program, guest: Guest) -> Emitted:
    """The functions and the data of a program, for this guest library."""
    layout = Layout(guest, program, Data(guest.data_start))
    layout.slots = [layout.data.global_slot() for _ in program.global_names]
    functions = [_function(layout, function) for function in program.functions]
    for number, function in enumerate(program.functions):
        if needs_entry(function):
            functions.append(_entry(layout, number, function))
    manifest_address = layout.data.add(program.manifest)
    first = guest.function_count + len(functions)
    made = exports.make_exports(layout, manifest_address)
    assert len(made) == EXPORT_COUNT
    functions += made.values()
    functions += layout.searches
    if layout.patterns_seen or needs.COMPILER in layout.needs:
        layout.needs.add(needs.SHOWN)
    return Emitted(
        tuple(functions),
        tuple(layout.table),
        layout.data.start,
        bytes(layout.data.content),
        {name: first + index for index, name in enumerate(made)},
        manifest_address,
        program.manifest,
        frozenset(layout.needs),
    )


def _function(layout: Layout, function: ir.Function) -> EmittedFunction:
    f = FunctionCode(layout, function)
    result = FLAG if function.kind == "rule" else VALUE
    number = layout.program.functions.index(function)
    if is_entry(function):
        for index in range(len(function.parameters)):
            _argument(f.code, index)
            f.code.set(f.local(index))
    _emit_body(f, result, number)
    _declare_slots(f)
    entry = _take_frame(f)
    marks = tuple((offset + len(entry), at) for offset, at in f.code.marks)
    return EmittedFunction(
        function.name,
        FunctionType(f.parameters, (result,)),
        f.code.local_groups(),
        entry + bytes(f.code.bytes) + bytes((opcodes.END,)),
        frozenset(f.code.calls),
        marks,
    )


def _emit_body(f: FunctionCode, result: int, number: int) -> None:
    """The body, in a block that every return leaves; then what each way out has to do."""
    code, program = f.code, f.layout.program
    is_global = f.function.kind == "global"
    if is_global:
        index = program.global_functions.index(number)
        values.begin_global(f, index, program.global_names[index])
    with code.block(opcodes.BLOCK, result) as f.end_depth:
        if f.function.restarts:
            with code.block(opcodes.LOOP, EMPTY) as f.restart_depth:
                steps.emit_steps(f, f.function.body)
        else:
            steps.emit_steps(f, f.function.body)
        code.op(opcodes.UNREACHABLE)
    if is_global:
        with code.temporary(VALUE) as computed:
            code.set(computed)
            code.i32(f.layout.slots[index])
            code.get(computed)
            code.store(opcodes.I64_STORE, 0)
            code.get(computed)
    if f.slots_max:
        code.get(f.frame)
        code.i32(f.frame_bytes)
        code.op(opcodes.I32_ADD)
        code.global_set(f.layout.guest.global_index("__stack_pointer"))


def _declare_slots(f: FunctionCode) -> None:
    """The meter counts locals, so a frame declares some for each slot it takes in memory: then
    recursion runs out of metered stack before it runs out of shadow stack."""
    declared = len(f.parameters) + len(f.code.local_types)
    for _ in range(WORDS_PER_SLOT * f.slots_max - declared):
        f.code.new_local(VALUE)


def _take_frame(f: FunctionCode) -> bytes:
    """The function's first instructions, written last because only then its size is known."""
    if not f.slots_max:
        return b""
    stack_pointer = f.layout.guest.global_index("__stack_pointer")
    start = Code(())
    start.global_get(stack_pointer)
    start.i32(f.frame_bytes)
    start.op(opcodes.I32_SUB)
    start.tee(f.frame)
    start.global_set(stack_pointer)
    return bytes(start.bytes)


def _entry(layout: Layout, number: int, function: ir.Function) -> EmittedFunction:
    """(closure, count, arguments): unpacks the arguments and calls the function itself."""
    code = Code(ENTRY_TYPE.params)
    if function.has_closure:
        code.get(0)
    for index in range(len(function.parameters)):
        _argument(code, index)
    code.call(layout.function_index(number))
    body = bytes(code.bytes) + bytes((opcodes.END,))
    calls = frozenset(code.calls)
    return EmittedFunction(f"entry of {function.name}", ENTRY_TYPE, (), body, calls)


def _argument(code: Code, index: int) -> None:
    """An argument of the list that an entry gets, or undefined."""
    if index < _READ_ANYWAY_MAX:
        code.get(_ARGUMENTS)
        code.load(opcodes.I64_LOAD, index * ITEM_BYTES)
        code.i64(UNDEFINED)
        code.get(_ARGUMENT_COUNT)
        code.i32(index)
        code.op(opcodes.I32_GT_U, opcodes.SELECT)
        return
    code.get(_ARGUMENT_COUNT)
    code.i32(index)
    code.op(opcodes.I32_GT_U)
    with code.block(opcodes.IF, VALUE):
        code.get(_ARGUMENTS)
        code.load(opcodes.I64_LOAD, index * ITEM_BYTES)
        code.otherwise()
        code.i64(UNDEFINED)


__all__ = ["Emitted", "EmittedFunction", "emit"]
