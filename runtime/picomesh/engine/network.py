"""HTTP as a guest sees it: one request in, one answer out, within limits.

The guest has built the whole request; what comes back is what the reference engine gives to a
rule. Nothing of this happens while a transition runs.
"""

from __future__ import annotations

import email.message
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from picomesh.ledger.value import Value

CONTENT_BYTES_MAX = 512 * 1024  # fits an answer's limit also when every byte becomes three
TIMEOUT_S = 30.0  # of silence
WHOLE_S = 90.0  # for everything: a host that sends a byte now and then ends here
HEADERS_MAX = 256
_SCHEMES = ("http://", "https://")


class NetworkError(Exception):
    """A request that has no answer; the text is for the ruleset's author."""


class Network(Protocol):
    """Carries out requests."""

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]: ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Redirects to where a request may go as well, and to no other scheme."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(_SCHEMES):
            raise NetworkError(f"cannot follow {newurl}: only http and https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Watched:
    """The sockets of one request, which are shut when its time is over."""

    def __init__(self) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []

    def add(self, made: socket.socket) -> None:
        self._sockets.append(made)

    def end(self) -> None:
        self.is_over = True
        for made in self._sockets:
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def handlers(self) -> list[urllib.request.BaseHandler]:
        watched = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                watched.add(self.sock)

        class Secret(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watched.add(self.sock)

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class SecretHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Secret, req)

        return [PlainHandler(), SecretHandler()]


@contextmanager
def _watched(whole_s: float) -> Iterator[_Watched]:
    watched = _Watched()
    timer = threading.Timer(whole_s, watched.end)
    timer.daemon = True
    timer.start()
    try:
        yield watched
    finally:
        timer.cancel()


class UrllibNetwork:
    """The network of this machine."""

    def __init__(self, whole_s: float = WHOLE_S) -> None:
        self._whole_s = whole_s

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        """The answer, also when its status is an error. Raises NetworkError."""
        if not url.lower().startswith(_SCHEMES):
            raise NetworkError(f"cannot request {url}: only http and https")
        data = None if body is None else body.encode("utf-8", "replace")
        with _watched(self._whole_s) as watched:
            try:
                request = urllib.request.Request(url, data, headers, method=method)
                redirects = _OnlyHttp() if follow else _NoRedirect()
                opener = urllib.request.build_opener(redirects, *watched.handlers())
                answer = _open(opener, request)
                if watched.is_over:
                    raise OSError("it took too long")
                return answer
            except (OSError, ValueError, http.client.HTTPException) as problem:
                reason = "it took too long" if watched.is_over else problem
                raise NetworkError(f"request to {url} failed, reason: {reason}") from problem
            except (AttributeError, TypeError) as problem:  # a socket that was shut under it
                raise NetworkError(f"request to {url} failed: {problem}") from problem


def _open(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request
) -> dict[str, Value]:
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return _answer(response.status, response.reason, response.headers, response)
    except urllib.error.HTTPError as problem:
        with problem:
            return _answer(problem.code, problem.reason, problem.headers, problem)


def _answer(
    status: int, reason: str, headers: email.message.Message, body: object
) -> dict[str, Value]:
    read = getattr(body, "read", None)
    content = read(CONTENT_BYTES_MAX + 1) if read is not None else b""
    if len(content) > CONTENT_BYTES_MAX:
        raise NetworkError(f"the answer is longer than {CONTENT_BYTES_MAX} bytes")
    length = headers.get("content-length", "")
    declared = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
    if getattr(body, "length", None):  # what http.client still waits for
        raise NetworkError("the answer ended early")
    named: dict[str, Value] = {}
    for name, value in list(headers.items())[:HEADERS_MAX]:
        named.setdefault(name.lower(), ", ".join(headers.get_all(name, [value])))
    return {
        "content": _text(content, headers.get_content_charset("utf-8")),
        "content_type": named.get("content-type"),
        "content_length": declared,
        "headers": named,
        "status_code": status,
        "status_line": reason,
    }


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):  # a name that nobody knows
        return content.decode("utf-8", "replace")
