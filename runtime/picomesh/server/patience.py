"""How long a connection may keep the server waiting.

uvicorn waits for ever for the rest of a header, and for a client to read its answer; whoever opens
enough connections and says nothing would keep all others out. A request's body has its own limit of
time (`Limits.body_timeout_s`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from picomesh.server.connection import Connection, refusal

HEADER_S = 10.0  # from the first moment of a connection, or byte of a request, to the header's end
READ_S = 30.0  # for a client that does not read what it asked for
_TOO_SLOW = refusal(408, "the header did not come in time")


class PatientProtocol(Connection):
    """HTTP for clients that get on with it."""

    header_s = HEADER_S
    read_s = READ_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _have_fed(self) -> None:
        if self.is_answering:
            self._have_header()
        else:
            self._expect_header()

    def _expect_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_s, self._header_is_late)

    def _have_header(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_is_late(self) -> None:
        self._header_timer = None
        if not self.is_answering and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.read_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _cancel(self) -> None:
        self._have_header()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
