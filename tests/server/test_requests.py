"""What becomes of the answers to requests: awaited, raised, sent, or never come."""

from __future__ import annotations

import asyncio
from typing import Any

from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service
from served import Client, Internet, Run

REQUESTS = """
ruleset web {
  meta { shares raised, sent }
  global {
    raised = function() { ent:raised }
    sent = function() { ent:sent.defaultsTo([]) }
  }
  rule get { select when t get http:get("http://far.test/a", autoraise = "mine") }
  rule post { select when t post
    http:post("http://far.test/b", json = {"n": 1}, autoraise = "yours") }
  rule raised_get { select when http get label re#mine#
    fired { ent:raised := event:attrs{["status_code"]} } }
  rule raised_post { select when http post label re#yours#
    fired { ent:raised := [event:attrs{"label"}, event:attrs{"status_code"}] } }
  rule auto { select when t auto
    http:post("http://far.test/" + event:attrs{"n"},
      autosend = {"eci": event:attrs{"eci"}, "domain": "t", "type": "told",
        "attrs": {"n": event:attrs{"n"}}}) }
  rule told { select when t told
    fired { ent:sent := ent:sent.defaultsTo([]).append([event:attrs{"n"}]) } }
  rule doors { select when t doors
    ctx:newChannel(["closed"], {"allow": [{"domain": "x", "name": "*"}], "deny": []},
      {"allow": [], "deny": []}) setting(c)
    fired { ent:raised := c{"id"} } }
}
"""


async def make(client: Client) -> str:
    def work(engine: Service) -> str:
        pico = engine.create("web").pico
        engine.install_module(pico, compile_krl(REQUESTS))
        return engine.eci(pico)

    return await asyncio.wrap_future(client.worker.call(work))


async def send(client: Client, eci: str, name: str, /, **attrs: Any) -> None:
    got = await client.http.post(f"/c/{eci}/event-wait/t/{name}", json=attrs)
    assert got.status_code == 200, got.text


async def ask(client: Client, eci: str, name: str) -> Any:
    return (await client.http.get(f"/c/{eci}/query/web/{name}")).json()


def test_autoraise_raises_the_answer_with_its_label(run: Run) -> None:
    async def test(client: Client) -> None:
        eci = await make(client)
        await send(client, eci, "get")
        assert await ask(client, eci, "raised") == 200
        await send(client, eci, "post")
        assert await ask(client, eci, "raised") == ["yours", 200]

    run(test)


def test_autosend_sends_the_answers_in_order_once_and_nobody_waits(
    run: Run, internet: Internet
) -> None:
    internet.fails = 2

    async def test(client: Client) -> None:
        eci = await make(client)
        for number in range(4):
            await send(client, eci, "auto", n=number, eci=eci)
        await client.until(lambda engine: not engine.store.outgoing())
        await client.until(lambda engine: not engine.store.waiting_count())
        assert await ask(client, eci, "sent") == [0, 1, 2, 3]

    run(test)
    paths = [url.rpartition("/")[2] for url, _, _ in internet.got]
    assert paths == ["0", "0", "0", "1", "2", "3"]
    assert len({key for _, key, _ in internet.got}) == 4


def test_autosend_takes_no_channel_that_is_closed_to_it(run: Run) -> None:
    async def test(client: Client) -> None:
        eci = await make(client)
        await send(client, eci, "doors")
        closed = await ask(client, eci, "raised")
        await send(client, eci, "auto", n=1, eci=closed)
        await send(client, eci, "auto", n=2, eci="nowhere")
        await send(client, eci, "auto", n=3, eci=eci)
        await client.until(lambda engine: not engine.store.outgoing())
        await client.until(lambda engine: not engine.store.waiting_count())
        assert await ask(client, eci, "sent") == [3]

    run(test)
