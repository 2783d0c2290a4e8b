"""Recorded scenarios as cases that picomesh runs, and how their results are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from picomesh.scenario.case import run_case

HERE = Path(__file__).resolve().parent
WILDCARDS = ("<id>", "<iso-time>", "<ms-time>")


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text("utf-8"))


def alike(recorded: Any, answered: Any) -> bool:
    """Equal, but for wildcards; the recordings show a missing member as null."""
    if recorded in WILDCARDS and isinstance(recorded, str):
        return True
    match recorded, answered:
        case dict(), dict():
            if list(recorded) == ["<id>"] and len(answered) == 1:
                return alike(recorded["<id>"], *answered.values())
            keys = {**recorded, **answered}
            return all(alike(recorded.get(key), answered.get(key)) for key in keys)
        case list(), list():
            return len(recorded) == len(answered) and all(map(alike, recorded, answered))
        case bool(), _:
            return recorded is answered
    return bool(recorded == answered)


def plain_directives(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Directives as the recordings of scenarios show them."""
    return [
        {
            "rid": directive["meta"]["rid"],
            "rule": directive["meta"]["rule_name"],
            "name": directive.get("name"),
            "options": directive.get("options"),
        }
        for directive in result["directives"]
    ]


def run_scenario(scenario: dict[str, Any]) -> dict[str, Any]:
    steps = [_step(step) for step in scenario["steps"]]
    return run_case({"rulesets": [{"krl": krl} for krl in scenario["krl"]], "steps": steps})


def _step(step: dict[str, Any]) -> dict[str, Any]:
    match step["op"]:
        case "event":
            body = {"domain": step["domain"], "name": step["name"], "attrs": step["attrs"]}
        case "query":
            body = {"rid": step["rid"], "name": step["name"], "args": step["args"]}
        case op:
            raise AssertionError(op)
    made: dict[str, Any] = {step["op"]: body}
    if "time" in step:
        made["time"] = step["time"]
    return made


def what_differs(scenario: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """A line for each thing that is not as recorded."""
    failed = [item for item in case["install"] if "error" in item]
    if failed or "installError" in scenario:
        same = bool(failed) == ("installError" in scenario)
        return [] if same else [f"install: {case['install']}"]
    found = [
        f"{step}: {result}"
        for step, result in zip(scenario["steps"], case["results"], strict=True)
        if not _same_step(step, result)
    ]
    if not alike(scenario["ent"], case["ent"]):
        found.append(f"ent: {case['ent']}")
    return found


def _same_step(step: dict[str, Any], result: dict[str, Any]) -> bool:
    if "error" in step or "error" in result:
        return ("error" in step) == ("error" in result)
    if step["op"] == "event":
        return alike(step["directives"], plain_directives(result))
    return alike(step.get("result"), result.get("value"))
