"""When two answers to one case are the same.

Values are compared exactly, the order of a map's keys included; of errors only that they happen.
Identifiers are whatever an engine makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MUTANT = "a mutant"
INDEPENDENT = "each rule has a domain of its own"
# What a value is that has no form in JSON can only be seen from inside the ruleset.
INVISIBLE_TYPES = ("Function", "Action", "ActionFunction", "RegExp", "JSObject")
# The mark the reference puts on functions; its copies of them are maps that show it.
FUNCTION_TEXT = """function (ctx, args) {
            return fn.apply(ctx, fixArgs(args));
        }"""
FUNCTION_MARK = "$krl_function"


# A failed attribute match leaves its machine without a state to read settings from.
# A function that `replace` calls may answer with a function, which has no text.
_DEFECTS = re.compile(
    r"stm\[cstate\] is not iterable|Cannot convert a Symbol value|Maximum call stack size"
    r"|Cannot read properties of undefined \(reading '(setting|[pqr])'\)"
)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON that keeps its order; a number is what a 64-bit float holds."""
    match one, other:
        case dict(), dict():
            one = {visible(key): value for key, value in one.items() if key != FUNCTION_MARK}
            return list(one) == list(other) and all(
                key == "txnId" or same(one[key], other[key]) for key in one
            )
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case (bool() | None, _) | (_, bool() | None):
            return one is other
        case ((int() | float()), (int() | float())):
            return float(one) == float(other)
        case str(), str():
            return visible(one) == visible(other)
    return False


def visible(text: str) -> str:
    """Half of a surrogate pair cannot be written as UTF-8, and so becomes U+FFFD here.

    The reference shows a function as the text of its JavaScript.
    """
    text = text.replace(FUNCTION_TEXT, "[object Function]")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def same_result(reference: Any, ours: Any) -> bool:
    """One result: of an expression, of a query, of an event, of an installation."""
    if not isinstance(reference, dict) or not isinstance(ours, dict):
        return same(reference, ours)
    if is_defect(reference):
        return True
    if not same(logs(reference), logs(ours)):
        return False
    if "error" in reference or "error" in ours:
        return ("error" in reference) == ("error" in ours)
    if "directives" in reference:
        return same(directives(reference), directives(ours))
    if reference.get("type", ours.get("type")) not in (ours.get("type"), *INVISIBLE_TYPES):
        return False
    if "rid" in reference and reference["rid"] != ours.get("rid"):
        return False
    if "rid" in reference:
        return not warning_places(reference) - warning_places(ours)
    return same(reference.get("value"), ours.get("value"))


def same_insides(reference: dict[str, Any], ours: dict[str, Any]) -> bool:
    """What is shown of an expression's value beside JSON; -0 and infinity are 0 and null here."""
    if is_defect(reference) or reference.get("js") in ("-0", "NaN", "Infinity", "-Infinity"):
        return True
    return all(same(reference.get(key), ours.get(key)) for key in ("type", "js", "encode"))


def logs(result: dict[str, Any]) -> list[Any]:
    """What was logged, without identifiers; a rule that fails loses what it had to say here."""
    if "error" in result:
        return []
    return [
        [row.get("level"), row.get("rid"), row.get("msg"), row.get("val")]
        for row in result.get("logs", ())
    ]


def directives(result: dict[str, Any]) -> list[Any]:
    """Directives without the identifier of their event."""
    return [
        [row["meta"]["rid"], row["meta"]["rule_name"], row.get("name"), row.get("options")]
        for row in result["directives"]
    ]


def warning_places(result: dict[str, Any]) -> set[tuple[int, int]]:
    """Where the warnings are; picomesh may have more of them."""
    return {(row["line"], row["col"]) for row in result.get("warnings", ())}


def is_defect(result: dict[str, Any]) -> bool:
    """Whether the reference fails where it should not (select state that is undefined)."""
    return bool(_DEFECTS.search(result.get("error", "")))


def differences(
    case: dict[str, Any], reference: dict[str, Any], ours: dict[str, Any]
) -> Iterator[str]:
    """A line for each part of a case that was answered otherwise.

    An event that fails has no effect here, but half of one in the reference; so what comes after
    is not compared (a case named INDEPENDENT has rules that share no state, and so stops only
    for the domain of the event; one named MUTANT may be installed here only). Nor is `ent`,
    which the driver of the reference leaves empty.
    """
    if case.get("name") == MUTANT and any("error" in row for row in reference["install"]):
        return
    for part in ("install", "exprs", "compile"):
        pairs = zip(reference.get(part, ()), ours.get(part, ()), strict=True)
        for index, (one, other) in enumerate(pairs):
            if not same_result(one, other) or (part == "exprs" and not same_insides(one, other)):
                yield f"{part}.{index}: reference {one}, picomesh {other}"
    steps = zip(
        case.get("steps", ()), reference.get("results", ()), ours.get("results", ()), strict=True
    )
    failed: set[str] = set()
    for index, (step, one, other) in enumerate(steps):
        domain = step.get("event", {}).get("domain", "")
        if domain not in failed and not same_result(one, other):
            yield f"results.{index}: reference {one}, picomesh {other}"
        if "error" in one and "event" in step:
            if case.get("name") != INDEPENDENT:
                return
            failed.add(domain)
