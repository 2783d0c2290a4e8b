"""Random cases against the reference engine where it is installed, and the fuzzer itself.

With the reference (a folder with its oracle.js and packages) in PICOMESH_REFERENCE, a small
campaign runs here; `python -m differential` runs large ones. Without it the recorded finds still
run (tests/conformance/test_found.py), and so does everything below that needs no reference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from differential import campaign, robust, strategies
from differential.compare import differences, same
from differential.engines import REFERENCE_VARIABLE, Reference, answer
from differential.reduce import reduce_text
from krl.compiler import check_source
from krl.diagnostic import Source

REFERENCE = os.environ.get(REFERENCE_VARIABLE, "")
needs_reference = pytest.mark.skipif(
    not REFERENCE,
    reason=f"set {REFERENCE_VARIABLE}=/folder with oracle.js and the reference's npm packages"
    " to compare random cases with the reference engine",
)
unhurried = settings(max_examples=10, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    with Reference(Path(REFERENCE)) as process:
        yield process


# ---- against the reference ---------------------------------------------------------------------


def check(case: dict[str, Any], reference: Reference) -> None:
    assert list(differences(case, reference.answer(case), answer(case))) == []


@needs_reference
@unhurried
@given(case=strategies.expression_cases(20))
def test_random_expressions_have_the_value_they_have_there(
    case: dict[str, Any], reference: Reference
) -> None:
    check(case, reference)


@needs_reference
@unhurried
@given(case=strategies.ruleset_cases())
def test_random_rulesets_do_what_they_do_there(case: dict[str, Any], reference: Reference) -> None:
    check(case, reference)


@needs_reference
@unhurried
@given(case=strategies.select_cases())
def test_random_event_expressions_select_as_they_do_there(
    case: dict[str, Any], reference: Reference
) -> None:
    check(case, reference)


# ---- the compiler against anything -------------------------------------------------------------


@settings(unhurried, max_examples=60)
@given(text=strategies.broken_texts(), random=strategies.randoms())
def test_a_broken_ruleset_gets_diagnostics_or_a_module_that_runs(text: str, random: Random) -> None:
    robust.exercise(text, random)


@settings(unhurried, max_examples=25)
@given(case=strategies.ruleset_cases())
def test_a_generated_ruleset_compiles(case: dict[str, Any]) -> None:
    for row in case["rulesets"]:
        checked = check_source(Source("case.krl", row["krl"]))
        assert checked.ok, [item.title for item in checked.diagnostics]


# ---- the fuzzer --------------------------------------------------------------------------------


class OneWrongAnswer:
    """A reference that answers as picomesh does, but not where it reads "wrong"."""

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]:
        answered = answer(case)
        for expression, result in zip(case["exprs"], answered["exprs"], strict=True):
            if '"wrong"' in expression["expr"] and "value" in result:
                result["value"] = "otherwise"
        return answered


def test_a_difference_is_found_and_made_small() -> None:
    case = {"exprs": [{"expr": "1"}, {"expr": '1 + ("wrong" + 2)', "pre": "a = 1 b = 2"}]}
    found = list(campaign.compare(case, OneWrongAnswer()))
    assert [finding.case for finding in found] == [{"exprs": [{"expr": '"wrong"'}]}]
    assert "reference" in found[0].lines[0]


def test_a_text_is_reduced_to_what_is_needed() -> None:
    def judge(texts: list[str]) -> int | None:
        return next((at for at, text in enumerate(texts) if "needed" in text), None)

    assert reduce_text("a = f(1, [needed, {}]) + 2", judge, 8).strip() == "needed"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (0, None), ("1", 1), ([1], [1, 2]), ({"a": 1}, {"a": 2}), ({"a": None}, {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (0.1, 0.2), ([], {}),
    ],
)  # fmt: skip
def test_what_differs_is_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (12345678901234567000, 1.2345678901234567e19), ("\ud83d", "\ufffd"), ([{}], [{}])],
)
def test_what_two_languages_write_otherwise_is_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
