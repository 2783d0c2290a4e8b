"""An engine behind a real port, for tests that speak HTTP byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import uvicorn

from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.given import Limits
from picomesh.server.run import Address, build_application
from picomesh.server.straight import StraightProtocol
from picomesh.server.worker import Worker
from served import RULESET

TOKEN = "token" * 4


class Hasty(StraightProtocol):
    """One that waits for nobody."""

    header_s = 0.4
    read_s = 0.4


class Served:
    """An engine that listens."""

    def __init__(self, port: int, eci: str, server: uvicorn.Server) -> None:
        self.port = port
        self.eci = eci
        self.server = server

    async def raw(self, data: bytes, *, more: bytes = b"", after_s: float = 0.0) -> bytes:
        """All that comes back for bytes that are sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer):
            writer.write(data)
            await asyncio.sleep(after_s)
            writer.write(more)
            return await asyncio.wait_for(reader.read(), 20)

    async def get(self, path: str, headers: str = "") -> tuple[int, Any]:
        text = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        return answer(await self.raw(text.encode()))

    async def is_well(self) -> bool:
        return await self.get(f"/c/{self.eci}/query/api/number") == (200, 5)


def answer(data: bytes) -> tuple[int, Any]:
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body or b"null")


@asynccontextmanager
async def listening(
    folder: Path, protocol: type[asyncio.Protocol] = Hasty, limits: Limits | None = None
) -> AsyncIterator[Served]:
    engine = Service.ephemeral(Options(backend="winch", cache=folder))
    eci = engine.eci(engine.create("me").pico)
    engine.install_module("me", compile_krl(RULESET))
    address = Address(limits=limits or Limits(body_timeout_s=0.4))
    config = uvicorn.Config(
        build_application(Worker(engine), address, TOKEN),
        port=0,
        log_level="critical",
        timeout_keep_alive=1,
        http=protocol,
        ws="none",
        limit_concurrency=2_000,
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Served(server.servers[0].sockets[0].getsockname()[1], eci, server)
    finally:
        server.should_exit = True
        await serving
