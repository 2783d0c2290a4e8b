"""When a repeated event is due: cron's five fields, or six with seconds in front, in UTC. Pure.

The rules are those of Debian's cron, as the library `cronsim` has them. Only the engine's clock
asks here, never a transition: a release of the library that decides otherwise changes no receipt.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

CRON_CHARACTERS_MAX = (
    256  # a text is the ruleset's, so it is no longer than any that means anything
)
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CronError(Exception):
    """A text that is not a cron expression."""


def check_cron(text: str) -> None:
    """Raises CronError."""
    _iterate(text, datetime(2000, 1, 1, tzinfo=UTC))


def next_after(text: str, time_ms: int) -> int | None:
    """The first moment after `time_ms` that matches; None when there is none for fifty years.

    Raises CronError.
    """
    try:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a clock that is set to nowhere
        return None
    found = _iterate(text, moment)
    try:
        return int(next(found).timestamp()) * 1000
    except (StopIteration, OverflowError):
        return None


def _iterate(text: str, moment: datetime) -> CronSim:
    if len(text) > CRON_CHARACTERS_MAX:
        raise CronError(f"longer than {CRON_CHARACTERS_MAX} characters")
    fields = _SHORTHANDS.get(text.strip().lower(), text).split()
    fields = ["*" if field == "?" else field for field in fields]
    try:
        return CronSim(" ".join(fields), moment)
    except (CronSimError, AssertionError, ValueError) as problem:  # it asserts about odd texts
        raise CronError(f"{text!r}: {problem or 'not a cron expression'}") from problem
