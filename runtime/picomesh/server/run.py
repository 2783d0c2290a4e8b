"""Starting and stopping: the token's file, the application, uvicorn."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.engine.system import begin
from picomesh.server.answering import NOT_SERVED
from picomesh.server.api import Admission, Api
from picomesh.server.doing import Doing
from picomesh.server.feed import Feed
from picomesh.server.given import Limits
from picomesh.server.looker import Looker
from picomesh.server.looking import Looking
from picomesh.server.page import page_routes
from picomesh.server.parts import Parts
from picomesh.server.reference import ReferencePaths
from picomesh.server.straight import StraightProtocol
from picomesh.server.worker import Worker

CONNECTIONS_MAX = 2_000
STOP_S = 10
FILES_MIN = 2 * CONNECTIONS_MAX
TOKEN_FILE = "admin.token"  # its name, not its content
TOKEN_CHARACTERS_MIN = 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens, and who may administer it."""

    host: str = "127.0.0.1"
    port: int = 3000
    admin_from_anywhere: bool = False
    limits: Limits = field(default_factory=Limits)


class _Server(uvicorn.Server):
    """Stops at SIGTERM and SIGINT, and has then done what it was told: it ends with 0."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None], feed: Feed) -> None:
        super().__init__(config)
        self._ready = ready
        self._feed = feed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        listening = [item.getsockname()[1] for server in self.servers for item in server.sockets]
        if listening:
            self._ready(listening[0])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Pages that watch would else be waited for."""
        super().handle_exit(sig, frame)
        self._feed.close()

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
    """The token of a home; a file that only its owner may read. Made when it is not there.

    It is complete before it has its name: half a token, or none, would let everybody in.
    """
    path = folder / TOKEN_FILE
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
        token = path.read_text("utf-8", "replace").strip()
        if len(token) >= TOKEN_CHARACTERS_MIN:
            return token
    return _make_token(path)


def _make_token(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    temporary = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return token


def _allow_many_files() -> None:
    """As many connections as we serve at once, where the system's own limit is higher."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES_MIN if most == resource.RLIM_INFINITY else min(FILES_MIN, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def build_application(worker: Worker, address: Address, token: str) -> Starlette:
    """The application; the worker runs while it does."""

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            feed.close()
            looker.close()
            doing.close()
            worker.stop()

    admission = Admission(token, address.admin_from_anywhere)
    doing = Doing(worker, address.limits, admission)
    looker, feed = Looker(worker), Feed(worker)
    reference = ReferencePaths(worker, address.limits, token)
    routes = [
        *page_routes(),
        *reference.routes(),
        *Api(worker, address.limits, admission).routes(),
        *doing.routes(),
        *Looking(worker, admission, looker, feed).routes(),
    ]
    application = Starlette(routes=routes, lifespan=lifespan, exception_handlers=NOT_SERVED)
    application.add_middleware(Parts)
    application.state.feed = feed
    application.state.reference = reference
    return application


def serve(
    folder: Path,
    options: Options,
    address: Address,
    ready: Callable[[int, str], None] = lambda port, token: None,
) -> None:
    """Serves the engine of a home until it is told to stop.

    `ready` is told the port and the token once requests are answered.
    """
    _allow_many_files()
    engine = Service.open(folder, options)
    begin(engine)
    worker, token = Worker(engine), load_token(folder)
    application = build_application(worker, address, token)
    gc.freeze()  # what is loaded stays: Python need not look for garbage in it again and again
    config = uvicorn.Config(
        application,
        host=address.host,
        port=address.port,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        server_header=False,
        http=StraightProtocol,
        ws="none",
    )
    _Server(config, lambda port: ready(port, token), application.state.feed).run()
