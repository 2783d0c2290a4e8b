"""Routes that only who may administer the engine can use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from picomesh.server.answering import error_response
from picomesh.server.api import Admission

Handler = Callable[[Request], Awaitable[HttpResponse]]


def admitted(admission: Admission, path: str, **handlers: Handler) -> Route:
    """One path whose methods all need the token."""

    async def serve(request: Request) -> HttpResponse:
        try:
            admission.check(request)
            method = "GET" if request.method == "HEAD" else request.method
            return await handlers[method](request)
        except Exception as problem:
            return error_response(problem)

    return Route(path, serve, methods=list(handlers))
