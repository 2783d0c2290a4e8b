"""Who checks a receipt that made a child comes to the same child: here, and in JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest

from picomesh.engine import Options
from picomesh.engine.export import ExportedHistories
from picomesh.engine.programs import Programs
from picomesh.engine.prove import prove
from picomesh.engine.rerun import rerun
from picomesh.ledger.receipt import decode_core
from verifier.node import audit_all, needs_node

HISTORY = Path(__file__).parents[1] / "histories" / "system.car"


@pytest.fixture(scope="module")
def history() -> ExportedHistories:
    """A root, two children and a subscription, recorded once."""
    return ExportedHistories(HISTORY.read_bytes())


@pytest.fixture
def programs(cache: Path) -> Programs:
    return Options(backend="winch").programs(cache)


def births(history: ExportedHistories) -> list[tuple[str, int]]:
    """The receipts of the root that made a child, and those of children that follow at once."""
    (root,) = (pico for pico, name in history.picos() if name == "root")
    costly = [row.seq for row in history.receipts(root) if decode_core(row.core).fuel > 900_000]
    children = [(pico, seq) for pico, name in history.picos() if name != "root" for seq in (0, 1)]
    return [*((root, seq) for seq in costly), *children]


@needs_node
def test_the_second_verifier_proves_the_receipts_that_make_children(
    history: ExportedHistories, programs: Programs
) -> None:
    files = [prove(history, programs, pico, seq) for pico, seq in births(history)]
    assert [item.verdict for item in audit_all(files)] == ["proved"] * 6


def test_a_history_of_children_replays_equal_with_nothing_that_was_run_ahead(
    history: ExportedHistories, cache: Path
) -> None:
    for pico, _ in history.picos():  # each with an engine of its own, children before their parent
        alone = Options(backend="winch").programs(cache)
        assert rerun(history, history.engine, alone, pico).is_equal
