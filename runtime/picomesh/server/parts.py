"""Paths whose parts may hold a slash, written `%2F`: it separates nothing.

The server decodes a path before it looks for its route, so a slash that belongs to a part is hidden
from the router and put back into the part afterwards.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

_HIDDEN = "\ue000"  # of a private area: nobody writes it


class Parts:
    """The application, for which an encoded slash is no separator."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            parts = raw.partition(b"?")[0].decode("latin-1").split("/")
            path = "/".join(unquote(part).replace("/", _HIDDEN) for part in parts)
            scope = {**scope, "path": path}
        await self._application(scope, receive, send)


class _Part(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(_HIDDEN, "/")

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("part", _Part())
