"""What the reference engine does not survive, each case by its name: the engine serves on.

Every test ends with another pico that is served, and with a ledger that is in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine.engine import Engine
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.run import Address, build_application
from picomesh.server.worker import Worker
from served import Client, Run

HOSTILE = """
ruleset hostile {
  meta { shares range, doubled, deep, loop, matched, itself, value, keys, hid }
  global {
    loop = function() { down(0) }
    down = function(n) { down(n + 1) }
    deep = function(n) { 1 + deep(n + 1) }
    range = function() { 0.range(400000000).length() }
    doubled = function() { double([1, 2, 3, 4], 60).length() }
    double = function(a, n) { n == 0 => a | double(a.append(a), n - 1) }
    matched = function(text) { text.match(re#^(a+)+$#) }
    itself = function() { ctx:query(meta:eci, "hostile", "itself") }
    value = function() { ent:value }
    keys = function() { ent:keys.defaultsTo({}) }
    hid = function(name) { {}{name} }
  }
  rule endless { select when t endless fired { x = loop() } }
  rule raises { select when t raises fired { raise t event "raises" attributes event:attrs } }
  rule recursion { select when t recursion fired { x = deep(0) } }
  rule range { select when t range fired { ent:value := range() } }
  rule doubles { select when t doubles fired { ent:value := doubled() } }
  rule grows { select when t grows fired { ent:value := double(["x" + event:attrs{"n"}], 24) } }
  rule regex { select when t regex fired { ent:value := matched(event:attrs{"text"}) } }
  rule asks { select when t asks fired { ent:value := itself() } }
  rule waits { select when t waits
    ctx:eventQuery(meta:eci, "t", "keep", {"a": 1}, "hostile", "keys") setting(answer) }
  rule keep { select when t keep fired { ent:keys := event:attrs } }
  rule leaks { select when t leaks
    every { send_directive("leak", {"secret": 1}) send_directive("leak again") }
    fired { ent:value := "torn"; ent:keys := "x" - 1 } }
  rule hi { select when t hi send_directive("hi") }
  rule plans { select when t plans fired {
    schedule t event "hi" at time:add(time:now(), {"seconds": -1});
    schedule t event "hi" repeat "* * * * * *" } }
}
"""
Check = Callable[[Client, str], Awaitable[None]]


async def do(client: Client, work: Callable[[Service], Any]) -> Any:
    return await asyncio.wrap_future(client.worker.call(work))


async def install(client: Client, name: str, text: str) -> str:
    def make(engine: Service) -> str:
        pico = engine.create(name).pico
        engine.install_module(pico, compile_krl(text), source=text)
        return engine.eci(pico)

    eci: str = await do(client, make)
    return eci


async def send(client: Client, eci: str, name: str, /, **attrs: Any) -> Any:
    return await client.http.post(f"/c/{eci}/event-wait/t/{name}", json=attrs)


async def ask(client: Client, eci: str, name: str, /, **args: Any) -> Any:
    return await client.http.post(f"/c/{eci}/query/hostile/{name}", json=args)


@pytest.fixture
def survive(run: Run) -> Callable[[Check], None]:
    """Runs a case against an engine with a hostile pico, and one that wants to be served."""

    def survive(check: Check) -> None:
        async def test(client: Client) -> None:
            eci = await install(client, "bad", HOSTILE)
            await check(client, eci)
            assert (await client.event("hi")).status_code == 200
            assert (await client.query("number")).json() == 5
            assert (await send(client, eci, "hi")).status_code == 200
            found = await do(client, lambda engine: verify_home(engine.store, engine.public_key))
            assert found.problems == ()

        run(test)

    return survive


Survive = Callable[[Check], None]


@pytest.mark.parametrize("name", ["endless", "raises", "recursion", "range", "doubles", "grows"])
def test_an_endless_or_self_raising_rule_unbounded_recursion_and_memory_bombs(
    survive: Survive, name: str
) -> None:
    async def check(client: Client, eci: str) -> None:
        bad = asyncio.create_task(send(client, eci, name, n="y" * 1000))
        for _ in range(3):
            assert (await client.event("hi")).status_code == 200, "others are served meanwhile"
        got = await bad
        assert got.status_code == 422
        assert got.json()["outcome"] in ("out-of-fuel", "out-of-stack", "trap", "throw")
        assert (await ask(client, eci, "value")).content == b"", "and nothing of it is left"

    survive(check)


@pytest.mark.parametrize("name", ["range", "doubled", "deep", "loop", "itself"])
def test_the_same_in_a_query(survive: Survive, name: str) -> None:
    async def check(client: Client, eci: str) -> None:
        bad = asyncio.create_task(ask(client, eci, name, n=1))
        assert (await client.query("number")).json() == 5
        assert (await bad).status_code == 422

    survive(check)


def test_a_catastrophic_regex_and_others_keep_being_served(survive: Survive) -> None:
    async def check(client: Client, eci: str) -> None:
        bad = asyncio.create_task(send(client, eci, "regex", text="a" * 60 + "!"))
        started_s = time.monotonic()
        assert (await client.event("hi")).status_code == 200
        assert time.monotonic() - started_s < 20
        assert (await bad).status_code in (200, 422)

    survive(check)


def test_a_ruleset_that_loops_at_start_up_after_it_was_installed(tmp_path: Path) -> None:
    """The engine starts, the pico is marked, and can be mended."""
    text = """ruleset loops {
      global { f = function(n) { ent:on => f(n + 1) | n } at_start = f(0) }
      rule on { select when t on fired { ent:on := true } }
      rule started { select when engine started send_directive("up", {"n": at_start}) } }"""
    mended = text.replace("ent:on => f(n + 1) | n", "n")
    options = Options(backend="winch", cache=tmp_path / "cache")
    with Service.open(tmp_path / "home", options) as engine:
        for name in ("root", "you"):
            engine.create(name)
        engine.install_module("root", compile_krl(text))
        assert engine.send("root", "t", "on").transition.outcome == "ok"
    with Service.open(tmp_path / "home", options) as engine:
        engine.accept("root", "engine", "started")
        engine.settle()
        trouble = engine.troubles()[engine.find("root")]
        assert trouble.outcome in ("out-of-fuel", "out-of-stack")
        assert engine.find("you") not in engine.troubles()
        assert engine.send("you", "t", "x").transition.outcome == "ok"
        engine.install_module("root", compile_krl(mended))
        assert engine.send("root", "engine", "started").transition.outcome == "ok"
        assert engine.troubles() == {}


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "hasOwnProperty", "then"])
def test_map_keys_and_attribute_names_of_javascript_are_plain_data(
    survive: Survive, name: str
) -> None:
    async def check(client: Client, eci: str) -> None:
        given = {name: {name: "value"}, "other": [name]}
        assert (await send(client, eci, "keep", **given)).status_code == 200
        kept = (await ask(client, eci, "keys")).json()
        assert given.items() <= kept.items()
        assert (await ask(client, eci, "hid", name=name)).content == b"", "nothing inherited"
        assert (await ask(client, eci, name)).status_code == 404
        got = await client.http.get(f"/c/{eci}/event-wait/t/hi?{name}=1")
        assert got.status_code == 200

    survive(check)


def test_a_rule_that_throws_after_sending_directives_leaks_nothing_into_the_next_answer(
    survive: Survive,
) -> None:
    async def check(client: Client, eci: str) -> None:
        got = await send(client, eci, "leaks")
        assert got.status_code == 422 and "leak" not in got.text
        answer = (await send(client, eci, "hi")).json()
        assert [item["name"] for item in answer["directives"]] == ["hi"]
        assert (await ask(client, eci, "value")).content == b""

    survive(check)


def test_self_and_cyclic_queries_end_with_an_error_and_never_a_deadlock(survive: Survive) -> None:
    async def check(client: Client, eci: str) -> None:
        for name in ("asks", "waits"):
            got = await asyncio.wait_for(send(client, eci, name), 20)
            assert got.status_code == 422, name
        text = """ruleset hostile { meta { shares itself }
          global { itself = function() { ctx:query(ent:eci, "hostile", "itself") } }
          rule know { select when t know fired { ent:eci := event:attrs{"eci"} } } }"""
        one, two = await install(client, "one", text), await install(client, "two", text)
        await send(client, one, "know", eci=two)
        await send(client, two, "know", eci=one)
        got = await asyncio.wait_for(ask(client, one, "itself"), 20)
        assert got.status_code == 422 and "deep" in got.json()["error"]

    survive(check)


def test_uninstalling_a_ruleset_with_schedules(survive: Survive) -> None:
    async def check(client: Client, eci: str) -> None:
        assert (await send(client, eci, "plans")).status_code == 200
        await do(client, lambda engine: engine.uninstall("bad", "hostile"))
        await asyncio.sleep(1.2)
        assert await do(client, lambda engine: engine.next_due()) is None

        def again(engine: Service) -> None:
            engine.install_module("bad", compile_krl(HOSTILE))

        await do(client, again)

    survive(check)


def test_an_administration_channel_is_handed_to_nobody(survive: Survive) -> None:
    async def check(client: Client, eci: str) -> None:
        assert (await client.http.get("/api/ui-context")).status_code == 401
        got = await client.http.get("/api/ui-context", headers=client.admin)
        assert set(got.json()) == {"version", "eci"}

    survive(check)


def test_a_thousand_events_to_the_newest_of_many_picos_cost_what_they_cost_to_the_first() -> None:
    """Neither channels nor rulesets are looked through one by one."""
    with Engine.ephemeral(Options(backend="winch")) as engine:
        module = compile_krl("ruleset r { rule x { select when t x noop() } }")
        names = [engine.create(f"p{number}").pico for number in range(300)]
        for pico in (names[0], names[-1]):
            engine.install_module(pico, module)
        taken: list[float] = []
        for pico in (names[0], names[-1], names[0], names[-1]):
            eci = engine.eci(pico)
            started_s = time.process_time()
            for _ in range(100):
                assert engine.pico_of(eci) == pico
                engine.send(pico, "t", "x", eci=eci)
            taken.append(time.process_time() - started_s)
        assert min(taken[1::2]) < 3 * min(taken[::2])


def test_an_engine_whose_thread_meets_a_broken_store_says_so_and_goes_on(tmp_path: Path) -> None:
    engine = Service.open(tmp_path / "home", Options(backend="winch"))
    worker = Worker(engine)
    build_application(worker, Address(), "token" * 4)
    worker.start()
    try:
        worker.call(lambda engine: engine.create("me")).result(20)
        whole = engine.store.outgoing

        def fail() -> Any:
            raise OSError("the disk is gone")

        engine.store.outgoing = fail  # type: ignore[method-assign]
        for _ in range(400):
            if worker.counts.faults:
                break
            time.sleep(0.05)
        assert worker.is_alive and worker.counts.faults > 0
        assert worker.call(lambda engine: engine.find("me")).result(20)
        engine.store.outgoing = whole  # type: ignore[method-assign]
        assert worker.call(lambda engine: engine.find("me")).result(20)
    finally:
        worker.stop()
