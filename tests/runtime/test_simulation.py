"""Several engines by seed: lost and repeated messages, crashes, clock jumps (bench/simulate.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from picomesh.ledger.value import Value
from picomesh.store.held import Held
from picomesh.store.store import Store

STEPS = 60


def _load() -> ModuleType:
    """The bench is a script and in no package."""
    path = Path(__file__).resolve().parents[2] / "bench" / "simulate.py"
    spec = importlib.util.spec_from_file_location("simulate", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulate"] = module
    spec.loader.exec_module(module)
    return module


simulate = _load()


@pytest.fixture(scope="module")
def module() -> bytes:
    compiled: bytes = simulate.compile_krl(simulate.RULESET)
    return compiled


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("seed", range(3))
def test_engines_that_crash_and_a_network_that_loses_lose_and_repeat_nothing(
    seed: int, cache: Path, module: bytes
) -> None:
    lived = simulate.live(seed, STEPS, cache, module)
    assert lived.problem == ""
    assert lived.crashes > 0


def test_what_happens_follows_from_the_seed(cache: Path, module: bytes) -> None:
    digests = [simulate.live(seed, 30, cache, module).digest for seed in (5, 5, 6)]
    assert digests[0] == digests[1] != digests[2]


def _forget_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "seen", lambda store, key: None)


def _lose_the_end_of_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Held, "remove", lambda held, arrival: None)


def _deliver_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "delivery_failed", Store.delivered)


@pytest.mark.parametrize(
    "harm", [_forget_keys, _lose_the_end_of_the_wait, _deliver_without_waiting]
)
def test_an_engine_that_loses_or_repeats_is_found_out(
    harm: object, cache: Path, module: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(harm)
    harm(monkeypatch)
    problems: list[str] = []
    for seed in range(3):
        try:
            problems.append(simulate.live(seed, STEPS, cache, module).problem)
        except Exception as problem:
            problems.append(str(problem))
    assert any(problems)


def test_what_one_pico_sends_another_arrives_in_order(
    tmp_path: Path, cache: Path, module: bytes
) -> None:
    mesh = simulate.Mesh(7, tmp_path, cache, module)
    (first, _), *_, (second, name) = mesh.ecis
    for number in range(20):
        attrs: dict[str, Value] = {"n": f"n{number:04}", "from": "x"}
        eci = mesh.ecis[second, name]
        mesh.engines[first].send("p0", "t", "give", {**attrs, "eci": eci, "host": second})
    for _ in range(150):
        mesh.world.clock_ms += 10
        mesh.deliver(first, 0)
        mesh.engines[second].settle()
    order = mesh.engines[second].query(name, "sim", "order")
    assert order == [f"x n{number:04}" for number in range(20)]
    mesh.close()


def test_a_channel_that_is_unknown_elsewhere_loses_one_event_and_holds_up_none(
    tmp_path: Path, cache: Path, module: bytes
) -> None:
    mesh = simulate.Mesh(8, tmp_path, cache, module)
    engine, (*_, (other, name)) = mesh.engines[mesh.hosts[0]], mesh.ecis
    wrong: dict[str, Value] = {"n": "n1", "from": "x", "eci": "nowhere", "host": other}
    engine.send("p0", "t", "give", wrong)
    engine.send("p0", "t", "give", {**wrong, "n": "n2", "eci": mesh.ecis[other, name]})
    mesh.wanted[other, name].add("x", "n2")
    mesh.come_to_rest()
    mesh.check_end()
    mesh.close()
