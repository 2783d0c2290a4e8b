"""What does a child pico cost that wrangler makes, with its rulesets, its channels and its name?

Children of one root pico, one request after another: each is made with wrangler, pds and
subscription, its three channels, and the message of its birth to its parent.

- `alone`: each request durable before the next one comes. Most of that is the disk.
- `together`: requests that come at once become durable together, twenty at a time.
- `cpu`: what the process works for one, whatever the disk and its neighbours do.
- `memory`: by how much the resident size of the process grows for one; not, of course, what a
  process could give back.

With PICOMESH_REFERENCE, a folder with node_modules/pico-engine-core, the reference's core makes
children with the same rulesets, in memory: it stores nothing. Its own took 17 ms and 390 KB.

Goals: a tenth of that: 1.7 ms of time together and 39 KB of memory, over 1,000 children.

Non-goals: grandchildren; children without the system rulesets (picos.py). `hash` is of the last
receipts of all: equal on every machine.

    python bench/children.py            # the figures of bench/README.md
    python bench/children.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from picomesh.cli.circumstances import circumstances
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.engine.system import ROOT_NAME, SYSTEM_RIDS, begin
from picomesh.scenario.world import VirtualWorld

COUNT, COUNT_SMALL = 1_000, 20
TOGETHER = 20
WARM = 40
GOALS = {"together_ms": 1.7, "memory_kb": 39.0}
REFERENCE = {"time_ms": 17.0, "memory_kb": 390.0}  # with its own rulesets, as measured before
DRIVER = Path(__file__).parent.parent / "tests" / "system" / "reference.cjs"


def resident_kb(process: str = "self") -> float:
    """The resident size of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def cpu_s(process: str) -> float:
    """What a process has worked."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make(engine: Service, number: int) -> None:
    response = engine.send(ROOT_NAME, "wrangler", "new_child_request", {"name": f"child {number}"})
    assert response.transition.outcome == "ok", response.transition.message


def make_together(engine: Service, first: int) -> None:
    with engine.together():
        for number in range(first, first + TOGETHER):
            make(engine, number)


def measured(work: Callable[[], None], count: int) -> dict[str, float]:
    """Time, work and memory for each of so many."""
    before_kb, wall, cpu = resident_kb(), time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "wall_ms": round(wall * 1000 / count, 3),
        "cpu_ms": round(cpu * 1000 / count, 3),
        "memory_kb": round((resident_kb() - before_kb) / count, 1),
    }


def ours(count: int, folder: Path) -> dict[str, Any]:
    options = Options(world=VirtualWorld(), cache=folder / "cache")
    with Service.open(folder / "home", options) as engine:
        begin(engine)
        engine.settle()
        for number in range(WARM):
            make(engine, number)

        def all_together() -> None:
            for first in range(WARM, WARM + count, TOGETHER):
                make_together(engine, first)

        def all_alone() -> None:
            for number in range(WARM + count, WARM + 2 * count):
                make(engine, number)

        together = measured(all_together, count)
        seen = hashlib.sha256()
        for pico, _ in sorted(engine.store.every_pico()):
            seen.update(engine.receipt(pico, engine.store.recorded_head(pico) or 0).cid.raw)
        alone = measured(all_alone, count)
        return {"together": together, "alone": alone, "hash": seen.hexdigest()}


def theirs(count: int, folder: str) -> dict[str, float]:
    """The reference's core with the same rulesets; children by the same event."""
    texts = resources.files("pico_rulesets") / "system"
    urls = {f"http://rulesets.test/{rid}.krl": texts / f"{rid}.krl" for rid in SYSTEM_RIDS}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["node", str(DRIVER), folder], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(**asked: Any) -> Any:
            stdin.write(json.dumps(asked) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        rulesets = {url: path.read_text("utf-8") for url, path in urls.items()}
        eci = ask(rulesets=rulesets, install=list(urls))["eci"]

        def child(number: int) -> None:
            attrs = {"name": f"child {number}"}
            event = {"eci": eci, "domain": "wrangler", "name": "new_child_request"}
            assert "error" not in ask(event={**event, "attrs": attrs})

        for number in range(WARM):
            child(number)
        pid = str(process.pid)
        before_kb, wall, cpu = resident_kb(pid), time.perf_counter(), cpu_s(pid)
        for number in range(count):
            child(number)
        ask(settle=True)
        cpu, wall = cpu_s(pid) - cpu, time.perf_counter() - wall
        grown_kb = resident_kb(pid) - before_kb
        stdin.close()
    return {
        "wall_ms": round(wall * 1000 / count, 3),
        "cpu_ms": round(cpu * 1000 / count, 3),
        "memory_kb": round(grown_kb / count, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="only: does it still run?")
    count = COUNT_SMALL if parser.parse_args().small else COUNT
    with tempfile.TemporaryDirectory() as name:
        found = ours(count, Path(name))
    reference = os.environ.get("PICOMESH_REFERENCE")
    peer = None if reference is None else theirs(count, reference)
    if peer is None:
        sys.stderr.write("the reference is not measured: PICOMESH_REFERENCE names no folder\n")
    goals = {"goals": GOALS, "reference": REFERENCE, "peer": peer}
    told = {"bench": "children", "count": count, **found, **goals, **circumstances()}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
