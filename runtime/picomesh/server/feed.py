"""What happens, told as it happens: server-sent events for whoever watches.

While nobody watches, the engine takes note of nothing. A receipt is told when it is durable; a
watcher that does not keep up is told that it has missed some, and asks for what it wants to see.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.responses import StreamingResponse

import picomesh
from picomesh.engine.summary import summary_of
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.receipt import Receipt
from picomesh.server.answering import finite
from picomesh.server.given import BadRequest
from picomesh.server.worker import Worker
from picomesh.store.errors import StoreError

WATCHERS_MAX = 64
WAITING_MAX = 1_000  # receipts that one watcher has not read yet
BEAT_S = 15.0  # a sign of life, so that a dead connection is noticed

_Queue = asyncio.Queue[dict[str, Any] | None]


class Feed:
    """Spreads receipts from the engine's thread to the watchers in the server's loop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._queues: set[_Queue] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, request: Request) -> HttpResponse:
        """The stream of one watcher."""
        if len(self._queues) >= WATCHERS_MAX:
            raise BadRequest(503, f"Error: {WATCHERS_MAX} watch already")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(), 200, headers, "text/event-stream")

    def close(self) -> None:
        """Ends every stream, from any thread: a server that stops waits for nobody."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, None)

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        queue: _Queue = asyncio.Queue(WAITING_MAX)
        self._enter(queue)
        try:
            yield _event("hello", {"version": picomesh.__version__})
            while True:
                try:
                    item = await asyncio.wait_for(queue.get(), BEAT_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if item is None:
                    return
                yield _event("missed" if item.get("missed") else "receipt", item)
        finally:
            self._leave(queue)

    def _enter(self, queue: _Queue) -> None:
        self._loop = asyncio.get_running_loop()
        self._queues.add(queue)
        self._worker.watch(self._told)

    def _leave(self, queue: _Queue) -> None:
        self._queues.discard(queue)
        if not self._queues:
            self._worker.watch(None)

    def _told(self, receipts: list[Receipt]) -> None:
        """In the engine's thread, when they are durable."""
        store, loop = self._worker.engine.store, self._loop
        for receipt in receipts:
            with contextlib.suppress(LedgerError, StoreError, RuntimeError):  # the loop is closed
                assert loop is not None, "somebody watches"
                loop.call_soon_threadsafe(self._spread, summary_of(store, receipt))

    def _spread(self, item: dict[str, Any] | None) -> None:
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait({"missed": True})
            queue.put_nowait(item)


def _event(name: str, data: object) -> bytes:
    text = json.dumps(finite(data), separators=(",", ":"))  # ASCII: no line can end early
    return f"event: {name}\ndata: {text}\n\n".encode()
