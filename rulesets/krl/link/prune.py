"""Replaces the bodies of unreachable library functions by a trap, so that indices stay put.

Reachable is what exports and the table lead to. Calls through the table can reach any of its
slots, so all of them count. A body that is gone costs nothing to validate, meter or compile.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from krl.emit import Guest
from pico_abi import wasm
from pico_abi.wasm import Function, Module, opcodes

STUB = bytes((opcodes.UNREACHABLE, opcodes.END))
# Call graphs of as many library bodies as a handful of guest builds have.
_CALLEES_KEPT = 4_096


def prune(module: Module, guest: Guest) -> Module:
    """The module without the bodies that nothing can reach."""
    imported = len(module.imported_functions())
    reachable = _reachable(module, imported)
    functions = tuple(
        function if imported + index in reachable else Function(function.type_index, (), STUB)
        for index, function in enumerate(module.functions)
    )
    return replace(module, functions=functions)


def _reachable(module: Module, imported: int) -> set[int]:
    found: set[int] = set()
    waiting = [export.index for export in module.exports if export.kind == wasm.KIND_FUNCTION]
    for segment in module.elements:
        waiting.extend(segment.function_indices)
    while waiting:
        index = waiting.pop()
        if index in found:
            continue
        found.add(index)
        if index >= imported:
            waiting.extend(_callees(module.functions[index - imported].body))
    return found


@lru_cache(maxsize=_CALLEES_KEPT)
def _callees(body: bytes) -> tuple[int, ...]:
    """The functions a body calls directly."""
    callees = {
        instruction.immediates[0]
        for instruction in wasm.instructions(body)
        if instruction.opcode == opcodes.CALL
    }
    return tuple(sorted(callees))
