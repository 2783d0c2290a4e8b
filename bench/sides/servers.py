"""Engines behind HTTP, each a process of its own, and what they take of the machine.

`picomesh` is the command `picomesh engine` on a home on disk; `reference core` the reference's core
behind Node's own server; `reference whole` the last whole pico-engine of the npm registry.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from picomesh.engine import Engine
from sides.cases import WORKLOADS, source
from sides.processes import OURS, PEER_FOLDER, SideFailed, missing_peer, ours_environment
from sides.worker import compiled

CORE, WHOLE = "reference core", "reference whole"
WHOLE_VARIABLE = "PICOMESH_REFERENCE_WHOLE"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_WAIT_S = 60.0
_POLL_S = 0.002


@dataclass(slots=True)
class Served:
    """A server that has answered."""

    name: str
    process: subprocess.Popen[str]
    port: int
    path: str
    start_s: float  # until it had answered its first event

    def family(self) -> list[int]:
        """The process and all below it."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
                waiting += map(int, children.split())
        return found

    def cpu_s(self) -> float:
        total = 0.0
        for pid in self.family():
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * TICK_S
        return total

    def resident_bytes(self) -> int:
        """What the processes have in memory; what they share counts by its part."""
        total = 0
        for pid in self.family():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total

    def event(self, name: str) -> list[dict[str, object]]:
        """One event of the counter, and the directives that it led to."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_WAIT_S)
        try:
            connection.request("GET", f"{self.path}counter/{name}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        directives: list[dict[str, object]] = answer["directives"]
        return directives


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def names() -> tuple[list[str], list[str]]:
    """The servers that can be measured here, and why others cannot."""
    found, missing = [OURS], []
    why = missing_peer()
    if why is None:
        found.append(CORE)
    else:
        missing.append(f"{CORE}: {why}")
    folder = os.environ.get(WHOLE_VARIABLE)
    if folder and (Path(folder) / "node_modules" / "pico-engine").is_dir() and _has_node():
        found.append(WHOLE)
    else:
        missing.append(
            f"{WHOLE}: copy bench/peer/whole/package.json to a folder outside of the repository,"
            f" run `npm install --ignore-scripts` there, and name it in {WHOLE_VARIABLE}"
        )
    return found, missing


def _has_node() -> bool:
    return shutil.which("node") is not None


def make_home(folder: Path) -> str:
    """A home with one pico and the counter; its channel."""
    with Engine.open(folder) as engine:
        pico = engine.create("bench").pico
        engine.install_module(pico, compiled(source("counter")))
        engine.send(pico, "counter", "clear")
        return engine.eci(pico)


@contextmanager
def served(name: str, home: Path, eci: str) -> Iterator[Served]:
    """Starts a server, waits for the answer to its first event, and stops it at the end."""
    port = free_port()
    ruleset = str(WORKLOADS / "counter.krl")
    command = {
        OURS: [sys.executable, "-m", "picomesh", "engine"],
        CORE: ["node", str(PEER_FOLDER / "front.js"), ruleset],
        WHOLE: ["node", str(PEER_FOLDER / "whole.js"), ruleset, str(port)],
    }[name]
    if name == OURS:
        command += ["--home", str(home), "--port", str(port)]
    environment = {**os.environ, **(ours_environment() if name == OURS else {})}
    with tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            path = f"/c/{eci}/event-wait/"
            if name != OURS:
                assert process.stdout is not None
                told = json.loads(process.stdout.readline())
                port, path = told["port"], told["path"]
            server = Served(name, process, port, path, 0.0)
            if not _has_answered(server, begun):
                errors.seek(0)
                raise SideFailed(f"{name} does not serve: {errors.read()}")
            yield server
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _has_answered(server: Served, begun: float) -> bool:
    """Its first event sets the counter back, so it fails only while nobody listens."""
    while server.process.poll() is None and time.perf_counter() - begun < _WAIT_S:
        try:
            server.event("clear")
            server.start_s = time.perf_counter() - begun
            return True
        except OSError:
            time.sleep(_POLL_S)
    return False
