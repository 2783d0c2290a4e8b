"""HTTP as a guest sees it: one request in, one answer out, within limits.

The guest has built the whole request; what comes back is what the reference engine gives to a
rule. Nothing of this happens while a transition runs.
"""

from __future__ import annotations

import email.message
import http.client
import urllib.error
import urllib.request
from typing import Protocol

from picomesh.ledger.value import Value

CONTENT_BYTES_MAX = 512 * 1024  # fits an answer's limit also when every byte becomes three
TIMEOUT_S = 30.0
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


class UrllibNetwork:
    """The network of this machine."""

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        """The answer, also when its status is an error. Raises NetworkError."""
        if not url.lower().startswith(_SCHEMES):
            raise NetworkError(f"cannot request {url}: only http and https")
        opener = urllib.request.build_opener(*([] if follow else [_NoRedirect()]))
        data = None if body is None else body.encode("utf-8", "replace")
        try:
            request = urllib.request.Request(url, data, headers, method=method)
            try:
                with opener.open(request, timeout=TIMEOUT_S) as response:
                    return _answer(response.status, response.reason, response.headers, response)
            except urllib.error.HTTPError as problem:
                with problem:
                    return _answer(problem.code, problem.reason, problem.headers, problem)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise NetworkError(f"request to {url} failed, reason: {problem}") from problem


def _answer(
    status: int, reason: str, headers: email.message.Message, body: object
) -> dict[str, Value]:
    read = getattr(body, "read", None)
    content = read(CONTENT_BYTES_MAX + 1) if read is not None else b""
    if len(content) > CONTENT_BYTES_MAX:
        raise NetworkError(f"the answer is longer than {CONTENT_BYTES_MAX} bytes")
    named: dict[str, Value] = {}
    for name, value in list(headers.items())[:HEADERS_MAX]:
        named.setdefault(name.lower(), ", ".join(headers.get_all(name, [value])))
    length = headers.get("content-length", "")
    return {
        "content": content.decode(headers.get_content_charset("utf-8"), "replace"),
        "content_type": named.get("content-type"),
        "content_length": int(length) if length.isascii() and length.isdigit() else None,
        "headers": named,
        "status_code": status,
        "status_line": reason,
    }
