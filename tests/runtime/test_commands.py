"""Commands about picos that are kept: where rulesets come from, what waits, who is in trouble."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from command_line import Run, runner
from picomesh.engine.library import compile_krl
from picomesh.ledger.cid import cid_of_bytes

RULESET = """
ruleset hello {
  meta { shares n } global { n = function() { ent:n } }
  rule up { select when a up fired { ent:n := ent:n.defaultsTo(0) + 1 } }
  rule far { select when a far
    event:send({"eci": "x", "domain": "a", "type": "up"}, "http://127.0.0.1:1") }
  rule bad { select when a bad fired { x = "x" - 1 } }
}
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "hello.krl").write_text(RULESET)
    return runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A server of the folder's files."""
    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_ruleset_is_installed_by_path_url_or_content_id(run: Run, host: str) -> None:
    cid = str(cid_of_bytes(compile_krl(RULESET)))
    for name in ("me", "you", "they"):
        run("new", name)
    assert "no module" in run("install", "me", cid).err
    assert run("install", "me", "hello.krl").out.startswith("install hello\n")
    assert run("install", "you", f"{host}/hello.krl").code == 0
    assert run("install", "they", cid).code == 0
    shown = [run("show", name, "--json").json["rulesets"][0] for name in ("me", "you", "they")]
    assert [item["url"] for item in shown][1:] == [f"{host}/hello.krl", cid]
    assert len({item["module"] for item in shown}) == 1
    for name in ("me", "you", "they"):
        assert run("send", name, "a:up").code == 0
        assert run("query", name, "n").out == "1\n"
    for wrong in (f"{host}/nothing.krl", "http://127.0.0.1:1/x.krl", "nothing.krl"):
        result = run("install", "me", wrong)
        assert result.code in (1, 2) and result.err
    assert run("query", "me", "n").out == "1\n"


def test_what_goes_elsewhere_waits_for_the_engine_and_the_command_says_so(run: Run) -> None:
    run("new", "me")
    run("install", "me", "hello.krl")
    assert run("send", "me", "a:up").err == ""
    sent = run("send", "me", "a:far")
    assert sent.code == 0 and "until `picomesh engine` runs" in sent.err


def test_a_pico_in_trouble_is_marked_in_the_list(run: Run) -> None:
    run("new", "me")
    run("install", "me", "hello.krl")
    assert "!" not in run("list").out
    assert run("send", "me", "a:bad").code == 1
    assert run("list").out.rstrip().endswith("me  ! throw")
    assert run("list", "--json").json["trouble"] == "throw"
    run("send", "me", "a:up")
    assert run("list", "--json").json["trouble"] is None


def test_a_module_that_is_used_is_not_uninstalled(run: Run, tmp_path: Path) -> None:
    used = RULESET.replace("shares n }", "shares n provides n }")
    (tmp_path / "hello.krl").write_text(used)
    (tmp_path / "user.krl").write_text(
        "ruleset user { meta { use module hello shares m }\n"
        "global { m = function() { hello:n() } } }"
    )
    run("new", "me")
    run("install", "me", "hello.krl", "user.krl")
    refused = run("uninstall", "me", "hello")
    assert refused.code != 0 and "hello is used by user" in refused.err
    assert run("uninstall", "me", "user").code == 0
    assert run("uninstall", "me", "hello").code == 0
