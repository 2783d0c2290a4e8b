"""Requests over a number of connections, one outstanding on each: what clients of an engine do."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Load:
    """What came of a slice."""

    done: int = 0
    wall_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request, until the time is over."""

    def __init__(self, request: bytes, end: float, load: Load) -> None:
        self.request = request
        self.end = end
        self.load = load
        self.buffer = b""
        self.sent_at = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(_END)
        if not end or len(body) < _length(head):
            return
        assert head.startswith(b"HTTP/1.1 200") and b'"error"' not in body, self.buffer
        self.buffer = b""
        now = time.perf_counter()
        self.load.done += 1
        self.load.waits_s.append(now - self.sent_at)
        if now < self.end:
            self._send()
            return
        self.transport.close()
        self.finished.set_result(None)

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(problem or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    at = head.lower().index(_LENGTH) + len(_LENGTH)
    return int(head[at:].split(b"\r\n", 1)[0])


def run_load(port: int, path: str, connections: int, ms: float) -> Load:
    """The same event again and again on so many connections."""
    return asyncio.run(_run(port, path, connections, ms))


async def _run(port: int, path: str, connections: int, ms: float) -> Load:
    loop = asyncio.get_running_loop()
    load = Load()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode("ascii")
    begun = time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(request, begun + ms / 1000, load), "127.0.0.1", port
        )
        clients.append(client)
    await asyncio.gather(*(client.finished for client in clients))
    load.wall_s = time.perf_counter() - begun
    return load
