"""With worker processes there are the same receipts as without, whatever the workers do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from picomesh.engine import Engine, Options, workers
from picomesh.engine.errors import OperatorError
from picomesh.engine.hands import Hand
from picomesh.engine.history import verify_home
from picomesh.engine.inputs import Create, Delete, Event, Install
from picomesh.engine.model import Sending
from picomesh.engine.parcels import pack, unpack
from picomesh.engine.perform import perform
from picomesh.engine.records import Layered
from picomesh.engine.replay import work_of
from picomesh.engine.service import Service
from picomesh.scenario.world import VirtualWorld
from picomesh.server.worker import Worker
from picomesh.store.store import Store
from wat_guests import Guest, counter, thrower

PICOS = ("a", "b", "c", "d")
Cores = dict[str, list[bytes]]


@pytest.fixture(autouse=True)
def worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of these guests take little, and are run by workers all the same."""
    monkeypatch.setattr(workers, "WORTH_FUEL", 0)


def bad() -> Guest:
    guest = thrower("bad")
    guest.events = (("a", "throw"),)
    return guest


def sender(eci: str) -> Guest:
    """Sends an event over a channel whenever it counts."""
    guest = Guest("sender", (("a", "send"),))
    message = guest.message(kind="send", eci=eci, domain="a", name="b", attrs={})
    guest.handle = f"(call $emit {message})"
    return guest


def events() -> list[Sending]:
    """What a few picos get, mixed: they count, throw, send each other events, and are refused."""
    found: list[Sending] = []
    for at in range(60):
        pico = PICOS[at * 7 % 4]
        name = "throw" if at % 11 == 3 else "send" if at % 5 == 2 else "b"
        found.append(Sending(pico, "a", name, {"at": at}))
        if at % 17 == 0:
            found.append(Sending("nobody", "a", "b"))
            found.append(Sending(pico, "a", "b", eci="no channel"))
    return found


