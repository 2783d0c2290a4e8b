"""HTTP byte by byte: what is well formed is served, what can be read in two ways is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from listening import Served, answer, listening
from picomesh.server.connection import HEADER_BYTES_MAX, SLICE_BYTES, Connection
from picomesh.server.patience import PatientProtocol
from picomesh.server.straight import StraightProtocol

Test = Callable[[Served], Awaitable[None]]
Run = Callable[[Test], None]


class Slow(PatientProtocol):
    """Everything by the application."""

    header_s = 1.0


class Straight(StraightProtocol):
    """Events and queries past it."""

    header_s = 1.0


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop that an engine has: uvloop's, where there is one."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


@pytest.fixture(params=[(Slow, asyncio.new_event_loop), (Straight, new_loop)], ids=["slow", "fast"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    protocol, factory = request.param

    def run(test: Test) -> None:
        async def whole() -> None:
            async with listening(tmp_path, protocol) as served:
                await test(served)
                assert await served.is_well()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole())

    return run


def get(served: Served, path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET /c/{served.eci}/{path} HTTP/{version}", "host: x", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(served: Served, body: bytes, *headers: str) -> bytes:
    lines = [f"POST /c/{served.eci}/event-wait/t/hi HTTP/1.1", "host: x", *headers]
    lines += ["content-type: application/json", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def events(served: Served) -> Any:
    return (await served.get(f"/c/{served.eci}/query/api/count"))[1]


def options(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data.rpartition(b"\r\n\r\n")[2])["directives"][0]["options"]
    return found


# --- sizes ---


def padded(served: Served, size: int) -> bytes:
    """A request whose target and headers have so many bytes."""
    path = f"/c/{served.eci}/query/api/number"
    fixed = len(path) + len("host" + "x") + len("connection" + "close") + len("pad") + 3 * 4
    return get(served, "query/api/number", "connection: close", f"pad: {'p' * (size - fixed)}")


def test_a_header_of_the_limit_is_read_and_one_byte_more_is_refused(run: Run) -> None:
    async def test(served: Served) -> None:
        assert answer(await served.raw(padded(served, HEADER_BYTES_MAX))) == (200, 5)
        status, body = answer(await served.raw(padded(served, HEADER_BYTES_MAX + 1)))
        assert status == 431 and "65,536 bytes" in body["error"]

    run(test)


ENDLESS = {
    "target": (b"GET /", b"a" * 1000),
    "name": (b"GET / HTTP/1.1\r\nhost: x\r\n", b"n" * 1000),
    "value": (b"GET / HTTP/1.1\r\nhost: x\r\na: ", b"v" * 1000),
    "headers": (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n" * 200),
    "empty headers": (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a:\r\n" * 200),
    "blank lines": (b"", b"\r\n" * 500),
    "extension of a chunk": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"e" * 1000,
    ),
    "trailers": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        b"t: r\r\n" * 200,
    ),
    "trailer": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nt: ",
        b"r" * 1000,
    ),
}


def test_what_never_ends_is_not_kept_and_not_read_on(run: Run) -> None:
    async def test(served: Served) -> None:
        said = await asyncio.gather(*(drip(served, *ENDLESS[what]) for what in ENDLESS))
        for what, text in zip(ENDLESS, said, strict=True):
            # 404: the body of a request that is answered already was not read to its end.
            assert not text or b" 431 " in text or b" 404 " in text, (what, text)

    run(test)


async def drip(served: Served, begun: bytes, more: bytes) -> bytes:
    """What is said to who never comes to an end; nothing if he is hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    with closing(writer), contextlib.suppress(ConnectionError):
        writer.write(begun)
        for _ in range(200):
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)
        return await asyncio.wait_for(reader.read(), 10)
    return b""


# --- one request that is two ---

LENGTH, CHUNKED = "content-length: 5", "transfer-encoding: chunked"
TWO_WAYS = [
    (LENGTH, CHUNKED),
    (CHUNKED, LENGTH),
    (LENGTH, "content-length: 6"),
    (LENGTH, LENGTH),
    ("content-length: 5, 5",),
    ("content-length: +5",),
    ("content-length: -5",),
    ("content-length: 0x5",),
    ("content-length: 5 5",),
    ("content-length:",),
    ("content-length: 99999999999999999999999999",),
    ("transfer-encoding: xchunked",),
    ("transfer-encoding: chunked, identity",),
    ("transfer-encoding: gzip, chunked", LENGTH),
    ("transfer-encoding : chunked",),
    ("transfer-encoding: \x0bchunked",),
    (" transfer-encoding: chunked",),
    ("a: b\r\n " + CHUNKED, LENGTH),
    ("a: b\n" + CHUNKED, LENGTH),
    ("a: b\r" + CHUNKED, LENGTH),
    ("a: b\x00", LENGTH),
    (": nameless", LENGTH),
    ("na me: x", LENGTH),
    ("no colon", LENGTH),
    ("host: y", LENGTH),
]


