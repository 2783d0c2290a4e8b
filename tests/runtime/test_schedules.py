"""Schedules of many picos, over restarts, clock jumps and deletions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picomesh.engine.agenda import Agenda
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.scenario.world import VirtualWorld

RULESET = """
ruleset clock {
  meta { shares rang, entries }
  global { rang = function() { ent:rang.defaultsTo(0) } entries = function() { schedule:list() } }
  rule ring { select when t ring fired { ent:rang := ent:rang.defaultsTo(0) + 1 } }
  rule once { select when t once
    fired { schedule t event "ring" at time:add(time:now(), {"seconds": event:attrs{"in"}}) } }
  rule many { select when t many foreach 1.range(100) setting(n)
    fired { schedule t event "ring" at time:add(time:now(), {"seconds": n}) } }
  rule often { select when t often fired { schedule t event "ring" repeat "* * * * *" } }
  rule fail { select when t fail
    fired { schedule t event "broken" at time:add(time:now(), {"seconds": 1}) } }
  rule broken { select when t broken fired { x = "x" - 1 } }
}
"""


@pytest.fixture(scope="module")
def module() -> bytes:
    return compile_krl(RULESET)


@pytest.fixture
def world() -> VirtualWorld:
    return VirtualWorld()


@pytest.fixture
def home(tmp_path: Path, world: VirtualWorld, module: bytes) -> Iterator[list[Service]]:
    """An engine in a list, where a restarted one takes its place."""
    options = Options(backend="winch", world=world, cache=tmp_path / "cache")
    engines = [Service.open(tmp_path / "home", options)]
    engines[0].create("me")
    engines[0].install_module("me", module)
    yield engines
    engines[0].close()


def run(engine: Service) -> None:
    for _ in range(4):
        engine.fire_due()
        engine.settle()


def restart(engines: list[Service]) -> Service:
    assert engines[0]._home is not None
    folder = engines[0]._home.folder
    engines[0].close()
    engines[0] = Service.open(folder, engines[0].options)
    return engines[0]


def test_one_event_after_the_other_fires_without_a_restart(
    home: list[Service], world: VirtualWorld
) -> None:
    (engine,) = home
    for seconds in (10, 20, 30):
        engine.send("me", "t", "once", {"in": seconds})
    for fired in (1, 2, 3):
        world.clock_ms += 10_001
        run(engine)
        assert engine.query("me", "clock", "rang") == fired
    assert engine.query("me", "clock", "entries") == []


def test_a_hundred_entries_of_one_ruleset_all_fire_once(
    home: list[Service], world: VirtualWorld
) -> None:
    (engine,) = home
    engine.send("me", "t", "many")
    world.clock_ms += 50_500
    run(engine)
    assert engine.query("me", "clock", "rang") == 50
    world.clock_ms += 60_000
    run(engine)
    assert engine.query("me", "clock", "rang") == 100


def test_what_was_missed_while_the_engine_was_stopped_fires_once_and_repeats_are_skipped(
    home: list[Service], world: VirtualWorld
) -> None:
    home[0].send("me", "t", "once", {"in": 10})
    home[0].send("me", "t", "often")
    run(home[0])
    world.clock_ms += 3_600_000
    engine = restart(home)
    run(engine)
    assert engine.query("me", "clock", "rang") == 1, "sixty repetitions are skipped"
    world.clock_ms += 60_000
    run(engine)
    run(engine)
    assert engine.query("me", "clock", "rang") == 2


def test_a_clock_that_is_set_back_does_not_stop_what_repeats(
    home: list[Service], world: VirtualWorld
) -> None:
    (engine,) = home
    engine.send("me", "t", "often")
    run(engine)
    world.clock_ms += 61_000
    run(engine)
    world.clock_ms -= 24 * 3_600_000
    for _ in range(3):
        world.clock_ms += 60_000
        run(engine)
    assert engine.query("me", "clock", "rang") == 3, "the first look finds the next time"


def test_an_entry_that_fails_is_taken_out_and_the_next_ones_fire(
    home: list[Service], world: VirtualWorld
) -> None:
    (engine,) = home
    engine.send("me", "t", "fail")
    engine.send("me", "t", "once", {"in": 5})
    world.clock_ms += 10_000
    run(engine)
    assert engine.query("me", "clock", "rang") == 1
    assert engine.query("me", "clock", "entries") == []


def test_a_ruleset_that_is_uninstalled_or_a_pico_that_is_deleted_fires_no_more(
    home: list[Service], world: VirtualWorld, module: bytes
) -> None:
    (engine,) = home
    engine.create("you")
    engine.install_module("you", module)
    for pico in ("me", "you"):
        engine.send(pico, "t", "once", {"in": 10})
        engine.send(pico, "t", "often")
    run(engine)
    engine.uninstall("me", "clock")
    engine.delete("you")
    seq = engine.store.recorded_head(engine.find("me"))
    world.clock_ms += 120_000
    run(engine)
    assert engine.store.recorded_head(engine.find("me")) == seq
    run(restart(home))


def test_only_what_changed_or_is_due_is_looked_at() -> None:
    agenda = Agenda(["a", "b", "c"])
    assert list(agenda.take(0, 2)) == ["a", "b"]
    assert list(agenda.take(0, 2)) == ["c"]
    agenda.put("a", 10)
    agenda.put("b", 5)
    assert list(agenda.take(4, 9)) == []
    assert list(agenda.take(10, 9)) == ["b", "a"]
    agenda.put("a", 20)
    agenda.look_at("a")
    assert list(agenda.take(4, 9)) == ["a"]
    assert list(agenda.take(30, 9)) == [], "the old time is forgotten"
