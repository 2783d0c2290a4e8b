"""Whole expressions, compiled and run: the recorded corners, and what differs on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from picomesh.scenario.case import run_case

HERE = Path(__file__).resolve().parent
CORNERS = json.loads((HERE / "corners.json").read_text("utf-8"))
OTHERS = json.loads((HERE / "differences.json").read_text("utf-8"))["others"]

# Answers that differ: inherited names (see differences.json), and the rid of the recording.
DIFFERENT = {'{"a":1}{"toString"}.typeof()': "Null", "ctx:rid": "x.expr"}


def as_case(text: str) -> dict[str, str]:
    """Recorded text may be the body of a function; its declarations go before the result."""
    before, returned, result = text.rpartition(" return ")
    return {"expr": result, "pre": before} if returned else {"expr": text}


def run(texts: list[str]) -> list[Any]:
    results = run_case({"exprs": [as_case(text) for text in texts]})["exprs"]
    return ["throws" if "error" in result else result.get("value") for result in results]


@pytest.mark.parametrize(
    "corner", [corner for corner in CORNERS if "exprs" in corner], ids=lambda corner: corner["id"]
)
def test_an_error_prone_corner_is_as_recorded(corner: dict[str, Any]) -> None:
    texts = [item["expr"] for item in corner["exprs"]]
    wanted = [
        DIFFERENT.get(item["expr"], "throws" if "error" in item else item.get("value"))
        for item in corner["exprs"]
    ]
    assert run(texts) == wanted


def test_what_differs_on_purpose_differs_as_it_says() -> None:
    rows = [row for row in OTHERS if "answer" in row]
    assert run([row["expression"] for row in rows]) == [row["answer"] for row in rows]


def test_every_difference_gives_a_reason() -> None:
    assert all(row["reason"].endswith(".") for row in OTHERS)
    assert all(("answer" in row) != ("picomesh" in row) for row in OTHERS)
