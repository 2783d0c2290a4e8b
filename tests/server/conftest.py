"""The engine that tests talk to over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from picomesh.engine.answers import Answerer
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.given import Limits
from picomesh.server.run import Address, build_application, load_token
from picomesh.server.worker import Worker
from served import RULESET, Client, Internet


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def internet() -> Iterator[Internet]:
    internet = Internet()
    yield internet
    internet.go.set()


@pytest.fixture
def run(tmp_path: Path, cache: Path, internet: Internet) -> Callable[..., None]:
    """Runs a test's coroutine against a fresh engine."""

    @asynccontextmanager
    async def client(limits: Limits) -> AsyncIterator[Client]:
        options = Options(backend="winch", answerer=Answerer(internet), cache=cache)
        engine = Service.ephemeral(options)
        eci = engine.eci(engine.create("me").pico)
        engine.install_module("me", compile_krl(RULESET), source=RULESET, url="http://x/api.krl")
        worker, token = Worker(engine), load_token(tmp_path)
        application = build_application(worker, Address(limits=limits), token)
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 5))
        async with (
            application.router.lifespan_context(application),
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30) as http,
        ):
            yield Client(worker, http, eci, token)

    def run(test: Callable[[Client], Awaitable[None]], limits: Limits | None = None) -> None:
        async def whole() -> None:
            async with client(limits or Limits()) as made:
                await test(made)

        asyncio.run(whole())

    return run
