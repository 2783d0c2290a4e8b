"""The histories of an engine that runs: compared, proved and replayed over its API."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn

from command_line import Run, runner
from picomesh.engine import OperatorError, Options
from picomesh.engine.audit import audit
from picomesh.engine.bisect import Side, bisect
from picomesh.engine.checked import CheckedModules
from picomesh.engine.prove import prove
from picomesh.engine.remote import RemoteHistories
from picomesh.engine.rerun import rerun
from picomesh.engine.service import Service
from picomesh.ledger.errors import LedgerError, MissingBlock
from picomesh.server.run import Address, build_application
from picomesh.server.worker import Worker
from wat_guests import counter

TOKEN = "to/ken"  # a character that a URL must spell otherwise
EVENTS = 9


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as it was before the engine ran, and went on without it."""
    home = tmp_path_factory.mktemp("remote") / "home"
    with Service.open(home, Options()) as engine:
        engine.create("me")
        engine.install_module("me", counter().build(), source="source")
        for _ in range(EVENTS):
            engine.send("me", "a", "b")
    shutil.copytree(home, home.with_name("copy"))
    with Service.open(home, Options()) as engine:
        engine.send("me", "a", "b", {"here": 1})
    return home


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """The copy's engine, running, with an event of its own."""
    engine = Service.open(home.with_name("copy"), Options())
    engine.send("me", "a", "b", {"there": 1})
    engine.send("me", "a", "b")
    application = build_application(Worker(engine), Address(), TOKEN)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://:to%2Fken@127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def remote(url: str) -> Iterator[RemoteHistories]:
    source = RemoteHistories(url)
    yield source
    source.close()


def test_an_engine_that_runs_is_replayed_and_proved_from_outside(remote: RemoteHistories) -> None:
    programs = Options().programs(None)
    (pico, name), *_ = remote.picos()
    assert name == "me"
    done = rerun(remote, remote.engine, programs, pico)
    assert done.is_equal and done.receipts == EVENTS + 4
    data = prove(remote, programs, pico, 5)
    assert audit(data, lambda _: programs.sandbox, CheckedModules()).is_proved


def test_a_home_and_an_engine_that_runs_are_bisected(home: Path, remote: RemoteHistories) -> None:
    programs = Options().programs(None)
    with Service.open(home, Options()) as engine:
        pico = engine.find("me")
        finding = bisect(Side("A", engine.store, programs), Side("B", remote, programs), pico)
    assert (finding.seq, finding.differs_in) == (EVENTS + 2, "event")
    assert finding.looks <= 4, "log2 of 12"
    assert finding.values == ('event a:b {"here":1}', 'event a:b {"there":1}')


def test_the_commands_take_a_url_for_a_history(
    url: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run: Run = runner(tmp_path, monkeypatch, capsys)
    shutil.copytree(home, tmp_path / "home")
    assert run("bisect", "home", url, "--json").lines[0]["seq"] == EVENTS + 2
    assert run("evidence", "make", url, "home", "-o", "e.car").code == 0
    assert run("evidence", "check", "e.car").code == 0
    assert run("verify", "--history", url).code == 0
    assert run("export", "--history", url, "-o", "h.car").code == 0
    assert run("bisect", "h.car", url, "--json").lines[0]["ok"]
    bare = url.replace(":to%2Fken@", "")
    refused = run("replay", "--history", bare)
    assert refused.code == 2 and "PICOMESH_TOKEN" in refused.err
    monkeypatch.setenv("PICOMESH_TOKEN", TOKEN)
    assert run("replay", "--history", bare).code == 0
    assert TOKEN not in run("replay", "--history", bare + "/nowhere").err


def test_what_an_engine_has_not_is_missing_and_nothing_else(remote: RemoteHistories) -> None:
    (pico, _), *_ = remote.picos()
    assert remote.receipt(pico, 999) is None and remote.receipt("nobody", 0) is None
    assert remote.receipts(pico, 5, 3) == [] and remote.receipts("nobody") == []
    row = remote.receipt(pico, 0)
    assert row is not None
    from picomesh.ledger.cid import cid_of_bytes

    with pytest.raises(MissingBlock):
        remote.block(cid_of_bytes(b"nothing has this"))


# -- what answers like no engine


ANSWERS = {
    "nothing": b"",
    "no JSON": b"<html>",
    "brackets": b"[" * 100_000,
    "another kind": b'{"picos": []}',
    "rows that are none": b"[1]",
    "picos without a name": b'[{"pico": "x"}]',
    "a name that is a number": b'[{"pico": "x", "name": 1}]',
}


class _Strange(BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def strange() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Strange)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", ANSWERS)
def test_what_does_not_answer_as_an_engine_is_refused(
    strange: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(_Strange, "answer", ANSWERS[name])
    with pytest.raises(LedgerError, match="does not answer as an engine does"):
        RemoteHistories(strange).picos()


def test_a_block_that_has_not_the_hash_of_its_name_is_refused(
    strange: str, remote: RemoteHistories, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pico, _), *_ = remote.picos()
    from picomesh.ledger.cid import parse_cid

    monkeypatch.setattr(_Strange, "answer", b"something else")
    with pytest.raises(LedgerError, match="bytes that its name says"):
        RemoteHistories(strange).block(parse_cid(pico))


def test_an_answer_without_end_is_cut_off(strange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picomesh.engine.remote.ANSWER_BYTES_MAX", 1000)
    monkeypatch.setattr(_Strange, "answer", json.dumps(["x" * 2000]).encode())
    with pytest.raises(LedgerError, match="longer than"):
        RemoteHistories(strange).picos()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://", "http://[x", "http://x:99999"])
def test_where_no_engine_is_the_operator_is_told(url: str) -> None:
    with pytest.raises(OperatorError):
        RemoteHistories(url).picos()
