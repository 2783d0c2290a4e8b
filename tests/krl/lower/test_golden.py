"""The intermediate language that each construct of KRL becomes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from golden import Case, Golden, load
from krl.compiler import check_source
from krl.diagnostic import Source
from krl.lower import ir
from krl.lower.show import show

CASES = Path(__file__).parent / "cases"
FILES = ("expressions", "functions", "rules", "events", "entities", "modules")
ALL = [case for file in FILES for case in load(CASES / f"{file}.test")]


def lowered(text: str) -> ir.Program:
    compilation = check_source(Source("case.krl", text))
    assert compilation.program is not None, [item.title for item in compilation.diagnostics]
    return compilation.program


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_construct_becomes_the_recorded_steps(case: Case, golden: Golden) -> None:
    golden(case, show(lowered(case.source)))


def test_every_kind_of_node_has_a_case() -> None:
    kinds: set[type] = set()
    for case in ALL:
        program = lowered(case.source)
        for function in program.functions:
            _collect(function.body, kinds)
        _collect((program.shares, program.provides), kinds)
    unions = (ir.Value, ir.Flag, ir.Step)
    missing = {kind for union in unions for kind in get_args(union)} - kinds
    assert not missing


def _collect(node: Any, kinds: set[type]) -> None:
    if isinstance(node, tuple):
        for item in node:
            _collect(item, kinds)
    elif is_dataclass(node):
        kinds.add(type(node))
        for item in fields(node):
            _collect(getattr(node, item.name), kinds)
