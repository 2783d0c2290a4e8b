"""Large literals that hold nothing but constants: they become data, not code.

A list of words or a table of records may have thousands of entries; as code, each would take more
bytes than itself, and one function may not be that long. Small ones stay code, which is faster.
"""

from __future__ import annotations

import json
from typing import Any

from krl.syntax import tree

NODES_MIN = 500  # a literal with fewer parts is code
_INDEX_KEYS_END = 2**32 - 1
_INTEGER_MAX = 2**53 - 1
_DEPTH_MAX = 50


class _Computed(Exception):
    """A part that is no constant."""


def constant(node: tree.Array | tree.Map) -> str | None:
    """A large literal as JSON, in KRL's order; None if it is small, or has to be computed."""
    counted = _Counted()
    try:
        content = counted.value(node)
    except _Computed:
        return None
    return json.dumps(content) if counted.nodes >= NODES_MIN else None


class _Counted:
    """Reads a literal and counts its parts."""

    def __init__(self) -> None:
        self.nodes = 0

    def value(self, node: tree.Expression, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > _DEPTH_MAX:
            raise _Computed
        match node:
            case tree.Boolean():
                return node.value
            case tree.String():
                return _text(node.value)
            case tree.Number():
                return _number(node.value)
            case tree.Unary(operator="-", operand=tree.Number() as number):
                return _number(-number.value)
            case tree.Chevron(pieces=()):
                return ""
            case tree.Chevron(pieces=(tree.String() as text,)):
                return _text(text.value)
            case tree.Array():
                return [self.value(item, depth + 1) for item in node.items]
            case tree.Map():
                return self._map(node, depth + 1)
        raise _Computed

    def _map(self, node: tree.Map, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for pair in node.pairs:
            if not isinstance(pair.key, tree.String):
                raise _Computed
            entries[_text(pair.key.value)] = self.value(pair.value, depth)
        indexes = sorted((key for key in entries if _is_index(key)), key=int)
        return {key: entries[key] for key in [*indexes, *entries]}


def _text(value: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _Computed
    return value


def _number(value: float) -> int | float:
    """As the format of values has it; what it has no place for is computed."""
    if value != value or value in (float("inf"), float("-inf")):
        raise _Computed
    if float(value).is_integer() and abs(value) <= _INTEGER_MAX:
        if value == 0 and str(value).startswith("-"):
            raise _Computed
        return int(value)
    return float(value)


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < _INDEX_KEYS_END
