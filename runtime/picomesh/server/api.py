"""`/api/v1`: picos, their state, receipts, logs and blocks, for whoever operates the engine.

Everything but health, metrics and the description needs the token, and comes from this machine
unless the operator said otherwise.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

import picomesh
from picomesh.engine import Response
from picomesh.engine.errors import NotFound
from picomesh.engine.family import channels_of, children_of, parent_of
from picomesh.engine.logs import Wanted, logs_of, merge_lines
from picomesh.engine.service import Service
from picomesh.engine.system import ROOT_NAME
from picomesh.ledger.cid import parse_cid
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.value import decode_value
from picomesh.server.answering import error_response, json_response
from picomesh.server.given import BadRequest, Limits, read_body, whole_number
from picomesh.server.openapi import describe_api
from picomesh.server.worker import Worker

PAGE_MAX = 1_000
LOG_RECEIPTS_MAX = 5_000  # that are looked through for one page of logs
_LOOPBACK = ("127.0.0.1", "::1", "testclient")


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may administer."""

    token: str
    from_anywhere: bool = False

    def check(self, request: Request) -> None:
        host = "" if request.client is None else request.client.host
        if not self.from_anywhere and host not in _LOOPBACK:
            raise BadRequest(403, "Error: this engine is administered from its own machine")
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            raise BadRequest(401, "Error: this needs the header `Authorization: Bearer TOKEN`")


