"""The way past the application answers as the application does, byte for byte."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from listening import TOKEN, Served, listening
from picomesh.server.given import Limits
from picomesh.server.patience import PatientProtocol
from picomesh.server.reference import ReferencePaths
from picomesh.server.straight import StraightProtocol, find

VOLATILE = [
    (rb"date: [^\r]*", b"date: now"),
    (rb'"(eid|txnId)":"[a-z0-9]+"', rb'"\1":"ID"'),
    (rb'^(.*\r\n\r\n)"[a-z0-9]{20,}"$', rb'\1"ID"'),
    (rb"accepted before, as [a-z0-9]+", b"accepted before, as ID"),
]
PATHS = [
    "/c/ECI/event-wait/t/hi",
    "/c/ECI/event-wait/t/hi?a=1&a=2&b=x&c[]=1&empty=&nothing",
    "/c/ECI/event-wait/t/hi?a=%C3%A9+%2B%26&b=%ff&%61=1",
    "/c/ECI/event-wait/t/hi?",
    "/c/ECI/event-wait/t/hi?a=1?b=2",
    "/c/ECI/event-wait/t/hi?__proto__=1&_headers=mine",
    "/c/ECI/event-wait/t/hi#part",
    "/c/ECI/event-wait/t/hi?a=1#part",
    "/c/ECI/event-wait/t/%68i",
    "/c/ECI/%65vent-wait/t/hi",
    "/c/ECI/event-wait/a%2Fb/c%3Fd",
    "/c/ECI/event-wait/t/h%69%0A",
    "/c/ECI/event-wait/%20/hi",
    "/c/ECI/event-wait/t/%00",
    "/c/ECI/event-wait/t/%",
    "/c/ECI/event-wait/t/%ff%fe",
    "/c/ECI/event-wait/t/hi/",
    "/c/ECI/event-wait/t//hi",
    "//c/ECI/event-wait/t/hi",
    "/c/ECI/event-wait/t",
    "/c/ECI/event-wait/t/../hi",
    "/c/ECI/event-wait/t/" + "h" * 3000,
    "/c/nope/event-wait/t/hi",
    "/c/%2F/event-wait/t/hi",
    "/c/ECI/event-wait/t/bad",
    "/c/ECI/event-wait/no/body",
    "/c/ECI/event/t/hi",
    "/c/ECI/event/no/body",
    "/c/nope/event/t/hi",
    "/c/ECI/event/t/hi/query/api/hello?name=ann",
    "/c/ECI/event/t/bad/query/api/hello",
    "/c/ECI/query/api/hello?name=%E2%82%AC",
    "/c/ECI/query/api/number",
    "/c/ECI/query/api/number.txt",
    "/c/ECI/query/api/page.html",
    "/c/ECI/query/api/page.txt",
    "/c/ECI/query/api/nothing",
    "/c/ECI/query/api/boom",
    "/c/ECI/query/api/nope",
    "/c/ECI/query/nope/x",
    "/sky/cloud/ECI/api/hello?name=ann",
    "/sky/cloud/ECI/api",
    "/sky/event/ECI/e1/t/hi?a=1",
    "/sky/event/ECI/none/t/hi",
    "/sky/event/ECI/none/t/cookie?cookie=a%3Db",
    "/sky/event/ECI/none/t/cookie?cookie=a%0D%0Ab",
    "http://x/c/ECI/query/api/number",
    "/api/v1/health",
]
HEADERS = [
    ["X-Upper: Case", "x-twice: 1", "X-Twice: 2", "x-latin: \xe9\xff", "x-empty:"],
    ["x-spaces:  \t a b \t "],
    [f"authorization: Bearer {TOKEN}", f"x-other: {TOKEN}x", "x-mine: 1"],
    ["idempotency-key: " + "k" * 201],
    ["content-length: 0"],
    ["connection: keep-alive, close", "cookie: a=b"],
    ["accept-encoding: gzip", "range: bytes=0-1", "if-none-match: *"],
    ["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: https"],
]
JSON = "content-type: application/json"
BODIES = [
    (JSON, b'{"a": 3, "c": {"d": [true, null, 1.5, 1e300, -0.0, "\\u00e9"]}}'),
    ("Content-Type: Application/JSON; charset=utf-8", b'{"f": 2.0}'),
    (JSON, b"[1, 2]"),
    (JSON, b"5"),
    (JSON, b'"x"'),
    (JSON, b"null"),
    (JSON, b"{bad"),
    (JSON, b'{"a": NaN}'),
    (JSON, b'{"a": 1e999}'),
    (JSON, b'{"a": "\\ud800"}'),
    (JSON, b"\xff\xfe"),
    (JSON, b"[" * 1500),
    (JSON, b'{"a": ' + b"9" * 400 + b"}"),
    (JSON, b"{%s}" % b",".join(b'"k%d":1' % at for at in range(1001))),
    ("content-type: application/x-www-form-urlencoded", b"f=1&g=two+words&f=2&h[]=3"),
    ("content-type: text/xml", b"<x/>"),
    ("content-type: text/xml\r\n" + JSON, b'{"a": 1}'),
    ("x-no: type", b'{"a": 1}'),
]
METHODS = ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]


def requests(eci: str) -> list[bytes]:
    def request(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
        head = [f"{method} {path} HTTP/1.1", "Host: x", *lines, "Connection: close", "", ""]
        return "\r\n".join(head).encode("latin-1").replace(b"ECI", eci.encode()) + body

    event = "/c/ECI/event-wait/t/hi"
    made = [request("GET", path) for path in PATHS]
    made += [request("GET", event, *lines) for lines in HEADERS]
    made += [request(method, event, JSON) for method in METHODS]
    for kind, body in BODIES:
        length = f"content-length: {len(body)}"
        made.append(request("POST", f"{event}?a=1&q=2", kind, length, body=body))
    key = "idempotency-key: once"
    return [*made, request("POST", event, key), request("POST", event, key)]


def settled(data: bytes) -> bytes:
    for pattern, text in VOLATILE:
        data = re.sub(pattern, text, data, flags=re.DOTALL)
    return data


async def answers(served: Served) -> list[tuple[bytes, bytes]]:
    return [(item, settled(await served.raw(item))) for item in requests(served.eci)]


def test_both_ways_answer_the_same_to_good_and_bad_requests(tmp_path: Path) -> None:
    async def whole() -> None:
        found = []
        for protocol in (PatientProtocol, StraightProtocol):
            async with listening(tmp_path, protocol) as served:
                eci = served.eci.encode()
                found.append(
                    [
                        (asked.replace(eci, b"ECI"), got.replace(eci, b"ECI"))
                        for asked, got in await answers(served)
                    ]
                )
        for one, other in zip(*found, strict=True):
            assert one == other
        statuses = {got.split(b" ")[1] for _, got in found[0]}
        assert statuses >= {b"200", b"302", b"307", b"400", b"404", b"405", b"409", b"413", b"422"}

    asyncio.run(whole())


@pytest.mark.parametrize("protocol", [PatientProtocol, StraightProtocol])
def test_a_channel_has_one_measure_by_whichever_way_it_is_used(
    tmp_path: Path, protocol: type[asyncio.Protocol]
) -> None:
    async def whole() -> None:
        limits = Limits(channel_events_per_s=0.01, channel_burst=3)
        async with listening(tmp_path, protocol, limits) as served:
            path = f"/c/{served.eci}/query/api/number"
            done = [(await served.get(path))[0] for _ in range(2)]
            done += [(await served.get(f"{path}#"))[0] for _ in range(2)]
            assert done == [200, 200, 200, 429]
            assert b"retry-after: 1" in await served.raw(f"GET {path} HTTP/1.0\r\n\r\n".encode())

    asyncio.run(whole())


def test_the_usual_paths_go_straight(tmp_path: Path) -> None:
    paths = ReferencePaths(None, Limits(), TOKEN)  # type: ignore[arg-type]  # it is only asked
    for url, handler in (
        (b"/c/e/event-wait/d/n", paths.event_wait),
        (b"/c/e/event/d/n?a=1", paths.event),
        (b"/c/e/query/r/q", paths.query),
        (b"/c/e/event/d/n/query/r/q", paths.event_query),
        (b"/sky/event/e/i/d/n", paths.sky_event),
        (b"/sky/cloud/e/r/q", paths.query),
    ):
        found = find(paths, url)
        assert found is not None and found[0] == handler and found[1].eci == "e"
    for url in (b"/", b"/c/e", b"/c//event/d/n", b"/c/e/event/d/n/", b"/api/v1/health", b"*"):
        assert find(paths, url) is None
