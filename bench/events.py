"""How many events a second does a pico do, by kind of rule?

The same rulesets and calls on picomesh, with everything on (fuel, receipts with a state root,
signed checkpoints, a home on disk with synchronous=FULL), on picomesh in memory, and on the
reference's core in memory, which hashes, signs and keeps nothing. Two ways:

- `pipelined`: 64 calls outstanding; picomesh makes them durable together.
- `one at a time`: each call waits for the one before; picomesh makes each durable alone.

`ratio` is picomesh on disk to the reference, of median rates on one core in the same run, the
sides taking turns; `cpu_ratio` the same of the time that processors worked for an event, which
neighbours on a machine do not move; `memory_ratio` is picomesh in memory. `hash` is of what the
first calls answered: all sides say the same, or the bench ends with an error.

Goals: counter 2.5 times the reference pipelined and 10 times one at a time; one key of a map of
10,000 300 times; fib(22) 50, map/filter/reduce of 10,000 elements 15, strings and regex 10 times.

Non-goals: more than one core, HTTP (serving.py), more state, picos, rulesets or larger events
(keys.py, picos.py, rulesets.py, sizes.py).

    python bench/events.py            # the figures of bench/README.md
    python bench/events.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import Case, rules
from sides.comparison import OUTSTANDING, figure, measure, prepare, same_answers
from sides.given import Given
from sides.processes import all_sides

MODES = (("pipelined", OUTSTANDING), ("one at a time", 1))


def measured(case: Case, given: Given) -> Iterator[Row]:
    with all_sides(given) as sides:
        prepare(sides, case)
        answers = same_answers(sides, case, given.effort)
        for mode, outstanding in MODES:
            found = measure(sides, case, outstanding, given.effort)
            aim = case.aim_one if outstanding == 1 else case.aim
            yield figure(case.label, found, aim, mode=mode, hash=answers)


def rows(given: Given) -> Iterator[Row]:
    for case in rules(given.small):
        if given.wants(case.label):
            yield from measured(case, given)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
