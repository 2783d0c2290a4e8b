"""When a repeated event is due: cron's five fields, or six with seconds in front, in UTC. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS_AHEAD_MAX = 8  # a 29th of February is at most eight years away


class CronError(Exception):
    """A text that is not a cron expression."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The values that each field allows."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def next_after(self, time_ms: int) -> int | None:
        """The first moment after `time_ms` that matches; None when there is none for years."""
        moment = datetime.fromtimestamp(time_ms // 1000, UTC) + timedelta(seconds=1)
        last = moment.year + _YEARS_AHEAD_MAX
        while moment.year <= last:
            step = self._step(moment)
            if step is None:
                return int(moment.timestamp()) * 1000
            moment = step
        return None

    def _step(self, at: datetime) -> datetime | None:
        """The beginning of the next month, day, hour, minute or second to try; None: it fits."""
        day = at.replace(hour=0, minute=0, second=0)
        if at.month not in self.months:
            first = day.replace(day=1)
            return (first + timedelta(days=32)).replace(day=1)
        if not self._is_day(at):
            return day + timedelta(days=1)
        if at.hour not in self.hours:
            return at.replace(minute=0, second=0) + timedelta(hours=1)
        if at.minute not in self.minutes:
            return at.replace(second=0) + timedelta(minutes=1)
        return None if at.second in self.seconds else at + timedelta(seconds=1)

    def _is_day(self, at: datetime) -> bool:
        """Cron's own rule: when both day fields are restricted, either is enough."""
        by_day, by_weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday


def parse_cron(text: str) -> Cron:
    """Reads a cron expression. Raises CronError."""
    fields = _SHORTHANDS.get(text.strip().lower(), text).split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise CronError(f"{text!r} does not have five or six fields")
    seconds, minutes, hours, days, months, weekdays = (
        _field(field, at) for at, field in enumerate(fields)
    )
    return Cron(
        seconds,
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        any_day=fields[3] in ("*", "?"),
        any_weekday=fields[5] in ("*", "?"),
    )


def _field(text: str, at: int) -> frozenset[int]:
    low, high = _RANGES[at]
    found: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, at) if slash else 1
        if span in ("*", "?"):
            first, last = low, high
        elif "-" in span:
            start, _, end = span.partition("-")
            first, last = _number(start, low, high, at), _number(end, low, high, at)
        else:
            first = _number(span, low, high, at)
            last = high if slash else first
        if first > last:
            raise CronError(f"{part!r} ends before it begins")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, low: int, high: int, at: int) -> int:
    names = {4: _MONTHS, 5: _DAYS}.get(at, [])
    if text in names:
        return names.index(text) + (1 if at == 4 else 0)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise CronError(f"{text!r} is not from {low} to {high}")
    return int(text)
