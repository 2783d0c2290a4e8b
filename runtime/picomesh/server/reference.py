"""The paths of the reference engine, for the clients that it has.

What is done with a request does not depend on the way it came: by a route of the application, or
straight from its connection (`straight`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from picomesh.engine import Engine, Response
from picomesh.engine.asking import Asker
from picomesh.engine.delivery import KEY_HEADER
from picomesh.engine.errors import NotFound
from picomesh.ledger.value import Value
from picomesh.server import parts as parts  # registers `part`
from picomesh.server.answered import CORS, Answered
from picomesh.server.answering import EventFailed, error_answer, error_response, json_answer
from picomesh.server.given import Asked, BadRequest, Limits, RateLimiter, given_of, read_body
from picomesh.server.replies import Replies
from picomesh.server.worker import Reply, Worker
from picomesh.transition import Transition

OUTSIDE = ""  # who sends over HTTP is no pico
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {".html": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8"}
# What a ruleset writes is shown as if it came from nowhere: its scripts see no page of ours.
_ALONE = (
    ("content-security-policy", "sandbox allow-scripts allow-forms allow-popups allow-modals"),
    ("x-content-type-options", "nosniff"),
)
KEY_CHARACTERS_MAX = 200
_KEY = KEY_HEADER.lower().encode()
Done = Callable[[Answered], None]
Handler = Callable[[Asked, Done], None]


class ReferencePaths:
    """Events and queries over channels. Handlers are called, and answer, in the server's loop."""

    def __init__(self, worker: Worker, limits: Limits, token: str) -> None:
        self._worker = worker
        self._limits = limits
        self._token = token
        self._rates = RateLimiter(limits)
        self._replies: Replies | None = None

    def routes(self) -> list[Route]:
        paths: list[tuple[str, Handler]] = [
            ("/c/{eci:part}/event/{domain:part}/{name:part}", self.event),
            ("/c/{eci:part}/event-wait/{domain:part}/{name:part}", self.event_wait),
            (
                "/c/{eci:part}/event/{domain:part}/{name:part}/query/{rid:part}/{query:part}",
                self.event_query,
            ),
            ("/c/{eci:part}/query/{rid:part}/{query:part}", self.query),
            ("/sky/event/{eci:part}/{eid:part}/{domain:part}/{name:part}", self.sky_event),
            ("/sky/cloud/{eci:part}/{rid:part}/{query:part}", self.query),
        ]
        return [Route(path, self._route(handler), methods=METHODS) for path, handler in paths]

    def _route(self, handler: Handler) -> Callable[[Request], Any]:
        async def serve(request: Request) -> HttpResponse:
            if request.method == "OPTIONS":
                allow = {"allow": "POST, GET, OPTIONS", "access-control-allow-methods": "*"}
                return HttpResponse(b"", 200, {**CORS, **allow})
            try:
                asked = Asked(**request.path_params)
                self._rates.check(asked.eci)
                asked.text = request.scope["query_string"].decode("latin-1")
                asked.headers = request.scope["headers"]
                asked.body = await read_body(request, self._limits)
            except Exception as problem:
                return error_response(problem)
            future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            self._guarded(handler, asked, lambda answer: _settle(future, answer))
            return (await future).as_response()

        return serve

    def answer(self, handler: Handler, asked: Asked, done: Done) -> None:
        """Has a request answered that is there as a whole."""
        try:
            self._rates.check(asked.eci)
        except BadRequest as problem:
            done(error_answer(problem))
        else:
            self._guarded(handler, asked, done)

    def _guarded(self, handler: Handler, asked: Asked, done: Done) -> None:
        try:
            handler(asked, done)
        except Exception as problem:
            done(error_answer(problem))

    def _then(self, done: Done, work: Callable[[Any], Answered | None]) -> Reply:
        """Answers with what is made of a result; None: somebody else will answer."""

        def told(result: Any, problem: Exception | None) -> None:
            try:
                if problem is not None:
                    raise problem
                answer = work(result)
            except Exception as failure:
                answer = error_answer(failure)
            if answer is not None:
                done(answer)

        if self._replies is None:
            self._replies = Replies(asyncio.get_running_loop(), self._worker)
        self._replies.wake_soon()
        return self._replies.to(told)

    def _given(self, asked: Asked) -> dict[str, Value]:
        """What the request brings, but for the engine's own token: no ruleset may see it."""
        return given_of(asked, self._limits, self._token)

    def _accept(
        self, asked: Asked, attrs: dict[str, Value], eid: str | None = None
    ) -> Callable[[Engine], tuple[int | None, str]]:
        """Accepts the event, or says under which eid it was accepted before."""
        eci, domain, name = asked.eci, asked.domain.strip(), asked.name.strip()
        key = asked.header(_KEY)

        def accept(engine: Engine) -> tuple[int | None, str]:
            known = f"{eci} {key}" if key else None
            seen = None if known is None else engine.store.seen(known)
            if seen is not None:
                return None, seen
            chosen = eid or engine.new_eid()
            pico = _pico(engine, eci)
            arrival = engine.accept(
                pico, domain, name, attrs, eci=eci, eid=chosen, sender=OUTSIDE, key=known
            )
            return arrival, chosen

        if key is not None and len(key) > KEY_CHARACTERS_MAX:
            raise BadRequest(400, "Error: the idempotency key is too long")
        if not domain or not name:
            raise BadRequest(400, "Error: missing event.domain or event.name")
        return accept

    def _run(
        self, asked: Asked, attrs: dict[str, Value], reply: Reply, eid: str | None = None
    ) -> None:
        accept = self._accept(asked, attrs, eid)

        def accept_new(engine: Engine) -> int:
            arrival, seen = accept(engine)
            if arrival is None:
                raise BadRequest(409, f"Error: this event was accepted before, as {seen}")
            return arrival

        self._worker.send(accept_new, reply)

    # -- the handlers

    def event(self, asked: Asked, done: Done) -> None:
        """Accepted and durable: the eid."""
        accept = self._accept(asked, self._given(asked))
        self._worker.ask(accept, self._then(done, lambda found: json_answer(found[1])))

    def event_wait(self, asked: Asked, done: Done) -> None:
        self._run(asked, self._given(asked), self._then(done, _directives))

    def sky_event(self, asked: Asked, done: Done) -> None:
        """As event-wait; directives can set a cookie and redirect."""
        attrs, eid = self._given(asked), asked.eid
        if eid != "none":
            attrs["__eid"] = eid
        self._run(asked, attrs, self._then(done, _cookies_and_directives))

    def event_query(self, asked: Asked, done: Done) -> None:
        given = self._given(asked)

        def ask(response: Response) -> None:
            _check(response)
            self._ask(asked, given, done)

        self._run(asked, given, self._then(done, ask))

    def query(self, asked: Asked, done: Done) -> None:
        self._ask(asked, self._given(asked), done)

    def _ask(self, asked: Asked, args: dict[str, Value], done: Done) -> None:
        eci, rid, name = asked.eci, asked.rid, asked.query
        ending = next((end for end in _TYPES if name.endswith(end)), "")
        name = name.removesuffix(ending)

        def run(engine: Engine, asker: Asker) -> Transition:
            pico = _pico(engine, eci)
            return engine.run_query(pico, rid, name, args, eci=eci, sender=OUTSIDE, asker=asker)

        def show(answer: Value) -> Answered:
            if not ending:
                return Answered(200, b"", None) if answer is None else json_answer(answer)
            if not isinstance(answer, str):
                raise BadRequest(422, f"TypeError: {name} is no text")
            return Answered(200, answer.encode("utf-8", "replace"), _TYPES[ending], _ALONE)

        self._worker.look(eci, run, self._then(done, show))


