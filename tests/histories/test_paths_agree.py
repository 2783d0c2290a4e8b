"""The direct way into guests and wasmtime's own API come to the same cores, byte for byte."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from picomesh.engine import Options
from picomesh.engine.export import ExportedHistories
from picomesh.engine.perform import perform
from picomesh.engine.programs import Programs
from picomesh.engine.replay import work_of
from picomesh.engine.sources import with_state
from picomesh.ledger.receipt import decode_core
from picomesh.sandbox.backends import BACKENDS
from picomesh.sandbox.direct import DirectSandbox
from picomesh.sandbox.machine import WasmtimeSandbox

FILES = sorted(Path(__file__).parent.glob("*.car"))


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modules")


@cache
def histories(path: Path) -> ExportedHistories:
    return ExportedHistories(path.read_bytes())


def cores(programs: Programs, path: Path) -> list[bytes]:
    """What each recorded transition comes to when it runs again, state by recorded state."""
    source = histories(path)
    found: list[bytes] = []
    for pico, _ in source.picos():
        rows = source.receipts(pico)
        states = with_state(source, programs, pico, rows[-1].seq)
        for row in rows:
            found.append(
                perform(programs, states, work_of(decode_core(row.core), states)).core_bytes
            )
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("backend", BACKENDS)
def test_both_ways_come_to_the_recorded_cores(path: Path, backend: str, cache_folder: Path) -> None:
    source = histories(path)
    recorded = [row.core for pico, _ in source.picos() for row in source.receipts(pico)]
    plain = Options(backend=backend, plain=True).programs(cache_folder)
    assert isinstance(plain.sandbox, WasmtimeSandbox)
    assert cores(plain, path) == recorded
    if backend == "cranelift":  # the others go the direct way in test_histories
        direct = Options(backend=backend).programs(cache_folder)
        assert isinstance(direct.sandbox, DirectSandbox)
        assert cores(direct, path) == recorded
