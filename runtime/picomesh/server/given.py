"""What a request brings: attributes or arguments from its URL, body and headers, within limits."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from picomesh.ledger.value import Value

_JSON = ("application/json", "application/octet-stream", "application/ssi-agent-wire")
_FORM = "application/x-www-form-urlencoded"
_CHANNELS_MAX = 10_000


class BadRequest(Exception):
    """A request that cannot be served as it is; `status` says why in HTTP's words.

    `more` is what the answer says beside the error.
    """

    def __init__(self, status: int, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status = status
        self.more = more


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request or one channel may bring."""

    body_bytes_max: int = 1024 * 1024
    attributes_max: int = 1_000
    body_timeout_s: float = 20.0
    channel_events_per_s: float = 10_000.0
    channel_burst: float = 20_000.0


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body; never more of it than the limit. Raises BadRequest."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > limits.body_bytes_max:
        raise BadRequest(413, "PayloadTooLargeError: request entity too large")
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for piece in request.stream():
                body += piece
                if len(body) > limits.body_bytes_max:
                    raise BadRequest(413, "PayloadTooLargeError: request entity too large")
    except TimeoutError as problem:
        raise BadRequest(408, "Error: the body did not come in time") from problem
    except ClientDisconnect as problem:
        raise BadRequest(400, "Error: the client went away") from problem
    return bytes(body)


@dataclass(slots=True)
class Asked:
    """A request over a channel: the parts of its path, and what it brings."""

    eci: str
    domain: str = ""
    name: str = ""
    eid: str = ""
    rid: str = ""
    query: str = ""
    text: str = ""  # behind the question mark
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""

    def header(self, wanted: bytes) -> str | None:
        """The first one of this name."""
        for name, value in self.headers:
            if name == wanted:
                return value.decode("latin-1")
        return None


def given_of(asked: Asked, limits: Limits, secret: str) -> dict[str, Value]:
    """Query string, body over it, and `_headers` without those with a secret. Raises BadRequest."""
    given = _fields(asked.text) if asked.text else {}
    if asked.body:
        kind = (asked.header(b"content-type") or "").partition(";")[0].strip().lower()
        if kind in _JSON:
            given |= _from_json(asked.body)
        elif kind == _FORM:
            given |= _fields(asked.body.decode("utf-8", "replace"))
    if len(given) > limits.attributes_max:
        raise BadRequest(413, f"Error: more than {limits.attributes_max} attributes")
    headers: dict[str, str] = {}
    for name, value in asked.headers:
        title, text = name.decode("latin-1"), value.decode("latin-1")
        headers[title] = f"{headers[title]}, {text}" if title in headers else text
    given["_headers"] = {title: text for title, text in headers.items() if secret not in text}
    return given


def _from_json(body: bytes) -> dict[str, Value]:
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(400, f"SyntaxError: {problem or 'nested too deeply'}") from problem
    if isinstance(value, list):
        return {str(at): item for at, item in enumerate(value)}
    if not isinstance(value, dict):
        raise BadRequest(400, "SyntaxError: a body must be a map or an array")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _fields(text: str) -> dict[str, Value]:
    """Texts by name; a name that comes again has an array of texts."""
    found: dict[str, list[Value]] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)
    except ValueError as problem:
        raise BadRequest(413, f"Error: {problem}") from problem
    for name, value in pairs:
        found.setdefault(name.removesuffix("[]"), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def whole_number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > most:
        raise BadRequest(400, f"Error: {name} must be a number from 0 to {most}")
    return int(text)


class RateLimiter:
    """A bucket of tokens for each channel; the channels used longest ago are forgotten."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, eci: str) -> None:
        """Takes a token. Raises BadRequest when there is none."""
        now_s = time.monotonic()
        tokens, then_s = self._buckets.pop(eci, (self._limits.channel_burst, now_s))
        filled = tokens + (now_s - then_s) * self._limits.channel_events_per_s
        tokens = min(filled, self._limits.channel_burst)
        self._buckets[eci] = (max(tokens - 1, 0.0), now_s)
        if len(self._buckets) > _CHANNELS_MAX:
            self._buckets.popitem(last=False)
        if tokens < 1:
            raise BadRequest(429, "Error: too much over this channel")
