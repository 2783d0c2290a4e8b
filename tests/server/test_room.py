"""Full queues answer clearly, one pico's queue is not another's, and memory has an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine import room
from picomesh.engine.errors import Overloaded
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.errands import Errands
from picomesh.server.jobs import Jobs
from served import Client, Internet, Run

TWINS = """
ruleset twins {
  meta { shares n } global { n = function() { ent:n.defaultsTo(0) } }
  rule double { select when t double every {
      event:send({"eci": meta:eci, "domain": "t", "type": "double", "attrs": event:attrs})
      event:send({"eci": meta:eci, "domain": "t", "type": "double", "attrs": event:attrs}) }
    fired { ent:n := ent:n.defaultsTo(0) + 1 } }
}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Service]:
    with Service.ephemeral(Options(backend="winch", cache=tmp_path)) as engine:
        engine.create("me")
        engine.create("you")
        yield engine


def accept(engine: Service, pico: str) -> None:
    engine.accept(pico, "t", "x", {"text": "x" * 1000}, eci=engine.eci(pico), sender="")


def test_a_pico_whose_inbox_is_full_refuses_and_others_do_not(
    engine: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PICO_EVENTS_MAX", 5)
    for _ in range(5):
        accept(engine, "me")
    with pytest.raises(Overloaded, match="this pico"):
        accept(engine, "me")
    accept(engine, "you")
    engine.accept("me", "t", "by the operator")
    monkeypatch.setattr(room, "WAITING_EVENTS_MAX", 7)
    with pytest.raises(Overloaded, match="this engine"):
        accept(engine, "you")
    engine.settle()
    accept(engine, "me")


def test_a_pico_that_multiplies_its_own_events_ends_at_the_limit_of_memory(
    engine: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PICO_BYTES_MAX", 200_000)
    engine.install_module("me", compile_krl(TWINS))
    engine.send("me", "t", "double", {"text": "x" * 5_000})
    for _ in range(3):
        engine.settle(200)
    assert engine.store.waiting_bytes() < 250_000
    assert engine.room.dropped > 100
    assert engine.send("you", "t", "x").transition.outcome == "ok"
    with pytest.raises(Overloaded):
        accept(engine, "me")


def test_a_full_inbox_is_a_503_over_http_and_says_when_to_come_back(
    run: Run, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PICO_EVENTS_MAX", 3)

    async def test(client: Client) -> None:
        waiting = asyncio.create_task(client.event("slow"))
        await asyncio.sleep(0.2)
        path = f"/c/{client.eci}/event/t/hi"
        done = [await client.http.post(path) for _ in range(4)]
        assert [got.status_code for got in done] == [200, 200, 503, 503]
        assert done[-1].headers["retry-after"] == "1" and "too many" in done[-1].json()["error"]
        internet.go.set()
        assert (await waiting).status_code == 200
        assert (await client.event("hi")).status_code == 200
        assert (await client.query("count")).json() == 3

    run(test)


def test_jobs_come_in_order_queries_in_turns_and_too_many_are_refused() -> None:
    jobs, done = Jobs(jobs_max=2, queries_max=3), list[str]()

    def job(name: str) -> Any:
        return lambda: done.append(name)

    jobs.put(job("first"))
    jobs.put(job("second"))
    with pytest.raises(Overloaded):
        jobs.put(job("third"))
    for name in ("a1", "a2", "a3"):
        jobs.put_turn("a", job(name))
    with pytest.raises(Overloaded):
        jobs.put_turn("a", job("a4"))
    jobs.put_turn("b", job("b1"))
    while (found := jobs.next_plain() or jobs.next_turn()) is not None:
        found()
    assert done == ["first", "second", "a1", "b1", "a2", "a3"]
    jobs.wait(0.01)


def test_one_pico_waits_for_few_hosts_at_once_and_leaves_threads_to_others() -> None:
    import threading

    errands, go, seen = Errands(threads=4, at_once_max=2), threading.Event(), list[str]()
    done = threading.Semaphore(0)

    def errand(name: str) -> Any:
        def run() -> None:
            seen.append(name)
            if name.startswith("slow"):
                go.wait(20)
            done.release()

        return run

    for number in range(6):
        errands.submit("greedy", errand(f"slow{number}"))
    errands.submit("modest", errand("quick"))
    assert done.acquire(timeout=20), "the quick one is done while the slow ones wait"
    assert sorted(seen) == ["quick", "slow0", "slow1"]
    go.set()
    for _ in range(6):
        assert done.acquire(timeout=20)
    errands.stop()


def test_an_event_that_another_waited_for_is_not_sent_again_after_a_crash(tmp_path: Path) -> None:
    text = """ruleset w { meta { shares n } global { n = function() { ent:n.defaultsTo(0) } }
      rule up { select when t up fired { ent:n := ent:n.defaultsTo(0) + 1 } }
      rule have { select when t have
        ctx:eventQuery(event:attrs{"eci"}, "t", "up", {}, "w", "n") setting(n)
        fired { ent:n := n * 10 } } }"""
    options = Options(backend="winch", cache=tmp_path / "cache")
    with Service.open(tmp_path / "home", options) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, compile_krl(text))
        engine.can_wait = True
        engine.accept("me", "t", "have", {"eci": engine.eci("you")})
        waiting = engine.store.next_waiting()
        assert waiting is not None
        with pytest.raises(Exception, match=waiting.pico):
            engine.process(waiting)  # it waits for the other one's event
        you = engine.store.next_waiting({waiting.pico})
        assert you is not None
        engine.process(you)
    with Service.open(tmp_path / "home", options) as engine:
        engine.settle()
        assert engine.query("you", "w", "n") == 1, "once"
        assert engine.query("me", "w", "n") == 10


def test_what_is_given_together_wakes_the_engine_once_and_is_never_forgotten() -> None:
    jobs, woken = Jobs(), list[int]()
    condition: Any = jobs._change

    def wait() -> None:
        jobs.wait(20)
        woken.append(len(jobs._plain))

    thread = threading.Thread(target=wait)
    thread.start()
    while not condition._waiters:
        time.sleep(0.001)
    for _ in range(3):
        jobs.put(lambda: None, wakes=False)
    assert condition._waiters, "it sleeps on"
    jobs.wake()
    thread.join(20)
    assert woken == [3]
    jobs.wait(20)  # what was given without a word is found by who comes to look
    assert [jobs.next_plain() is not None for _ in range(4)] == [True, True, True, False]
