"""What the page asks of the engine, without a browser: the policy, the token, rules, replays."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from lives import lived
from picomesh.engine.options import Options
from picomesh.engine.rules import RuleTeller
from picomesh.engine.service import Service
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.receipt import encode_core, seal
from picomesh.ledger.value import Value
from picomesh.server.openapi import describe_api
from picomesh.server.run import Address, build_application
from picomesh.server.worker import Worker
from picomesh.store.store import StoredReceipt

TOKEN = "token"
PAGE = Path(__file__).resolve().parents[2] / "runtime/picomesh/server/page"
SOURCE = """ruleset r {
  meta { name "R" shares n, twice }
  global { n = function() { ent:n } twice = function(x, y) { [x, y] } }
  rule exact { select when a b x re#^(1+)$# setting(x) where x.length() < 3
    if ent:n.defaultsTo(0) < 2 then send_directive("got", {"x": x})
    fired { ent:n := ent:n.defaultsTo(0) + 1;
      raise a event "more" attributes {"y": event:attr("z")} }
    else { log warn "enough" } }
  rule more { select when a more }
  rule late { select when a more before a b }
  rule off is inactive { select when a b }
  rule broken { select when a broken fired { ent:n := "x" - 1 } }
  rule lost { select when a lost fired { raise a event "unheard" } }
  rule later { select when a later
    fired { schedule a event "b" at time:add(time:now(), {"hours": 1}) attributes {"x": 1} } }
}
"""


class Client:
    """An engine over HTTP, with a pico `me` that has the ruleset."""

    def __init__(self, worker: Worker, http: httpx.AsyncClient) -> None:
        self.worker = worker
        self.http = http

    async def get(self, path: str, status: int = 200) -> Any:
        got = await self.http.get(f"/api/v1{path}")
        assert got.status_code == status, got.text
        return got.json()

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        got = await self.http.post(f"/api/v1{path}", json={} if body is None else body)
        assert got.status_code == status, got.text
        return got.json()

    async def send(self, name: str, **attrs: Value) -> Any:
        return await self.post("/picos/me/events", {"domain": "a", "name": name, "attrs": attrs})

    async def rules(self, name: str, **attrs: Value) -> Any:
        """Sends an event and returns what its receipt tells of the rules."""
        done = await self.send(name, **attrs)
        return await self.get(f"/picos/me/receipts/{done['seq']}/rules")


Test = Callable[[Client], Awaitable[None]]


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    engine = Service.ephemeral(Options(backend="winch"))
    engine.create("me")
    worker = Worker(engine)
    application = build_application(worker, Address(), TOKEN)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 5))
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=transport, base_url="http://test", timeout=30, headers=headers
        ) as http,
    ):
        made = Client(worker, http)
        await made.post("/picos/me/rulesets", {"source": SOURCE}, 201)
        yield made


def run(test: Test) -> None:
    async def whole() -> None:
        async with client() as made:
            await test(made)

    asyncio.run(whole())


class _Markup(HTMLParser):
    """Everything in a document that a strict policy would have to allow."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")
            if (tag, name) in (("script", "src"), ("link", "href"), ("img", "src")):
                self.loads.append(str(value))

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


def test_the_page_is_files_of_the_engine_under_a_policy_that_allows_nothing_else() -> None:
    async def test(client: Client) -> None:
        got = await client.http.get("/", headers={"authorization": ""})
        assert got.status_code == 200 and got.headers["content-type"].startswith("text/html")
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "trusted-types 'none'" in policy
        assert "access-control-allow-origin" not in got.headers
        markup = _Markup()
        markup.feed(got.text)
        assert markup.inline == []
        assert all(name.startswith("page/") for name in markup.loads)
        for path in PAGE.iterdir():
            part = await client.http.get(f"/page/{path.name}")
            assert part.status_code == 200 and part.content == path.read_bytes()
            assert part.headers["x-content-type-options"] == "nosniff"
            again = {"if-none-match": part.headers["etag"]}
            assert (await client.http.get(f"/page/{path.name}", headers=again)).status_code == 304
        for name in ("..%2fpage.py", "nothing.js", "%2e%2e/api.py", "page.py"):
            assert (await client.http.get(f"/page/{name}")).status_code == 404

    run(test)


