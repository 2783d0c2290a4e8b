"""Expressions of a case: each as the result of a shared function.

Making a module takes far longer than running one, so expressions that bring no globals share a
module. When one of them does not compile, the others are found by halving.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from picomesh.engine import Engine, Options
from picomesh.engine.errors import OperatorError, QueryFailed
from picomesh.ledger.value import Value
from picomesh.scenario.compiler import CompileError, compile_text
from picomesh.scenario.values import error_of, result_of

MODULE_EXPRESSIONS_MAX = 100
_RID = "x.expr"
# A default parameter stands in for JavaScript's undefined, not for null: so the two are told apart.
_MISSING = "undefined, and not null"


@dataclass(frozen=True, slots=True)
class _Expression:
    """One expression; `at` is its place among the results."""

    at: int
    text: str
    global_text: str
    pre_text: str
    arg: Any

    @property
    def functions(self) -> str:
        """The expression as a function, and what its value is besides what crosses as bytes."""
        call = f"result{self.at}(arg)"
        return (
            f"result{self.at} = function(arg){{\n{self.pre_text}\nreturn {self.text}\n}}\n"
            f"type{self.at} = function(arg){{ {call}.typeof() }}\n"
            f'text{self.at} = function(arg){{ {call} + "" }}\n'
            f"encode{self.at} = function(arg){{ {call}.encode() }}\n"
            f'missing{self.at} = function(arg){{ (function(v = "{_MISSING}"){{ v }})({call}) }}\n'
        )

    @property
    def names(self) -> list[str]:
        return [f"{kind}{self.at}" for kind in ("result", "type", "text", "encode", "missing")]


def run_expressions(given: Sequence[Any], options: Options) -> list[dict[str, Any]]:
    """The result of each expression, in order."""
    expressions = [_read(at, item) for at, item in enumerate(given)]
    results: dict[int, dict[str, Any]] = {}
    with Engine.ephemeral(options) as engine:
        pico = engine.create().pico
        plain = [item for item in expressions if not item.global_text]
        for start in range(0, len(plain), MODULE_EXPRESSIONS_MAX):
            _run(engine, pico, plain[start : start + MODULE_EXPRESSIONS_MAX], results)
        for item in expressions:
            if item.global_text:
                _run(engine, pico, [item], results)
    return [results[item.at] for item in expressions]


def _read(at: int, item: Any) -> _Expression:
    if isinstance(item, str):
        return _Expression(at, item, "", "", None)
    return _Expression(
        at, item["expr"], item.get("global") or "", item.get("pre") or "", item.get("arg")
    )


def _run(
    engine: Engine, pico: str, group: list[_Expression], results: dict[int, dict[str, Any]]
) -> None:
    shared = ", ".join(name for item in group for name in item.names)
    functions = "".join(item.global_text + "\n" + item.functions for item in group)
    text = f"ruleset {_RID} {{\n meta {{ shares {shared} }}\n global {{\n{functions}}}\n}}\n"
    try:
        compiled = compile_text(text, "case.krl")
        installed = engine.install_module(pico, compiled.raw)
    except (CompileError, OperatorError) as problem:
        if len(group) > 1:
            middle = len(group) // 2
            _run(engine, pico, group[:middle], results)
            _run(engine, pico, group[middle:], results)
        else:
            results[group[0].at] = (
                problem.result
                if isinstance(problem, CompileError)
                else error_of(f"Error: {problem}", "init")
            )
        return
    for item in group:
        if installed.transition.outcome == "ok":
            results[item.at] = _ask(engine, pico, item)
        else:
            results[item.at] = error_of(f"Error: {installed.transition.message}", "init")


def _ask(engine: Engine, pico: str, item: _Expression) -> dict[str, Any]:
    def ask(kind: str) -> Value:
        return engine.query(pico, _RID, f"{kind}{item.at}", {"arg": item.arg})

    try:
        value = ask("result")
        result = result_of(value)
        if value is None or isinstance(value, dict | list):
            result["type"] = ask("type")
            result |= _beside_json(value, str(result["type"]), ask)
        return result
    except QueryFailed as problem:
        return error_of(f"Error: {problem}", "run")


def _beside_json(value: Value, kind: str, ask: Callable[[str], Value]) -> dict[str, Any]:
    """What recordings show of a value that JSON cannot: `js`, and KRL's own encoding."""
    beside: dict[str, Any] = {}
    if value is None and ask("missing") == _MISSING:
        beside["js"] = "undefined"
    elif kind not in ("Null", "Map", "Array"):
        beside["js"] = ask("text")
    encoded = ask("encode")
    same = _reads_as(encoded, value) and (value is not None or "js" not in beside)
    return beside if same or encoded is None else {**beside, "encode": encoded}


def _reads_as(encoded: Value, value: Value) -> bool:
    """Whether a text is this value as JSON, in this order; each language writes numbers its way."""
    if not isinstance(encoded, str):
        return False
    read = (json.loads(text, parse_int=float) for text in (encoded, json.dumps(value)))
    return json.dumps(next(read)) == json.dumps(next(read))
