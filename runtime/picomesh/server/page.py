"""The developer's page: static files at `/`, which a browser runs under a strict policy.

The files hold no secrets, so everybody may read them; what they show, they ask of `/api/v1` with
the engine's token. Nothing but these files may run in the page, and nothing may frame it.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-cache",
}
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_routes() -> list[Route]:
    """`/` and what it loads; the files are read once."""
    found = {item.name: item.read_bytes() for item in files(__package__).joinpath("page").iterdir()}

    async def index(request: Request) -> HttpResponse:
        return _file(request, "index.html", found)

    async def part(request: Request) -> HttpResponse:
        return _file(request, request.path_params["name"], found)

    return [Route("/", index, methods=["GET"]), Route("/page/{name}", part, methods=["GET"])]


def _file(request: Request, name: str, found: dict[str, bytes]) -> HttpResponse:
    data, kind = found.get(name), _TYPES.get(name.rpartition(".")[2])
    if data is None or kind is None:
        return HttpResponse("there is no such file\n", 404, _HEADERS, "text/plain")
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**_HEADERS, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return HttpResponse(b"", 304, headers)
    return HttpResponse(data, 200, headers, kind)
