"""Reading and changing by path, against 1,100 answers of the reference.

facts/paths.json has [operation, object, path, value if it takes one, answer]; operands are KRL
literals, which here are JSON; an answer {"!": text} is a throw.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guest.library.machine import Machine, Thrown
from guest.library.oracle import same

FACTS = json.loads((Path(__file__).parent / "facts" / "paths.json").read_text("utf-8"))
OPERATIONS = sorted({fact[0] for fact in FACTS})


def answer(machine: Machine, operation: str, operands: list[Any]) -> Any:
    match operation:
        case "path" | "index":
            return machine.read(machine.call_core(operation, *operands))
        case "has":
            return bool(machine.call_core("contains", *operands))
        case _:
            return machine.call(operation, *operands)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_path_leads_where_the_reference_says(operation: str) -> None:
    machine, wrong = Machine(), []
    for name, *operands, wanted in FACTS:
        if name != operation:
            continue
        try:
            got = answer(machine, operation, [json.loads(operand) for operand in operands])
        except Thrown as thrown:
            got, machine = {"!": thrown.args[0]}, Machine()
        if not same(got, wanted):
            wrong.append((operands, got, wanted))
    assert not wrong


def test_what_a_path_changes_is_a_copy() -> None:
    machine = Machine()
    value = {"a": {"b": [1, 2]}, "c": "kept"}
    kept = machine.write(value)
    for operation in ("set", "put"):
        changed = machine.call(operation, value, ["a", "b", "0"], 9)
        assert changed == {"a": {"b": [9, 2]}, "c": "kept"}
    assert machine.call("delete", value, ["a", "b"]) == {"a": {}, "c": "kept"}
    assert machine.read(kept) == value
