"""What a case must look like: a case is written by hand, and a mistake in it is not a defect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BadCase(Exception):
    """A case that is not in the format; the text says where."""


class BadStep(Exception):
    """A step that is not one of those that exist, or lacks what it needs."""


_STEP_TYPES: dict[str, type | tuple[type, ...]] = {
    "event": dict,
    "query": dict,
    "eventQuery": dict,
    "advance": (int, float),
    "install": dict,
    "uninstall": str,
    "setKrl": dict,
    "flush": str,
    "restart": object,
    "dump": str,
}
_STEP_TEXTS = {"query": ("rid", "name"), "eventQuery": ("rid", "qname"), "setKrl": ("krl",)}
_STEP_MAPS = ("args", "config")


def check_case(case: Mapping[str, Any]) -> None:
    """Raises BadCase for what no step could make sense of."""
    for name, kind in (("rulesets", list), ("steps", list), ("exprs", list), ("compile", list)):
        _expect(case.get(name) or [], kind, name)
    options = case.get("options") or {}
    _expect(options, dict, "options")
    for name in ("start", "stepMs", "seed"):
        _expect(options.get(name, 0), int, f"options.{name}")
    for row in case.get("rulesets") or []:
        _expect(row, dict, "a ruleset")
        _expect(row.get("krl", row.get("file")), str, "a ruleset's krl or file")
        _expect(row.get("config") or {}, dict, "a ruleset's config")
    for item in case.get("exprs") or []:
        _expect(item.get("expr") if isinstance(item, dict) else item, str, "an expression")
    for text in case.get("compile") or []:
        _expect(text, str, "a text to compile")
    for step in case.get("steps") or []:
        _expect(step, dict, "a step")
        _expect(step.get("time", 0), int, "the time of a step")


def _expect(value: Any, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise BadCase(f"{what}: {type(value).__name__} where {kind.__name__} is needed")


def check_step(name: str, given: Any) -> None:
    """Raises BadStep when a step lacks what it needs."""
    if not isinstance(given, _STEP_TYPES[name]):
        raise BadStep(f"the step {name} cannot be given {type(given).__name__}")
    if not isinstance(given, dict):
        return
    for key in _STEP_TEXTS.get(name, ()):
        if not isinstance(given.get(key), str):
            raise BadStep(f"the step {name} needs a text {key}")
    for key in _STEP_MAPS:
        if not isinstance(given.get(key), dict | None):
            raise BadStep(f"the step {name} needs a map for {key}")
