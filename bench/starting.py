"""How long does an engine take to start, and how much memory has it then?

From the start of the process to the answer to its first event over HTTP; the memory (the
proportional set size, so that pages of files that others share count in part) after that answer.
picomesh is `picomesh engine` on a home that has a pico with the counter. The reference's core makes
its pico and compiles the ruleset anew, as its database in memory is empty; so does the whole engine
with the rulesets that come with it.

Goals: at most half of the reference's time and memory (`ratio` 2). The issue of the day it was set
names 0.68 s and 118 MB for release 1.4.0, which is not in the npm registry.

Non-goals: installing (installing.py), a home of many picos (`x` picos are opened as fast as one:
nothing of a pico is read before its first event).

    python bench/starting.py            # the figures of bench/README.md
    python bench/starting.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sides.bench import Row, main_of
from sides.comparison import amounts
from sides.given import Given
from sides.processes import OURS
from sides.progress import busy_with
from sides.servers import make_home, names, served

AIM = 2.0
UNITS = {"time": "s", "work": "s of processor", "memory": "bytes"}


def rows(given: Given) -> Iterator[Row]:
    found, missing = names() if given.has_peer else ([OURS], [])
    for why in missing:
        sys.stderr.write(f"starting: NOT measured: {why}\n")
    taken: dict[str, dict[str, list[float]]] = {kind: {} for kind in UNITS}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        eci = make_home(home)
        for turn in range(given.effort.rounds):
            for name in found:
                busy_with(f"start {turn + 1} of {given.effort.rounds}: {name}")
                with served(name, home, eci) as server:
                    figures = (server.start_s, server.cpu_s(), server.resident_bytes())
                for kind, value in zip(UNITS, figures, strict=True):
                    taken[kind].setdefault(name, []).append(value)
    for kind, unit in UNITS.items():
        yield amounts(kind, unit, taken[kind], None if kind == "work" else AIM)


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
