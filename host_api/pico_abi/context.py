"""What a function body may refer to, and a memo for work that depends on nothing else.

Every ruleset carries the same guest library, so most bodies have been seen before. A body's
verdict and its metered form are functions of the body, its type and the entities its indices
name; the memo keys by the former and compares the latter, so a second ruleset costs only its own
functions. Forgetting is always allowed: the memo changes time, never a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pico_abi.wasm.module import KIND_FUNCTION, Function, Module

Signature = tuple[tuple[int, ...], tuple[int, ...]]

PAGE_BYTES = 65_536
MEMO_BYTES_MAX = 16 * 1024 * 1024  # of bodies; what is remembered is a few times that


@dataclass(frozen=True, slots=True)
class Context:
    """The index spaces of one module: types, functions (imports first), globals, table."""

    types: tuple[Signature, ...]
    functions: tuple[Signature, ...]
    globals: tuple[tuple[int, bool], ...]
    has_table: bool
    import_count: int
    memory_bytes: int  # at the start; memory never shrinks


def context_of(module: Module) -> Context:
    """The index spaces of a module whose type indices are already checked."""
    types = tuple([(item.params, item.results) for item in module.types])
    imported = [item.description for item in module.imports if item.kind == KIND_FUNCTION]
    functions = [types[index] for index in imported if isinstance(index, int)]
    functions += [types[item.type_index] for item in module.functions]
    return Context(
        types,
        tuple(functions),
        tuple([(item.value_type, item.mutable) for item in module.globals]),
        bool(module.tables),
        len(imported),
        sum(item.minimum for item in module.memories) * PAGE_BYTES,
    )


@dataclass(frozen=True, slots=True)
class References:
    """The indices a body uses, in increasing order."""

    functions: tuple[int, ...]
    types: tuple[int, ...]
    globals: tuple[int, ...]

    def resolve(self, context: Context) -> tuple[object, ...] | None:
        """What the indices name in a module; None if one names nothing."""
        try:
            return (
                context.has_table,
                context.memory_bytes,
                [context.functions[index] for index in self.functions],
                [context.types[index] for index in self.types],
                [context.globals[index] for index in self.globals],
            )
        except IndexError:
            return None


def references(
    functions: Iterable[int], types: Iterable[int], globals_used: Iterable[int]
) -> References:
    return References(tuple(sorted(functions)), tuple(sorted(types)), tuple(sorted(globals_used)))


Result = TypeVar("Result")
_Key = tuple[object, ...]


class Memo(Generic[Result]):
    """Remembers one result per body, valid while its references resolve to the same entities."""

    def __init__(self) -> None:
        self._entries: dict[_Key, tuple[References, object, Result]] = {}
        self._bytes = 0

    def get(
        self, function: Function, context: Context, extra: object = None
    ) -> tuple[References, Result] | None:
        key = (function.body, function.locals, context.types[function.type_index], extra)
        entry = self._entries.get(key)
        if entry is None or entry[0].resolve(context) != entry[1]:
            return None
        return entry[0], entry[2]

    def put(
        self,
        function: Function,
        context: Context,
        extra: object,
        used: References,
        result: Result,
    ) -> None:
        # Forgetting everything at once needs no order and is safe whoever else is reading.
        self._bytes += len(function.body) + 200
        if self._bytes > MEMO_BYTES_MAX:
            self._entries = {}
            self._bytes = len(function.body) + 200
        key = (function.body, function.locals, context.types[function.type_index], extra)
        self._entries[key] = (used, used.resolve(context), result)
