"""A client that knows only the reference's HTTP paths gets the reference's JSON shapes.

A script of requests with what the reference engine answers to each, as it was recorded. Where its
answer is an error with status 200, ours has the same `error` field and a status that says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service
from served import Client, Run

RULESET = """
ruleset t.api {
  meta { shares text, page, nothing, undef, args, regexp, nan, fn, holed, boom, count, html }
  global {
    text = function() { "plain" }
    page = function() { "<h1>hi</h1>" }
    html = function() { {"no": "text"} }
    nothing = function() { null }
    undef = function() { {}{"x"} }
    args = function(a, b) { {"a": a, "b": b} }
    regexp = function() { {"r": re#a+#} }
    nan = function() { "x".as("Number") }
    fn = function() { function(x) { x } }
    holed = function() { {"f": function() { 1 }, "n": 1} }
    boom = function() { 1 - "x" }
    count = function() { ent:count.defaultsTo(0) }
  }
  rule hi { select when t hi send_directive("hi", event:attrs) fired {
    ent:count := ent:count.defaultsTo(0) + 1 } }
  rule two { select when t two every { send_directive("one") send_directive("two", {"n": 2}) } }
  rule cookies { select when t cookies every {
    send_directive("_cookie", {"cookie": "a=1"}) send_directive("_cookie", {"cookie": "b=2"}) } }
  rule go { select when t go send_directive("_redirect", {"url": "http://there.test/?x=1"}) }
  rule bad { select when t bad send_directive("lost") fired { x = 1 - "x" } }
}
"""
EID = r'"[a-z0-9]{20,}"'
META = r'"meta":\{"rid":"t.api","rule_name":"%s","txnId":"[a-z0-9]+"\}'
HEADERS = r'"_headers":\{[^}]*\}'


@dataclass(frozen=True)
class Asked:
    """One request, and the body that the reference answers with, as a pattern."""

    path: str
    body: str
    method: str = "GET"
    given: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    kind: str = "application/json; charset=utf-8"


def directive(name: str, options: str, rule: str) -> str:
    return rf'\{{"type":"directive","name":"{name}","options":{options},{META % rule}\}}'


def waited(*directives: str) -> str:
    return rf'\{{"eid":{EID},"directives":\[{",".join(directives)}\]\}}'


def error(text: str) -> str:
    return rf'\{{"error":"{text}"(,"outcome":"[a-z-]+")?\}}'


HI = "/c/ECI/event-wait/t/hi"
SCRIPT = [
    Asked("/c/ECI/event/t/hi", EID),
    Asked("/c/ECI/event/t/bad", EID),
    Asked("/c/ECI/event/no/body", EID),
    Asked("/c/ECI/event-wait/no/body", waited()),
    Asked(HI, waited(directive("hi", rf"\{{{HEADERS}\}}", "hi"))),
    Asked(
        f"{HI}?a=1&b=x&a=2",
        waited(directive("hi", rf'\{{"a":\["1","2"\],"b":"x",{HEADERS}\}}', "hi")),
    ),
    Asked(
        f"{HI}?a=1",
        waited(directive("hi", rf'\{{"a":3,"c":\{{"d":\[true\]\}},{HEADERS}\}}', "hi")),
        "POST",
        {"json": {"a": 3, "c": {"d": [True]}}},
    ),
    Asked(
        HI,
        waited(directive("hi", rf'\{{"f":"1","g":"two words",{HEADERS}\}}', "hi")),
        "PUT",
        {"data": {"f": "1", "g": "two words"}},
    ),
    Asked(
        HI,
        waited(directive("hi", rf'\{{"0":1,"1":2,{HEADERS}\}}', "hi")),
        "POST",
        {"json": [1, 2]},
    ),
    Asked(
        HI,
        waited(directive("hi", rf"\{{{HEADERS}\}}", "hi")),
        "POST",
        {"content": b"<x/>", "headers": {"content-type": "text/xml"}},
    ),
    Asked(
        "/c/ECI/event-wait/t/two",
        waited(directive("one", r"\{\}", "two"), directive("two", r'\{"n":2\}', "two")),
    ),
    Asked(
        "/sky/event/ECI/e1/t/hi?a=1",
        waited(directive("hi", rf'\{{"a":"1",{HEADERS},"__eid":"e1"\}}', "hi")),
    ),
    Asked(
        "/sky/event/ECI/none/t/hi",
        waited(directive("hi", rf"\{{{HEADERS}\}}", "hi")),
        "DELETE",
    ),
    Asked("/c/ECI/event/t/hi/query/t.api/count", r"\d+"),
    Asked("/c/ECI/event/t/two/query/t.api/args?a=1", r'\{"a":"1","b":null\}|\{"a":"1"\}'),
    Asked("/c/ECI/query/t.api/text", '"plain"'),
    Asked("/c/ECI/query/t.api/args?a=1&b=2&b=3", r'\{"a":"1","b":\["2","3"\]\}'),
    Asked("/c/ECI/query/t.api/args", r'\{"a":1,"b":null\}', "POST", {"json": {"a": 1, "b": None}}),
    Asked("/sky/cloud/ECI/t.api/text", '"plain"'),
    Asked("/sky/cloud/ECI/t.api/text.txt", "plain", kind="text/plain; charset=utf-8"),
    Asked("/sky/cloud/ECI/t.api/page.html", "<h1>hi</h1>", kind="text/html; charset=utf-8"),
    Asked("/c/ECI/query/t.api/page.html", "<h1>hi</h1>", kind="text/html; charset=utf-8"),
    Asked("/sky/cloud/ECI/t.api/html.html", error(".*"), status=422),
    Asked("/c/ECI/query/t.api/nothing", "", kind=""),
    Asked("/c/ECI/query/t.api/undef", "", kind=""),
    Asked("/c/ECI/query/t.api/fn", "", kind=""),
    Asked("/c/ECI/query/t.api/regexp", r'\{"r":\{\}\}'),
    Asked("/c/ECI/query/t.api/nan", "null|", kind=""),
    Asked("/c/ECI/query/t.api/holed", r'\{"n":1\}'),
    Asked("/c/nope/event/t/hi", error("Error: ECI not found nope"), status=404),
    Asked("/c/nope/event-wait/t/hi", error("Error: ECI not found nope"), status=404),
    Asked("/sky/cloud/nope/t.api/text", error("Error: ECI not found nope"), status=404),
    Asked("/c/ECI/query/t.nope/x", error("Error: Pico doesn't have t.nope installed."), status=404),
    Asked(
        "/c/ECI/query/t.api/nope",
        error(r'Error: Ruleset t.api does not have query function \\"nope\\"'),
        status=404,
    ),
    Asked("/c/ECI/query/t.api/boom", error(".*x cannot be subtracted from 1"), status=422),
    Asked("/c/ECI/event-wait/t/bad", error(".* cannot be subtracted from .*"), status=422),
    Asked(
        HI,
        error("SyntaxError: .*"),
        "POST",
        {"content": b"{bad", "headers": {"content-type": "application/json"}},
        status=400,
    ),
    Asked(HI, error("PayloadTooLargeError: .*"), "POST", {"content": b"x" * 2_000_000}, status=413),
]


def make(client: Client, text: str = RULESET) -> tuple[str, str]:
    """A pico with nothing but these rulesets; its channel and id."""
    modules = [compile_krl(RULESET), compile_krl(text)]

    def work(engine: Service) -> tuple[str, str]:
        pico = engine.create("script").pico
        for module in modules:
            engine.install_module(pico, module)
        return engine.eci(pico), pico

    return client.worker.call(work).result(20)


def test_the_script_gets_the_shapes_that_the_reference_gives(run: Run) -> None:
    async def test(client: Client) -> None:
        eci, _ = make(client)
        problems: list[str] = []
        for asked in SCRIPT:
            path = asked.path.replace("ECI", eci)
            got = await client.http.request(asked.method, path, **asked.given)
            kind = got.headers.get("content-type", "")
            right_kind = asked.kind in (kind, "")
            if got.status_code != asked.status or not right_kind:
                problems.append(f"{asked.path}: {got.status_code} {kind}: {got.text[:200]}")
            elif re.fullmatch(asked.body, got.text, re.DOTALL) is None:
                problems.append(f"{asked.path}: {got.text[:300]}\n   is not {asked.body}")
            assert got.headers["access-control-allow-origin"] == "*", path
        assert not problems, "\n".join(problems)

    run(test)


def test_cookies_and_redirects_come_as_the_reference_sends_them(run: Run) -> None:
    async def test(client: Client) -> None:
        eci, _ = make(client)
        got: httpx.Response = await client.http.get(f"/sky/event/{eci}/none/t/cookies")
        assert got.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert [item["name"] for item in got.json()["directives"]] == ["_cookie", "_cookie"]
        got = await client.http.get(f"/sky/event/{eci}/none/t/go")
        assert (got.status_code, got.headers["location"]) == (302, "http://there.test/?x=1")
        got = await client.http.get(f"/c/{eci}/event-wait/t/cookies")
        assert "set-cookie" not in got.headers, "only /sky/event does that"
        got = await client.http.request("OPTIONS", f"/c/{eci}/event/t/hi")
        assert (got.status_code, got.headers["allow"]) == (200, "POST, GET, OPTIONS")

    run(test)


def test_policies_answer_with_the_references_texts(run: Run) -> None:
    async def test(client: Client) -> None:
        doors = """ruleset doors { rule open { select when door open
          ctx:newChannel(["d"], {"allow": event:attrs{"allow"}, "deny": event:attrs{"deny"}},
            {"allow": [], "deny": [{"rid": "*", "name": "*"}]}) setting(c)
          fired { ent:eci := c{"id"} } } }"""
        first, pico = make(client, doors)
        attrs = {"allow": [{"domain": "t", "name": "*"}], "deny": [{"domain": "t", "name": "two"}]}
        path = f"/c/{first}/event-wait/door/open"
        assert (await client.http.post(path, json=attrs)).status_code == 200
        found = await client.http.get("/api/v1/picos/script", headers=client.admin)
        eci = next(item["id"] for item in found.json()["channels"] if item["tags"] == ["d"])
        expected = {
            f"/c/{eci}/event-wait/t/hi": (200, None),
            f"/c/{eci}/event-wait/t/two": (403, "Error: Denied by channel policy"),
            f"/c/{eci}/event-wait/x/y": (403, "Error: Not allowed by channel policy"),
            f"/c/{eci}/query/t.api/text": (403, "Error: Denied by channel policy"),
            f"/c/{pico}/event/t/hi": (
                403,
                "Error: This is a family channel and only the owner can use it.",
            ),
        }
        for target, (status, wanted) in expected.items():
            got = await client.http.get(target)
            assert got.status_code == status, target
            assert wanted is None or got.json() == {"error": wanted}

    run(test)


@pytest.mark.parametrize("path", ["/api/ui-context", "/api/flush?url=http://x.test/r.krl"])
def test_what_administers_has_the_references_shape_and_needs_the_token(run: Run, path: str) -> None:
    async def test(client: Client) -> None:
        text = "ruleset flushed { rule x { select when a b noop() } }"
        engine = client.worker.engine
        engine._library._fetch = lambda url: text.encode()
        assert (await client.http.get(path)).status_code == 401
        got = (await client.http.get(path, headers=client.admin)).json()
        if "flush" in path:
            assert {"url", "rid", "hash", "flushed", "compiler"} <= set(got)
            assert (got["rid"], len(got["hash"])) == ("flushed", 64)
            assert set(got["compiler"]) == {"version", "warnings"}
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", got["flushed"])
        else:
            assert got == {"version": got["version"], "eci": client.eci}

    run(test)
