"""What does an event cost on an engine of one, or of ten thousand picos?

Every pico has the counter. Events go to the newest pico, and to all picos in turn, 64 outstanding.
`x` is the number of picos.

Goals: the cost of an event does not grow with the number of picos, but for what no cache holds.

Non-goals: making the picos (installing.py), the memory that they take (memory.py).

    python bench/picos.py            # the figures of bench/README.md
    python bench/picos.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import Case, event, source
from sides.comparison import OUTSTANDING, figure, measure, same_answers
from sides.given import Given
from sides.processes import all_sides

COUNTS, COUNTS_SMALL = (1, 10, 100, 1_000, 10_000), (1, 3)


def measured(picos: int, given: Given) -> Iterator[Row]:
    with all_sides(given) as sides:
        for side in sides:
            side.ask("create", count=picos)
            side.ask("install", source=source("counter"), picos=list(range(picos)))
        clear = [event("counter", "clear", pico=at) for at in range(picos)]
        for mode, ones in (("the newest", [picos - 1]), ("all in turn", range(picos))):
            for side in sides:  # the slices before did not send each side as many events
                side.ask("check", calls=clear)
            calls = [event("counter", "count", pico=at) for at in ones]
            case = Case(f"{picos:,} picos", "counter", calls, checked=20)
            answers = same_answers(sides, case, given.effort)
            found = measure(sides, case, OUTSTANDING, given.effort)
            yield figure(case.label, found, None, mode=mode, x=picos, hash=answers)


def rows(given: Given) -> Iterator[Row]:
    for picos in COUNTS_SMALL if given.small else COUNTS:
        if given.wants(f"{picos:,} picos"):
            yield from measured(picos, given)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
