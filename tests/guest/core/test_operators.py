"""Operators and conversions against the reference's recorded answers, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guest.library.machine import Machine, Thrown
from guest.library.oracle import recorded, same, value_of

Operator = Callable[[Machine, Any, Any], Any]


def _value(name: str) -> Operator:
    return lambda machine, a, b: machine.read(machine.call_core(name, a, b))


def _truth(name: str, holds: Callable[[int], bool]) -> Operator:
    return lambda machine, a, b: holds(machine.call_core(name, a, b))


INFIX: dict[str, Operator] = {
    "+": _value("add"),
    "-": _value("subtract"),
    "*": _value("multiply"),
    "/": _value("divide"),
    "%": _value("modulo"),
    "==": _truth("equal", bool),
    "!=": _truth("equal", lambda result: not result),
    "<": _truth("order", lambda result: result < 0),
    "<=": _truth("order", lambda result: result <= 0),
    ">": _truth("order", lambda result: result > 0),
    ">=": _truth("order", lambda result: result >= 0),
    "<=>": lambda machine, a, b: machine.call_core("order", a, b),
    "cmp": lambda machine, a, b: machine.call_core("compare", a, b),
    "like": _truth("like", bool),
    "><": _truth("contains", bool),
}


@pytest.fixture
def machine() -> Machine:
    return Machine()


def _attempt(machine: Machine, operator: Operator, a: Any, b: Any) -> Any:
    machine.refresh()
    try:
        return operator(machine, a, b)
    except Thrown as thrown:
        return {"!": thrown.args[0]}


def _literals() -> list[Any]:
    return [value_of(literal) for literal in recorded()["values"]]


def test_every_recorded_infix_operator_is_tested() -> None:
    assert set(INFIX) == set(recorded()["infix"])


@pytest.mark.parametrize("symbol", INFIX)
def test_an_infix_operator_gives_what_the_reference_gives(machine: Machine, symbol: str) -> None:
    values, wrong = _literals(), []
    for left, row in zip(values, recorded()["infix"][symbol], strict=True):
        for right, answer in zip(values[::2], row, strict=True):
            got = _attempt(machine, INFIX[symbol], left, right)
            if not same(got, answer):
                wrong.append((left, right, got, answer))
    assert not wrong


def test_a_failing_operator_says_what_the_reference_says(machine: Machine) -> None:
    values = _literals()
    for symbol in "-*/%":
        for left, row in zip(values, recorded()["infix"][symbol], strict=True):
            for right, answer in zip(values[::2], row, strict=True):
                if isinstance(answer, dict) and "!" in answer:
                    got = _attempt(machine, INFIX[symbol], left, right)
                    assert f"TypeError: {got['!']}" == answer["!"]


@pytest.mark.parametrize(("symbol", "name"), [("-", "negate"), ("+", "plus")])
def test_a_unary_operator_gives_what_the_reference_gives(
    machine: Machine, symbol: str, name: str
) -> None:
    for literal, answer in zip(recorded()["values"], recorded()["unary"][symbol], strict=True):
        value = value_of(literal)
        got = _attempt(machine, lambda m, a, _: m.read(m.call_core(name, a)), value, None)
        assert same(got, answer), literal


def test_truth_type_and_text_of_a_value_are_those_of_the_reference(machine: Machine) -> None:
    rows = zip(
        recorded()["values"],
        recorded()["truthy"],
        recorded()["typeof"],
        recorded()["toString"],
        strict=True,
    )
    for literal, truth, type_name, text in rows:
        value = value_of(literal)
        assert bool(machine.call_core("truthy", value)) == truth, literal
        assert machine.call("typeof", value) == type_name
        assert machine.read(machine.call_core("add", value, "")) == text


def test_a_text_is_the_number_that_the_reference_reads(machine: Machine) -> None:
    for text, number, shown, _, type_name in recorded()["numbers"]:
        machine.refresh()
        got = machine.call("as", text, "Number")
        assert same(got, number), text
        assert machine.read(machine.call_core("add", got, "")) == shown, text
        assert machine.call("typeof", text) == type_name
        assert number is None or machine.call_core("order", text, got) == 0


def test_an_infinite_number_is_no_number_for_an_operator(machine: Machine) -> None:
    infinity = float("inf")
    assert machine.read(machine.call_core("add", infinity, 1)) == "[JSObject]1"
    assert machine.call_core("order", infinity, 1) == 1  # compared as text
    assert machine.call_core("equal", infinity, infinity) == 1
    assert "cannot be subtracted" in _attempt(machine, INFIX["-"], infinity, 1)["!"]
