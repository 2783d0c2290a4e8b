"""An engine behind HTTP that a test stops and starts again: it is spoken to by HTTP and nothing
else. Within the process, so that a restart takes no time worth mentioning.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from picomesh.engine.history import verify_home
from picomesh.engine.options import Options
from picomesh.engine.replay import replay
from picomesh.engine.service import Service
from picomesh.engine.system import begin
from picomesh.server.run import Address, build_application, load_token
from picomesh.server.worker import Worker

WRANGLER = "io.picolabs.wrangler"
SUBSCRIPTION = "io.picolabs.subscription"
PDS = "io.picolabs.pds"
WAIT_S = 30.0


class Refused(Exception):
    """An answer that says no."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


class Client:
    """An application that serves as long as this is open, and requests to it."""

    def __init__(self, application: Starlette, token: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(application),
            base_url="http://127.0.0.1",
            headers={"authorization": f"Bearer {token}"},
        )
        lifespan = application.router.lifespan_context(application)
        self._loop.run_until_complete(self._stack.enter_async_context(lifespan))

    def request(self, method: str, path: str, body: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._http.request(method, path, json=body))

    def close(self) -> None:
        self._loop.run_until_complete(self._http.aclose())
        self._loop.run_until_complete(self._stack.aclose())
        self._loop.close()


class Served:
    """One engine and its home."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.files = folder
        self.folder = folder / "home"
        self.options = Options(backend="winch", cache=cache, files=folder)
        self.restarts = 0
        self._start()

    def _start(self) -> None:
        engine = Service.open(self.folder, self.options)
        begin(engine)
        token = load_token(self.folder)
        application = build_application(Worker(engine), Address(), token)
        self._client = Client(application, token)

    def stop(self) -> None:
        self._client.close()

    def restart(self) -> None:
        """Nothing is said to the engine but that it has to end."""
        self.stop()
        self.restarts += 1
        self._start()

    # -- over HTTP

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, body)
        content = answer.json() if answer.content else None
        if answer.status_code >= 400:
            raise Refused(answer.status_code, content)
        return content

    def root(self) -> str:
        """The channel of the root pico, as the reference hands it out."""
        return str(self.ask("GET", "/api/ui-context")["eci"])

    def event(self, eci: str, kind: str, /, **attrs: Any) -> list[Any]:
        """Sends an event and waits for it: the directives."""
        path = f"/c/{eci}/event-wait/{kind.replace(':', '/')}"
        return [*self.ask("POST", path, attrs)["directives"]]

    def query(self, eci: str, rid: str, name: str, /, **args: Any) -> Any:
        return self.ask("POST", f"/c/{eci}/query/{rid}/{name}", args)

    def settle(self) -> None:
        """Until nothing waits to be run."""
        self.until(lambda: self.ask("GET", "/api/v1/health")["waiting"] == 0)

    def until(self, wanted: Any) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not wanted():
            assert time.monotonic() < deadline_s, "it did not come to that"
            time.sleep(0.01)

    def publish(self, name: str, text: str) -> str:
        """A ruleset where the engine may install from; its URL."""
        path = self.files / f"{name}.krl"
        path.write_text(text)
        return path.as_uri()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self.settle()

    # -- when it is over

    def check(self) -> int:
        """Stops; every history is sound, and comes out again on another backend. How many."""
        self.stop()
        with Service.open(self.folder, self.options) as engine:
            assert verify_home(engine.store, engine.public_key).problems == ()
            programs = Options(backend="pulley").programs(self.options.cache)
            picos = engine.store.every_pico()
            for pico, _ in picos:
                done = list(replay(programs, engine.store, engine.store.receipts(pico)))
                assert [item.divergence for item in done] == [None] * len(done), pico
            return len(picos)
