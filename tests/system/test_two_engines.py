"""Two engines on loopback: a subscription across them, and kills in the middle of it."""

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from picomesh.engine.history import verify_home
from picomesh.engine.options import Options
from picomesh.engine.replay import replay
from picomesh.engine.service import Service
from system.served import SUBSCRIPTION

APP = """
ruleset app {
  meta { use module io.picolabs.wrangler alias wrangler shares heard, asked }
  global {
    asked = function(eci, host) { wrangler:picoQuery(eci, "app", "heard", {}, host) }
    heard = function() { ent:heard.defaultsTo([]) }
  }
  rule hear { select when app hello fired { ent:heard := heard().append(event:attrs{"n"}) } }
}
"""
EVENTS = 24
WAIT_S = 90.0  # on a machine that does much else


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`picomesh engine`, which can be killed and started again."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.folder = folder
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.kills = 0
        self._start()
        self.eci = str(self.ask("/api/ui-context")["eci"])

    def _start(self) -> None:
        command = [sys.executable, "-m", "picomesh", "engine", "--home", str(self.home)]
        command += ["--port", str(self.port), "--base-url", self.base, "--backend", "winch"]
        command += ["--rulesets", str(self.folder)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        self.until(self._serves)

    def _serves(self) -> bool:
        assert self.process.poll() is None, "it ended"
        try:
            return bool(self.ask("/api/v1/health")["status"] == "ok")
        except (urllib.error.URLError, ConnectionError):
            return False

    def kill(self) -> None:
        """As a power cut does it to a process: at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def start_again(self) -> None:
        self._start()

    def ask(self, path: str, body: Any = None) -> Any:
        headers = {"content-type": "application/json"}
        token = self.home / "admin.token"
        if token.exists():
            headers["authorization"] = f"Bearer {token.read_text()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def event(self, kind: str, /, **attrs: Any) -> None:
        """Accepted, and durable from here on; not waited for."""
        self.ask(f"/c/{self.eci}/event/{kind.replace(':', '/')}", attrs)

    def query(self, rid: str, name: str, **args: Any) -> Any:
        return self.ask(f"/c/{self.eci}/query/{rid}/{name}", args)

    def buses(self) -> list[Any]:
        return [*self.query(SUBSCRIPTION, "established")]

    def until(self, wanted: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not wanted():
            assert time.monotonic() < deadline_s, "it did not come to that"
            time.sleep(0.02)

    def check(self) -> None:
        """Every history is sound, and comes out again."""
        options = Options(backend="winch")
        with Service.open(self.home, options) as engine:
            assert verify_home(engine.store, engine.public_key).problems == ()
            programs = Options(backend="pulley").programs(self.home / "cache")
            for pico, _ in engine.store.every_pico():
                done = list(replay(programs, engine.store, engine.store.receipts(pico)))
                assert [item.divergence for item in done] == [None] * len(done)


@contextmanager
def running(folder: Path, *names: str) -> Iterator[list[Process]]:
    started: list[Process] = []
    try:
        for name in names:
            started.append(Process(folder, name))
        yield started
    finally:
        for item in started:
            if item.process.poll() is None:
                item.process.kill()
                item.process.wait()


def test_a_subscription_across_engines_outlives_kills_and_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.krl").write_text(APP)
    with running(tmp_path, "here", "there") as (here, there):
        for engine in (here, there):
            url = (tmp_path / "app.krl").as_uri()
            engine.event("wrangler:install_ruleset_request", url=url)
            engine.event(
                "wrangler:autoAcceptConfigUpdate", config={"friends": {"password": "sesame"}}
            )
        subscribe_while_one_is_down(here, there)
        talk_while_both_are_killed(here, there)
        part_while_one_is_down(here, there)
        assert (here.kills, there.kills) == (1, 3)
    for engine in (here, there):
        engine.check()


def subscribe_while_one_is_down(here: Process, there: Process) -> None:
    known = there.query(SUBSCRIPTION, "wellKnown_Rx")["id"]
    there.kill()
    here.event(
        "wrangler:subscription",
        wellKnown_Tx=known,
        Tx_host=there.base,
        Rx_role="left",
        Tx_role="right",
        password="sesame",
    )
    time.sleep(0.2)
    there.start_again()
    here.until(lambda: len(here.buses()) == 1 and len(there.buses()) == 1)
    (mine,), (theirs,) = here.buses(), there.buses()
    assert (mine["Id"], mine["Tx"], mine["Rx"]) == (theirs["Id"], theirs["Rx"], theirs["Tx"])
    assert (mine["Tx_host"], theirs["Tx_host"]) == (there.base, here.base)


def talk_while_both_are_killed(here: Process, there: Process) -> None:
    hello = {"domain": "app", "type": "hello"}
    for n in range(EVENTS):
        here.event("wrangler:send_event_on_subs", Tx_role="right", attrs={"n": n}, **hello)
        there.event("wrangler:send_event_on_subs", Tx_role="left", attrs={"n": n}, **hello)
        if n == EVENTS // 4:
            there.kill()
            there.start_again()
        if n == EVENTS // 2:
            here.kill()
            here.start_again()
    for engine in (here, there):
        engine.until(partial(_has_heard, engine))
    time.sleep(1.5)  # as long as a try that is made again could take
    for engine in (here, there):
        assert engine.query("app", "heard") == list(range(EVENTS))
    (bus,) = here.buses()
    asked = {"eci": bus["Tx"], "host": there.base}
    assert here.query("app", "asked", **asked) == list(range(EVENTS))
    refused = here.query("app", "asked", eci="nobody", host=there.base)
    assert (refused["status_code"], refused["error"]) == (404, "Error: ECI not found nobody")


def _has_heard(engine: Process) -> bool:
    return len(engine.query("app", "heard")) >= EVENTS


def part_while_one_is_down(here: Process, there: Process) -> None:
    (bus,) = here.buses()
    there.kill()
    here.event("wrangler:subscription_cancellation", Id=bus["Id"])
    here.until(lambda: here.buses() == [])
    there.start_again()
    there.until(lambda: there.buses() == [])
