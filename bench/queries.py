"""How many queries a second does a pico answer?

A function without state, one entry of a map of 10,000, the same map's number of entries, and a
function that computes. A query leaves no receipt, so nothing of it is made durable: picomesh on
disk and in memory differ only in where the state is read from.

Goals: as many as the reference, which answers in the process that asks (1.0); one key of the large
map 100 times.

Non-goals: HTTP (serving.py).

    python bench/queries.py            # the figures of bench/README.md
    python bench/queries.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import KEYS, Case, entries, fill, query
from sides.comparison import OUTSTANDING, figure, measure, prepare, same_answers
from sides.given import Given
from sides.processes import all_sides


def cases(small: bool) -> list[Case]:
    keys, n = (100, 5) if small else (KEYS, 15)
    greet = query("bench.small", "greet", {"name": "Ada"})
    return [
        Case("no state", "small", [greet], aim=1),
        Case(f"one key of {keys:,}", "keyed", entries(keys), fill(keys), aim=100),
        Case(f"count {keys:,} keys", "keyed", [query("bench.keyed", "size", {})], fill(keys)),
        Case(f"fib({n})", "compute", [query("bench.work", "fib", {"n": n})]),
    ]


def rows(given: Given) -> Iterator[Row]:
    for case in cases(given.small):
        if given.wants(case.label):
            with all_sides(given) as sides:
                prepare(sides, case)
                answers = same_answers(sides, case, given.effort)
                found = measure(sides, case, OUTSTANDING, given.effort)
            yield figure(case.label, found, case.aim, mode="query", hash=answers)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