class Api:
    """The handlers of /api."""

    def __init__(self, worker: Worker, limits: Limits, admission: Admission) -> None:
        self._worker = worker
        self._limits = limits
        self._admission = admission

    def routes(self) -> list[Route]:
        pico = "/api/v1/picos/{pico}"
        return [
            Route("/api/v1/health", self._open(self._health)),
            Route("/api/v1/metrics", self._open(self._metrics)),
            Route("/api/v1/openapi.json", self._open(self._description)),
            self._route("/api/v1/picos", GET=self._picos, POST=self._create),
            self._route(pico, GET=self._pico, DELETE=self._delete),
            self._route(f"{pico}/state", GET=self._state),
            self._route(f"{pico}/receipts", GET=self._receipts),
            self._route(f"{pico}/receipts/{{seq:int}}", GET=self._receipt),
            self._route(f"{pico}/logs", GET=self._logs),
            self._route(f"{pico}/parent", PUT=self._adopt),
            self._route(f"{pico}/rulesets/{{rid}}", DELETE=self._uninstall),
            self._route("/api/v1/blocks/{cid}", GET=self._block),
            self._route("/api/ui-context", GET=self._ui_context),
            self._route("/api/flush", GET=self._flush, POST=self._flush),
        ]

    def _route(self, path: str, **handlers: _Handler) -> Route:
        """One path whose methods all need the token."""

        async def serve(request: Request) -> HttpResponse:
            try:
                self._admission.check(request)
                method = "GET" if request.method == "HEAD" else request.method
                return await handlers[method](request)
            except Exception as problem:
                return error_response(problem)

        return Route(path, serve, methods=list(handlers))

    def _open(self, handler: _Handler) -> _Handler:
        async def serve(request: Request) -> HttpResponse:
            try:
                return await handler(request)
            except Exception as problem:
                return error_response(problem)

        return serve

    async def _ask(self, work: Callable[[Service], Any]) -> Any:
        return await asyncio.wrap_future(self._worker.call(work))

    # -- open to all

    async def _health(self, request: Request) -> HttpResponse:
        if not self._worker.is_alive:
            return json_response({"status": "stopped"}, 503)

        def look(engine: Service) -> dict[str, object]:
            return {
                "status": "ok",
                "version": picomesh.__version__,
                "waiting": engine.store.waiting_count(),
                "faults": self._worker.counts.faults,
            }

        return json_response(await self._ask(look))

    async def _metrics(self, request: Request) -> HttpResponse:
        text = await self._ask(self._worker.counts.as_text)
        return HttpResponse(text, 200, media_type="text/plain; version=0.0.4")

    async def _description(self, request: Request) -> HttpResponse:
        return json_response(describe_api())

    # -- picos

    async def _picos(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> list[dict[str, object]]:
            troubles = engine.troubles()
            return [
                {
                    "pico": pico,
                    "name": name,
                    "trouble": troubles[pico].outcome if pico in troubles else None,
                }
                for pico, name in engine.store.picos()
            ]

        return json_response(await self._ask(look))

    async def _create(self, request: Request) -> HttpResponse:
        given = await self._json(request)
        name = given.get("name", "")
        if not isinstance(name, str):
            raise BadRequest(400, "Error: name must be a text")

        def create(engine: Service) -> dict[str, object]:
            pico = engine.create(name).pico
            return {"pico": pico, "name": name, "eci": engine.eci(pico)}

        return json_response(await self._ask(create), 201)

    async def _pico(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> dict[str, object]:
            pico = engine.pico_or_missing(request.path_params["pico"])
            state, last = engine.state(pico), engine.store.recorded_head(pico)
            parent, trouble = parent_of(state), engine.troubles().get(pico)
            return {
                "pico": pico,
                "eci": engine.eci(pico),
                "seq": last,
                "root": str(state.root),
                "trouble": None if trouble is None else trouble.as_value(),
                "fault": self._worker.faults.get(pico),
                "parent": None if parent is None else parent.pico,
                "children": [
                    {"pico": child.pico, "eci": child.eci} for child in children_of(state)
                ],
                "channels": channels_of(state, pico),
                "rulesets": [
                    {"rid": item.rid, "url": item.url, "module": str(item.raw)}
                    for item in state.rulesets()
                ],
            }

        return json_response(await self._ask(look))

    async def _delete(self, request: Request) -> HttpResponse:
        def delete(engine: Service) -> int:
            return engine.delete(engine.pico_or_missing(request.path_params["pico"]))

        return json_response({"deleted": await self._ask(delete)})

    async def _adopt(self, request: Request) -> HttpResponse:
        given = await self._json(request)
        parent = given.get("parent")
        if not isinstance(parent, str):
            raise BadRequest(400, "Error: parent must be the id or name of a pico")

        def adopt(engine: Service) -> str:
            pico = engine.pico_or_missing(request.path_params["pico"])
            engine.adopt(pico, engine.pico_or_missing(parent))
            return pico

        return json_response({"pico": await self._ask(adopt), "parent": parent})

    async def _state(self, request: Request) -> HttpResponse:
        prefix = request.query_params.get("prefix", "").encode()
        after = request.query_params.get("after", "").encode()
        limit = whole_number(request, "limit", 100, PAGE_MAX)

        def look(engine: Service) -> list[dict[str, object]]:
            state = engine.state(engine.pico_or_missing(request.path_params["pico"]))
            return [
                {"path": path.decode("utf-8", "replace"), "value": _shown(path, data)}
                for path, data in state.scan(prefix, after, limit)
            ]

        return json_response(await self._ask(look))

    async def _receipts(self, request: Request) -> HttpResponse:
        first = whole_number(request, "first", 0, 2**53)
        limit = whole_number(request, "limit", 100, PAGE_MAX)

        def look(engine: Service) -> list[dict[str, object]]:
            pico = engine.pico_or_missing(request.path_params["pico"])
            return [receipt_shown(item) for item in engine.log(pico, first, first + limit - 1)]

        return json_response(await self._ask(look))

    async def _receipt(self, request: Request) -> HttpResponse:
        seq = request.path_params["seq"]

        def look(engine: Service) -> dict[str, object]:
            pico = engine.pico_or_missing(request.path_params["pico"])
            last = engine.store.recorded_head(pico)
            if last is None or seq > last:
                raise NotFound(f"this pico has no receipt {seq}")
            return receipt_shown(engine.receipt(pico, seq))

        return json_response(await self._ask(look))

    async def _logs(self, request: Request) -> HttpResponse:
        """The newest lines, oldest first; `before` goes on further back."""
        given = request.query_params
        wanted = Wanted(
            whole_number(request, "since", 0, 2**53),
            given.get("rid", ""),
            given.get("rule", ""),
            whole_number(request, "before", 2**53, 2**53),
            max(whole_number(request, "limit", PAGE_MAX, PAGE_MAX), 1),
            LOG_RECEIPTS_MAX,
        )

        def look(engine: Service) -> list[dict[str, Any]]:
            pico = engine.pico_or_missing(request.path_params["pico"])
            lines = logs_of(engine.store, pico, wanted)
            if "before" not in given:  # queries have no receipt, so they are at the newest end
                lines = merge_lines(lines, engine.query_lines.of(pico, wanted))
            return [line.as_value() for line in lines[-(wanted.lines_max or PAGE_MAX) :]]

        return json_response(await self._ask(look))

    # -- rulesets

    async def _uninstall(self, request: Request) -> HttpResponse:
        def uninstall(engine: Service) -> Response:
            pico = engine.pico_or_missing(request.path_params["pico"])
            return engine.uninstall(pico, request.path_params["rid"])

        response = await self._ask(uninstall)
        return json_response(receipt_shown(response.receipt))

    async def _flush(self, request: Request) -> HttpResponse:
        url = request.query_params.get("url", "")
        await asyncio.to_thread(self._worker.engine.library_find, url, True)
        found = await self._ask(lambda engine: engine.flush(url))
        return json_response(found)

    async def _ui_context(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> dict[str, object]:
            picos = engine.store.picos()
            root = engine.store.pico_called(ROOT_NAME) or (picos[0][0] if picos else None)
            eci = None if root is None else engine.eci(root)
            return {"version": picomesh.__version__, "eci": eci}

        return json_response(await self._ask(look))

    async def _block(self, request: Request) -> HttpResponse:
        try:
            cid = parse_cid(request.path_params["cid"])
            data = await self._ask(lambda engine: engine.store.block(cid))
        except (CodecError, MissingBlock) as problem:
            raise BadRequest(404, f"Error: {problem}") from problem
        return HttpResponse(data, 200, media_type="application/octet-stream")

    async def _json(self, request: Request) -> dict[str, Any]:
        body = await read_body(request, self._limits)
        try:
            value = json.loads(body or b"{}")
        except (ValueError, RecursionError) as problem:
            raise BadRequest(400, f"SyntaxError: {problem}") from problem
        if not isinstance(value, dict):
            raise BadRequest(400, "SyntaxError: the body must be a map")
        return value


_Handler = Callable[[Request], Awaitable[HttpResponse]]


def _shown(path: bytes, data: bytes) -> object:
    """Values as JSON; what is a block and no value, as its bytes in hex."""
    try:
        return data.hex() if path.startswith(b"pico/rulesets/") else decode_value(data)
    except CodecError:
        return data.hex()


def receipt_shown(receipt: Receipt) -> dict[str, object]:
    core, envelope = receipt.core, receipt.envelope
    return {
        "cid": str(receipt.cid),
        "seq": core.seq,
        "prev": None if core.prev is None else str(core.prev),
        "kind": core.kind,
        "time": core.time,
        "event": str(core.event),
        "pre": str(core.pre),
        "post": str(core.post),
        "outcome": core.outcome,
        "fuel": core.fuel,
        "writes": len(core.writes),
        "engine": envelope.engine.hex(),
        "backend": envelope.backend,
        "core": receipt.core_bytes.hex(),
        "envelope": receipt.envelope_bytes.hex(),
    }
