"""A module as text, for reading: WebAssembly's text format, one instruction on a line."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pico_abi.wasm import module as m
from pico_abi.wasm import opcodes as op
from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.instructions import EMPTY_BLOCK, Instruction, instructions

_PLAIN = range(0x20, 0x7F)


def module_text(data: bytes) -> str:
    """The text of a module. Custom sections are not part of the text format."""
    return "\n".join(_lines(decode_module(data))) + "\n"


def _lines(module: m.Module) -> Iterator[str]:
    yield "(module"
    for index, kind in enumerate(module.types):
        yield f"  (type (;{index};) (func{_signature(kind)}))"
    yield from _imports(module)
    first = len(module.imported_functions())
    for index, function in enumerate(module.functions, first):
        yield from _function(module, index, function)
    for index, table in enumerate(module.tables):
        yield f"  (table (;{index};) {_limits(table.minimum, table.maximum)} funcref)"
    for index, memory in enumerate(module.memories):
        yield f"  (memory (;{index};) {_limits(memory.minimum, memory.maximum)})"
    for index, item in enumerate(module.globals):
        kind_text = _global_type(item.value_type, item.mutable)
        yield f"  (global (;{index};) {kind_text} ({_expression(item.init)}))"
    for export in module.exports:
        kind_name = {"function": "func"}.get(name := m.KIND_NAMES[export.kind], name)
        yield f"  (export {_quoted(export.name.encode())} ({kind_name} {export.index}))"
    for element in module.elements:
        indices = " ".join(map(str, element.function_indices))
        yield f"  (elem ({_expression(element.start)}) func {indices})"
    for segment in module.data:
        yield f"  (data ({_expression(segment.start)}) {_quoted(segment.payload)})"
    yield ")"


def _imports(module: m.Module) -> Iterator[str]:
    for index, item in enumerate(module.imported_functions()):
        where = f"{_quoted(item.module.encode())} {_quoted(item.name.encode())}"
        yield f"  (import {where} (func (;{index};) (type {item.description})))"


def _function(module: m.Module, index: int, function: m.Function) -> Iterator[str]:
    kind = module.types[function.type_index]
    yield f"  (func (;{index};) (type {function.type_index}){_signature(kind)}"
    names = [m.TYPE_NAMES[kind] for count, kind in function.locals for _ in range(count)]
    if names:
        yield f"    (local {' '.join(names)})"
    depth = 2
    listed = list(instructions(function.body))
    for item in listed[:-1]:  # the last `end` is the bracket's
        if item.opcode in (op.END, op.ELSE):
            depth -= 1
        yield "  " * depth + _instruction(item)
        if item.opcode in (op.BLOCK, op.LOOP, op.IF, op.ELSE):
            depth += 1
    yield "  )"


def _instruction(item: Instruction) -> str:
    name = op.text_name(item.opcode)
    values = item.immediates
    if item.opcode in (op.BLOCK, op.LOOP, op.IF):
        return name + _block_type(values[0])
    if item.opcode == op.CALL_INDIRECT:
        return f"{name} (type {values[0]})"
    if op.I32_LOAD <= item.opcode <= op.I64_STORE32:
        return f"{name} offset={values[1]} align={1 << values[0]}"
    if item.opcode in (op.F32_CONST, op.F64_CONST):
        return f"{name} {_float(values[0], item.opcode == op.F32_CONST)}"
    if item.opcode in (op.MEMORY_SIZE, op.MEMORY_GROW, op.MEMORY_FILL, op.MEMORY_COPY):
        return name
    return " ".join([name, *map(str, values)])


def _block_type(kind: int) -> str:
    if kind == EMPTY_BLOCK:
        return ""
    if kind < 0:
        return f" (result {m.TYPE_NAMES[kind & 0x7F]})"
    return f" (type {kind})"


def _float(bits: int, is_single: bool) -> str:
    """Exactly: hexadecimal, and NaN with its payload."""
    width, mantissa = (4, 23) if is_single else (8, 52)
    (number,) = struct.unpack("<f" if is_single else "<d", bits.to_bytes(width, "little"))
    if number == number:
        return "inf" if number == float("inf") else float(number).hex()
    sign = "-" if bits >> (8 * width - 1) else ""
    return f"{sign}nan:0x{bits & ((1 << mantissa) - 1):x}"


def _expression(body: bytes) -> str:
    return " ".join(_instruction(item) for item in instructions(body) if item.opcode != op.END)


def _signature(kind: m.FunctionType) -> str:
    params = "".join(f" {m.TYPE_NAMES[item]}" for item in kind.params)
    results = "".join(f" {m.TYPE_NAMES[item]}" for item in kind.results)
    return (f" (param{params})" if params else "") + (f" (result{results})" if results else "")


def _limits(minimum: int, maximum: int | None) -> str:
    return str(minimum) if maximum is None else f"{minimum} {maximum}"


def _global_type(value_type: int, is_mutable: bool) -> str:
    name = m.TYPE_NAMES[value_type]
    return f"(mut {name})" if is_mutable else name


def _quoted(data: bytes) -> str:
    shown = (chr(x) if x in _PLAIN and x not in b'"\\' else f"\\{x:02x}" for x in data)
    return '"' + "".join(shown) + '"'
