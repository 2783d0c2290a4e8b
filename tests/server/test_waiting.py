"""Who asks has to wait, and nobody else: questions that take long, picos that ask each other."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from picomesh.engine.delivery import KEY_HEADER
from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service
from served import Client, Internet, Run

ASKING = """
ruleset ask {
  meta { shares slow, through, both, twice, wide, seen, here, burn }
  global {
    again = function(n) { n == 0 => 0 | again(n - 1) }
    burn = function() { again(2000000) }
    here = function() { 1 }
    slow = function() { http:get("http://slow.test/"){"status_code"} }
    twice = function() {
      http:get("http://far.test/a"){"status_code"} + http:get("http://far.test/a"){"status_code"} }
    through = function(eci, fn) { ctx:query(eci, "ask", fn) }
    both = function(eci) {
      [ctx:query(eci, "ask", "here"), http:get("http://far.test/"){"status_code"},
       ctx:query(eci, "ask", "here")] }
    wide = function(ecis) {
      ecis.length() == 0 => 1
        | 1.range(20).map(function(x) { ctx:query(ecis[0], "ask", "wide", {"ecis": ecis.tail()}) })
            .reduce(function(a, b) { a + b }) }
    seen = function() { ent:seen.defaultsTo([]) }
  }
  rule post { select when t post http:post("http://slow.test/pay", json = {"n": event:attrs{"n"}})
      setting(r)
    fired { ent:seen := ent:seen.defaultsTo([]).append(r{"status_code"}) } }
  rule have { select when t have
    ctx:eventQuery(event:attrs{"eci"}, "t", event:attrs{"what"},
      {"n": 1, "eci": meta:eci, "what": "note"}, "ask", "seen") setting(r)
    fired { ent:seen := ent:seen.defaultsTo([]).append(r) } }
  rule note { select when t note
    fired { ent:seen := ent:seen.defaultsTo([]).append("noted") } }
  rule bad { select when t bad fired { x = "x" - 1 } }
  rule spin { select when t spin fired { x = again(2000000) } }
}
"""


async def other(client: Client, name: str = "you") -> str:
    """One more pico with the ruleset; its channel."""

    def make(engine: Service) -> str:
        module = compile_krl(ASKING)
        made = engine.create(name).pico
        for pico in ("me", made):
            engine.install_module(pico, module)
        return engine.eci(made)

    return await asyncio.wrap_future(client.worker.call(make))


async def ask(client: Client, eci: str, name: str, /, **args: Any) -> Any:
    got = await client.http.post(f"/c/{eci}/query/ask/{name}", json=args)
    return got.json() if got.status_code == 200 else got.json()["error"]


async def send(client: Client, eci: str, name: str, /, **attrs: Any) -> Any:
    return await client.http.post(f"/c/{eci}/event-wait/t/{name}", json=attrs)


def test_what_a_pico_asks_because_it_was_asked_holds_up_no_other(
    run: Run, internet: Internet
) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        waiting = asyncio.create_task(ask(client, client.eci, "through", eci=eci, fn="slow"))
        await asyncio.sleep(0.1)
        assert await ask(client, eci, "here") == 1
        assert (await send(client, eci, "note")).status_code == 200
        assert not waiting.done()
        internet.go.set()
        assert await waiting == 200
        assert len(internet.got) == 1, "however often it ran"
        assert await ask(client, client.eci, "through", eci=eci, fn="twice") == 400
        assert len(internet.got) == 3

    run(test)


def test_a_query_that_asks_a_pico_and_then_the_network_has_both_answers(run: Run) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        assert await ask(client, client.eci, "both", eci=eci) == [1, 200, 1]

    run(test)


def test_an_event_that_waits_for_another_picos_event_holds_up_no_other(
    run: Run, internet: Internet
) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        third = await other(client, "third")
        waiting = asyncio.create_task(send(client, client.eci, "have", eci=eci, what="post"))
        await asyncio.sleep(0.1)
        assert (await send(client, third, "note")).status_code == 200
        assert not waiting.done()
        internet.go.set()
        assert (await waiting).status_code == 200
        assert await ask(client, client.eci, "seen") == [200]
        assert len(internet.got) == 1, "it was sent once, and it asked once"

    run(test)


def test_an_event_that_fails_is_an_error_for_who_waits_for_it(run: Run) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        got = await send(client, client.eci, "have", eci=eci, what="bad")
        assert got.status_code == 422 and "cannot be subtracted" in got.json()["error"]
        got = await send(client, client.eci, "have", eci=client.eci, what="note")
        assert got.status_code == 422 and "its own event" in got.json()["error"]

    run(test)


def test_picos_that_wait_for_each_others_events_end_with_an_error(run: Run) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        got = await asyncio.wait_for(send(client, client.eci, "have", eci=eci, what="have"), 20)
        assert got.status_code == 422
        assert (await send(client, eci, "note")).status_code == 200
        assert (await send(client, client.eci, "note")).status_code == 200

    run(test)


def test_questions_that_multiply_come_to_an_end_and_hold_up_no_other(run: Run) -> None:
    async def test(client: Client) -> None:
        ecis = [await other(client, f"p{number}") for number in range(6)]
        waiting = asyncio.create_task(ask(client, client.eci, "wide", ecis=ecis))
        started_s = time.monotonic()
        assert await ask(client, ecis[0], "here") == 1
        assert time.monotonic() - started_s < 10
        assert "questions" in await waiting

    run(test)


def test_a_request_that_a_crash_could_repeat_carries_a_key(run: Run, internet: Internet) -> None:
    internet.go.set()

    async def test(client: Client) -> None:
        eci = await other(client)
        for _ in range(2):
            assert (await send(client, eci, "post", n=1)).status_code == 200
        await ask(client, eci, "twice")

    run(test)
    keys = [key for url, key, _ in internet.got if "pay" in url]
    assert len(set(keys)) == 2 and all(len(key) == 32 for key in keys)
    assert [key for url, key, _ in internet.got if "far" in url] == ["", ""], KEY_HEADER


def test_a_pico_that_is_changed_while_it_waits_asks_anew(run: Run, internet: Internet) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        waiting = asyncio.create_task(send(client, eci, "post", n=1))
        await asyncio.sleep(0.1)
        module = compile_krl(ASKING.replace("slow.test/pay", "far.test/new"))
        await asyncio.wrap_future(
            client.worker.call(lambda engine: engine.install_module("you", module))
        )
        internet.go.set()
        assert (await asyncio.wait_for(waiting, 20)).status_code == 200
        assert internet.got[-1][0] == "http://far.test/new"
        assert (await send(client, eci, "note")).status_code == 200

    run(test)


@pytest.mark.parametrize("kind", ["events", "queries"])
def test_a_pico_with_much_to_do_holds_up_no_other(run: Run, kind: str) -> None:
    async def test(client: Client) -> None:
        eci = await other(client)
        third = await other(client, "third")
        path = "event-wait/t/spin" if kind == "events" else "query/ask/burn"
        url = f"/c/{eci}/{path}"
        hard = [asyncio.create_task(client.http.get(url)) for _ in range(100)]
        await asyncio.sleep(0.1)
        for _ in range(3):
            assert (await send(client, third, "note")).status_code == 200
            assert await ask(client, third, "here") == 1
        done = sum(task.done() for task in hard)
        assert done < 50, "the third pico had its turns in between"
        assert {got.status_code for got in await asyncio.gather(*hard)} == {200}

    run(test)
