"""How many bytes does an event leave on disk?

The growth of a home (database and write-ahead log, after a checkpoint) by events of the counter,
each: sent 64 at a time, and one at a time, which makes each its own signed checkpoint. The event
itself, its receipt with its signature's share, the state's new nodes: all that a verifier needs.

Goals: at most 400 bytes for an event of the counter, sent 64 at a time.

Non-goals: a comparison: the reference keeps no history, so it stores nothing per event.

    python bench/storing.py            # the figures of bench/README.md
    python bench/storing.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from picomesh.engine import Engine, Options
from picomesh.engine.model import Sending
from sides.bench import Row, main_of_own
from sides.cases import source
from sides.comparison import OUTSTANDING, amounts
from sides.given import Given
from sides.processes import OURS
from sides.worker import compiled

EVENTS, EVENTS_SMALL = 64 * 500, 64
AIM_BYTES = 400


def used_bytes(folder: Path) -> int:
    """What a home's database holds, without what is free in it."""
    path = folder / "picomesh.sqlite3"
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((pages,),) = database.execute("PRAGMA page_count")
        ((free,),) = database.execute("PRAGMA freelist_count")
        ((page_bytes,),) = database.execute("PRAGMA page_size")
        total: int = (pages - free) * page_bytes
        return total
    finally:
        database.close()


def tables(folder: Path) -> dict[str, int]:
    """Bytes by table, where this SQLite can tell."""
    database = sqlite3.connect(folder / "picomesh.sqlite3")
    try:
        found = database.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")
        return {name: size for name, size in found if size > 10_000}
    except sqlite3.OperationalError:
        return {}
    finally:
        database.close()


def lived(folder: Path, events: int, outstanding: int) -> None:
    with Engine.open(folder, Options()) as engine:
        pico = engine.find("counter")
        batch = [Sending(pico, "counter", "count")] * outstanding
        for _ in range(events // outstanding):
            engine.send_many(batch)


def rows(given: Given) -> Iterator[Row]:
    events = EVENTS_SMALL if given.small else EVENTS
    for label, outstanding in ((f"{OUTSTANDING} at a time", OUTSTANDING), ("one at a time", 1)):
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root) / "home"
            with Engine.open(folder, Options()) as engine:
                pico = engine.create("counter").pico
                engine.install_module(pico, compiled(source("counter")))
                engine.send(pico, "counter", "clear")
            count = events if outstanding > 1 else events // 8
            before = used_bytes(folder)
            lived(folder, count, outstanding)
            grown = (used_bytes(folder) - before) / count
            row = amounts(label, "bytes", {OURS: [grown]}, None, events=count)
            goal = AIM_BYTES if outstanding > 1 else None
            yield row | {"goal_bytes": goal, "tables": tables(folder)}


if __name__ == "__main__":
    main_of_own(__file__, __doc__, rows)
