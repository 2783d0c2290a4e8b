"""How many events a second does an engine take over HTTP?

The counter's event, by the path that waits for the directives, on 1 and on 32 connections that
each have one request outstanding. The server has one core, the clients another one. picomesh is
`picomesh engine` on a home on disk: each answer is durable. Of the reference there are two: its
core behind Node's own server, with nothing else (`reference core`, faster than any release), and
the last whole engine of the npm registry, logs off and in memory (`reference whole`). At the end
the counter must have counted every request. `wait_us` is the median a client waits.

Goals: 3 times the reference at 32 connections; `ratio` is to the whole engine when it is here.

Non-goals: TLS, large bodies, more connections than an engine's limit.

    python bench/serving.py            # the figures of bench/README.md
    python bench/serving.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sides.bench import Row, main_of
from sides.given import Given
from sides.load import run_load
from sides.processes import OURS
from sides.progress import busy_with
from sides.servers import CORE, TICK_S, WHOLE, Served, make_home, names, served

CONNECTIONS = (1, 32)
AIM = 3.0


def cores() -> tuple[set[int], set[int]]:
    """One core for the servers and another for the clients, where there are two."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    everything = sorted(range(os.cpu_count() or 1))
    return {everything[-1]}, {everything[0]}


def move(core: set[int]) -> None:
    if core:
        os.sched_setaffinity(0, core)


def rows(given: Given) -> Iterator[Row]:
    found, missing = names() if given.has_peer else ([OURS], [])
    for why in missing:
        sys.stderr.write(f"serving: NOT measured: {why}\n")
    servers_core, clients_core = cores()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        eci = make_home(home)
        move(servers_core)
        servers = [stack.enter_context(served(name, home, eci)) for name in found]
        move(clients_core)
        for connections in CONNECTIONS:
            yield measured(servers, connections, given)


def measured(servers: list[Served], connections: int, given: Given) -> Row:
    slices: dict[str, list[dict[str, float]]] = {server.name: [] for server in servers}
    for turn in range(given.effort.rounds + 1):
        ms = given.effort.slice_ms if turn else given.effort.warm_ms
        for server in servers:
            busy_with(f"{connections} connections, slice {turn}: {server.name}")
            one = measure(server, connections, ms)
            if turn:
                slices[server.name].append(one)
    sides = {name: middle(many) for name, many in slices.items()}
    row: dict[str, Any] = {"kind": "figure", "label": f"{connections} connections"}
    row |= {"mode": "event-wait", "x": connections, "sides": sides}
    row["aim"] = AIM if connections > 1 else None
    peer = sides.get(WHOLE) or sides.get(CORE)
    if peer is not None:
        row["ratio"] = round(sides[OURS]["per_s"] / peer["per_s"], 2)
        row["cpu_ratio"] = round(peer["cpu_us"] / sides[OURS]["cpu_us"], 2)
    return row


def measure(server: Served, connections: int, ms: float) -> dict[str, float]:
    """One slice, from a counter at nothing."""
    server.event("clear")
    cpu_s = server.cpu_s()
    load = run_load(server.port, f"{server.path}counter/count", connections, ms)
    cpu_s = server.cpu_s() - cpu_s
    (directive,) = server.event("count")
    assert directive["options"] == {"before": load.done}, f"{server.name} counted wrongly"
    return {
        "per_s": load.done / load.wall_s,
        "cpu_us": 1e6 * max(cpu_s, TICK_S) / load.done,
        "wait_us": 1e6 * statistics.median(load.waits_s),
    }


def middle(many: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in many), 1) for name in many[0]} | {
        "per_s_least": round(min(one["per_s"] for one in many), 1)
    }


if __name__ == "__main__":
    main_of(__file__, __doc__, rows)