def test_no_file_of_the_page_writes_markup_or_names_another_host() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser"
        r"|setHTML|srcdoc|localStorage|https?://(?!www\.w3\.org/2000/svg)"
    )
    for path in PAGE.iterdir():
        found = forbidden.findall(path.read_text("utf-8"))
        assert [text for text in found if text != "https://"] == [], path.name
    assert "https://…" in (PAGE / "install.js").read_text(), "an example in an empty field"


def test_the_description_names_every_path_and_each_but_three_needs_the_token() -> None:
    async def test(client: Client) -> None:
        described = {
            (path, method.upper())
            for path, methods in describe_api()["paths"].items()  # type: ignore[attr-defined]
            for method in methods
            if path.startswith("/api/v1/")
        }
        routes = client.http._transport.app.routes  # type: ignore[attr-defined]
        served = {
            (re.sub(r":\w+}", "}", route.path), method)
            for route in routes
            for method in route.methods - {"HEAD"}
            if route.path.startswith("/api/v1/")
        }
        assert served == described
        is_open = set()
        for path, method in described:
            filled = re.sub(r"{seq}", "0", re.sub(r"{(?!seq)\w+}", "x", path))
            got = await client.http.request(method, filled, headers={"authorization": "Bearer x"})
            if got.status_code != 401:
                is_open.add(path.rpartition("/")[2])
        assert is_open == {"health", "metrics", "openapi.json"}

    run(test)


def test_the_compiler_says_where_and_what_to_do_and_nothing_is_installed() -> None:
    async def test(client: Client) -> None:
        wrong = "ruleset w {\n  rule r {\n    select when a b\n    fired { ent:x := nmae }\n  }\n}"
        found = await client.post("/compile", {"source": wrong})
        (item,) = found["diagnostics"]
        assert (found["ok"], found["module"], item["severity"]) == (False, None, "error")
        assert (item["line"], item["column"], item["end_column"]) == (4, 22, 26)
        assert item["title"] == "undefined id: nmae" and item["hint"]
        got = await client.post("/picos/me/rulesets", {"source": wrong}, 422)
        assert got["diagnostics"] == [item]
        assert [item["rid"] for item in await client.get("/picos/me/rulesets")] == ["r"]
        good = await client.post("/compile", {"source": SOURCE})
        assert good["ok"] and good["rid"] == "r" and good["module"].startswith("baf")
        await client.post("/compile", {}, 400)
        await client.post("/compile", {"source": 5}, 400)
        await client.post("/compile", {"url": "file:///etc/passwd"}, 400)
        await client.post("/picos/me/rulesets", {"source": SOURCE, "config": []}, 400)

    run(test)


def test_a_warning_is_told_beside_a_module() -> None:
    async def test(client: Client) -> None:
        source = "ruleset w { rule r { select when a b setting(x) noop() } }"
        found = await client.post("/compile", {"source": source})
        assert found["ok"] and [item["severity"] for item in found["diagnostics"]] == ["warning"]
        assert found["diagnostics"][0]["title"] == "setting without an attribute match"

    run(test)


def test_a_ruleset_says_what_it_declares() -> None:
    async def test(client: Client) -> None:
        (item,) = await client.get("/picos/me/rulesets")
        assert item["meta"] == {"name": "R"} and item["compiler"].startswith("krl ")
        assert item["shares"][1] == {"name": "twice", "kind": "function", "args": ["x", "y"]}
        rules = {rule["name"]: rule for rule in item["rules"]}
        assert rules["exact"]["events"] == [["a", "b"]]
        assert rules["exact"]["attributes"] == ["x", "z"]
        assert (await client.get("/picos/me/rulesets/r"))["text"] == SOURCE
        await client.get("/picos/me/rulesets/nope", 404)

    run(test)


def _statuses(told: Any) -> dict[str, str]:
    rules = [r for e in told["events"] for item in e["rulesets"] for r in item["rules"]]
    return {rule["name"]: rule["status"] for rule in rules}


