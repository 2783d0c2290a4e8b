"""Recorded answers of the reference, as values of the machine, and what counts as equal."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from guest.library.machine import NULL, GuestFunction, Pattern

CONFORMANCE = Path(__file__).resolve().parents[2] / "conformance"

THROWS = "!"
OF_TYPE = "$"


@cache
def recorded() -> dict[str, Any]:
    """operators.json, as its `encoding` describes it."""
    loaded: dict[str, Any] = json.loads((CONFORMANCE / "operators.json").read_text("utf-8"))
    return loaded


def value_of(literal: str) -> Any:
    """A KRL literal of the recorded matrix; anything else in it is JSON."""
    if literal == "function(x){x}":
        return lambda *arguments: arguments[0] if arguments else None
    if literal.startswith("re#"):
        source, _, flags = literal[len("re#") :].rpartition("#")
        return Pattern(source, flags)
    return json.loads(literal.strip("()"))


def plain(value: Any) -> Any:
    """A value of the machine in the form that the recordings have."""
    match value:
        case None:
            return None
        case bool() | str():
            return value
        case int() | float():
            return float(value) + 0.0 if math.isfinite(value) else None
        case Pattern():
            return {OF_TYPE: "RegExp", "source": value.source, "flags": value.flags}
        case GuestFunction():
            return {OF_TYPE: "Function"}
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    assert value is NULL
    return None


def expected(value: Any) -> Any:
    """A recorded value without what no KRL program can tell: the sign of zero, kinds of null."""
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0
    if not isinstance(value, dict):
        return value
    match value.get(OF_TYPE):
        case "-0":
            return 0.0
        case "NaN" | "Infinity" | "-Infinity":
            return None
    return {key: expected(item) for key, item in value.items()}


def argument(value: Any) -> Any:
    """A recorded argument: null in JSON is JavaScript's null, not a missing argument."""
    if value is None:
        return NULL
    if isinstance(value, dict) and value.get(OF_TYPE) == "-0":
        return -0.0
    if isinstance(value, list):
        return [argument(item) for item in value]
    return {k: argument(item) for k, item in value.items()} if isinstance(value, dict) else value


def same(actual: Any, recorded_value: Any) -> bool:
    """Equal, keys in the same order; of a throw only that it happened counts."""
    if isinstance(recorded_value, dict) and THROWS in recorded_value:
        return isinstance(actual, dict) and THROWS in actual
    return json.dumps(plain(actual)) == json.dumps(expected(recorded_value))
