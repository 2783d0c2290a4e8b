"""Histories that were recorded once replay equal for ever, on every backend."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from picomesh.engine import Options
from picomesh.engine.export import ExportedHistories
from picomesh.engine.programs import Programs
from picomesh.engine.prove import prove
from picomesh.engine.rerun import rerun
from picomesh.sandbox.backends import BACKENDS
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
    assert {path.stem for path in FILES} >= {"classes", "examples", "family"}
    kinds = {
        row.core
        for path in FILES
        for pico, _ in histories(path).picos()
        for row in histories(path).receipts(pico)
    }
    for kind in (b"create", b"install", b"uninstall", b"event", b"delete"):
        assert any(b"dkind" + bytes([0x60 + len(kind)]) + kind in core for core in kinds)


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
