"""Every limit of the module format: what is at the limit passes, one more is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import pico_abi
from abi import samples
from pico_abi import ModuleRefused, limits
from pico_abi.wasm import (
    I32,
    CustomSection,
    DataSegment,
    ElementSegment,
    Export,
    Function,
    FunctionType,
    Global,
    Memory,
    Module,
    Table,
    decode_module,
    encode_module,
    instruction,
)
from pico_abi.wasm import opcodes as op

BASE = decode_module(samples.module())
ZERO = instruction(op.I32_CONST, 0) + b"\x0b"
END = b"\x0b"


def with_function(
    body: bytes = END, runs: tuple[tuple[int, int], ...] = (), params: int = 0
) -> bytes:
    """The sample with one more function, which nothing calls."""
    types = (*BASE.types, FunctionType((I32,) * params, ()))
    added = Function(len(BASE.types), runs, body)
    return encode_module(replaced(types=types, functions=(*BASE.functions, added)))


def replaced(**changes: object) -> Module:
    return replace(BASE, **changes)  # type: ignore[arg-type]  # each case names its own field


def raw_bytes(count: int) -> bytes:
    head = 1 + 4 + 1 + len("pad")  # section id, size, name length, name
    payload = bytes(count - len(samples.module()) - head)
    padded = encode_module(replaced(customs=(CustomSection("pad", payload),)))
    assert len(padded) == count
    return padded


def types(count: int) -> bytes:
    more = tuple(FunctionType((), ()) for _ in range(count - len(BASE.types)))
    return encode_module(replaced(types=(*BASE.types, *more)))


def params(count: int) -> bytes:
    return encode_module(replaced(types=(*BASE.types, FunctionType((I32,) * count, ()))))


def results(count: int) -> bytes:
    return encode_module(replaced(types=(*BASE.types, FunctionType((), (I32,) * count))))


def functions(count: int) -> bytes:
    number = len(BASE.types)
    more = tuple(Function(number, (), END) for _ in range(count - len(BASE.functions)))
    return encode_module(
        replaced(types=(*BASE.types, FunctionType((), ())), functions=(*BASE.functions, *more))
    )


def globals_(count: int) -> bytes:
    return encode_module(replaced(globals=tuple(Global(I32, True, ZERO) for _ in range(count))))


def exports(count: int) -> bytes:
    more = tuple(Export(f"e{at}", 0, 0) for at in range(count - len(BASE.exports)))
    return encode_module(replaced(exports=(*BASE.exports, *more)))


def export_name(count: int) -> bytes:
    return encode_module(replaced(exports=(*BASE.exports, Export("n" * count, 0, 0))))


def custom_name(count: int) -> bytes:
    return encode_module(replaced(customs=(CustomSection("n" * count, b""),)))


def elements(count: int) -> bytes:
    segments = tuple(ElementSegment(ZERO, ()) for _ in range(count))
    return encode_module(replaced(tables=(Table(1, 1),), elements=segments))


def data(count: int) -> bytes:
    return encode_module(replaced(data=tuple(DataSegment(ZERO, b"") for _ in range(count))))


def customs(count: int) -> bytes:
    return encode_module(replaced(customs=tuple(CustomSection("c", b"") for _ in range(count))))


def table_slots(count: int) -> bytes:
    return encode_module(replaced(tables=(Table(1, count),)))


def memory_pages(count: int) -> bytes:
    return encode_module(replaced(memories=(Memory(1, count),)))


def function_bytes(count: int) -> bytes:
    return with_function(bytes((op.NOP,)) * (count - 1) + END)


def function_locals(count: int) -> bytes:
    return with_function(END, ((count - 2, I32),), params=2)


def function_blocks(count: int) -> bytes:
    """Each of these makes one more than the first; a plain block makes none."""
    kinds = (
        bytes((op.LOOP, 0x40, op.END)),
        instruction(op.I32_CONST, 0) + bytes((op.IF, 0x40, op.END)),
        instruction(op.I32_CONST, 0) + instruction(op.BR_IF, 0),
        bytes((op.BLOCK, 0x40)) + instruction(op.I32_CONST, 0) + instruction(op.BR_TABLE, 0) + END,
        instruction(op.CALL, 1) + bytes((op.DROP,)),
        instruction(op.F64_CONST, 0) + bytes((op.F64_SQRT, op.DROP)),
        instruction(op.I32_CONST, 0) + instruction(op.MEMORY_GROW) + bytes((op.DROP,)),
        instruction(op.I32_CONST, 0) * 3 + instruction(op.MEMORY_FILL),
        bytes((op.BLOCK, 0x40, op.END)),
    )
    rounds, rest = divmod(count - 1, len(kinds) - 1)
    return with_function(b"".join(kinds) * rounds + kinds[0] * rest + END)


def block_depth(count: int) -> bytes:
    return with_function(bytes((op.BLOCK, 0x40)) * count + END * count + END)


def branch_labels(count: int) -> bytes:
    return with_function(
        instruction(op.I32_CONST, 0) + instruction(op.BR_TABLE, *[0] * count) + END
    )


def operands(count: int) -> bytes:
    return with_function(instruction(op.I32_CONST, 0) * count + bytes((op.DROP,)) * count + END)


CASES: dict[str, Callable[[int], bytes]] = {
    "MODULE_BYTES_MAX": raw_bytes,
    "TYPES_MAX": types,
    "TYPE_PARAMS_MAX": params,
    "TYPE_RESULTS_MAX": results,
    "FUNCTIONS_MAX": functions,
    "GLOBALS_MAX": globals_,
    "EXPORTS_MAX": exports,
    "NAME_BYTES_MAX": export_name,
    "ELEMENT_SEGMENTS_MAX": elements,
    "DATA_SEGMENTS_MAX": data,
    "CUSTOM_SECTIONS_MAX": customs,
    "TABLE_SLOTS_MAX": table_slots,
    "MEMORY_PAGES_MAX": memory_pages,
    "FUNCTION_BYTES_MAX": function_bytes,
    "FUNCTION_BLOCKS_MAX": function_blocks,
    "FUNCTION_LOCALS_MAX": function_locals,
    "BLOCK_DEPTH_MAX": block_depth,
    "BRANCH_LABELS_MAX": branch_labels,
    "OPERANDS_MAX": operands,
}
# Limits of running, not of the module: the runtime's tests have them.
OF_THE_RUNTIME = {
    *("EVENT_BYTES_MAX", "REQUEST_BYTES_MAX", "ANSWER_BYTES_MAX", "PATH_BYTES_MAX"),
    *("VALUE_BYTES_MAX", "SCAN_ENTRIES_MAX", "SCAN_BYTES_MAX", "EFFECT_BYTES_MAX", "EFFECTS_MAX"),
    *("CALL_DEPTH_MAX", "FUEL_LIMIT_DEFAULT", "FUEL_LIMIT_MAX"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_module_at_the_limit_is_admitted(name: str) -> None:
    pico_abi.validate(CASES[name](getattr(limits, name)))


@pytest.mark.parametrize("name", CASES)
def test_a_module_one_past_the_limit_is_refused(name: str) -> None:
    with pytest.raises(ModuleRefused):
        pico_abi.validate(CASES[name](getattr(limits, name) + 1))


@pytest.mark.parametrize(
    "name",
    [
        "FUNCTION_BLOCKS_MAX",
        "FUNCTION_LOCALS_MAX",
        "BLOCK_DEPTH_MAX",
        "BRANCH_LABELS_MAX",
        "OPERANDS_MAX",
    ],
)
def test_a_function_at_the_limit_is_metered_properly(name: str) -> None:
    pico_abi.check(pico_abi.meter(CASES[name](getattr(limits, name))))


def test_a_custom_section_name_has_the_limit_of_names() -> None:
    pico_abi.validate(custom_name(limits.NAME_BYTES_MAX))
    with pytest.raises(ModuleRefused, match="bytes of name"):
        pico_abi.validate(custom_name(limits.NAME_BYTES_MAX + 1))


def test_every_limit_has_its_test() -> None:
    names = {name for name, value in vars(limits).items() if name.isupper() and name[1:2] != "I"}
    assert names - {"KIB", "MIB"} == {*CASES, *OF_THE_RUNTIME}
