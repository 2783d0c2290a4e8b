"""How long does it take to make a pico, and to install a ruleset on it?

- `new pico`: each durable alone, as an operator makes them.
- `new ruleset`: from its text: compiled, admitted, metered, compiled to native code, installed.
- `known ruleset`: the same text for another pico, as when a child gets what its siblings have.

Goals: a new ruleset in 400 ms; a known one in 20 ms.

Non-goals: the compiler's share (compile.py); picos by the thousand (picos.py).

    python bench/installing.py            # the figures of bench/README.md
    python bench/installing.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sides.bench import Row, main_of
from sides.cases import bystander
from sides.comparison import AnySide, amounts
from sides.given import Given
from sides.processes import all_sides

COUNT, COUNT_SMALL = 20, 2
GOALS_S = {"new ruleset": 0.4, "known ruleset": 0.02}
Step = Callable[[AnySide, int], dict[str, Any]]


def new_pico(side: AnySide, number: int) -> dict[str, Any]:
    return side.ask("create", count=1)


def new_ruleset(side: AnySide, number: int) -> dict[str, Any]:
    return side.ask("install", source=bystander(number), picos=[0])


def known_ruleset(side: AnySide, number: int) -> dict[str, Any]:
    return side.ask("install", source=bystander(0), picos=[number + 1])


STEPS: dict[str, Step] = {
    "new pico": new_pico,
    "new ruleset": new_ruleset,
    "known ruleset": known_ruleset,
}


def rows(given: Given) -> Iterator[Row]:
    count = COUNT_SMALL if given.small else COUNT
    with all_sides(given) as sides:
        for side in sides:
            side.ask("create", count=1)
        for label, step in STEPS.items():
            taken: dict[str, list[float]] = {side.name: [] for side in sides}
            for number in range(count):
                for side in sides:
                    taken[side.name].append(step(side, number)["wall_s"])
            yield amounts(label, "s", taken, None) | {"goal_s": GOALS_S.get(label)}


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
