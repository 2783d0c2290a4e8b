"""Starting and stopping: the token's file, the application, uvicorn."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.api import Admission, Api
from picomesh.server.given import Limits
from picomesh.server.reference import ReferencePaths
from picomesh.server.worker import Worker

CONNECTIONS_MAX = 2_000
STOP_S = 10
TOKEN_FILE = "admin.token"  # its name, not its content


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens, and who may administer it."""

    host: str = "127.0.0.1"
    port: int = 3000
    admin_from_anywhere: bool = False
    limits: Limits = field(default_factory=Limits)


class _Server(uvicorn.Server):
    """Stops at SIGTERM and SIGINT, and has then done what it was told: it ends with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        kinds = (signal.SIGTERM, signal.SIGINT)
        before = {kind: signal.signal(kind, self.handle_exit) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def load_token(folder: Path) -> str:
    """The token of a home; a file that only its owner may read. Made when it is not there."""
    path = folder / TOKEN_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    path.chmod(0o600)
    return path.read_text("ascii").strip()


def build_application(worker: Worker, address: Address, token: str) -> Starlette:
    """The application; the worker runs while it does."""

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            worker.stop()

    admission = Admission(token, address.admin_from_anywhere)
    routes = [
        *ReferencePaths(worker, address.limits).routes(),
        *Api(worker, address.limits, admission).routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def serve(folder: Path, options: Options, address: Address) -> None:
    """Serves the engine of a home until it is told to stop."""
    engine = Service.open(folder, options)
    worker = Worker(engine)
    application = build_application(worker, address, load_token(folder))
    config = uvicorn.Config(
        application,
        host=address.host,
        port=address.port,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        server_header=False,
    )
    _Server(config).run()
