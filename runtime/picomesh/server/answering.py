"""From what happened to a response: JSON as the reference writes it, and an honest status."""

from __future__ import annotations

import json
import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response as HttpResponse

from picomesh.engine import Response
from picomesh.engine.errors import (
    Conflict,
    NotAllowed,
    NotFound,
    OperatorError,
    Overloaded,
    QueryFailed,
)
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.value import Value
from picomesh.sandbox.interface import EngineFault
from picomesh.server.answered import Answered
from picomesh.server.given import BadRequest
from picomesh.store.errors import StoreError

_PLAIN = frozenset((str, int, bool, type(None)))  # most of what there is stays as it is
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_UNPROCESSABLE = 422  # the ruleset, not the server, could not do it


class EventFailed(Exception):
    """An event whose transition did not end well."""

    def __init__(self, response: Response) -> None:
        done = response.transition
        super().__init__(done.message or done.outcome)
        self.outcome = done.outcome


def json_answer(
    value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Answered:
    return Answered(status, _encode(finite(value)).encode("utf-8", "replace"), headers=headers)


def json_response(value: object, status: int = 200) -> HttpResponse:
    return json_answer(value, status).as_response()


def finite(value: object) -> object:
    """What JSON has no word for is null."""
    if type(value) in _PLAIN:
        return value
    match value:
        case dict():
            return {
                key: item if type(item) in _PLAIN else finite(item) for key, item in value.items()
            }
        case list() | tuple():
            return [item if type(item) in _PLAIN else finite(item) for item in value]
        case float() if not math.isfinite(value):
            return None
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case bytes():
            return value.hex()
    return value


def error_answer(problem: Exception) -> Answered:
    """The answer to a request that could not be served."""
    body: dict[str, Value] = {"error": f"Error: {problem}"}
    match problem:
        case BadRequest():
            status, body = problem.status, {"error": str(problem), **problem.more}
        case NotFound():
            status = 404
        case NotAllowed():
            status = 403
        case Conflict():
            status = 409
        case Overloaded():
            status = 503
        case QueryFailed() | EventFailed():
            status = 404 if _is_missing(str(problem)) else _UNPROCESSABLE
            body["outcome"] = problem.outcome
        case OperatorError():
            status = 400
        case StoreError() | EngineFault():  # this machine, and not the client or the ruleset
            status, body = 503, {"error": "Error: the engine cannot do this now"}
        case LedgerError():
            status = 500
        case _:
            status, body = 500, {"error": "Error: the engine could not carry on"}
    later = status in (429, 503)
    return json_answer(body, status, (("retry-after", "1"),) if later else ())


def error_response(problem: Exception) -> HttpResponse:
    return error_answer(problem).as_response()


async def _not_served(request: Request, problem: Exception) -> HttpResponse:
    """What no route is there for: a path or a method."""
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    text = "no such path" if status == 404 else "not with this method"
    headers = problem.headers if isinstance(problem, HTTPException) else None
    answer = json_answer({"error": f"Error: {text}"}, status, tuple((headers or {}).items()))
    return answer.as_response()


NOT_SERVED = {404: _not_served, 405: _not_served}


def _is_missing(text: str) -> bool:
    return text.startswith("Pico doesn't have ") or "does not have query function" in text
