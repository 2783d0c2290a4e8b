"""The paths of the reference engine, for the clients that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from picomesh.engine import Engine, Response
from picomesh.engine.asking import Asker
from picomesh.engine.delivery import KEY_HEADER
from picomesh.engine.errors import NotFound
from picomesh.ledger.value import Value
from picomesh.server import parts as parts  # registers `part`
from picomesh.server.answering import CORS, EventFailed, error_response, json_response
from picomesh.server.given import BadRequest, Limits, RateLimiter, read_given
from picomesh.server.worker import Worker
from picomesh.transition import Transition

OUTSIDE = ""  # who sends over HTTP is no pico
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {".html": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8"}
# What a ruleset writes is shown as if it came from nowhere: its scripts see no page of ours.
_ALONE = {
    **CORS,
    "content-security-policy": "sandbox allow-scripts allow-forms allow-popups allow-modals",
    "x-content-type-options": "nosniff",
}
KEY_CHARACTERS_MAX = 200
Handler = Callable[[Request], Awaitable[HttpResponse]]


class ReferencePaths:
    """Events and queries over channels."""

    def __init__(self, worker: Worker, limits: Limits, token: str) -> None:
        self._worker = worker
        self._limits = limits
        self._token = token
        self._rates = RateLimiter(limits)

    def routes(self) -> list[Route]:
        paths: list[tuple[str, Handler]] = [
            ("/c/{eci:part}/event/{domain:part}/{name:part}", self._event),
            ("/c/{eci:part}/event-wait/{domain:part}/{name:part}", self._event_wait),
            (
                "/c/{eci:part}/event/{domain:part}/{name:part}/query/{rid:part}/{query:part}",
                self._event_query,
            ),
            ("/c/{eci:part}/query/{rid:part}/{query:part}", self._query),
            ("/sky/event/{eci:part}/{eid:part}/{domain:part}/{name:part}", self._sky_event),
            ("/sky/cloud/{eci:part}/{rid:part}/{query:part}", self._query),
        ]
        return [Route(path, _guarded(handler), methods=METHODS) for path, handler in paths]

    async def _given(self, request: Request) -> dict[str, Value]:
        """What the request brings, but for the engine's own token: no ruleset may see it."""
        self._rates.check(request.path_params["eci"])
        given = await read_given(request, self._limits)
        headers = given["_headers"]
        assert isinstance(headers, dict), "we have made it"
        for name in [name for name, value in headers.items() if self._token in str(value)]:
            del headers[name]
        return given

    def _accept(
        self, request: Request, attrs: dict[str, Value], eid: str | None = None
    ) -> Callable[[Engine], tuple[int | None, str]]:
        """Accepts the event, or says under which eid it was accepted before."""
        eci, domain, name = (request.path_params[key] for key in ("eci", "domain", "name"))
        key = request.headers.get(KEY_HEADER)

        def accept(engine: Engine) -> tuple[int | None, str]:
            known = f"{eci} {key}" if key else None
            seen = None if known is None else engine.store.seen(known)
            if seen is not None:
                return None, seen
            chosen = eid or engine.new_eid()
            arrival = engine.accept(
                _pico(engine, eci),
                domain.strip(),
                name.strip(),
                attrs,
                eci=eci,
                eid=chosen,
                sender=OUTSIDE,
                key=known,
            )
            return arrival, chosen

        if key is not None and len(key) > KEY_CHARACTERS_MAX:
            raise BadRequest(400, "Error: the idempotency key is too long")
        if not domain.strip() or not name.strip():
            raise BadRequest(400, "Error: missing event.domain or event.name")
        return accept

    async def _event(self, request: Request) -> HttpResponse:
        """Accepted and durable: the eid."""
        accept = self._accept(request, await self._given(request))
        _, eid = await asyncio.wrap_future(self._worker.call(accept))
        return json_response(eid)

    async def _run(
        self, request: Request, attrs: dict[str, Value], eid: str | None = None
    ) -> Response:
        accept = self._accept(request, attrs, eid)

        def accept_new(engine: Engine) -> int:
            arrival, seen = accept(engine)
            if arrival is None:
                raise BadRequest(409, f"Error: this event was accepted before, as {seen}")
            return arrival

        response = await asyncio.wrap_future(self._worker.event(accept_new))
        if response.transition.outcome != "ok":
            raise EventFailed(response)
        return response

    async def _event_wait(self, request: Request) -> HttpResponse:
        response = await self._run(request, await self._given(request))
        return json_response({"eid": response.eid, "directives": list(response.directives)})

    async def _sky_event(self, request: Request) -> HttpResponse:
        """As event-wait; directives can set a cookie and redirect."""
        attrs, eid = await self._given(request), request.path_params["eid"]
        if eid != "none":
            attrs["__eid"] = eid
        response = await self._run(request, attrs)
        body = {"eid": response.eid, "directives": list(response.directives)}
        cookies = [_option(item, "cookie") for item in _named(response, "_cookie")]
        target = next((_option(item, "url") for item in _named(response, "_redirect")), None)
        answer = json_response(body) if target is None else _redirect(target)
        for cookie in cookies:
            if cookie is not None and _is_header(cookie):
                answer.headers.append("set-cookie", cookie)
        return answer

    async def _event_query(self, request: Request) -> HttpResponse:
        given = await self._given(request)
        await self._run(request, given)
        return await self._ask(request, given)

    async def _query(self, request: Request) -> HttpResponse:
        return await self._ask(request, await self._given(request))

    async def _ask(self, request: Request, args: dict[str, Value]) -> HttpResponse:
        eci, rid, name = (request.path_params[key] for key in ("eci", "rid", "query"))
        ending = next((end for end in _TYPES if name.endswith(end)), "")
        name = name.removesuffix(ending)

        def run(engine: Engine, asker: Asker) -> Transition:
            pico = _pico(engine, eci)
            return engine.run_query(pico, rid, name, args, eci=eci, sender=OUTSIDE, asker=asker)

        answer = await asyncio.wrap_future(self._worker.query(eci, run))
        if not ending:
            return HttpResponse(b"", 200, CORS) if answer is None else json_response(answer)
        if not isinstance(answer, str):
            raise BadRequest(422, f"TypeError: {name} is no text")
        return HttpResponse(answer.encode("utf-8", "replace"), 200, _ALONE, _TYPES[ending])


def _pico(engine: Engine, eci: str) -> str:
    pico = engine.pico_of(eci)
    if pico is None:
        raise NotFound(f"ECI not found {eci}")
    return pico


def _named(response: Response, name: str) -> list[dict[str, Value]]:
    return [item for item in response.directives if item.get("name") == name]


def _option(directive: dict[str, Value], name: str) -> str | None:
    options = directive.get("options")
    value = options.get(name) if isinstance(options, dict) else None
    return value if isinstance(value, str) else None


def _is_header(text: str) -> bool:
    """Nothing that would end the header or begin another one."""
    return text.isascii() and text.isprintable()


def _redirect(target: str) -> HttpResponse:
    if not _is_header(target):
        raise BadRequest(422, "Error: the redirect is no URL")
    return HttpResponse(b"", 302, {**CORS, "location": target})


def _guarded(handler: Handler) -> Handler:
    async def serve(request: Request) -> HttpResponse:
        if request.method == "OPTIONS":
            allow = {"allow": "POST, GET, OPTIONS", "access-control-allow-methods": "*"}
            return HttpResponse(b"", 200, {**CORS, **allow})
        try:
            return await handler(request)
        except Exception as problem:
            return error_response(problem)

    return serve
