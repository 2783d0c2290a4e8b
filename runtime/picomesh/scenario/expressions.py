"""Expressions of a case: each as the result of a shared function.

Making a module takes far longer than running one, so expressions that bring no globals share a
module. When one of them does not compile, the others are found by halving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from picomesh.engine import Engine, Options
from picomesh.engine.errors import OperatorError, QueryFailed
from picomesh.scenario.compiler import CompileError, compile_text
from picomesh.scenario.values import error_of, result_of

MODULE_EXPRESSIONS_MAX = 100
_RID = "x.expr"


@dataclass(frozen=True, slots=True)
class _Expression:
    """One expression; `at` is its place among the results."""

    at: int
    text: str
    global_text: str
    pre_text: str
    arg: Any

    @property
    def function(self) -> str:
        return f"result{self.at} = function(arg){{\n{self.pre_text}\nreturn {self.text}\n}}\n"


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
    shared = ", ".join(f"result{item.at}" for item in group)
    functions = "".join(item.global_text + "\n" + item.function for item in group)
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
    try:
        return result_of(engine.query(pico, _RID, f"result{item.at}", {"arg": item.arg}))
    except QueryFailed as problem:
        return error_of(f"Error: {problem}", "run")
