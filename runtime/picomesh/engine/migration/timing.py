"""Which entries of a schedule could never fire here: the same questions the engine asks."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from picomesh.engine.cron import CronError, check_cron
from picomesh.ledger.value import Value


def unfit_entries(schedule: Value, ecis: AbstractSet[str]) -> dict[str, str]:
    """The entries of a schedule that cannot fire, with reasons. `ecis` are the channels there."""
    entries = schedule if isinstance(schedule, dict) else {}
    found = {name: _unfit(entry, ecis) for name, entry in entries.items()}
    return {name: why for name, why in found.items() if why}


def _unfit(entry: Value, ecis: AbstractSet[str]) -> str:
    match entry:
        case {"event": {"eci": str(eci), "domain": str(), "name": str()}} if isinstance(
            entry, dict
        ):
            return _unfit_time(entry) if eci in ecis else f"its channel {eci} is not there"
        case _:
            return "it names no event"


def _unfit_time(entry: dict[str, Value]) -> str:
    match entry:
        case {"type": "at", "time": int() | float()}:
            return ""
        case {"type": "repeat", "timespec": str(timespec)}:
            try:
                check_cron(str(timespec))
            except CronError as problem:
                return str(problem)
            return ""
        case _:
            return "it names no time"
