"""Answers to what guests ask: the network, other picos, this pico's record."""

from __future__ import annotations

from picomesh.engine.errors import OperatorError
from picomesh.engine.records import PicoState


class Answerer:
    """Finds answers outside of any transition."""

    def answer(self, state: PicoState, pico: str, rid: str, question: bytes) -> bytes:
        raise OperatorError(f"{rid} asks what this engine cannot answer")
