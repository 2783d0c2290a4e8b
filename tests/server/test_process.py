"""`picomesh engine` as a process: it starts, serves, stops when it is told to, and goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RULESET = """
ruleset p { meta { shares n } global { n = function() { ent:n } }
  rule r { select when a b fired { ent:n := ent:n.defaultsTo(0) + 1 } }
  rule far { select when a far event:send({"eci": event:attrs{"eci"}, "domain": "a", "type": "b"},
    event:attrs{"host"}) } }
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Engine:
    """A running process."""

    def __init__(self, home: Path, port: int, rulesets: Path) -> None:
        self.base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "picomesh", "engine", "--home", str(home)]
        command += ["--port", str(port), "--rulesets", str(rulesets), "--backend", "winch"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen([*command, "--base-url", self.base], env=environment)
        self.token = home / "admin.token"

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        headers = {"content-type": "application/json"}
        if self.token.exists():
            headers["authorization"] = f"Bearer {self.token.read_text()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def wait_until_it_serves(self) -> None:
        for _ in range(300):
            try:
                assert self.ask("/api/v1/health")["status"] == "ok"
                return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, "it ended"
                time.sleep(0.05)
        raise AssertionError("it does not serve")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def engine(home: Path, rulesets: Path, port: int) -> Iterator[Engine]:
    running = Engine(home, port, rulesets)
    try:
        running.wait_until_it_serves()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def make(running: Engine, rulesets: Path) -> str:
    eci = str(running.ask("/api/v1/picos", {"name": "me"})["eci"])
    running.ask("/api/v1/picos/me/rulesets", {"url": (rulesets / "p.krl").as_uri()})
    return eci


def test_two_engines_talk_and_both_stop_cleanly_and_go_on(tmp_path: Path) -> None:
    (tmp_path / "p.krl").write_text(RULESET)
    one, two = free_port(), free_port()
    with (
        engine(tmp_path / "one", tmp_path, one) as first,
        engine(tmp_path / "two", tmp_path, two) as second,
    ):
        here, there = make(first, tmp_path), make(second, tmp_path)
        for _ in range(3):
            first.ask(f"/c/{here}/event/a/far", {"eci": there, "host": second.base})
        for _ in range(200):
            if second.ask(f"/c/{there}/query/p/n") == 3:
                break
            time.sleep(0.05)
        assert second.ask(f"/c/{there}/query/p/n") == 3
        assert [first.stop(), second.stop()] == [0, 0]
    with engine(tmp_path / "two", tmp_path, two) as second:
        assert second.ask(f"/c/{there}/query/p/n") == 3


def test_it_stops_soon_while_a_rule_waits_for_a_host_that_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.krl").write_text(
        """ruleset p { meta { shares n } global { n = function() { ent:n } }
          rule r { select when a b http:get(event:attrs{"url"}) setting(x)
            fired { ent:n := 1 } } }"""
    )
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with engine(tmp_path / "home", tmp_path, port) as running:
            eci = make(running, tmp_path)
            running.ask(f"/c/{eci}/event/a/b", {"url": url})
            client, _ = silent.accept()
            with client:
                started_s = time.monotonic()
                assert running.stop() == 0
                assert time.monotonic() - started_s < 15
    with engine(tmp_path / "home", tmp_path, port) as running:  # nobody listens there any more
        for _ in range(200):
            receipts = running.ask("/api/v1/picos/me/receipts")
            if len(receipts) == 3:
                break
            time.sleep(0.05)
        assert receipts[-1]["kind"] == "event", "it was tried again"


def test_two_hundred_acknowledged_events_and_a_kill_are_all_there_after_a_restart(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.krl").write_text(RULESET)
    port = free_port()
    with engine(tmp_path / "home", tmp_path, port) as running:
        eci = make(running, tmp_path)
        for _ in range(200):
            running.ask(f"/c/{eci}/event/a/b")
        running.process.kill()
    with engine(tmp_path / "home", tmp_path, port) as running:
        for _ in range(200):
            if running.ask(f"/c/{eci}/query/p/n") == 200:
                break
            time.sleep(0.05)
        assert running.ask(f"/c/{eci}/query/p/n") == 200
