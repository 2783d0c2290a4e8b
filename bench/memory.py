"""How much memory does a pico take, idle and busy?

The growth of a process's own memory (pages that are not a file's) by picos that each have the
counter: `idle` after they were made, `busy` after each of them had ten events; and `engine`, a
process with one pico, before.

Goals: an idle pico takes less than the reference's, a busy one no more than four times an idle one.

Non-goals: large states, which picomesh keeps on disk (keys.py); guests' memory, which is one pool
for all picos.

    python bench/memory.py            # the figures of bench/README.md
    python bench/memory.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

from collections.abc import Iterator

from sides.bench import Row, main_of
from sides.cases import event, source
from sides.comparison import AnySide, amounts
from sides.given import Given
from sides.processes import all_sides

PICOS, PICOS_SMALL = 5_000, 5
EVENTS = 10


def own_bytes(side: AnySide) -> int:
    found: int = side.ask("memory")["own_bytes"]
    return found


def rows(given: Given) -> Iterator[Row]:
    count = PICOS_SMALL if given.small else PICOS
    taken: dict[str, dict[str, list[float]]] = {"engine": {}, "idle": {}, "busy": {}}
    with all_sides(given) as sides:
        for side in sides:
            side.ask("create", count=1)
            side.ask("install", source=source("counter"), picos=[0])
            side.ask("check", calls=[event("counter", "clear")] * EVENTS)
            before = own_bytes(side)
            side.ask("create", count=count)
            side.ask("install", source=source("counter"), picos=list(range(1, count + 1)))
            idle = own_bytes(side)
            calls = [event("counter", "clear", pico=at) for at in range(1, count + 1)]
            for _ in range(EVENTS):
                side.ask("check", calls=calls)
            taken["engine"][side.name] = [before]
            taken["idle"][side.name] = [(idle - before) / count]
            taken["busy"][side.name] = [(own_bytes(side) - before) / count]
    for label, found in taken.items():
        yield amounts(label, "bytes", found, None, picos=1 if label == "engine" else count)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