def test_what_can_be_read_as_two_requests_is_refused_and_happens_not_even_once(run: Run) -> None:
    async def test(served: Served) -> None:
        inside = get(served, "event-wait/t/hi")
        for headers in TWO_WAYS:
            data = post(served, b"5\r\nhello\r\n0\r\n\r\n" + inside, *headers)
            got = await served.raw(data)
            assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1, headers
            assert "error" in answer(got)[1] and b"connection: close" in got
        assert await events(served) == 0

    run(test)


NO_CHUNKS = [
    b"zz\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
]


def test_chunks_that_are_none_are_refused(run: Run) -> None:
    async def test(served: Served) -> None:
        for chunks in NO_CHUNKS:
            got = await served.raw(post(served, chunks, CHUNKED))
            assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1, chunks
        assert await events(served) == 0

    run(test)


def test_the_body_of_who_wants_another_protocol_is_a_body_and_no_request(run: Run) -> None:
    async def test(served: Served) -> None:
        wish = (
            "connection: close, upgrade, http2-settings",
            "upgrade: h2c",
            "http2-settings: AAMA",
        )
        inside = get(served, "event-wait/t/hi")
        for body, header in (
            (b'{"a": 1}', "content-length: 8"),
            (b'8\r\n{"a": 1}\r\n0\r\n\r\n', CHUNKED),
        ):
            data = post(served, body, header, *wish)
            for at in (0, len(data) - len(body), len(data) - 3):
                got = await served.raw(data[:at], more=data[at:] + inside, after_s=0.05)
                assert got.count(b"HTTP/1.1 200") == 1, got
                assert options(got)["a"] == 1 and options(got)["_headers"]["host"] == "x"
        assert await events(served) == 6
        old = get(served, "query/api/number", *wish, version="1.0").replace(b"host: x\r\n", b"")
        assert answer(await served.raw(old)) == (200, 5)
        got = await served.raw(b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n" + inside)
        assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1
        assert await events(served) == 6

    run(test)


def test_a_trailer_is_no_header(run: Run) -> None:
    async def test(served: Served) -> None:
        body = b"2\r\n{}\r\n0\r\nx-evil: 1\r\nhost: evil\r\n\r\n"
        got = await served.raw(post(served, body, CHUNKED, "connection: close"))
        assert options(got)["_headers"].keys() == {
            "host", "transfer-encoding", "connection", "content-type"
        }  # fmt: skip
        assert options(got)["_headers"]["host"] == "x"

    run(test)


def test_who_asks_has_to_be_named_once_and_in_a_version_that_we_speak(run: Run) -> None:
    async def test(served: Served) -> None:
        target = f"/c/{served.eci}/query/api/number".encode()
        ends = b"connection: close\r\n\r\n"
        for data in (
            b"GET %s HTTP/1.1\r\n%s" % (target, ends),
            b"GET %s HTTP/1.1\r\nhost: x\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s HTTP/2.0\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s HTTP/0.9\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s HTTP/9.9\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s\r\nhost: x\r\n%s" % (target, ends),
            b"BREW %s HTTP/1.1\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s?\xc3\xa9 HTTP/1.1\r\nhost: x\r\n%s" % (target, ends),
            b"GET %s\x00 HTTP/1.1\r\nhost: x\r\n%s" % (target, ends),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):
            status, body = answer(await served.raw(data))
            assert status == 400 and "error" in body, data
        old = b"GET %s HTTP/1.0\r\n\r\n" % target
        assert answer(await served.raw(old)) == (200, 5), "it closes without being told"

    run(test)


# --- one request after the other ---


def test_spaces_around_a_value_are_no_part_of_it(run: Run) -> None:
    async def test(served: Served) -> None:
        spaced = ("connection:\t close \t", "x-a:  b \t c \t ", "x-empty: \t ")
        got = options(await served.raw(get(served, "event-wait/t/hi", *spaced)))["_headers"]
        assert got == {"host": "x", "connection": "close", "x-a": "b \t c", "x-empty": ""}

    run(test)


def test_requests_that_come_together_are_answered_in_their_order(run: Run) -> None:
    async def test(served: Served) -> None:
        names = [("event-wait/t/hi", 200), ("query/api/spin", 422), ("query/api/number", 200)]
        names += [("event/t/hi", 200), ("nothing/here", 404), ("query/api/count", 200)]
        data = b"".join(get(served, path) for path, _ in names[:-1])
        got = await served.raw(data + get(served, names[-1][0], "connection: close"))
        statuses = [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [status for _, status in names]
        assert got.endswith(b"\r\n\r\n2") or got.endswith(b"\r\n\r\n1"), "an accepted one may wait"

    run(test)


def test_requests_that_come_too_early_wait_as_bytes_and_all_have_an_answer(run: Run) -> None:
    async def test(served: Served) -> None:
        request, count = get(served, "query/api/number"), 2_000
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with closing(writer):
            writer.write(request * count)
            got, most = b"", 0
            while got.count(b"HTTP/1.1 200") < count:
                got += await asyncio.wait_for(reader.read(1 << 16), 20)
                connections: Any = served.server.server_state.connections
                most = max([most, *(len(item.pipeline) for item in connections)])
            assert most <= SLICE_BYTES // len(request) + 1
            assert all(isinstance(item, Connection) for item in connections)

    run(test)


def test_what_is_no_http_behind_a_good_request_is_refused_behind_its_answer(run: Run) -> None:
    async def test(served: Served) -> None:
        for path in ("query/api/number", "query/api/spin", "event-wait/t/hi"):
            got = await served.raw(get(served, path) + b"\x16\x03\x01nonsense\r\n\r\n")
            first, second = got.split(b"HTTP/1.1 ")[1:]
            assert first[:3] in (b"200", b"422") and second[:3] == b"400"

    run(test)


def test_a_connection_is_kept_or_closed_as_the_client_says(run: Run) -> None:
    async def test(served: Served) -> None:
        number = "query/api/number"
        for request in (
            get(served, number, "connection: close"),
            get(served, number, "connection: Keep-Alive, Close"),
            get(served, number, version="1.0"),
            get(served, number, "connection: keep-alive", version="1.0"),
        ):
            got = await served.raw(request + get(served, number))
            assert got.count(b"HTTP/1.1 200") == 1
            assert b"HTTP/1.0" in request or b"connection: close" in got
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with closing(writer):
            for _ in range(20):
                writer.write(get(served, number))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
                assert b"connection" not in head and await reader.readexactly(1) == b"5"

    run(test)


# --- bodies ---


def test_a_body_is_the_same_however_it_comes(run: Run) -> None:
    async def test(served: Served) -> None:
        sent = [
            post(served, b'{"a": 1}', "content-length: 8", "connection: close"),
            post(served, b'8\r\n{"a": 1}\r\n0\r\n\r\n', CHUNKED, "connection: close"),
            post(served, b'2;x=y\r\n{"\r\n6\r\na": 1}\r\n0\r\n\r\n', CHUNKED, "connection: close"),
        ]
        for data in sent:
            head = data.index(b"\r\n\r\n") + 4
            for at in (len(data), head, head + 1, head - 2, 10):
                got = await served.raw(data[:at], more=data[at:], after_s=0.02)
                assert options(got)["a"] == 1, (data, at)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with closing(writer):
            for at in range(len(sent[1])):
                writer.write(sent[1][at : at + 1])
                await asyncio.sleep(0)
            assert options(await asyncio.wait_for(reader.read(), 5))["a"] == 1

    run(test)


def test_a_body_of_the_limit_comes_through_and_one_byte_more_does_not(run: Run) -> None:
    async def test(served: Served) -> None:
        limit = 1024 * 1024
        for header in (f"content-length: {limit}", CHUNKED):
            body = b'{"a": 1}' + b" " * (limit - 8)
            if header == CHUNKED:
                body = b"%x\r\n%s\r\n0\r\n\r\n" % (limit, body)
            got = await served.raw(post(served, body, header, "connection: close"))
            assert options(got)["a"] == 1
        got = await served.raw(post(served, b"", f"content-length: {limit + 1}"))
        assert b" 413 " in got
        got = await served.raw(post(served, b"%x\r\n%s" % (limit + 1, b" " * limit), CHUNKED))
        assert b" 408 " in got, "the last byte could still be missing"
        data = b"%x\r\n%s\r\n" % (limit + 1, b" " * (limit + 1))
        assert b" 413 " in await served.raw(post(served, data, CHUNKED))

    run(test)


def test_who_waits_to_be_told_to_go_on_is_told_unless_the_body_is_too_large(run: Run) -> None:
    async def test(served: Served) -> None:
        expects = ("expect: 100-continue", "connection: close")
        head = post(served, b"", "content-length: 8", *expects)
        got = await served.raw(head, more=b'{"a": 1}', after_s=0.1)
        assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        assert options(got)["a"] == 1
        got = await served.raw(post(served, b"", "content-length: 9999999", *expects))
        assert got.startswith(b"HTTP/1.1 413 ") and b"100 Continue" not in got

    run(test)


def test_who_goes_away_without_an_answer_keeps_nobody_from_his(run: Run) -> None:
    async def test(served: Served) -> None:
        for data in (
            get(served, "event-wait/t/hi"),
            get(served, "query/api/spin"),
            post(served, b"{", "content-length: 50"),
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(data)
            await writer.drain()
            writer.transport.abort()
            assert await served.is_well()
        while await events(served) != 1:
            await asyncio.sleep(0.02)

    run(test)


def test_a_server_that_stops_answers_what_it_has_begun(run: Run) -> None:
    async def test(served: Served) -> None:
        loops = [get(served, "event-wait/t/loop") for _ in range(3)]
        asked = [asyncio.create_task(served.raw(data)) for data in loops]
        connections: Any = served.server.server_state.connections
        while sum(item.is_answering for item in connections) < len(loops):
            await asyncio.sleep(0.001)
        for connection in list(connections):
            connection.shutdown()
        for got in await asyncio.gather(*asked):
            assert got.startswith(b"HTTP/1.1 422 ") and b"connection: close" in got

    run(test)