def test_each_rule_tells_whether_it_was_selected_and_fired_and_why_not() -> None:
    async def test(client: Client) -> None:
        told = await client.rules("b", x="11", z=[1.5])
        assert told["agrees"] and told["outcome"] == "ok"
        assert _statuses(told) == {
            "exact": "fired",
            "more": "fired",
            "late": "not selected",
            "off": "not selected",
        }
        first, second = told["events"]
        assert (first["raised_by"], second["raised_by"]) == (None, "r")
        assert second["attrs"] == {"y": [1.5]}
        late = second["rulesets"][0]["rules"][1]
        assert (late["moved"], late["single"], late["active"]) == (True, False, True)
        exact, _, off = first["rulesets"][0]["rules"]
        assert exact["does"][0] == {"kind": "directive", "name": "got", "value": {"x": "11"}}
        assert exact["line"] == 4 and off["active"] is False
        (write,) = [item for item in told["writes"] if item["name"] == "n"]
        assert (write["before"], write["after"], write["new"]) == (None, 1, True)
        told = await client.rules("b", x="22")
        wanted = told["events"][0]["rulesets"][0]["rules"][0]["wanted"]
        pattern = {"name": "x", "pattern": "re#^(1+)$#", "given": "22", "missing": False}
        pattern["matches"] = False
        assert wanted == [{"attributes": [pattern], "where": "x.length() < 3"}]
        told = await client.rules("b", x=111)
        wanted = told["events"][0]["rulesets"][0]["rules"][0]["wanted"]
        assert wanted[0]["attributes"][0]["matches"] is True, "so it was the where"
        told = await client.rules("b")
        assert told["events"][0]["rulesets"][0]["rules"][0]["wanted"][0]["attributes"][0]["missing"]

    run(test)


def test_a_rule_that_does_not_fire_and_an_event_that_nobody_hears_are_told() -> None:
    async def test(client: Client) -> None:
        for _ in range(2):
            await client.send("b", x="1")
        told = await client.rules("b", x="1")
        assert _statuses(told)["exact"] == "not fired"
        assert told["logs"][0]["message"] == "enough" or told["logs"][0]["value"] == "enough"
        assert (await client.rules("nothing"))["events"][0]["rulesets"] == []
        told = await client.rules("lost")
        assert [event["name"] for event in told["events"]] == ["lost", "unheard"]
        assert told["events"][1]["rulesets"] == []
        told = await client.rules("broken")
        assert told["outcome"] == "throw" and "cannot be subtracted" in told["message"]
        assert _statuses(told) == {"broken": "ended"}
        assert told["ended"] == {
            "rid": "r",
            "rule": "broken",
            "function": "rule broken",
            "line": 12,
        }

    run(test)


def test_of_a_transition_that_failed_the_rule_and_the_line_are_told() -> None:
    source = """ruleset f {
      global {
        bad = function(x) {
          x - 1
        }
      }
      rule one { select when f go always { ent:x := 1 } }
      rule two { select when f go pre { y = bad("x") } noop() }
      rule three { select when f go always { ent:y := 1 } }
    }"""

    async def test(client: Client) -> None:
        await client.post("/picos/me/rulesets", {"source": source}, 201)
        done = await client.post("/picos/me/events", {"domain": "f", "name": "go"})
        assert done["outcome"] == "throw" and "cannot be subtracted" in done["message"]
        told = await client.get(f"/picos/me/receipts/{done['seq']}/rules")
        assert _statuses(told) == {"one": "undone", "two": "ended", "three": "not reached"}
        assert told["ended"] == {"rid": "f", "rule": "two", "function": "bad", "line": 4}
        assert told["writes"] == []

    run(test)


def test_receipts_of_every_class_are_told_of_and_agree() -> None:
    with lived() as engine:
        teller = RuleTeller(engine.programs)
        for receipt in engine.log("me"):
            told = teller.tell(engine.store, receipt.core, receipt.core_bytes)
            assert told["agrees"], told
            assert (told["events"] != []) == (receipt.core.kind == "event")
            assert (told["ended"] is None) == (receipt.core.outcome == "ok")
        teller.close()


