"""Histories that were recorded once replay equal for ever, on every backend."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from picomesh.channels import CHANNELS
from picomesh.engine import Options
from picomesh.engine.export import ExportedHistories
from picomesh.engine.inputs import Adopt, Event, Install, Spawn, decode_input
from picomesh.engine.programs import Programs
from picomesh.engine.prove import prove
from picomesh.engine.rerun import rerun
from picomesh.ledger.receipt import KINDS, OUTCOMES, decode_core, decode_envelope
from picomesh.ledger.verify import EMPTY_LIST
from picomesh.sandbox.backends import BACKENDS
from picomesh.store.store import StoredReceipt
from verifier.node import audit_all, needs_node

FILES = sorted(Path(__file__).parent.glob("*.car"))


@cache
def histories(path: Path) -> ExportedHistories:
    return ExportedHistories(path.read_bytes())


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modules")


def programs(backend: str, folder: Path) -> Programs:
    return Options(backend=backend).programs(folder)


def test_histories_of_every_kind_were_recorded() -> None:
    names = {"classes", "examples", "family", "fates", "house", "system"}
    assert {path.stem for path in FILES} >= names
    found: set[str] = set()
    for path in FILES:
        source = histories(path)
        for pico, _ in source.picos():
            for row in source.receipts(pico):
                found |= kinds_of(source, row)
    assert found >= {*KINDS, *OUTCOMES}
    assert found >= {"install throw", "install trap", "install out-of-fuel", "import throw"}
    assert found >= {"an upgrade", "a channel changed", "a tape", "logs", "a spread variable"}
    assert found >= {"adopt leave", "adopt join", "adopt move", "by a schedule", "a child"}


def kinds_of(source: ExportedHistories, row: StoredReceipt) -> set[str]:
    """What a receipt is an example of."""
    core, envelope = decode_core(row.core), decode_envelope(row.envelope)
    given = decode_input(source.block(core.event))
    paths = [write.path for write in core.writes]
    found = {core.kind, core.outcome, f"{core.kind} {core.outcome}"}
    found |= {"a tape"} if core.tape != EMPTY_LIST else set()
    found |= {"logs"} if envelope.logs is not None else set()
    found |= {"a child"} if isinstance(given, Spawn) else set()
    found |= {f"adopt {given.part}"} if isinstance(given, Adopt) else set()
    found |= {"by a schedule"} if isinstance(given, Event) and given.schedule else set()
    is_event = core.kind == "event"
    if is_event and any(path.startswith(CHANNELS) for path in paths):
        found.add("a channel changed")
    if is_event and any(path.startswith(b"ent/") and path.count(b"/") > 2 for path in paths):
        found.add("a spread variable")
    before = source.receipt(core.pico, core.seq - 1)
    if isinstance(given, Install) and before is not None:
        code = {item.rid: item.raw for item in decode_core(before.core).code}
        found |= {"an upgrade"} if code.get(given.rid, given.raw) != given.raw else set()
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_history_replays_equal(path: Path, backend: str, cache_folder: Path) -> None:
    source, ready = histories(path), programs(backend, cache_folder)
    for pico, _ in source.picos():
        done = rerun(source, source.engine, ready, pico)
        assert done.is_equal, done
        assert done.receipts == len(source.receipts(pico))


@needs_node
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_second_verifier_proves_receipts_of_it(path: Path, cache_folder: Path) -> None:
    source, ready = histories(path), programs("cranelift", cache_folder)
    files = [
        prove(source, ready, pico, row.seq)
        for pico, _ in source.picos()
        for row in source.receipts(pico)[-8::2]
    ]
    assert {item.verdict for item in audit_all(files)} == {"proved"}