def _settle(future: asyncio.Future[Answered], answer: Answered) -> None:
    if not future.done():
        future.set_result(answer)


def _pico(engine: Engine, eci: str) -> str:
    pico = engine.pico_of(eci)
    if pico is None:
        raise NotFound(f"ECI not found {eci}")
    return pico


def _check(response: Response) -> None:
    if response.transition.outcome != "ok":
        raise EventFailed(response)


def _directives(response: Response) -> Answered:
    _check(response)
    return json_answer({"eid": response.eid, "directives": response.directives})


def _cookies_and_directives(response: Response) -> Answered:
    answer = _directives(response)
    target = next((_option(item, "url") for item in _named(response, "_redirect")), None)
    if target is not None:
        if not _is_header(target):
            raise BadRequest(422, "Error: the redirect is no URL")
        answer = Answered(302, b"", None, (("location", target),))
    cookies = [_option(item, "cookie") for item in _named(response, "_cookie")]
    answer.cookies = tuple(text for text in cookies if text is not None and _is_header(text))
    return answer


def _named(response: Response, name: str) -> list[dict[str, Value]]:
    return [item for item in response.directives if item.get("name") == name]


def _option(directive: dict[str, Value], name: str) -> str | None:
    options = directive.get("options")
    value = options.get(name) if isinstance(options, dict) else None
    return value if isinstance(value, str) else None


def _is_header(text: str) -> bool:
    """Nothing that would end the header or begin another one."""
    return text.isascii() and text.isprintable()