def test_a_receipt_is_run_again_on_any_backend_and_agrees() -> None:
    async def test(client: Client) -> None:
        done = await client.send("b", x="1")
        assert done["title"] == "a:b" and done["directives"][0]["name"] == "got"
        for seq in range(done["seq"] + 1):
            for backend in ("", "cranelift", "pulley"):
                path = f"/picos/me/receipts/{seq}/replay?backend={backend}"
                again = await client.post(path)
                assert again["agrees"] and again["differs"] is None, again
                assert again["backend"] == (backend or "winch")
        assert again["fuel"] == done["fuel"]
        await client.post("/picos/me/receipts/99/replay", status=404)
        await client.post("/picos/me/receipts/0/replay?backend=abacus", status=400)

    run(test)


@pytest.mark.parametrize("signs", [True, False], ids=["signed", "unsigned"])
def test_a_receipt_that_lies_is_found_out(signs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        seq = (await client.send("b", x="1"))["seq"]

        def lie(engine: Service) -> None:
            receipt = engine.receipt("me", seq)
            core = encode_core(replace(receipt.core, fuel=receipt.core.fuel + 1))
            envelope = replace(receipt.envelope, core=cid_of_block(core))
            sealed = seal(core, envelope, engine.signer)
            data = sealed.envelope_bytes if signs else receipt.envelope_bytes
            row = StoredReceipt(receipt.core.pico, seq, core, data)
            true = engine.store.receipt
            monkeypatch.setattr(
                engine.store, "receipt", lambda pico, at: row if at == seq else true(pico, at)
            )
            monkeypatch.setattr(engine.store, "receipts", lambda *_: [row])

        await asyncio.wrap_future(client.worker.call(lie))
        again = await client.post(f"/picos/me/receipts/{seq}/replay")
        assert again["agrees"] is False
        if signs:
            assert again["differs"]["field"] == "fuel"
            told = await client.get(f"/picos/me/receipts/{seq}/rules")
            assert told["agrees"] is False
        else:
            assert again["problem"]

    run(test)


def test_events_and_queries_go_by_a_channels_policy_or_are_the_operators_own() -> None:
    async def test(client: Client) -> None:
        pico = (await client.get("/picos/me"))["pico"]
        asked = {"rid": "r", "name": "twice", "args": {"x": 1, "y": [None]}}
        assert await client.post("/picos/me/queries", asked) == {"answer": [1, [None]]}
        await client.post("/picos/me/queries", {**asked, "name": "nope"}, 404)
        await client.post("/picos/me/queries", {**asked, "args": []}, 400)
        eci = (await client.get("/picos/me"))["eci"]
        assert (await client.get(f"/channels/{eci}"))["pico"] == pico
        assert (await client.get("/channels/nowhere"))["pico"] is None
        event = {"domain": "a", "name": "b"}
        assert (await client.post("/picos/me/events", {**event, "eci": eci}))["eci"] == eci
        await client.post("/picos/me/events", {**event, "eci": pico}, 403)
        await client.post("/picos/me/events", {**event, "eci": "nowhere"}, 404)
        await client.post("/picos/me/events", {"domain": "a"}, 400)
        await client.post("/picos/nobody/events", event, 404)

    run(test)


def test_the_tree_the_schedule_the_state_and_the_timeline_are_told() -> None:
    async def test(client: Client) -> None:
        await client.post("/picos", {"name": "child"}, 201)
        await client.http.put("/api/v1/picos/child/parent", json={"parent": "me"})
        me, child = (await client.get("/tree"))["picos"]
        assert (me["name"], me["children"]) == ("me", [child["pico"]])
        assert (child["name"], child["parent"]) == ("child", me["pico"])
        for _ in range(2):
            await client.send("b", x="1")
        await client.send("later")
        (row,) = await client.get("/picos/me/schedules")
        assert (row["rid"], row["type"], row["name"]) == ("r", "at", "b")
        assert row["attrs"] == {"x": 1}
        found = await client.get("/picos/me/entities")
        assert found["whole"] and found["entities"]["r"]["n"] == 2
        rows = await client.get("/picos/me/timeline?limit=2")
        assert [item["title"] for item in rows] == ["a:later", "a:b"]
        older = await client.get(f"/picos/me/timeline?before={rows[-1]['seq']}&limit=200")
        assert [item["seq"] for item in older] == list(range(rows[-1]["seq"] - 1, -1, -1))
        assert await client.get("/picos/me/timeline?before=0") == []
        await client.get("/picos/me/timeline?before=x", 400)

    run(test)
