"""The library against everything recorded: a case is equal, or it is on the list of differences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from guest.library.machine import Machine
from guest.library.oracle import (
    CONFORMANCE,
    argument,
    library_cases,
    recorded,
    same,
    same_json,
    value_of,
    with_functions,
)

LITERALS: list[str] = recorded()["values"]
SMALL: list[int] = recorded()["small"]
QUERY = {
    **{"args": {}, "config": {}, "eci": "e", "host": "h", "name": "q", "pico": "p", "txn": "t"},
    "seed": bytes(32),
    "time": 1767225600000,  # 2026-01-01, where the clock of the recordings stands
}


@pytest.fixture(scope="module")
def machine() -> Machine:
    made = Machine()
    made.begin("query", QUERY)
    return made


@cache
def differing(section: str, operator: str) -> frozenset[str]:
    """The left values for which this operator answers otherwise on purpose."""
    listed = json.loads((CONFORMANCE / "differences.json").read_text("utf-8"))["recorded"]
    return frozenset(
        row["left"] for row in listed if (row["section"], row["operator"]) == (section, operator)
    )


def wrong(
    machine: Machine, name: str, arguments: list[Any], answer: Any, *, on_purpose: bool = False
) -> Iterator[str]:
    actual = machine.attempt(name, *arguments)
    if same(actual, answer) is on_purpose:
        yield f"{name}{arguments}: {actual!r}, recorded {answer!r}, on purpose {on_purpose}"


@pytest.mark.parametrize("operator", recorded()["method0"])
def test_an_operator_without_arguments_answers_as_the_reference(
    machine: Machine, operator: str
) -> None:
    purposes = differing("method0", operator)
    problems = [
        problem
        for literal, answer in zip(LITERALS, recorded()["method0"][operator], strict=True)
        for problem in wrong(
            machine, operator, [value_of(literal)], answer, on_purpose=literal in purposes
        )
    ]
    assert problems == []


@pytest.mark.parametrize("operator", recorded()["method1"])
def test_an_operator_with_an_argument_answers_as_the_reference(
    machine: Machine, operator: str
) -> None:
    purposes = differing("method1", operator)
    problems = [
        problem
        for i, row in zip(SMALL, recorded()["method1"][operator], strict=True)
        for j, answer in zip(SMALL[::2], row, strict=True)
        for problem in wrong(
            machine,
            operator,
            [value_of(LITERALS[i]), value_of(LITERALS[j])],
            answer,
            on_purpose=LITERALS[i] in purposes,
        )
    ]
    assert problems == []


@pytest.mark.parametrize("module", ["math", "time"])
def test_a_module_function_answers_as_the_reference(machine: Machine, module: str) -> None:
    problems = [
        problem
        for name, arguments, answer in recorded()[module]
        for problem in wrong(machine, f"{module}_{name}", [*map(argument, arguments)], answer)
    ]
    assert problems == []


def test_a_text_becomes_a_number_and_a_number_a_text_as_in_the_reference(
    machine: Machine,
) -> None:
    problems: list[str] = []
    for text, number, as_text, encoded, type_name in recorded()["numbers"]:
        problems += wrong(machine, "as", [text, "Number"], number)
        actual = machine.attempt("as", text, "Number")
        problems += wrong(machine, "as", [actual, "String"], as_text)
        problems += wrong(machine, "encode", [actual], encoded)
        problems += wrong(machine, "typeof", [text], type_name)
    assert problems == []


@pytest.mark.parametrize("name", sorted({case[0] for case in library_cases()}))
def test_a_function_answers_random_arguments_as_the_reference(machine: Machine, name: str) -> None:
    problems: list[str] = []
    for function, arguments, answer, *type_names in library_cases():
        if function != name:
            continue
        actual = machine.attempt(name, *map(with_functions, arguments))
        if not same_json(actual, answer):
            problems.append(f"{name}{arguments}: {actual!r}, recorded {answer!r}")
        for type_name in type_names:
            problems += wrong(machine, "typeof", [actual], type_name)
    assert problems == []
