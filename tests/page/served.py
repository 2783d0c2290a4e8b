"""An engine as a process, for tests of the page that it serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "rulesets/pico_rulesets/examples"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """`picomesh engine` on a home of its own; rulesets may come from a folder."""

    def __init__(self, home: Path, rulesets: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "picomesh", "engine", "--home", str(home)]
        command += ["--port", str(self.port), "--rulesets", str(rulesets), "--backend", "winch"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        self.token = (home / "admin.token").read_text().strip()
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            try:
                assert self.ask("/health")["status"] == "ok"
                return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, "it ended"
                time.sleep(0.05)
        raise AssertionError("it does not serve")

    def request(self, path: str, body: Any = None, method: str | None = None) -> Any:
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        return urllib.request.urlopen(request, timeout=20)

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        with self.request(f"/api/v1{path}", body, method) as answer:
            return json.loads(answer.read() or b"null")

    def make(self, name: str, parent: str | None = None, *examples: str) -> str:
        """A pico with rulesets from the examples; returns its id."""
        pico: str = self.ask("/picos", {"name": name})["pico"]
        if parent is not None:
            self.ask(f"/picos/{pico}/parent", {"parent": parent}, "PUT")
        for example in examples:
            self.install(pico, (EXAMPLES / f"{example}.krl").read_text())
        return pico

    def install(self, pico: str, source: str) -> Any:
        return self.ask(f"/picos/{pico}/rulesets", {"source": source})

    def send(self, pico: str, domain: str, name: str, /, **attrs: Any) -> Any:
        given = {"domain": domain, "name": name, "attrs": attrs}
        return self.ask(f"/picos/{pico}/events", given)

    def stop(self) -> float:
        """Tells it to stop; returns how many seconds it took."""
        started_s = time.monotonic()
        self.process.terminate()
        assert self.process.wait(30) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()
        return time.monotonic() - started_s
