"""The stream of receipts: it comes as things happen, costs nothing unwatched, and holds nobody."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest

from page.served import EXAMPLES, Served, free_port
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server import feed
from picomesh.server.feed import Feed
from picomesh.server.worker import Worker


def _next(stream: Any) -> tuple[str, dict[str, Any]]:
    """The next message of a stream, and its name."""
    fields: dict[str, str] = {}
    for line in stream:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if not name and fields:
            return fields["event"], json.loads(fields["data"])
        fields[name] = value
    raise AssertionError("the stream ended")


def test_receipts_are_told_as_they_become_durable_and_a_stop_does_not_wait(tmp_path: Path) -> None:
    served = Served(tmp_path / "home", EXAMPLES)
    assert served.said == f"{served.base}/\n", "without a terminal the token is not printed"
    with served.request("/api/v1/feed") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert _next(stream)[0] == "hello"
        pico = served.make("told", None, "counter")
        assert [_next(stream)[1]["kind"] for _ in range(2)] == ["create", "install"]
        served.send(pico, "counter", "incremented")
        name, told = _next(stream)
        assert (name, told["pico"], told["title"]) == ("receipt", pico, "counter:incremented")
        assert told["seq"] == 2 and told["outcome"] == "ok" and told["fuel"] > 0
        assert served.stop() < 5, "who watches is not waited for"
        assert stream.read() == b""


@pytest.fixture
def worker() -> Any:
    engine = Service.ephemeral(Options(backend="winch"))
    worker = Worker(engine)
    worker.start()
    yield worker
    worker.stop()


def test_an_engine_that_nobody_watches_tells_nobody(worker: Worker) -> None:
    async def watch() -> None:
        told = Feed(worker)
        assert worker.engine.watcher is None
        first, second = told._stream(), told._stream()
        for stream in (first, second):
            assert b"hello" in await anext(stream)
        assert worker.engine.watcher is not None
        await asyncio.wrap_future(worker.call(lambda engine: engine.create("me")))
        assert b'"kind":"create"' in await anext(first)
        await first.aclose()
        assert worker.engine.watcher is not None
        await second.aclose()
        assert worker.engine.watcher is None

    asyncio.run(watch())


def test_a_watcher_that_does_not_keep_up_is_told_that_it_missed_some(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WAITING_MAX", 4)

    async def watch() -> None:
        stream = Feed(worker)._stream()
        await anext(stream)
        for number in range(9):
            await asyncio.wrap_future(worker.call(methodcaller("create", f"pico {number}")))
        await asyncio.sleep(0.1)
        seen = [await anext(stream) for _ in range(2)]
        assert seen[0].startswith(b"event: missed") and b'"seq"' in seen[1]
        await stream.aclose()

    asyncio.run(watch())


def test_there_is_a_sign_of_life_when_nothing_happens(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.01)

    async def watch() -> None:
        stream = Feed(worker)._stream()
        await anext(stream)
        assert (await anext(stream)).startswith(b":")
        await stream.aclose()

    asyncio.run(watch())


def test_watching_and_looking_do_not_hold_up_events(tmp_path: Path) -> None:
    served = Served(tmp_path / "home", EXAMPLES)
    pico = served.make("busy", None, "counter")
    with served.request("/api/v1/feed"):
        seqs = [served.send(pico, "counter", "incremented")["seq"] for _ in range(20)]
        started_s = time.monotonic()
        for seq in seqs:
            told = served.ask(f"/picos/{pico}/receipts/{seq}/rules")
            assert told["agrees"] and told["events"][0]["rulesets"]
        assert time.monotonic() - started_s < 10
    served.stop()


def test_the_token_is_printed_behind_a_fragment_and_for_a_terminal_only(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "picomesh", "engine", "--home", str(tmp_path / "home")]
    command += ["--port", str(free_port()), "--backend", "winch"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=theirs) as process:
        os.close(theirs)
        said = os.read(ours, 1000).decode()
        process.terminate()
    os.close(ours)
    token = (tmp_path / "home/admin.token").read_text().strip()
    assert said.strip().endswith(f"/#token={token}") and "?" not in said
