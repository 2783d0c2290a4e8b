"""What do ten thousand picos cost an engine that has nothing to do with most of them?

A home gets so many picos, each with a ruleset and a value of its own; a tenth of them has a
schedule a day away. An engine is started on it as a process: how long until it serves, how much
memory it takes then, after it served a hundred of them, and after it served all; how long the first
event to an idle pico takes, and a later one. The same with a home of ten picos, for comparison.

Goals: starting takes no longer for 10,000 picos than for ten, but for a second at most; an idle
pico costs less than 4 KB of memory; the first event to an idle pico less than 50 ms.

Non-goals: throughput, many different rulesets. `head` is the last receipt's name of the last pico,
which is as it is because the world is a virtual one.

    python bench/idle.py            # 10,000 picos, about a minute
    python bench/idle.py --small    # 200 picos (the test suite asks this)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import picomesh
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.scenario.world import VirtualWorld

PICOS, PICOS_SMALL, PICOS_FEW = 10_000, 200, 10
SOME = 100
GROUP = 500
START_S = 60.0
RULESET = """
ruleset idle {
  meta { shares n } global { n = function() { ent:n.defaultsTo(0) } }
  rule up { select when t up fired { ent:n := ent:n.defaultsTo(0) + 1 } }
  rule plan { select when t plan
    fired { schedule t event "up" at time:add(time:now(), {"days": 365000}) } }
}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What one home came to."""

    start_s: float
    started_kb: int
    some_kb: int
    all_kb: int
    first_ms: float
    later_ms: float
    listed_ms: float
    scraped_ms: float


def prepare(folder: Path, picos: int) -> tuple[list[str], str]:
    """Makes the home; the channels of its picos, and the last receipt's name."""
    module = compile_krl(RULESET)
    options = Options(backend="winch", world=VirtualWorld(), cache=folder / "cache")
    with Service.open(folder, options) as engine:
        ecis: list[str] = []
        for first in range(0, picos, GROUP):
            with engine.together():
                for number in range(first, min(first + GROUP, picos)):
                    pico = engine.create(f"p{number}").pico
                    engine.install_module(pico, module)
                    if number % 10 == 0:
                        engine.send(pico, "t", "plan")
                    ecis.append(engine.eci(pico))
        last = engine.find(f"p{picos - 1}")
        return ecis, str(engine.log(last)[-1].cid)


class Running:
    """An engine as a process."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "picomesh", "engine", "--home", str(folder)]
        command += ["--port", str(port), "--backend", "winch"]
        started_s = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
        self.start_s = self._wait() - started_s
        self.token = (folder / "admin.token").read_text()

    def _wait(self) -> float:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            try:
                self.ask("/api/v1/health")
                return time.monotonic()
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the engine does not start")

    def ask(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {getattr(self, 'token', '')}"}
        request = urllib.request.Request(self.base + path, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def timed_ms(self, path: str) -> float:
        started_s = time.perf_counter()
        self.ask(path)
        return (time.perf_counter() - started_s) * 1000

    def memory_kb(self) -> int:
        """What is resident; 0 where the system does not say."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return 0
        lines = status.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            raise SystemExit("the engine did not stop cleanly")


def measure(folder: Path, ecis: list[str]) -> Found:
    running = Running(folder)
    started_kb = running.memory_kb()
    events = [f"/c/{eci}/event-wait/t/up" for eci in ecis]
    running.ask(events[0])  # compiles the module's code, or finds it in the cache
    some = events[1 : SOME + 1] or events
    first_ms = median(running.timed_ms(path) for path in some)
    later_ms = median(running.timed_ms(path) for path in some)
    some_kb = running.memory_kb()
    for path in events[SOME + 1 :]:
        running.ask(path)
    all_kb = running.memory_kb()
    listed_ms = running.timed_ms("/api/v1/picos")
    scraped_ms = running.timed_ms("/api/v1/metrics")
    running.stop()
    return Found(
        running.start_s, started_kb, some_kb, all_kb, first_ms, later_ms, listed_ms, scraped_ms
    )


def figures(found: Found) -> dict[str, float]:
    return {
        "start_s": round(found.start_s, 2),
        "started_mb": round(found.started_kb / 1024, 1),
        "after_some_mb": round(found.some_kb / 1024, 1),
        "after_all_mb": round(found.all_kb / 1024, 1),
        "first_event_ms": round(found.first_ms, 2),
        "later_event_ms": round(found.later_ms, 2),
        "list_ms": round(found.listed_ms, 1),
        "metrics_ms": round(found.scraped_ms, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picos", type=int, default=PICOS)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    picos = PICOS_SMALL if given.small else given.picos
    found: dict[int, Found] = {}
    head, disk_mb = "", 0.0
    for count in (PICOS_FEW, picos):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "home"
            ecis, head = prepare(folder, count)
            disk_mb = (folder / "picomesh.sqlite3").stat().st_size / 1024 / 1024
            found[count] = measure(folder, ecis)
    idle_kb = (found[picos].started_kb - found[PICOS_FEW].started_kb) / picos
    result = {
        "bench": "idle",
        "picos": picos,
        "few": figures(found[PICOS_FEW]),
        "many": figures(found[picos]),
        "idle_pico_kb": round(idle_kb, 2),
        "disk_mb": round(disk_mb, 1),
        "goals": {"start_s_more": 1.0, "idle_pico_kb": 4.0, "first_event_ms": 50.0},
        "head": head,
        "machine": platform.platform(),
        "python": platform.python_version(),
        "picomesh": picomesh.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
