"""When repeated events are due: what cron's texts mean, and texts that mean nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picomesh.engine.cron import CronError, next_after


def after(text: str, moment: str) -> str | None:
    time_ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)
    found = next_after(text, time_ms)
    return None if found is None else datetime.fromtimestamp(found / 1000, UTC).isoformat()[:19]


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("*/5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("*/20 * * * * *", "2026-01-01T00:00:00", "2026-01-01T00:00:20"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 12 * * mon-fri", "2026-01-02T13:00:00", "2026-01-05T12:00:00"),
        ("0 0 13 * 5", "2026-02-01T00:00:00", "2026-02-06T00:00:00"),
        ("59 59 23 31 DEC ?", "2026-01-01T00:00:00", "2026-12-31T23:59:59"),
        ("0 0 L * *", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("@daily", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("0 0 * * 7", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("* * */20 * 1L", "2026-01-01T00:00:00", None),
    ],
)
def test_a_text_means_what_cron_says(text: str, moment: str, expected: str | None) -> None:
    assert after(text, moment) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "0 0 30 2 *",
        "1#2/3 * * * *",
        "\u0660 * * * *",
        "9" * 300,
        "1-" + "9" * 200 + " * * * *",
    ],
)
def test_a_text_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        next_after(text, 0)


@given(st.text(alphabet="0123456789*/-,#L?@W aMON", max_size=40), st.integers(-(2**60), 2**60))
def test_whatever_a_ruleset_writes_is_a_time_or_refused_and_soon(text: str, time_ms: int) -> None:
    started_s = time.process_time()
    try:
        found = next_after(text, time_ms)
    except CronError:
        return
    assert found is None or found > time_ms
    assert time.process_time() - started_s < 0.5
