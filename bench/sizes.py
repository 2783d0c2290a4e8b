"""What does a larger event cost?

One attribute is a text of N bytes, of which the rule tells the length. `x` is N. The reference
keeps nothing of an event; picomesh writes all of it to disk and commits to its hash.

Goals: a byte costs less than an event's hundredth part: 10,000 bytes are less than twice 10.

Non-goals: events with much structure (events.py has twenty attributes).

    python bench/sizes.py            # the figures of bench/README.md
    python bench/sizes.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import Case, event
from sides.comparison import OUTSTANDING, figure, measure, prepare, same_answers
from sides.given import Given
from sides.processes import all_sides

COUNTS, COUNTS_SMALL = (10, 100, 1_000, 10_000, 100_000, 900_000), (10, 1_000)


def rows(given: Given) -> Iterator[Row]:
    for size in COUNTS_SMALL if given.small else COUNTS:
        label = f"{size:,} bytes"
        if not given.wants(label):
            continue
        payload = ("picomesh " * (size // 9 + 1))[:size]
        case = Case(label, "small", [event("small", "payload", {"payload": payload})], checked=5)
        with all_sides(given) as sides:
            prepare(sides, case)
            answers = same_answers(sides, case, given.effort)
            found = measure(sides, case, OUTSTANDING, given.effort)
        yield figure(label, found, None, mode="pipelined", x=size, hash=answers)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
