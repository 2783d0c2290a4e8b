"""Cases that once differed from the reference, or nearly: found by the fuzzer and by hand.

Each is a case with the reference's answer; values are compared exactly, of errors that they
happen, of warnings where they are.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.recorded import load
from differential.compare import differences
from differential.engines import answer

FOUND = load("found.json")


@pytest.mark.parametrize("row", FOUND, ids=lambda row: row["about"])
def test_what_once_differed_is_as_in_the_reference(row: dict[str, Any]) -> None:
    assert list(differences(row["case"], row["answer"], answer(row["case"]))) == []
