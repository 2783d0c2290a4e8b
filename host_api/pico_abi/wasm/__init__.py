"""The WebAssembly binary format: bytes to `Module` and back, opcodes by name, LEB128.

It stands below both the gate (validate, meter, check) and the compiler's emit and link passes,
so that one codec decides what a module is.
"""

from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.encode import encode_module
from pico_abi.wasm.instructions import Instruction, instruction, instructions
from pico_abi.wasm.leb128 import read_sleb, read_uleb32, sleb, uleb
from pico_abi.wasm.module import (
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    CustomSection,
    DataSegment,
    ElementSegment,
    Export,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Import,
    Memory,
    Module,
    Table,
)

__all__ = [
    "F32",
    "F64",
    "FUNCREF",
    "I32",
    "I64",
    "KIND_FUNCTION",
    "KIND_GLOBAL",
    "KIND_MEMORY",
    "KIND_TABLE",
    "CustomSection",
    "DataSegment",
    "ElementSegment",
    "Export",
    "Function",
    "FunctionType",
    "Global",
    "GlobalType",
    "Import",
    "Instruction",
    "Memory",
    "Module",
    "Table",
    "decode_module",
    "encode_module",
    "instruction",
    "instructions",
    "read_sleb",
    "read_uleb32",
    "sleb",
    "uleb",
]
