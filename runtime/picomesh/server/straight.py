"""Events and queries straight from a connection to the engine, past the application.

Most of what comes is small and comes as a whole: for that, a task, a scope and a route cost more
than the event does. What is larger, comes in pieces, is asked in an unusual way or too early goes
to the application as everything else does; both ways lead to the same handlers.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from picomesh.server.answered import Answered
from picomesh.server.given import Asked
from picomesh.server.patience import PatientProtocol
from picomesh.server.reference import Handler, ReferencePaths

_METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE")
_BEGINNINGS = (b"/c/", b"/sky/")


class _NobodyWaits:
    """In the place of the event by which a task of uvicorn hears of more."""

    def set(self) -> None:
        pass


class _Exchange:
    """In the place of uvicorn's cycle: a request that is answered at once and as a whole."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    message_event = _NobodyWaits()
    response_started = False

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


class StraightProtocol(PatientProtocol):
    """A connection that knows the paths of events and queries."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._paths: ReferencePaths = self.config.app.state.reference  # type: ignore[union-attr]
        self._asked: tuple[Handler, Asked] | None = None
        self._body: list[bytes] = []

    def begin(self) -> None:
        if not self._is_usual() or (found := find(self._paths, self.url)) is None:
            super().begin()
            return
        found[1].headers = self.headers
        self._asked, self._body = found, []

    def _is_usual(self) -> bool:
        """Whether nobody has to wait: for his turn, for a client that reads, for fewer others."""
        most = self.limit_concurrency
        return (
            self.parser.get_method() in _METHODS
            and not (self.is_answering or self.expect_100_continue or self.flow.write_paused)
            and (most is None or max(len(self.connections), len(self.tasks)) < most)
        )

    def on_body(self, body: bytes) -> None:
        if self._asked is None:
            super().on_body(body)
        else:
            self._silent_bytes = 0
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._asked is None or self._is_upgrade:
            super().on_message_complete()
            return
        self._is_request = False
        (handler, asked), self._asked = self._asked, None
        asked.body = b"".join(self._body)
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        exchange = _Exchange(keep_alive)
        self.cycle = exchange  # type: ignore[assignment]
        self._paths.answer(handler, asked, lambda answer: self._send(exchange, answer))

    def _have_fed(self) -> None:
        """What has not come as a whole by now is read by the application."""
        if self._asked is not None and not self.transport.is_closing():
            self._asked = None
            super().begin()
            for piece in self._body:
                super().on_body(piece)
        super()._have_fed()

    def _send(self, exchange: _Exchange, answer: Answered) -> None:
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        lines = [STATUS_LINE[answer.status]]
        lines += [b"%s: %s\r\n" % item for item in self.server_state.default_headers]
        rest = answer.as_bytes(exchange.keep_alive)
        self.transport.write(b"".join(lines) + rest)
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


def find(paths: ReferencePaths, url: bytes) -> tuple[Handler, Asked] | None:
    """The handler for a target and what its path says; None: not one of these, or not as usual."""
    if not url.startswith(_BEGINNINGS) or b"#" in url:
        return None
    path, _, text = url.decode("ascii").partition("?")
    parts = path.split("/")
    if "" in parts[1:]:
        return None
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts:
        case ["", "c", eci, "event-wait", domain, name]:
            return paths.event_wait, Asked(eci, domain, name, text=text)
        case ["", "c", eci, "event", domain, name]:
            return paths.event, Asked(eci, domain, name, text=text)
        case ["", "c", eci, "query", rid, query] | ["", "sky", "cloud", eci, rid, query]:
            return paths.query, Asked(eci, rid=rid, query=query, text=text)
        case ["", "sky", "event", eci, eid, domain, name]:
            return paths.sky_event, Asked(eci, domain, name, eid, text=text)
        case ["", "c", eci, "event", domain, name, "query", rid, query]:
            return paths.event_query, Asked(eci, domain, name, "", rid, query, text)
    return None
