"""Every example does what is written beside it: directives, answers, state and exact fuel.

`pytest --update-golden` writes the fuel figures again, and nothing else: what an example answers
was compared with the reference engine once, and changes only by hand.
"""

from __future__ import annotations

import pytest

from examples.cases import (
    NAMES,
    Observed,
    case_path,
    read_case,
    run_case,
    source_path,
    text_of,
    without_fuel,
    write_case,
)
from krl.compiler import check_source
from krl.diagnostic import Source

LINES_MIN, LINES_MAX = 30, 80
COLUMNS_MAX = 100


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def observed(name: str) -> Observed:
    return run_case(name, read_case(name))


def test_there_are_ten_examples_and_each_has_its_case() -> None:
    assert len(NAMES) == 10
    assert all(case_path(name).is_file() for name in NAMES)


def test_an_example_directs_and_answers_what_is_written_beside_it(
    name: str, observed: Observed
) -> None:
    for written, seen in zip(without_fuel(read_case(name)["steps"]), observed.steps, strict=True):
        assert text_of(written) == text_of(without_fuel([seen])[0])


def test_an_example_leaves_the_state_that_is_written_beside_it(
    name: str, observed: Observed
) -> None:
    assert text_of(read_case(name)["state"]) == text_of(observed.state)


def test_an_example_takes_exactly_the_fuel_that_is_written_beside_it(
    name: str, observed: Observed, request: pytest.FixtureRequest
) -> None:
    case = read_case(name)
    if request.config.getoption("--update-golden"):
        for step, seen in zip(case["steps"], observed.steps, strict=True):
            step |= {key: seen[key] for key in ("fuel",) if key in seen}
        case_path(name).write_text(write_case(case), "utf-8")
    written = [step.get("fuel") for step in case["steps"]]
    seen_fuel = [step.get("fuel") for step in observed.steps]
    assert written == seen_fuel, (
        "on purpose? then: pytest tests/examples tests/docs --update-golden"
    )


def test_a_case_stands_in_its_file_as_the_tool_writes_it(name: str) -> None:
    assert case_path(name).read_text("utf-8") == write_case(read_case(name))


def test_an_example_says_what_it_is_and_raises_no_warning(name: str) -> None:
    text = source_path(name).read_text("utf-8")
    checked = check_source(Source(f"{name}.krl", text))
    assert checked.program is not None
    assert not list(checked.diagnostics)
    lines = text.splitlines()
    assert LINES_MIN <= len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS_MAX
    for key in ("name", "description", "author", "shares"):
        assert f"    {key} " in text
