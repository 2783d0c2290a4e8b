"""Scenarios of rules, events and queries, each equal to the recording or on the list."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.recorded import load, run_scenario, what_differs

SCENARIOS = load("rules.json")["scenarios"]
DIFFERENCES = {row["scenario"]: row["reason"] for row in load("differences.json")["scenarios"]}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_a_scenario_goes_as_recorded_or_is_on_the_list(scenario: dict[str, Any]) -> None:
    found = what_differs(scenario, run_scenario(scenario))
    if scenario["name"] in DIFFERENCES:
        assert found, "this scenario no longer differs: take it off the list"
    else:
        assert found == []


def test_the_list_names_scenarios_that_exist_and_says_why() -> None:
    assert set(DIFFERENCES) <= {scenario["name"] for scenario in SCENARIOS}
    assert all(reason.endswith(".") for reason in DIFFERENCES.values())
