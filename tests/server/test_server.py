"""The engine over HTTP: the reference's paths, honest statuses, and attacks that stop nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.delivery import KEY_HEADER
from picomesh.engine.service import Service
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from picomesh.server.given import Limits
from picomesh.server.run import load_token
from served import Client, Internet, Run


def test_the_paths_of_the_reference_answer_in_its_shapes(run: Run) -> None:
    async def test(client: Client) -> None:
        base = f"/c/{client.eci}"
        waited = (
            await client.http.post(f"{base}/event-wait/t/hi?a=1&a=2&b=x", json={"b": 3})
        ).json()
        (directive,) = waited["directives"]
        assert directive["meta"] == {"rid": "api", "rule_name": "hi", "txnId": waited["eid"]}
        assert directive["options"].pop("_headers")["host"] == "test"
        assert directive["options"] == {"a": ["1", "2"], "b": 3}
        assert isinstance((await client.http.get(f"{base}/event/t/hi")).json(), str)
        got = await client.http.get(f"{base}/event/t/hi/query/api/count")
        assert got.json() == 3
        got = await client.http.get(f"/sky/cloud/{client.eci}/api/hello?name=ann")
        assert got.json() == {"hi": "ann"}
        got = await client.http.get("http://test" + f"{base}/event-wait/a%2Fb/c%3Fd")
        assert got.json()["directives"] == [], "a slash in a name is a part of it"
        receipt = (await client.http.get("/api/v1/picos/me/receipts", headers=client.admin)).json()
        assert receipt[-1]["outcome"] == "ok"
        page = await client.http.get(f"{base}/query/api/page.html")
        assert "sandbox" in page.headers["content-security-policy"]
        assert (page.text, page.headers["content-type"]) == (
            "<b>hi</b>",
            "text/html; charset=utf-8",
        )
        assert (await client.http.get(f"{base}/query/api/nothing")).content == b""
        got = await client.http.post(f"/sky/event/{client.eci}/e7/t/hi", data={"f": "1"})
        assert got.json()["directives"][0]["options"]["__eid"] == "e7"
        assert got.json()["directives"][0]["options"]["f"] == "1"
        got = await client.http.post(f"{base}/event-wait/t/hi", json=[1, 2])
        assert {"0": 1, "1": 2}.items() <= got.json()["directives"][0]["options"].items()

    run(test)


def test_a_directive_sets_a_cookie_and_redirects_but_never_splits_a_header(run: Run) -> None:
    async def test(client: Client) -> None:
        path = f"/sky/event/{client.eci}/none/t/cookie"
        got = await client.http.post(path, json={"cookie": "a=b; path=/"})
        assert (got.status_code, got.headers["location"]) == (302, "http://x.test/")
        assert got.headers["set-cookie"] == "a=b; path=/"
        got = await client.http.post(path, json={"cookie": "a=b\r\nx-evil: 1"})
        assert "x-evil" not in got.headers and "set-cookie" not in got.headers

    run(test)


def test_every_error_has_an_error_field_and_an_honest_status(run: Run) -> None:
    async def test(client: Client) -> None:
        base = f"/c/{client.eci}"
        expected: list[tuple[str, int, str]] = [
            ("/c/nope/event/t/hi", 404, "Error: ECI not found nope"),
            ("/c/nope/query/api/hello", 404, "Error: ECI not found nope"),
            (f"{base}/query/nope/x", 404, "Error: Pico doesn't have nope installed."),
            (f"{base}/query/api/nope", 404, "does not have query function"),
            (f"{base}/query/api/toString", 404, "does not have query function"),
            (f"{base}/query/api/boom", 422, "cannot be subtracted"),
            (f"{base}/query/api/number.txt", 422, "TypeError"),
            (f"{base}/query/api/again", 422, "deep"),
            (f"{base}/query/api/spin", 422, "out of stack"),
            (f"{base}/event-wait/t/bad", 422, "cannot be subtracted"),
            (f"{base}/event-wait/%20/hi", 400, "missing event.domain"),
        ]
        for path, status, text in expected:
            got = await client.http.get(path)
            assert got.status_code == status, (path, got.text)
            assert text in got.json()["error"], path
        assert (await client.http.get("/c/../../etc/passwd")).status_code == 404
        assert (await client.http.request("OPTIONS", f"{base}/event/t/hi")).status_code == 200

    run(test)


def test_bad_bodies_are_refused_and_the_engine_serves_on(run: Run) -> None:
    async def test(client: Client) -> None:
        path, kind = f"/c/{client.eci}/event-wait/t/hi", {"content-type": "application/json"}
        bodies = [b"{bad", b"5", b'"x"', b"[" * 100_000, b'{"a": NaN}', b"\xff\xfe", b"\0"]
        for body in bodies:
            got = await client.http.post(path, content=body, headers=kind)
            assert got.status_code == 400 and "error" in got.json(), body[:20]
        assert (await client.http.post(path, content=b"x" * 10_000_000)).status_code == 413
        many = json.dumps({f"k{at}": 1 for at in range(2_000)}).encode()
        assert (await client.http.post(path, content=many, headers=kind)).status_code == 413
        odd = {"__proto__": 1, "constructor": 2, "toString": 3, "hasOwnProperty": 4}
        options = (await client.event("hi", **odd)).json()["directives"][0]["options"]
        assert odd.items() <= options.items(), "plain data"

    run(test)


def test_rulesets_that_never_end_stop_only_themselves(run: Run) -> None:
    async def test(client: Client) -> None:
        for name in ("loop", "regexp"):
            assert (await client.event(name)).status_code in (200, 422)
        await client.event("bad")
        assert [item["name"] for item in (await client.event("hi")).json()["directives"]] == ["hi"]

    run(test)


def test_a_slow_host_holds_up_the_pico_that_asked_and_no_other(
    run: Run, internet: Internet
) -> None:
    async def test(client: Client) -> None:
        asking = asyncio.create_task(client.event("slow"))
        made = await client.http.post("/api/v1/picos", json={"name": "you"}, headers=client.admin)
        other = f"/c/{made.json()['eci']}/event-wait/t/x"
        assert (await client.http.post(other)).status_code == 200
        assert (await client.query("number")).json() == 5
        assert not asking.done()
        internet.go.set()
        assert (await asking).status_code == 200
        assert (await client.query("fetched", url="http://far.test/")).json() == 200

    run(test)


def test_an_event_that_comes_again_under_its_key_happens_once(run: Run) -> None:
    async def test(client: Client) -> None:
        path, key = f"/c/{client.eci}/event/t/hi", {KEY_HEADER: "k1"}
        first, again = [(await client.http.post(path, headers=key)).json() for _ in range(2)]
        assert first == again
        assert (await client.query("count")).json() == 1

    run(test)


def test_events_to_elsewhere_are_tried_again_in_order_under_one_key(
    run: Run, internet: Internet
) -> None:
    internet.fails = 1

    async def test(client: Client) -> None:
        for number in range(3):
            await client.event("out", n=number)
        await client.until(lambda engine: not engine.store.outgoing())

    run(test)
    assert [json.loads(body or "")["n"] for _, _, body in internet.got] == [0, 0, 1, 2]
    assert internet.got[0][0] == "http://far.test/c/far/event/t/hi"
    assert internet.got[0][1] == internet.got[1][1]
    assert len({key for _, key, _ in internet.got}) == 3


def test_the_answer_to_a_request_nobody_waits_for_comes_as_an_event(run: Run) -> None:
    async def test(client: Client) -> None:
        await client.event("auto")
        await client.until(lambda engine: engine.query("me", "api", "count") == 1)

    run(test)


def test_a_schedule_fires_and_one_that_fails_does_not_fire_for_ever(run: Run) -> None:
    async def test(client: Client) -> None:
        await client.event("soon")
        await client.until(lambda engine: engine.query("me", "api", "count") == 1)
        await client.event("doomed")
        await client.until(
            lambda engine: "throw" in {item.core.outcome for item in engine.log("me")}
        )
        await client.until(lambda engine: engine.next_due() is None)
        assert (await client.event("hi")).status_code == 200

    run(test)


def test_a_channel_that_is_used_too_fast_has_to_wait(run: Run) -> None:
    async def test(client: Client) -> None:
        done = [await client.query("number") for _ in range(4)]
        assert [got.status_code for got in done] == [200, 200, 200, 429]
        assert done[-1].headers["retry-after"] == "1"

    run(test, Limits(channel_events_per_s=0.01, channel_burst=3))


def test_what_administers_needs_the_token_and_a_near_client(run: Run, tmp_path: Path) -> None:
    async def test(client: Client) -> None:
        paths = ["/api/v1/picos", "/api/v1/picos/me", "/api/ui-context", "/api/flush?url=x"]
        for path in [*paths, "/api/v1/blocks/x", "/api/v1/picos/me/state"]:
            assert (await client.http.get(path)).status_code == 401
            wrong = {"authorization": "Bearer wrong"}
            assert (await client.http.get(path, headers=wrong)).status_code == 401
        assert (tmp_path / "admin.token").stat().st_mode & 0o777 == 0o600
        transport: Any = client.http._transport
        transport.client = ("10.0.0.1", 5)
        assert (await client.http.get("/api/v1/picos", headers=client.admin)).status_code == 403

    run(test)


@pytest.mark.parametrize("content", [None, "", "  ", "short", "long enough to be a token"])
def test_a_token_is_whole_private_and_never_empty(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "admin.token"
    if content is not None:
        path.write_text(content)
        path.chmod(0o644)
    token = load_token(tmp_path)
    assert token == path.read_text() == load_token(tmp_path)
    assert len(token) >= 16 and path.stat().st_mode & 0o777 == 0o600
    assert (token == content) is (content is not None and len(content) > 16)


def test_a_ruleset_never_sees_the_engines_token(run: Run) -> None:
    async def test(client: Client) -> None:
        path = f"/c/{client.eci}/event-wait/t/hi"
        for headers in (client.admin, {"x-other": "as " + client.admin["authorization"]}):
            got = await client.http.get(path, headers=headers)
            token = client.admin["authorization"].removeprefix("Bearer ")
            assert got.status_code == 200 and token not in got.text
        theirs = await client.http.get(path, headers={"authorization": "Basic theirs"})
        seen = theirs.json()["directives"][0]["options"]["_headers"]
        assert seen["authorization"] == "Basic theirs"

    run(test)


def test_the_ledger_is_there_to_be_read(run: Run) -> None:
    async def test(client: Client) -> None:
        async def get(path: str, status: int = 200) -> Any:
            got = await client.http.get(path, headers=client.admin)
            assert got.status_code == status, got.text
            return got.json() if "json" in got.headers["content-type"] else got

        await client.event("bad")
        assert (await get("/api/v1/health"))["status"] == "ok"
        shown = await get("/api/v1/picos/me")
        assert shown["seq"] == 2 and [item["rid"] for item in shown["rulesets"]] == ["api"]
        receipts = await get("/api/v1/picos/me/receipts")
        assert [item["outcome"] for item in receipts] == ["ok", "ok", "throw"]
        assert await get("/api/v1/picos/me/receipts/2") == receipts[2]
        await get("/api/v1/picos/me/receipts/9", 404)
        await get("/api/v1/picos/nobody", 404)
        block = await get(f"/api/v1/blocks/{receipts[0]['event']}")
        assert b"create" in block.content
        await get("/api/v1/blocks/nonsense", 404)
        logs = await get("/api/v1/picos/me/logs")
        assert "cannot be subtracted" in logs[-1]["message"]
        assert await get("/api/v1/picos/me/logs?rule=nobody") == []
        assert await get("/api/v1/picos/me/logs?before=2") == []
        assert len(await get("/api/v1/picos/me/logs?limit=1")) == 1
        assert (await get("/api/v1/picos"))[0]["trouble"] == "throw"
        trouble = (await get("/api/v1/picos/me"))["trouble"]
        assert trouble["seq"] == 2 and "cannot be subtracted" in trouble["message"]
        await client.event("hi")
        assert (await get("/api/v1/picos"))[0]["trouble"] is None
        proof = await get("/api/v1/picos/me/receipts/3/proof")
        sandbox = open_sandbox(BackendOptions("winch"), None)
        assert audit(proof.content, lambda name: sandbox, CheckedModules()).is_proved
        assert len((await get("/api/v1/picos/me/receipts/3/proof?modules=0")).content) < 9_000
        await get("/api/v1/picos/me/receipts/9/proof", 404)
        metrics = (await client.http.get("/api/v1/metrics")).text
        assert 'picomesh_transitions_total{outcome="throw"} 1' in metrics
        described = await get("/api/v1/openapi.json")
        assert described["openapi"].startswith("3.") and "/api/v1/picos" in described["paths"]
        await get("/api/v1/picos/me/receipts?first=x", 400)

    run(test)


def test_a_pico_is_made_changed_and_deleted_over_the_api(run: Run, internet: Internet) -> None:
    async def test(client: Client) -> None:
        http, admin = client.http, client.admin
        made = await http.post("/api/v1/picos", json={"name": "you"}, headers=admin)
        assert made.status_code == 201
        again = await http.post("/api/v1/picos", json={"name": "you"}, headers=admin)
        assert again.status_code == 409
        moved = await http.put("/api/v1/picos/you/parent", json={"parent": "me"}, headers=admin)
        assert moved.status_code == 200
        shown = (await http.get("/api/v1/picos/me", headers=admin)).json()
        assert [item["pico"] for item in shown["children"]] == [made.json()["pico"]]
        secret = {"url": "file:///etc/passwd"}
        got = await http.post("/api/v1/picos/you/rulesets", json=secret, headers=admin)
        assert got.status_code == 400 and "folder" in got.json()["error"]
        gone = await http.delete("/api/v1/picos/me", headers=admin)
        assert gone.json() == {"deleted": 2}
        assert (await client.event("hi")).status_code == 404

    run(test)


def test_a_disk_that_is_full_fails_requests_and_nothing_that_was_acknowledged(run: Run) -> None:
    async def test(client: Client) -> None:
        def fill(engine: Service) -> None:
            pages = engine.store._rows("PRAGMA page_count")[0][0]
            engine.store._rows(f"PRAGMA max_page_count = {pages + 1}")

        def room(engine: Service) -> None:
            engine.store._rows("PRAGMA max_page_count = 1000000")

        await asyncio.wrap_future(client.worker.call(fill))
        done = [await client.event("hi", text="x" * 5_000) for _ in range(5)]
        assert done[-1].status_code >= 500 and "error" in done[-1].json()
        await asyncio.wrap_future(client.worker.call(room))
        assert (await client.event("hi")).status_code == 200
        good = sum(got.status_code == 200 for got in done) + 1
        assert (await client.query("count")).json() >= good

    run(test)
