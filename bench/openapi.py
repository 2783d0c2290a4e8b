"""Does any request that the API's description allows, or nearly allows, find a defect?

Schemathesis reads the OpenAPI description of an engine that runs as a process, makes up requests
from it (what it allows, its limits, what is just beyond them, sequences of operations), sends them,
and says which were answered with a status of 500 or more. The engine is a new home with its root
pico and one more; at its end it must still serve and stop cleanly.

Goals: no answer of 500 or more; the engine serves on.

Non-goals: whether the answers are right. The feed of receipts is left out: it does not end.
Schemathesis is no dependency of picomesh; install it wherever you like (`pip install
schemathesis`) and name its command, if it is not found as `schemathesis`:

    python bench/openapi.py --command /somewhere/bin/schemathesis     # about five minutes
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import picomesh

EXAMPLES = 150  # of each operation
START_S = 60.0


class Running:
    """An engine as a process, on a home of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "picomesh", "engine", "--home", str(folder)]
        command += ["--port", str(port), "--backend", "winch"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
        self._wait()
        self.token = (folder / "admin.token").read_text()

    def _wait(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            try:
                self.ask("/api/v1/health")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the engine does not start")

    def ask(self, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {getattr(self, 'token', '')}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def search(command: str, running: Running, examples: int, seed: int) -> str:
    """What schemathesis has to say."""
    arguments = [command, "run", f"{running.base}/api/v1/openapi.json"]
    arguments += ["--header", f"Authorization: Bearer {running.token}"]
    arguments += ["--checks", "not_a_server_error", "--exclude-path", "/api/v1/feed"]
    arguments += ["--max-examples", str(examples), "--seed", str(seed), "--request-timeout", "30"]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        raise SystemExit(f"{command} is not there: pip install schemathesis") from problem
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", default="schemathesis")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        running = Running(Path(scratch) / "home")
        running.ask("/api/v1/picos", {"name": "me"})
        said = search(given.command, running, given.examples, given.seed)
        serves = running.ask("/api/v1/health")
        ended = running.stop()
    counts = re.search(r"(\d+) generated, (\d+) passed", said)
    if counts is None:
        raise SystemExit(f"schemathesis did not come to its end:\n{said[-2_000:]}")
    requests, passed = map(int, counts.groups())
    result = {
        "bench": "openapi",
        "requests": requests,
        "defects": requests - passed,
        "faults": serves["faults"],
        "ended": ended,
        "seed": given.seed,
        "machine": platform.platform(),
        "picomesh": picomesh.__version__,
    }
    print(json.dumps(result))
    if result["defects"] or result["faults"] or ended:
        print(said, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
