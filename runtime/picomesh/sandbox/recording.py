"""A sandbox that writes down what passes between guests and host, message by message.

A guest sees nothing else than its messages and the answers of host functions, so what is written
down here is enough to run each guest again, alone, on any WASM engine: that is what the benches
do. A recording changes nothing that the guest or the receipt could see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from picomesh.sandbox.interface import Guest, HostCalls, Machine, Meter, Program, Sandbox

Answer: TypeAlias = "bytes | list[tuple[bytes, bytes]] | None"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call of a host function, with what it was given and what it answered."""

    function: str
    arguments: tuple[bytes | int, ...]
    answer: Answer


@dataclass(slots=True)
class RecordedMessage:
    """One entry into a guest; `answer` is None when it did not come back."""

    export: str
    message: bytes
    answer: bytes | None = None
    calls: list[RecordedCall] = field(default_factory=list)


@dataclass(slots=True)
class RecordedGuest:
    """The life of one instance."""

    metered: bytes
    messages: list[RecordedMessage] = field(default_factory=list)


class RecordingSandbox:
    """A sandbox whose guests are recorded; `machines` has those of each transition, in order."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.machines: list[list[RecordedGuest]] = []

    @property
    def backend(self) -> str:
        return self._inner.backend

    @property
    def version(self) -> str:
        return self._inner.version

    def load(self, metered: bytes) -> Program:
        return _Program(metered, self._inner.load(metered))

    def machine(self, meter: Meter) -> Machine:
        guests: list[RecordedGuest] = []
        self.machines.append(guests)
        return _Machine(self._inner.machine(meter), guests)


@dataclass(frozen=True, slots=True)
class _Program:
    metered: bytes
    inner: Program


class _Machine:
    def __init__(self, inner: Machine, guests: list[RecordedGuest]) -> None:
        self._inner = inner
        self._guests = guests

    def start(self, program: Program, calls: HostCalls) -> Guest:
        assert isinstance(program, _Program), "loaded by this sandbox"
        record = RecordedGuest(program.metered)
        self._guests.append(record)
        return _Guest(self._inner.start(program.inner, _Calls(calls, record)), record)

    def close(self) -> None:
        self._inner.close()


class _Guest:
    def __init__(self, inner: Guest, record: RecordedGuest) -> None:
        self._inner = inner
        self._record = record

    def describe(self) -> bytes:
        return self._enter("describe", b"", self._inner.describe)

    def handle(self, event: bytes) -> bytes:
        return self._enter("handle", event, lambda: self._inner.handle(event))

    def query(self, request: bytes) -> bytes:
        return self._enter("query", request, lambda: self._inner.query(request))

    def _enter(self, export: str, message: bytes, work: Callable[[], bytes]) -> bytes:
        entry = RecordedMessage(export, message)
        self._record.messages.append(entry)
        entry.answer = work()
        return entry.answer


class _Calls:
    """The host functions of a guest; what they do belongs to the message that it is working on."""

    def __init__(self, inner: HostCalls, record: RecordedGuest) -> None:
        self._inner = inner
        self._record = record

    def _note(self, function: str, arguments: tuple[bytes | int, ...], answer: Answer) -> None:
        self._record.messages[-1].calls.append(RecordedCall(function, arguments, answer))

    def get(self, path: bytes) -> bytes | None:
        answer = self._inner.get(path)
        self._note("get", (path,), answer)
        return answer

    def put(self, path: bytes, value: bytes) -> None:
        self._inner.put(path, value)
        self._note("put", (path, value), None)

    def delete(self, path: bytes) -> None:
        self._inner.delete(path)
        self._note("delete", (path,), None)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        answer = self._inner.scan(prefix, after, limit)
        self._note("scan", (prefix, after, limit), answer)
        return answer

    def emit(self, effect: bytes) -> None:
        self._inner.emit(effect)
        self._note("emit", (effect,), None)

    def ask(self, question: bytes) -> bytes:
        answer = self._inner.ask(question)
        self._note("ask", (question,), answer)
        return answer

    def call(self, request: bytes) -> bytes:
        answer = self._inner.call(request)
        self._note("call", (request,), answer)
        return answer
