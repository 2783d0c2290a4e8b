"""Recorded answers of the reference, as values of the machine, and what counts as equal."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from guest.library.machine import NULL, GuestFunction, Pattern

CONFORMANCE = Path(__file__).resolve().parents[2] / "conformance"

THROWS = "!"
OF_TYPE = "$"


def _at(position: int) -> Callable[..., Any]:
    return lambda *given: given[position] if position < len(given) else None


# KRL functions that occur as arguments, as what they do in Python.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "function(x){x}": _at(0),
    "function(x,y){y}": _at(1),
    "function(x,y,z){z}": _at(2),
    "function(){null}": lambda *given: None,
    'function(){"s$1"}': lambda *given: "s$1",
    "function(){true}": lambda *given: True,
    "function(){0}": lambda *given: 0,
    "function(){(-1)}": lambda *given: -1,
    "function(x,y){[x,y]}": lambda *given: [_at(0)(*given), _at(1)(*given)],
    'function(x){{"k":x}}': lambda *given: {"k": _at(0)(*given)},
}


@cache
def recorded() -> dict[str, Any]:
    """operators.json, as its `encoding` describes it."""
    loaded: dict[str, Any] = json.loads((CONFORMANCE / "operators.json").read_text("utf-8"))
    return loaded


@cache
def library_cases() -> list[list[Any]]:
    """The cases of library.json."""
    loaded: dict[str, Any] = json.loads((CONFORMANCE / "library.json").read_text("utf-8"))
    cases: list[list[Any]] = loaded["cases"]
    return cases


def value_of(literal: str) -> Any:
    """A KRL literal of the recorded matrix; anything else in it is JSON."""
    if literal in FUNCTIONS:
        return FUNCTIONS[literal]
    if literal.startswith("re#"):
        source, _, flags = literal[len("re#") :].rpartition("#")
        return Pattern(source, flags)
    return json.loads(literal.strip("()"))


def with_functions(value: Any) -> Any:
    """An argument of library.json."""
    match value:
        case None:
            return NULL
        case {"$": "undefined"}:
            return None
        case {"$": "RegExp"}:
            return Pattern(value["source"], value["flags"])
        case {"$": "Function"}:
            return FUNCTIONS[value["krl"]]
        case list():
            return [with_functions(item) for item in value]
        case dict():
            return {key: with_functions(item) for key, item in value.items()}
    return value


def argument(value: Any) -> Any:
    """An argument of operators.json: null in JSON is JavaScript's null, not a missing argument."""
    if value is None:
        return NULL
    if isinstance(value, dict) and value.get(OF_TYPE) == "-0":
        return -0.0
    if isinstance(value, list):
        return [argument(item) for item in value]
    return {k: argument(item) for k, item in value.items()} if isinstance(value, dict) else value


def plain(value: Any) -> Any:
    """A value of the machine in the form that the recordings have."""
    match value:
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
    assert value is None or value is NULL
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


def json_form(value: Any) -> Any:
    """What JSON keeps of a value of the machine: the answers of library.json are in this form."""
    match value:
        case Pattern():
            return {}
        case GuestFunction():
            return None
        case list():
            return [json_form(item) for item in value]
        case dict():
            vanishing = (type(None), GuestFunction)
            kept = {key: item for key, item in value.items() if not isinstance(item, vanishing)}
            return {key: json_form(item) for key, item in kept.items()}
    return plain(value)


def _throws(value: Any) -> bool:
    return isinstance(value, dict) and THROWS in value


def same(actual: Any, recorded_value: Any) -> bool:
    """Equal, keys in the same order; of a throw only that it happened counts."""
    if _throws(recorded_value):
        return _throws(actual)
    return json.dumps(plain(actual)) == json.dumps(expected(recorded_value))


def same_json(actual: Any, recorded_value: Any) -> bool:
    """As `same`, for an answer that went through JSON."""
    if _throws(recorded_value):
        return _throws(actual)
    return json.dumps(json_form(actual)) == json.dumps(expected(recorded_value))
