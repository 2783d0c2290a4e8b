"""Random event expressions with random events: every rule is selected when it was recorded to be.

Many rules share one ruleset here, each with a domain of its own, because compiling is the slow
part.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from conformance.recorded import load
from picomesh.scenario.case import run_case

TRACES = load("event-expressions.json")["traces"]
DIFFERENCES = {row["select"] for row in load("differences.json")["event expressions"]}
GROUP = 50


def rule(number: int, trace: dict[str, Any]) -> str:
    select = re.sub(r"\be ([a-z])\b", rf"e{number} \1", trace["select"])
    options = ", ".join(f'"{name}": {name}' for name in trace["vars"])
    return f'rule r{number} {{ select when {select}\n send_directive("d", {{{options}}}) }}'


def step(number: int, event: dict[str, Any]) -> dict[str, Any]:
    attributes = {"x": event["x"]} if "x" in event else {}
    made: dict[str, Any] = {
        "event": {"domain": f"e{number}", "name": event["name"], "attrs": attributes}
    }
    if "t" in event:
        made["time"] = event["t"]
    return made


def outcome(result: dict[str, Any]) -> Any:
    """0: not selected; 1: selected; else the variables of the selection."""
    if not result["directives"]:
        return 0
    return result["directives"][0]["options"] or 1


@pytest.mark.parametrize("first", range(0, len(TRACES), GROUP))
def test_random_event_expressions_select_as_recorded(first: int) -> None:
    group = TRACES[first : first + GROUP]
    rules = "\n".join(rule(number, trace) for number, trace in enumerate(group))
    steps = [step(number, event) for number, trace in enumerate(group) for event in trace["events"]]
    case = run_case({"rulesets": [{"krl": f"ruleset A {{\n{rules}\n}}"}], "steps": steps})
    results = iter(case["results"])
    for trace in group:
        selected = [outcome(next(results)) for _ in trace["events"]]
        assert (selected != trace["out"]) == (trace["select"] in DIFFERENCES), trace["select"]
