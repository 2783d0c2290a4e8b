"""The three things that can be run: an event, a query, a module's account of itself."""

from __future__ import annotations

from collections.abc import Sequence

from picomesh.sandbox.interface import GuestStop, Sandbox
from picomesh.transition.attempt import Attempt
from picomesh.transition.model import Circumstances, Event, Query, Ruleset, State, Transition


def run(
    sandbox: Sandbox, state: State, event: Event, rulesets: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Runs one event to its end. Raises NeedsAnswer, and EngineFault when this machine failed."""
    attempt = Attempt(sandbox, state, rulesets, given, may_write=True)
    try:
        attempt.react(event)
    except GuestStop as stop:
        return attempt.result(stop.outcome, str(stop), b"")
    finally:
        attempt.close()
    return attempt.result("ok", "", b"")


def ask(
    sandbox: Sandbox, state: State, query: Query, rulesets: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Runs one query, which can change nothing; its answer is in `Transition.answer`."""
    return _finish(Attempt(sandbox, state, rulesets, given, may_write=False), query)


def describe(
    sandbox: Sandbox, ruleset: Ruleset, others: Sequence[Ruleset], given: Circumstances
) -> Transition:
    """Asks a module for its manifest, as an install does; the answer is in `answer`."""
    attempt = Attempt(sandbox, _NoState(), [ruleset, *others], given, may_write=False)
    return _finish(attempt, None)


def _finish(attempt: Attempt, work: Query | None) -> Transition:
    outcome, message, answer = "ok", "", b""
    try:
        answer = attempt.describe() if work is None else attempt.answer(work)
    except GuestStop as stop:
        outcome, message = stop.outcome, str(stop)
    finally:
        attempt.close()
    return attempt.result(outcome, message, answer)


class _NoState:
    def get(self, path: bytes) -> bytes | None:
        return None

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return []
