"""What does an event cost when its pico keeps ten, or a million keys?

One entity variable is a map of N entries; each event reads and writes one of them, in no order.
The reference keeps a variable as one value and writes all of it for every event, so that it is
measured up to 100,000 entries only, and with fewer calls outstanding. `x` is N. The same thousand
keys come again and again; `first_us` is what an event took picomesh on disk when they came first,
and what lies between them and the root had to be read.

Goals: the processors work at most twice as long for an event at 1,000,000 keys as at 1,000
(`to_thousand`); 300 times the reference at 10,000.

Non-goals: filling the map; `fill_us` says what an entry took, in events of 5,000.

    python bench/keys.py            # the figures of bench/README.md
    python bench/keys.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sides.bench import Row, main_of
from sides.cases import KEYS, Case, fill, source, touches
from sides.comparison import OUTSTANDING, AnySide, figure, measure, same_answers
from sides.given import Given
from sides.processes import OURS, PEER, all_sides
from sides.progress import busy_with

COUNTS, COUNTS_SMALL = (10, 100, 1_000, 10_000, 100_000, 1_000_000), (10, 100)
PEER_KEYS_MAX = 100_000
PEER_OUTSTANDING = {10_000: 8, 100_000: 1}
THOUSAND = 1_000


def filled(sides: Sequence[AnySide], keys: int) -> float:
    """The pico and its map on every side; what an entry took picomesh on disk, in µs."""
    took_s = 0.0
    for side in sides:
        side.ask("create", count=1)
        side.ask("install", source=source("keyed"), picos=[0])
        begun = time.perf_counter()
        for call in fill(keys, whole=side.name == PEER):
            busy_with(f"filling {keys:,} keys: {side.name}")
            side.ask("check", calls=[call])
        took_s = time.perf_counter() - begun if side.name == OURS else took_s
    return 1e6 * took_s / keys


def visited(sides: Sequence[AnySide], case: Case) -> float:
    """Every key once, where that does not take minutes; what an event of it took, in µs."""
    found: dict[str, float] = {
        side.name: side.ask("check", calls=case.calls)["cpu_s"] / len(case.calls)
        for side in sides
        if side.name != PEER
    }
    return round(1e6 * found[OURS], 1)


def measured(keys: int, given: Given) -> Row:
    with all_sides(given, has_peer=keys <= PEER_KEYS_MAX) as sides:
        fill_us = filled(sides, keys)
        case = Case(f"{keys:,} keys", "keyed", touches(keys), checked=20)
        answers = same_answers(sides, case, given.effort)
        first_us = visited(sides, case)
        found = measure(sides, case, OUTSTANDING, given.effort, PEER_OUTSTANDING.get(keys))
        aim = 300 if keys == KEYS else None
        more: Row = {"x": keys, "fill_us": round(fill_us, 1), "first_us": first_us}
        more["hash"] = answers
        return figure(case.label, found, aim, mode="pipelined", **more)


def rows(given: Given) -> Iterator[Row]:
    thousand = 0.0
    for keys in COUNTS_SMALL if given.small else COUNTS:
        if given.wants(f"{keys:,} keys"):
            row = measured(keys, given)
            cpu_us = row["sides"][OURS]["cpu_us"]
            thousand = cpu_us if keys == THOUSAND else thousand
            yield row | ({"to_thousand": round(cpu_us / thousand, 2)} if thousand else {})


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
