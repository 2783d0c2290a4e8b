"""An engine over HTTP, in the test's own process: one pico, and an internet that obeys the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx

from picomesh.engine.delivery import KEY_HEADER
from picomesh.engine.service import Service
from picomesh.ledger.value import Value
from picomesh.server.worker import Worker

RULESET = """
ruleset api {
  meta { shares hello, page, number, nothing, boom, again, spin, fetched, count }
  global {
    hello = function(name) { {"hi": name} }
    page = function() { "<b>hi</b>" }
    number = function() { 5 }
    nothing = function() { null }
    boom = function() { "x" - 1 }
    again = function() { ctx:query(meta:eci, "api", "again") }
    deep = function(x) { deep(x + 1) + 1 }
    spin = function() { deep(1) }
    fetched = function(url) { http:get(url){"status_code"} }
    count = function() { ent:count.defaultsTo(0) }
  }
  rule hi { select when t hi send_directive("hi", event:attrs)
    fired { ent:count := ent:count.defaultsTo(0) + 1 } }
  rule bad { select when t bad send_directive("leak") fired { ent:count := "x" - 1 } }
  rule loop { select when t loop fired { raise t event "loop" attributes {} } }
  rule regexp { select when t regexp
    fired { x = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!".match(re#^(a+)+$#) } }
  rule cookie { select when t cookie every {
    send_directive("_cookie", {"cookie": event:attrs{"cookie"}})
    send_directive("_redirect", {"url": "http://x.test/"}) } }
  rule slow { select when t slow http:get("http://slow.test/") setting(r)
    fired { ent:slow := r{"status_code"} } }
  rule soon { select when t soon
    fired { schedule t event "hi" at time:add(time:now(), {"seconds": -1}) } }
  rule doomed { select when t doomed
    fired { schedule t event "bad" at time:add(time:now(), {"seconds": -1}) } }
  rule out { select when t out
    event:send({"eci": "far", "domain": "t", "type": "hi", "attrs": {"n": event:attrs{"n"}}},
      "http://far.test") }
  rule auto { select when t auto
    http:post("http://far.test/x", autosend = {"eci": meta:eci, "domain": "t", "type": "hi"}) }
}
"""


class Internet:
    """Elsewhere: `slow.test` answers when it is told to, `far.test` fails first."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.fails = 0
        self.got: list[tuple[str, str, str | None]] = []

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        if "slow.test" in url:
            self.go.wait(20)
        self.got.append((url, headers.get(KEY_HEADER, ""), body))
        if self.fails > 0:
            self.fails -= 1
            return {"status_code": 503}
        return {"status_code": 200}


class Client:
    """An engine over HTTP, with one pico."""

    def __init__(self, worker: Worker, http: httpx.AsyncClient, eci: str, token: str) -> None:
        self.worker = worker
        self.http = http
        self.eci = eci
        self.admin = {"authorization": f"Bearer {token}"}

    async def event(self, name: str, **attrs: Value) -> httpx.Response:
        return await self.http.post(f"/c/{self.eci}/event-wait/t/{name}", json=attrs)

    async def query(self, name: str, **args: str) -> httpx.Response:
        return await self.http.get(f"/c/{self.eci}/query/api/{name}", params=args)

    async def until(self, wanted: Callable[[Service], bool]) -> None:
        for _ in range(400):
            if await asyncio.wrap_future(self.worker.call(wanted)):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not come to that")


Run = Callable[..., None]
