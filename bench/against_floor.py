"""How far is an event of the counter from what a machine must do for it?

The floor (floor/floor.c) is the same event without everything that makes it picomesh: a fresh
instance of the same metered module from a prepared one of the same engine, the same message in, the
same fuel, host functions that only find and keep bytes, BLAKE3 of as many bytes in as many calls,
one append of as many bytes as the event leaves on disk, one fdatasync for every 64 events. The loop
is C over the same libwasmtime; nothing is encoded, checked, signed, chained or indexed. BLAKE3 is
that of Zig's standard library, compiled for this processor.

`share` is the floor's processor time to picomesh's, on a home on disk, 64 events at a time;
`wall_share` the same of the clock. Of the floor, `guest_us` is what store, instance and guest take,
without hashes and the disk, and `instance_us` store and instance alone.

Goals: a share of 0.35.

Non-goals: the reference (events.py).

    python bench/against_floor.py            # the figures of bench/README.md
    python bench/against_floor.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from floor.loop import Floor, Unbuilt, build
from floor.work import Work, find_work
from sides.bench import Row, main_of_own
from sides.cases import counter
from sides.comparison import OUTSTANDING, Measured, prepare
from sides.given import Given
from sides.processes import IN_MEMORY, OURS, all_sides

FLOOR = "the floor in C"
SHARE_AIM = 0.35
WARM_EVENTS = 64


def rows(given: Given) -> Iterator[Row]:
    work = find_work()
    with tempfile.TemporaryDirectory() as folder:
        try:
            floor = Floor(build(Path(folder)), work, Path(folder) / "appended")
        except Unbuilt as problem:
            sys.stderr.write(f"floor: the floor is NOT measured: {problem}\n")
            floor = None
        yield measured(given, work, floor)
        if floor is not None:
            floor.close()


def measured(given: Given, work: Work, floor: Floor | None) -> Row:
    """Slices of picomesh and of the floor in turn."""
    case, effort = counter(), given.effort
    names = [OURS, IN_MEMORY, *([FLOOR] if floor else [])]
    found = {name: Measured() for name in names}
    parts: dict[str, list[float]] = {"guest_us": [], "instance_us": []}
    with all_sides(given, has_peer=False) as sides:
        prepare(sides, case)
        for turn in range(effort.rounds + 1):
            ms = effort.slice_ms if turn else effort.warm_ms
            for side in sides:
                slice_ = {"calls": case.calls, "ms": ms, "start": 0}
                answer = side.ask("run", outstanding=OUTSTANDING, **slice_)
                if turn:
                    found[side.name].add(answer)
            if floor is not None:
                events = WARM_EVENTS * max(int(ms / 2), 1)
                answer = floor.run(events)
                guest, instance = floor.run(events, is_whole=False), floor.instantiate(events)
                if turn:
                    found[FLOOR].add(answer)
                    parts["guest_us"].append(1e6 * guest["cpu_s"] / events)
                    parts["instance_us"].append(1e6 * instance["cpu_s"] / events)
    return row_of({name: one.row() for name, one in found.items()}, work, parts)


def row_of(sides: dict[str, dict[str, float]], work: Work, parts: dict[str, list[float]]) -> Row:
    row: Row = {"kind": "figure", "label": "counter", "mode": "pipelined", "sides": sides}
    row |= {"aim": None, "hashed_bytes": sum(work.hashes), "hashes": len(work.hashes)}
    row |= {"appended_bytes": work.append_bytes, "share_aim": SHARE_AIM}
    floor = sides.get(FLOOR)
    if floor is not None:
        row["share"] = round(floor["cpu_us"] / sides[OURS]["cpu_us"], 3)
        row["wall_share"] = round(sides[OURS]["per_s"] / floor["per_s"], 3)
        row |= {name: round(statistics.median(many), 2) for name, many in parts.items()}
    return row


if __name__ == "__main__":
    main_of_own(__file__, __doc__, rows)
