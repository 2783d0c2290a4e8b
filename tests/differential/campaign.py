"""One round of the comparison: draw a case, ask both engines, make what differs small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from differential import engines
from differential.compare import differences, same_insides, same_result
from differential.engines import Answers
from differential.events import select_case
from differential.expressions import expression_case
from differential.mutate import mutant_case
from differential.reduce import reduce_text
from differential.rulesets import ruleset_case
from krl.compiler import check_source
from krl.diagnostic import Source

EXPRESSIONS_PER_CASE = 100
CANDIDATES_PER_CASE = 40

Case = dict[str, Any]


def _expressions(random: Random) -> Case:
    return {"exprs": expression_case(random, EXPRESSIONS_PER_CASE)}


KINDS: dict[str, Callable[[Random], Case]] = {
    "expressions": _expressions,
    "rulesets": ruleset_case,
    "selects": select_case,
    "mutants": mutant_case,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that is answered otherwise, and how."""

    case: Case
    lines: list[str]


def compare(case: Case, reference: Answers, reduced: bool = True) -> Iterator[Finding]:
    """What differs in one case; each differing expression is a case of its own."""
    wanted, answered = reference.answer(case), engines.answer(case)
    if "error" in wanted:
        yield Finding(case, [str(wanted)])
        return
    for index, expression in enumerate(case.get("exprs", ())):
        if not same_expression(wanted["exprs"][index], answered["exprs"][index]):
            small = _reduced_expression(expression, reference) if reduced else expression
            yield _finding({"exprs": [small]}, reference)
    whole = list(differences(case, {**wanted, "exprs": []}, {**answered, "exprs": []}))
    if whole:
        yield _finding(_reduced_case(case, reference) if reduced else case, reference)


def same_expression(reference: dict[str, Any], ours: dict[str, Any]) -> bool:
    return same_result(reference, ours) and same_insides(reference, ours)


def _finding(case: Case, reference: Answers) -> Finding:
    return Finding(case, list(differences(case, reference.answer(case), engines.answer(case))))


# ---- one expression ----------------------------------------------------------------------------


def _reduced_expression(expression: dict[str, str], reference: Answers) -> dict[str, str]:
    small = dict(expression)
    for part in ("pre", "expr", "pre", "expr"):

        def judge(texts: list[str], part: str = part) -> int | None:
            return _first_that_differs([{**small, part: text} for text in texts], reference)

        small[part] = reduce_text(small[part], judge, CANDIDATES_PER_CASE)
    return {key: " ".join(text.split()) for key, text in small.items() if text.strip()}


def _first_that_differs(expressions: list[dict[str, str]], reference: Answers) -> int | None:
    kept = [(index, item) for index, item in enumerate(expressions) if _compiles(item)]
    if not kept:
        return None
    case = {"exprs": [item for _, item in kept]}
    wanted, answered = reference.answer(case), engines.answer(case)
    for (index, _), one, other in zip(
        kept, wanted.get("exprs", ()), answered["exprs"], strict=False
    ):
        if one.get("phase") not in ("compile", "init") and not same_expression(one, other):
            return index
    return None


def _compiles(expression: dict[str, str]) -> bool:
    body = f"{expression.get('pre', '')}\nreturn {expression['expr']}"
    text = f"ruleset a {{ meta {{ shares r }} global {{ r = function(arg){{\n{body}\n}} }} }}"
    return check_source(Source("case.krl", text)).ok


# ---- rulesets and steps ------------------------------------------------------------------------


def _reduced_case(case: Case, reference: Answers) -> Case:
    small = deepcopy(case)
    for _ in range(2):
        _reduce_steps(small, reference)
        for row in small["rulesets"]:
            _reduce_ruleset(small, row, reference)
    return small


def _reduce_steps(case: Case, reference: Answers) -> None:
    """Drops runs of steps, from the end, as long as the rest differs."""
    size = max(1, len(case["steps"]) // 2)
    while size:
        at = len(case["steps"]) - size
        while at >= 0:
            rest = case["steps"][:at] + case["steps"][at + size :]
            if _differs({**case, "steps": rest}, reference):
                case["steps"] = rest
            at -= size
        size //= 2


def _reduce_ruleset(case: Case, row: dict[str, Any], reference: Answers) -> None:
    def judge(texts: list[str]) -> int | None:
        before = row["krl"]
        for index, text in enumerate(texts):
            if check_source(Source("case.krl", text)).ok:
                row["krl"] = text
                if _differs(case, reference):
                    return index
        row["krl"] = before
        return None

    row["krl"] = reduce_text(row["krl"], judge, 1)


def _differs(case: Case, reference: Answers) -> bool:
    wanted = reference.answer(case)
    if "error" in wanted or any("error" in row for row in wanted["install"]):
        return False
    return any(True for _ in differences(case, wanted, engines.answer(case)))
