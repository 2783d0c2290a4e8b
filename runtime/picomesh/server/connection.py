"""One connection: requests one after the other, with headers of a limited size.

uvicorn reads with httptools, which has no limit of a header and no patience for requests that come
before the last one is answered. Here what comes too early waits as bytes and is not read on; what
is no HTTP, or can be read in two ways, is refused with an answer in JSON.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADER_BYTES_MAX = 64 * 1024  # of a request's first line and headers, and of a body's trailers
# What is parsed before it is looked whether the request before it is answered. Few requests fit.
SLICE_BYTES = 2 * 1024
_VERSIONS = ("1.1", "1.0")


def refusal(status: int, text: str) -> bytes:
    """An answer after which the connection ends."""
    data = json.dumps({"error": f"Error: {text}"}).encode()
    head = b"content-type: application/json; charset=utf-8\r\nconnection: close\r\n"
    return b"%s%scontent-length: %d\r\n\r\n%s" % (STATUS_LINE[status], head, len(data), data)


_NO_HTTP = refusal(400, "this is no HTTP request")
_TOO_LONG = refusal(431, f"a header has at most {HEADER_BYTES_MAX:,} bytes")


class _Refused(Exception):
    """Ends the parser's work; `Connection._problem` says why."""


class _Flow(FlowControl):
    """Reads nothing more while what was read waits for its turn."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """HTTP for an application, one request at a time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = _parser_for(self)
        self._waiting = b""  # read, and not parsed before the last request is answered
        self._silent_bytes = 0  # that told the parser nothing new
        self._header_bytes = 0
        self._hosts = 0
        self._is_header = False
        self._is_request = False  # has begun and is not complete
        self._is_upgrade = False
        self._problem = _NO_HTTP
        self._last_words = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)

    @property
    def is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # -- bytes

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._waiting:
            self._hold(data)
        else:
            self._feed(data)
            self._have_fed()

    def _feed(self, data: bytes) -> None:
        for at in range(0, len(data), SLICE_BYTES):
            if self.parser is None or self.transport.is_closing():
                return
            if self._waiting or self._last_words or self._is_early():
                self._hold(data[at:])
                return
            self._parse(data[at : at + SLICE_BYTES])

    def _is_early(self) -> bool:
        """Whether the next byte belongs to a request that has to wait."""
        is_body = self._is_request and not self._is_header
        return self.is_answering and (bool(self.pipeline) or not is_body)

    def _have_fed(self) -> None:
        """All that could be parsed is."""

    def _hold(self, data: bytes) -> None:
        self._waiting += data
        self.flow.pause_reading()
        assert isinstance(self.flow, _Flow), "made with the connection"
        self.flow.is_held = True

    def _go_on(self) -> None:
        """Parses what has waited."""
        data, self._waiting = self._waiting, b""
        if not data or self.transport.is_closing():
            return
        assert isinstance(self.flow, _Flow), "made with the connection"
        self.flow.is_held = False
        self._unset_keepalive_if_required()
        self._feed(data)
        self._have_fed()
        if not self._waiting:
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
            self._silent_bytes += len(data)
            if self._silent_bytes > HEADER_BYTES_MAX + SLICE_BYTES:
                self._refuse(_TOO_LONG)
        except httptools.HttpParserUpgrade as found:
            self._stay(data[found.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._problem)

    def _stay(self, rest: bytes) -> None:
        """A client would like another protocol, and gets this one, as if it had not asked.

        httptools takes what follows for the other protocol, also if it is the request's body. So
        the header is parsed once more without the wish.
        """
        self._is_upgrade = False
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(_NO_HTTP)
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % item for item in self.headers if item[0] != b"upgrade"]
        self.parser = _parser_for(self)
        self._parse(b"\r\n".join(lines) + b"\r\n\r\n")
        if not self.transport.is_closing():
            self._feed(rest)

    def _refuse(self, words: bytes) -> None:
        """Says why not and hangs up, but not before an earlier request is answered."""
        self._problem = _NO_HTTP
        if self._is_early():
            if self.pipeline and self._is_request and not self._is_header:
                self.pipeline.popleft()  # the one whose body is broken
            self._last_words = words
            self.flow.pause_reading()
            return
        if not (self.is_answering and self.cycle.response_started):
            self.transport.write(words)
        self.transport.close()

    # -- what the parser finds

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._header_bytes = self._silent_bytes = self._hosts = 0
        self._is_header = self._is_request = True

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if not self._is_header:
            return  # behind a body: nobody looks at it
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def _count(self, size: int) -> None:
        self._silent_bytes = 0
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES_MAX:
            self._problem = _TOO_LONG
            raise _Refused

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        is_named = self._hosts == 1 or (self._hosts == 0 and version == "1.0")
        if version not in _VERSIONS or not is_named or not self.url.isascii():
            raise _Refused
        self._header_bytes = self._silent_bytes = 0
        self._is_upgrade = self.parser.should_upgrade()
        if not self._is_upgrade:
            self._is_header = False
            self.begin()

    def begin(self) -> None:
        """A request whose header is there."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the application looks at
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_upgrade:
            self._is_request = False
            super().on_message_complete()

    # -- answers

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline or self.transport.is_closing():
            return
        if self._last_words:
            self.transport.write(self._last_words)
            self.transport.close()
        elif self._waiting:
            self.loop.call_soon(self._go_on)


def _parser_for(connection: Connection) -> httptools.HttpRequestParser:
    """Strict, but for what comes behind a last request: that is nothing to anybody."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
