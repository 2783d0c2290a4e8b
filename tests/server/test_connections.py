"""Real connections: many, slow, broken ones; each has a clear answer and the engine serves on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from listening import TOKEN, Hasty, Served, answer, listening
from picomesh.server.straight import StraightProtocol

CONNECTIONS = 1_000
Test = Callable[[Served], Awaitable[None]]
Run = Callable[..., None]


class Patient(StraightProtocol):
    """One that waits until a thousand are there."""

    header_s = 60.0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    def run(test: Test, protocol: type[asyncio.Protocol] = Hasty) -> None:
        async def whole() -> None:
            async with listening(tmp_path, protocol) as served:
                await test(served)
                assert await served.is_well()

        asyncio.run(whole())

    yield run


def test_a_thousand_connections_at_once_are_all_answered(run: Run) -> None:
    async def test(served: Served) -> None:
        opened = [
            await asyncio.open_connection("127.0.0.1", served.port) for _ in range(CONNECTIONS)
        ]
        path = f"/c/{served.eci}/query/api/number"
        for _, writer in opened:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        done = [answer(await asyncio.wait_for(reader.read(), 60)) for reader, _ in opened]
        for _, writer in opened:
            writer.close()
        assert len(done) == CONNECTIONS
        assert {status for status, _ in done} <= {200, 503}
        assert all(body == 5 if status == 200 else "error" in body for status, body in done)
        assert sum(status == 200 for status, _ in done) >= CONNECTIONS // 2

    run(test, Patient)


def test_a_connection_that_says_nothing_or_half_a_header_is_closed(
    run: Run,
) -> None:
    async def test(served: Served) -> None:
        started_s = time.monotonic()
        halves = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n"]
        for data in await asyncio.gather(*(served.raw(half) for half in halves)):
            assert answer(data) == (408, {"error": "Error: the header did not come in time"})

        async def drip() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            with closing(writer):
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
                with contextlib.suppress(ConnectionError):
                    for number in range(40):
                        writer.write(b"x-%d: y\r\n" % number)
                        await asyncio.sleep(0.05)
                with contextlib.suppress(ConnectionError):
                    return await reader.read()
                return b""

        await drip()  # bytes now and then are no header: it ends as well
        assert time.monotonic() - started_s < 8

    run(test)


def test_a_second_request_on_a_connection_has_its_own_time(run: Run) -> None:
    async def test(served: Served) -> None:
        path = f"/c/{served.eci}/query/api/number"
        request = f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        both = await served.raw(request, more=request, after_s=0.3)
        assert both.count(b"200 OK") == 2
        half = await served.raw(request, more=b"GET /", after_s=0.1)
        assert half.count(b"200 OK") == 1 and b"408" in half

    run(test)


def test_a_body_that_does_not_come_is_not_waited_for(run: Run) -> None:
    async def test(served: Served) -> None:
        head = f"POST /c/{served.eci}/event-wait/t/hi HTTP/1.1\r\nhost: x\r\n"
        slow = f"{head}content-type: application/json\r\ncontent-length: 50\r\n\r\n".encode()
        assert b" 408 " in await served.raw(slow + b'{"a"')
        huge = f"{head}content-length: 10000000\r\n\r\n".encode()
        assert b" 413 " in await served.raw(huge + b"x" * 1000)
        chunked = f"{head}transfer-encoding: chunked\r\n\r\n".encode()
        endless = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(20))
        assert b" 413 " in await served.raw(chunked + endless)

    run(test)


def test_a_client_that_does_not_read_is_let_go(run: Run) -> None:
    async def test(served: Served) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        path = f"/c/{served.eci}/query/api/hello?name={'x' * 30_000}"
        request = f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(2_000):
                writer.write(request)
                await asyncio.wait_for(writer.drain(), 5)
        writer.close()

    run(test)


NO_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n",
]


def test_what_is_no_http_is_refused(run: Run) -> None:
    async def test(served: Served) -> None:
        for data in NO_HTTP:
            with contextlib.suppress(ConnectionError):  # hung up on, while it still talked
                status = (await served.raw(data)).split(b" ")[1]
                assert status in (b"400", b"431"), data[:60]

    run(test)


def test_path_tricks_have_a_clear_answer(run: Run) -> None:
    async def test(served: Served) -> None:
        paths = [
            "/c/../../../etc/passwd",
            "/..%2f..%2fetc/passwd",
            "/sky/cloud/%00/%00/%00",
            f"/c/{served.eci}%2fevent%2ft%2fhi",
            "//evil.test/c",
            "/api/v1/picos/..%2f..%2fadmin.token",
            "/api/v1/blocks/..%2f..%2fengine.key",
            "/%ff%fe",
            "/api/v1/nothing",
            "/" + "a/" * 5_000,
        ]
        for path in paths:
            status, body = await served.get(path, f"authorization: Bearer {TOKEN}\r\n")
            assert status in (400, 404) and "error" in body, (path, status, body)
        status, body = await served.get("/c/x/event")
        assert (status, body) == (404, {"error": "Error: no such path"})
        text = b"PATCH /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert answer(await served.raw(text)) == (405, {"error": "Error: not with this method"})

    run(test)
