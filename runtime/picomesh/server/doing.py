"""What an operator does to a pico by hand: compile, install, send an event, ask a query.

As everything under `/api/v1` it needs the token. An event or a query that names a channel is
treated like one from outside, by the channel's policy; without one it is the operator's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from picomesh.engine import Engine, Response
from picomesh.engine.asking import Asker
from picomesh.engine.diagnosing import Diagnosed, diagnose
from picomesh.engine.library import MODULE_START
from picomesh.engine.service import Service
from picomesh.engine.summary import summary_of
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.value import Value
from picomesh.manifest import read_manifest
from picomesh.server.admitted import admitted
from picomesh.server.answering import json_response
from picomesh.server.api import Admission, receipt_shown
from picomesh.server.given import BadRequest, Limits, read_body
from picomesh.server.reference import OUTSIDE
from picomesh.server.worker import Worker
from picomesh.transition import Transition

_UNPROCESSABLE = 422
_T = TypeVar("_T")


class Doing:
    """Handlers that change picos, and the compiler."""

    def __init__(self, worker: Worker, limits: Limits, admission: Admission) -> None:
        self._worker = worker
        self._limits = limits
        self._admission = admission
        # One text at a time: the compiler takes a processor, and picos want one as well.
        self._compiling = ThreadPoolExecutor(1, "picomesh compile")

    def close(self) -> None:
        self._compiling.shutdown(wait=False, cancel_futures=True)

    def routes(self) -> list[Route]:
        pico, admission = "/api/v1/picos/{pico}", self._admission
        return [
            admitted(admission, "/api/v1/compile", POST=self._compile),
            admitted(admission, f"{pico}/rulesets", POST=self._install),
            admitted(admission, f"{pico}/events", POST=self._event),
            admitted(admission, f"{pico}/queries", POST=self._query),
        ]

    async def _apart(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._compiling, work)

    # -- rulesets

    async def _compile(self, request: Request) -> HttpResponse:
        """Everything the compiler has to say about a text, or about what is behind a URL."""
        given = await self._json(request)
        source, url = _text(given, "source"), _text(given, "url")
        if source is None and url is None:
            raise BadRequest(400, "Error: there must be a source or a url")
        if source is None:
            assert url is not None, "one of them is there"
            source = await self._apart(lambda: self._fetch(url))
        return json_response(await self._diagnosed(source))

    def _fetch(self, url: str) -> str:
        content = self._worker.engine.library_fetch(url)
        if content.startswith(MODULE_START):
            raise BadRequest(
                _UNPROCESSABLE, "Error: this is a module, and no text to look at", module=True
            )
        return content.decode("utf-8-sig", "replace")

    async def _diagnosed(self, source: str) -> dict[str, Any]:
        found: Diagnosed = await self._apart(lambda: diagnose(source))
        module = found.module
        return {
            "ok": module is not None,
            "rid": None if module is None else read_manifest(module).rid,
            "module": None if module is None else str(cid_of_bytes(module)),
            "bytes": None if module is None else len(module),
            "source": source,
            "diagnostics": found.diagnostics,
        }

    async def _install(self, request: Request) -> HttpResponse:
        """Installs a text, or what is behind a URL."""
        given = await self._json(request)
        source, url, config = _text(given, "source"), _text(given, "url"), _map(given, "config")
        if source is None and url is None:
            raise BadRequest(400, "Error: an install needs a url or a source")
        pico = request.path_params["pico"]
        if source is not None:
            install = await self._compiled(pico, source, url or "", config)
        else:
            assert url is not None, "one of them is there"
            fresh = given.get("fresh") is True
            await self._apart(lambda: self._worker.engine.library_find(url, fresh))

            def install(engine: Service) -> Response:
                return engine.install_from(engine.pico_or_missing(pico), url, config)

        response = await asyncio.wrap_future(self._worker.call(install))
        if response.transition.outcome != "ok":
            done = response.transition
            text = f"Error: {done.message or done.outcome}"
            raise BadRequest(_UNPROCESSABLE, text, outcome=done.outcome)
        return json_response(receipt_shown(response.receipt), 201)

    async def _compiled(
        self, pico: str, source: str, url: str, config: dict[str, Value]
    ) -> Callable[[Service], Response]:
        found = await self._apart(lambda: diagnose(source))
        module = found.module
        if module is None:
            text = "Error: the ruleset does not compile"
            raise BadRequest(_UNPROCESSABLE, text, diagnostics=found.diagnostics)

        def install(engine: Service) -> Response:
            pico_id = engine.pico_or_missing(pico)
            return engine.install_module(pico_id, module, source=source, url=url, config=config)

        return install

    # -- events and queries

    async def _event(self, request: Request) -> HttpResponse:
        """Sends an event and waits for what comes of it, whatever that is."""
        given = await self._json(request)
        domain, name, attrs = _text(given, "domain"), _text(given, "name"), _map(given, "attrs")
        if not domain or not name:
            raise BadRequest(400, "Error: an event needs a domain and a name")
        pico, eci = request.path_params["pico"], _text(given, "eci")

        def accept(engine: Engine) -> int:
            found, sender = self._found(engine, pico), None if eci is None else OUTSIDE
            return engine.accept(found, domain, name, attrs, eci=eci or found, sender=sender)

        response = await asyncio.wrap_future(self._worker.event(accept))
        done = response.transition
        summary = await asyncio.wrap_future(
            self._worker.call(lambda engine: summary_of(engine.store, response.receipt))
        )
        directives = list(response.directives)
        return json_response({**summary, "message": done.message, "directives": directives})

    async def _query(self, request: Request) -> HttpResponse:
        given = await self._json(request)
        rid, name, args = _text(given, "rid"), _text(given, "name"), _map(given, "args")
        if not rid or not name:
            raise BadRequest(400, "Error: a query needs a rid and a name")
        pico, eci = request.path_params["pico"], _text(given, "eci")

        def run(engine: Engine, asker: Asker) -> Transition:
            found, sender = self._found(engine, pico), None if eci is None else OUTSIDE
            return engine.run_query(
                found, rid, name, args, eci=eci or found, sender=sender, asker=asker
            )

        answer = await asyncio.wrap_future(self._worker.query(eci or pico, run))
        return json_response({"answer": answer})

    def _found(self, engine: Engine, pico: str) -> str:
        assert isinstance(engine, Service), "the worker has no other"
        return engine.pico_or_missing(pico)

    async def _json(self, request: Request) -> dict[str, Any]:
        body = await read_body(request, self._limits)
        try:
            value = json.loads(body or b"{}", parse_constant=_refuse)
        except (ValueError, RecursionError) as problem:
            raise BadRequest(400, f"SyntaxError: {problem}") from problem
        if not isinstance(value, dict):
            raise BadRequest(400, "Error: the body must be a map")
        return value


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(400, f"Error: {name} must be a text")
    return value


def _map(given: dict[str, Any], name: str) -> dict[str, Value]:
    value = given.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(400, f"Error: {name} must be a map")
    return value or {}
