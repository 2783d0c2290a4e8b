"""Values in the shape of recorded results."""

from __future__ import annotations

import re
from typing import Any

from picomesh.ledger.value import Value

_HEX = re.compile(r"0x[A-F0-9]+", re.ASCII | re.IGNORECASE)


def result_of(value: Value) -> dict[str, Any]:
    """A query's answer with its KRL type."""
    return {"value": value, "type": type_of(value)}


def type_of(value: Value) -> str:
    """KRL's typeof, of what a value is after it has crossed as bytes."""
    match value:
        case None:
            return "Null"
        case bool():
            return "Boolean"
        case int() | float():
            return "Number"
        case str():
            return "Hex" if _HEX.fullmatch(value) else "String"
        case list():
            return "Array"
        case _:
            return "Map"


def error_of(text: str, phase: str, **place: int) -> dict[str, Any]:
    return {"error": text, "phase": phase, **place}


def resolve_refs(value: Any, results: list[Any]) -> Any:
    """Replaces "$ref:2.directives.0.options.eci" by that place of the results so far."""
    match value:
        case str() if value.startswith("$ref:"):
            return look_up(results, value.removeprefix("$ref:"))
        case list():
            return [resolve_refs(item, results) for item in value]
        case dict():
            return {key: resolve_refs(item, results) for key, item in value.items()}
        case _:
            return value


def look_up(results: Any, path: str) -> Any:
    found = results
    for part in path.split("."):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict):
            found = found.get(part)
        else:
            return None
    return found
