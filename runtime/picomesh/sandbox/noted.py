"""Host functions that tell of every call, its answer, and the fuel left when it was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from picomesh.sandbox.interface import HostCalls, Meter
from picomesh.sandbox.recording import Answer

Note: TypeAlias = "Callable[[str, tuple[bytes | int, ...], Answer, int], None]"


class NotedCalls:
    """Like what it lies around; `note` is given function, arguments, answer and fuel left."""

    def __init__(self, inner: HostCalls, meter: Meter, note: Note) -> None:
        self._inner = inner
        self._meter = meter
        self._note = note

    def get(self, path: bytes) -> bytes | None:
        fuel_left, answer = self._meter.fuel, self._inner.get(path)
        self._note("get", (path,), answer, fuel_left)
        return answer

    def put(self, path: bytes, value: bytes) -> None:
        fuel_left = self._meter.fuel
        self._inner.put(path, value)
        self._note("put", (path, value), None, fuel_left)

    def delete(self, path: bytes) -> None:
        fuel_left = self._meter.fuel
        self._inner.delete(path)
        self._note("delete", (path,), None, fuel_left)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        fuel_left, answer = self._meter.fuel, self._inner.scan(prefix, after, limit)
        self._note("scan", (prefix, after, limit), answer, fuel_left)
        return answer

    def emit(self, effect: bytes) -> None:
        fuel_left = self._meter.fuel
        self._inner.emit(effect)
        self._note("emit", (effect,), None, fuel_left)

    def ask(self, question: bytes) -> bytes:
        fuel_left, answer = self._meter.fuel, self._inner.ask(question)
        self._note("ask", (question,), answer, fuel_left)
        return answer

    def call(self, request: bytes) -> bytes:
        fuel_left, answer = self._meter.fuel, self._inner.call(request)
        self._note("call", (request,), answer, fuel_left)
        return answer
