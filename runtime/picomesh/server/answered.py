"""An answer, before it is known by which way it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response as HttpResponse

CORS = {"access-control-allow-origin": "*", "access-control-allow-headers": "*"}
JSON = "application/json; charset=utf-8"
_COMMON = b"access-control-allow-origin: *\r\naccess-control-allow-headers: *\r\n"


@dataclass(slots=True)
class Answered:
    """A status, a body and its type, and headers beside those that every answer has."""

    status: int
    body: bytes
    kind: str | None = JSON
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[str, ...] = ()

    def as_response(self) -> HttpResponse:
        response = HttpResponse(self.body, self.status, {**CORS, **dict(self.headers)}, self.kind)
        for cookie in self.cookies:
            response.headers.append("set-cookie", cookie)
        return response

    def as_bytes(self, keep_alive: bool) -> bytes:
        """What the application would send behind the first line and the date."""
        lines = [f"{name}: {value}\r\n" for name, value in self.headers]
        lines.append(f"content-length: {len(self.body)}\r\n")
        if self.kind is not None:
            lines.append(f"content-type: {self.kind}\r\n")
        lines += [f"set-cookie: {cookie}\r\n" for cookie in self.cookies]
        if not keep_alive:
            lines.append("connection: close\r\n")
        return b"%s%s\r\n%s" % (_COMMON, "".join(lines).encode("latin-1"), self.body)