def live(folder: Path, workers: int, meanwhile: Callable[[Engine], None] | None = None) -> Cores:
    """The cores of all picos after a common life."""
    options = Options(workers=workers, world=VirtualWorld(seed=7))
    with Engine.open(folder, options) as engine:
        picos = {name: engine.create(name).pico for name in PICOS}
        for at, name in enumerate(PICOS):
            engine.install_module(name, counter().build())
            engine.install_module(name, bad().build())
            target = engine.eci(picos[PICOS[at - 1]])
            engine.install_module(name, sender(target).build())
        engine.send_many(events())
        engine.uninstall("a", "bad")
        if meanwhile is not None:
            meanwhile(engine)
        engine.send_many(events())
        with engine.together():
            for item in events()[:20]:
                if item.pico != "nobody" and item.eci is None:
                    engine.accept(item.pico, item.domain, item.name, item.attrs)
            engine.settle()
        assert verify_home(engine.store, engine.public_key).problems == ()
        return {name: [row.core for row in engine.store.receipts(picos[name])] for name in PICOS}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Cores:
    return live(tmp_path_factory.mktemp("alone") / "home", 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_receipts_are_those_of_an_engine_alone(
    tmp_path: Path, alone: Cores, workers: int
) -> None:
    taken: list[int] = []

    def count(engine: Engine) -> None:
        assert engine.workers is not None
        taken.append(engine.workers.taken)

    assert live(tmp_path / "home", workers, count) == alone
    assert taken[0] > 10, "events between picos came in between, and the rest is run by workers"


def test_what_nothing_comes_in_between_of_is_all_run_by_workers(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home", Options(workers=2)) as engine:
        for name in PICOS:
            engine.create(name)
            engine.install_module(name, counter().build())
        done = engine.send_many([Sending(name, "a", "b") for name in PICOS * 10])
        assert engine.workers is not None and engine.workers.taken == len(done)
        assert [engine.query(name, "t", "n") for name in PICOS] == [10] * 4
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_worker_that_dies_changes_nothing(tmp_path: Path, alone: Cores) -> None:
    def kill(engine: Engine) -> None:
        assert engine.workers is not None
        os.kill(engine.workers.hands[0].pid, signal.SIGKILL)

    assert live(tmp_path / "home", 2, kill) == alone


def test_a_pico_that_is_changed_in_between_is_run_from_where_it_stands(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home", Options(workers=2)) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, counter().build())
        with engine.together():
            for _ in range(10):
                engine.accept("me", "a", "b")
                engine.accept("you", "a", "b")
            engine.install_module("me", bad().build())
            engine.settle()
        assert engine.query("me", "t", "n") == 10 and engine.query("you", "t", "n") == 10
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_question_is_answered_by_the_engine(tmp_path: Path) -> None:
    asker = Guest("asker", (("a", "b"),))
    asker.handle = f"(call $ask {asker.message(fn='ctx:logs', args=[])} (i32.const 200))"
    with Engine.open(tmp_path / "home", Options(workers=2)) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, asker.build())
        done = engine.send_many([Sending(name, "a", "b") for name in ("me", "you") * 10])
        assert not any(isinstance(item, Exception) for item in done)
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_server_has_workers_run_what_comes_to_it(tmp_path: Path) -> None:
    service = Service.open(tmp_path / "home", Options(workers=2))
    for name in PICOS:
        service.create(name)
        service.install_module(name, counter().build())
    server = Worker(service)
    server.start()
    try:
        waiting = [
            server.event(partial(Engine.accept, pico=name, domain="a", name="b"))
            for name in PICOS * 20
        ]
        done = [future.result(60) for future in waiting]
    finally:
        server.stop()
    assert {item.transition.outcome for item in done} == {"ok"}
    assert service.workers is not None and service.workers.taken > 0
    with Engine.open(tmp_path / "home") as engine:
        assert [engine.query(name, "t", "n") for name in PICOS] == [20] * 4
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_group_that_is_undone_is_run_anew(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home", Options(workers=2)) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, counter().build())
        with pytest.raises(KeyError), engine.store.group():
            for _ in range(5):
                engine.accept("me", "a", "b")
                engine.accept("you", "a", "b")
            raise KeyError
        engine.forget()
        engine.send_many([Sending(name, "a", "b") for name in ("me", "you") * 5])
        assert engine.query("me", "t", "n") == 5
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_transition_is_the_same_behind_the_way_between_processes(tmp_path: Path) -> None:
    live(tmp_path / "home", 0)
    kinds = set()
    with Engine.open(tmp_path / "home") as engine:
        for receipt in engine.log("b"):
            work = work_of(receipt.core, engine.store)
            kinds.add(type(work.given))
            performed = perform(engine.programs, Layered(engine.store), work)
            arrived = unpack(pack(performed))
            assert arrived.core_bytes == receipt.core_bytes and arrived.cid == receipt.cid
            assert arrived.blocks == performed.blocks
            assert arrived.transition.directives == performed.transition.directives
            assert arrived.transition.writes == performed.transition.writes
            assert list(arrived.nodes) == list(performed.nodes)
    assert kinds >= {Create, Install, Event} and Delete not in kinds


def test_results_come_by_number_and_what_is_dropped_is_not_kept(tmp_path: Path) -> None:
    echo = "import sys; sys.stdout.buffer.write(b''.join(" + (
        "(1).to_bytes(4, 'little') + bytes([n]) for n in range(5))); sys.stdout.flush();"
        "sys.stdin.read()"
    )
    hand = Hand([], (sys.executable, "-c", echo))
    try:
        hand.ordered = 6
        hand.drop(0)
        assert hand.result(2) == b"\x02"
        assert hand.result(1) == b"\x01"
        hand.drop(3)
        assert hand.result(4) == b"\x04" and hand.waiting == 1
        assert hand._early == {} and hand._dropped == set()
    finally:
        hand.close()
    assert hand.result(5) == b"" and hand.is_dead


def test_nothing_is_kept_of_events_that_the_engine_ran_itself(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home", Options(workers=2)) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        workers = engine.workers
        assert workers is not None
        for _ in range(5):
            engine.send("me", "a", "b")
        assert workers.taken == 0, "an event that is alone is run faster here"
        for hand in workers.hands:
            os.kill(hand.pid, signal.SIGKILL)
        for _ in range(3):
            engine.send_many([Sending("me", "a", "b")] * 5)
        assert engine.query("me", "t", "n") == 20
        assert all(hand.is_dead for hand in workers.hands[:1])
        assert workers._chains == {} and not any(workers._backlogs)


def test_a_worker_that_hangs_is_given_up() -> None:
    hand = Hand([], (sys.executable, "-c", "import time; time.sleep(600)"), patience_s=0.2)
    hand.ordered = 1
    assert hand.result(0) == b"" and hand.is_dead
    hand.close()


def test_too_many_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="1000 workers"):
        Engine.open(tmp_path / "home", Options(workers=1000))
    Engine.open(tmp_path / "home").close()


def test_an_engine_without_a_home_has_no_workers() -> None:
    with pytest.raises(OperatorError, match="need a home"):
        Engine.ephemeral(Options(workers=1))


def test_a_reader_sees_what_is_durable_and_writes_nothing(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home") as engine:
        engine.create("me")
        reader = Store.reader(tmp_path / "home" / "picomesh.sqlite3")
        with engine.together():
            engine.create("you")
            assert [name for _, name in reader.picos()] == ["me"]
        assert [name for _, name in reader.picos()] == ["me", "you"]
        with pytest.raises(Exception, match="readonly"):
            reader.set_engine_key(b"k")
        reader.close()


def test_events_that_take_little_are_left_to_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would take of it costs as much to get back."""
    monkeypatch.setattr(workers, "WORTH_FUEL", 300_000)
    long = Guest("long", (("a", "long"),), handle="(call $count (i32.const 100000))")
    long.functions = """(func $count (param $left i32)
      (loop $next
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (local.get $left))))"""
    with Engine.open(tmp_path / "home", Options(workers=1)) as engine:
        for name, guest in (("short", counter()), ("long", long)):
            engine.create(name)
            engine.install_module(name, guest.build())
        assert engine.workers is not None
        taken: dict[str, int] = {}
        for name, event in (("short", "b"), ("long", "long")):
            engine.send(name, "a", event)
            before = engine.workers.taken
            engine.send_many([Sending(name, "a", event)] * 20)
            taken[name] = engine.workers.taken - before
        assert taken["short"] == 0 and taken["long"] >= 15
