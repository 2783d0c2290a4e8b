"""What does a ruleset that an event does not concern add to its cost?

One pico with the counter and N bystanders, rulesets that select other events. `x` is N, and
`bystander_us` what one of them adds to the work of the processors for an event.

Goals: nothing; what an event costs with 100 bystanders is at most 1.1 times what it costs alone.

Non-goals: installing them (installing.py).

    python bench/rulesets.py            # the figures of bench/README.md
    python bench/rulesets.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import bystander, counter
from sides.comparison import OUTSTANDING, figure, measure, prepare, same_answers
from sides.given import Given
from sides.processes import all_sides

COUNTS, COUNTS_SMALL = (0, 1, 10, 30, 100), (0, 2)
SELECTED = [0]


def rows(given: Given) -> Iterator[Row]:
    alone: dict[str, float] = {}
    for count in COUNTS_SMALL if given.small else COUNTS:
        label = f"{count} bystanders"
        if not given.wants(label):
            continue
        with all_sides(given) as sides:
            case = counter()
            prepare(sides, case)
            for number in range(count):
                for side in sides:
                    side.ask("install", source=bystander(number), picos=SELECTED)
            answers = same_answers(sides, case, given.effort)
            found = measure(sides, case, OUTSTANDING, given.effort)
        row = figure(label, found, None, mode="pipelined", x=count, hash=answers)
        costs = {name: side["cpu_us"] for name, side in found.items()}
        alone = alone or costs
        if count:
            more = {name: round((costs[name] - alone[name]) / count, 2) for name in costs}
            row["bystander_us"] = more
        yield row


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
