"""The command line: what it prints, for people and for programs, and its exit codes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command_line import Run, runner
from picomesh.cli.commands import COMMANDS, picomesh
from wat_guests import Guest, counter, thrower

HELLO = """ruleset hello {
  meta { name "Hello" shares greeting, count }
  global {
    greeting = function(name = "World") { <<Hello, #{name}!>> }
    count = function() { ent:count.defaultsTo(0) }
  }
  rule greet {
    select when hello world
    send_directive("say", {"text": greeting(event:attrs{"name"}), "age": event:attrs{"age"}})
    fired { ent:count := count() + 1; log info "greeted" }
  }
  rule fail { select when hello fail pre { no = 1 - "x" } }
}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a fresh folder with a home of its own; no traceback may show."""
    (tmp_path / "hello.krl").write_text(HELLO)
    (tmp_path / "count.wasm").write_bytes(counter().build())
    return runner(tmp_path, monkeypatch, capsys)


def test_run_prints_directives_fuel_and_receipt_of_each_event(run: Run) -> None:
    result = run(
        "run", "hello.krl", "--event", "hello:world", "--attr", "name=Ada", "--attr", "age:=36",
        "--query", "count", "--query", "greeting", "--arg", "name=Bob",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert 'directive say {"text":"Hello, Ada!","age":36}' in result.out
    assert "from hello, rule greet" in result.out
    assert "info greeted" in result.out
    assert "fuel " in result.out and "receipt 2 bafyr4i" in result.out
    assert "answer 1" in result.out and 'answer "Hello, Bob!"' in result.out


def test_run_prints_one_json_map_for_each_event_and_query(run: Run) -> None:
    result = run(
        "run", "hello.krl", "count.wasm", "--json", "--event", "hello:world", "--event", "a:b",
        "--query", "t:n",
    )  # fmt: skip
    hello, counted, answer = result.lines
    assert hello["event"] == "hello:world" and hello["outcome"] == "ok"
    assert hello["directives"][0]["options"] == {"text": "Hello, null!", "age": None}
    assert counted["directives"][0]["meta"]["rid"] == "t"
    assert answer["answer"] == 1 and answer["fuel"] > 0


def test_an_attribute_belongs_to_the_event_before_it(run: Run) -> None:
    result = run(
        "run", "hello.krl", "--json", "--event", "hello:world", "--attr", "name=A",
        "--event", "hello:world", "--attr", "name=B",
    )  # fmt: skip
    assert [line["directives"][0]["options"]["text"] for line in result.lines] == [
        "Hello, A!",
        "Hello, B!",
    ]


def test_a_rule_that_throws_exits_with_1_and_says_why(run: Run) -> None:
    result = run("run", "hello.krl", "--event", "hello:fail")
    assert result.code == 1
    assert "outcome throw: x cannot be subtracted from 1" in result.out


def test_an_endless_ruleset_exits_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "endless.wasm").write_bytes(Guest(handle="(loop $l (br $l))").build())
    result = run("run", "endless.wasm", "--event", "a:b", "--fuel", "1000000")
    assert (result.code, "outcome out-of-fuel" in result.out) == (1, True)


WRONG_USES: dict[str, list[str]] = {
    "a missing file": ["run", "nothing.krl", "--event", "a:b"],
    "a folder for a file": ["run", ".", "--event", "a:b"],
    "no file": ["run"],
    "an event without a type": ["run", "hello.krl", "--event", "hello"],
    "an event without a domain": ["run", "hello.krl", "--event", ":world"],
    "an attribute without a value": ["run", "hello.krl", "--event", "a:b", "--attr", "name"],
    "an attribute without a name": ["run", "hello.krl", "--event", "a:b", "--attr", "=x"],
    "an attribute that is not json": ["run", "hello.krl", "--event", "a:b", "--attr", "k:={"],
    "an attribute that is not a number": ["run", "hello.krl", "--event", "a:b", "--attr", "k:=NaN"],
    "an attribute nested too deep": [
        "run", "hello.krl", "--event", "a:b", "--attr", "k:=" + "[" * 500 + "]" * 500,
    ],
    "an attribute nested far too deep": [
        "run", "hello.krl", "--event", "a:b", "--attr", "k:=" + "[" * 99999,
    ],
    "an attribute before any event": ["run", "hello.krl", "--attr", "a=b", "--event", "a:b"],
    "an argument behind an event": ["run", "hello.krl", "--event", "a:b", "--arg", "a=b"],
    "a function nobody shares": ["run", "hello.krl", "--query", "greting"],
    "a backend that does not exist": ["run", "hello.krl", "--backend", "abacus"],
    "an option that does not exist": ["run", "hello.krl", "--evnt", "a:b"],
    "a command that does not exist": ["rum"],
    "an unknown pico": ["send", "nobody", "a:b"],
    "an unknown pico to query": ["query", "nobody", "f"],
    "an unknown pico to show": ["show", "nobody"],
    "an unknown pico to replay": ["replay", "nobody"],
    "a home that is a file": ["new", "--home", "hello.krl"],
    "cases from nowhere": ["scenario"],
    "a case that is missing": ["scenario", "nothing.json"],
    "a case that is no json": ["scenario", "hello.krl"],
    "a folder that is missing": ["check", "nothing"],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_USES)
def test_wrong_use_exits_with_2_and_a_message(run: Run, name: str) -> None:
    result = run(*WRONG_USES[name])
    assert result.code == 2, result.err
    assert len(result.err.strip()) > 10
    assert result.out == ""


def test_a_near_miss_gets_a_hint(run: Run) -> None:
    assert "did you mean greeting" in run("run", "hello.krl", "--query", "greting").err
    assert "did you mean run" in run("rum").err
    run("new", "counter")
    assert "did you mean counter" in run("send", "countre", "a:b").err


def test_arguments_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hello.krl").write_text(HELLO)
    for option, text in ((b"--attr", b"name=\xff"), (b"--event", b"a:\xfe")):
        extra = [b"--event", b"hello:world"] if option == b"--attr" else []
        done = subprocess.run(
            [sys.executable, "-m", "picomesh", "run", "hello.krl", *extra, option, text],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert b"not UTF-8" in done.stderr and b"Traceback" not in done.stderr


def test_a_file_whose_name_is_not_utf8_can_be_used(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"h\xff.krl")).write_text(HELLO)
    done = subprocess.run(
        [sys.executable, "-m", "picomesh", "check", b"h\xff.krl", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


def test_errors_in_a_ruleset_name_file_line_and_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.krl").write_text("ruleset bad {\n  rule r { select when }\n}\n")
    result = run("run", "bad.krl", "--event", "a:b")
    assert result.code == 1
    assert "bad.krl:2:" in result.err


def test_a_ruleset_that_is_not_utf8_is_read_with_a_warning_at_its_line(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "latin.krl").write_bytes(b"ruleset a {\n// caf\xe9\n}")
    for command in ("run", "compile", "check"):
        result = run(command, "latin.krl")
        assert result.code == 0
        assert "latin.krl:2:7" in result.err and "not UTF-8" in result.err
    (tmp_path / "wide.krl").write_bytes("ruleset a { }".encode("utf-16"))
    for command in ("run", "compile", "check"):
        result = run(command, "wide.krl")
        assert result.code == 1 and "wide.krl:1" in result.err and "not UTF-8" in result.err


def test_check_prints_one_json_line_for_each_file_and_walks_folders(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "rules" / "deep").mkdir(parents=True)
    (tmp_path / "rules" / "a.krl").write_text(HELLO)
    (tmp_path / "rules" / "deep" / "b.krl").write_text("ruleset")
    (tmp_path / "rules" / "not.txt").write_text("ruleset")
    result = run("check", "rules", "hello.krl", "--json")
    assert result.code == 1
    assert [(Path(line["file"]).name, line["ok"]) for line in result.lines] == [
        ("a.krl", True),
        ("b.krl", False),
        ("hello.krl", True),
    ]
    (diagnostic,) = result.lines[1]["diagnostics"]
    assert {"severity", "title", "line", "column", "hint"} <= set(diagnostic)
    assert run("check", "hello.krl").code == 0


def test_a_ruleset_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    text = HELLO.replace('"greeted"', '"\x1b[2Jgone"')
    (tmp_path / "hello.krl").write_text(text)
    result = run("run", "hello.krl", "--event", "hello:world", "--attr", "name=\x9b2J\x1b[2J")
    assert "\x1b" not in result.out and "\x9b" not in result.out
    assert "<U+001B>[2Jgone" in result.out


def test_check_makes_the_mechanical_fixes(run: Run, tmp_path: Path) -> None:
    old = 'ruleset old { rule r { select when a b send_directive("x") with n = 1 } }\n'
    (tmp_path / "old.krl").write_text(old)
    before = run("check", "old.krl", "--json")
    assert before.json["ok"] is True and before.json["diagnostics"]
    assert run("check", "old.krl", "--fix").code == 0
    assert 'send_directive("x", {"n": 1})' in (tmp_path / "old.krl").read_text()
    assert run("check", "old.krl", "--json").json["diagnostics"] == []


def test_compile_writes_the_same_module_every_time(run: Run, tmp_path: Path) -> None:
    assert run("compile", "hello.krl").code == 0
    first = (tmp_path / "hello.wasm").read_bytes()
    assert run("compile", "hello.krl", "-o", "again.wasm").code == 0
    assert (tmp_path / "again.wasm").read_bytes() == first
    assert first.startswith(b"\0asm")
    assert run("run", "hello.wasm", "--event", "hello:world").code == 0


def test_compile_emits_manifest_text_and_intermediate_form(run: Run, tmp_path: Path) -> None:
    assert run("compile", "hello.krl", "--emit", "manifest", "-o", "m.json").code == 0
    manifest = json.loads((tmp_path / "m.json").read_text())
    assert manifest["rid"] == "hello"
    assert [item["name"] for item in manifest["shares"]][:2] == ["greeting", "count"]
    assert run("compile", "hello.krl", "--emit", "wat", "-o", "m.wat").code == 0
    import wasmtime

    assert wasmtime.wat2wasm((tmp_path / "m.wat").read_text())
    assert run("compile", "hello.krl", "--emit", "ir", "-o", "m.ir").code == 0
    assert "greet" in (tmp_path / "m.ir").read_text()


def test_compile_does_not_write_over_its_source(run: Run, tmp_path: Path) -> None:
    assert run("compile", "hello.krl", "-o", "hello.krl").code == 2
    assert (tmp_path / "hello.krl").read_text() == HELLO


def test_a_pico_is_made_used_shown_and_replayed(run: Run) -> None:
    pico = run("new", "me").out.strip()
    assert pico.startswith("bafyr4i")
    assert run("install", "me", "hello.krl", "--config", "k=v").code == 0
    sent = run("send", "me", "hello:world", "--attr", "name=Ada", "--json").json
    assert sent["directives"][0]["options"]["text"] == "Hello, Ada!"
    assert (sent["seq"], sent["outcome"], sent["pico"]) == (2, "ok", pico)
    assert run("query", "me", "count").out == "1\n"
    assert run("query", "me", "hello:greeting", "--arg", "name=B").out == '"Hello, B!"\n'
    assert run("query", "me", "hello", "count", "--json").json["answer"] == 1
    assert [line["kind"] for line in run("log", "me", "--json").lines] == [
        "create",
        "install",
        "event",
    ]
    assert "hello:world" in run("log", "me", "--from", "2").out
    shown = run("show", pico[:18], "--json").json
    assert shown["entities"] == {"hello": {"count": 1}}
    assert [item["rid"] for item in shown["rulesets"]] == ["hello"]
    receipt = run("show", "me", "2", "--json").json
    assert receipt["receipt"] == sent["receipt"] and receipt["given"]["attrs"] == {"name": "Ada"}
    row = {"pico": pico, "name": "me", "receipts": 3, "trouble": None}
    assert run("list", "--json").json == row
    assert run("verify").code == 0
    for backend in ("cranelift", "pulley"):
        assert "3 receipts replayed" in run("replay", "me", "--backend", backend).out
    assert run("replay", "me", "--from", "2", "--to", "2", "--json").json["replayed"] == 1


def test_a_failed_event_on_a_kept_pico_exits_with_1_and_leaves_it_usable(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "bad.wasm").write_bytes(thrower("bad", "I will not").build())
    run("new", "me")
    run("install", "me", "hello.krl", "bad.wasm")
    result = run("send", "me", "a:b")
    assert (result.code, "I will not" in result.out) == (1, True)
    assert run("send", "me", "hello:world").code == 0
    shown = run("show", "me", "3", "--json").json
    assert (shown["outcome"], shown["message"]) == ("throw", "I will not")
    failed = run("query", "me", "bad", "f")
    assert failed.code in (0, 2)


def test_a_query_that_throws_exits_with_1(run: Run, tmp_path: Path) -> None:
    text = 'ruleset q { meta { shares f } global { f = function() { 1 - "x" } } }'
    (tmp_path / "q.krl").write_text(text)
    run("new", "me")
    run("install", "me", "q.krl")
    result = run("query", "me", "f")
    assert result.code == 1 and "cannot be subtracted" in result.err
    assert run("query", "me", "f", "--json").json["outcome"] == "throw"


def test_a_damaged_history_is_named_by_verify_and_by_replay(run: Run, tmp_path: Path) -> None:
    run("new", "me")
    run("install", "me", "count.wasm")
    for _ in range(3):
        run("send", "me", "a:b")
    with sqlite3.connect(tmp_path / "home" / "picomesh.sqlite3") as database:
        database.execute("UPDATE block SET data = x'07' WHERE data = x'02'")
    database.close()
    for command in (["verify"], ["verify", "me"], ["replay", "me"]):
        result = run(*command)
        assert result.code == 1
        assert "receipt " in result.out
    assert run("verify", "--json").json["problems"]
    assert run("replay", "me", "--json").json["ok"] is False


def test_a_replay_finds_damage_that_changes_no_result(run: Run, tmp_path: Path) -> None:
    """A byte of an envelope: nothing that is run again depends on it."""
    run("new", "me")
    run("install", "me", "count.wasm")
    with sqlite3.connect(tmp_path / "home" / "picomesh.sqlite3") as database:
        (envelope,) = database.execute("SELECT envelope FROM receipt WHERE seq = 1").fetchone()
        changed = envelope.replace(b"cranelift", b"cranelifu")
        database.execute("UPDATE receipt SET envelope = ? WHERE seq = 1", (changed,))
    database.close()
    result = run("replay", "me")
    assert result.code == 1 and "receipt 1, envelope" in result.out


def test_a_newer_home_and_a_truncated_one_have_clear_messages(run: Run, tmp_path: Path) -> None:
    run("new", "me")
    path = tmp_path / "home" / "picomesh.sqlite3"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    result = run("log", "me")
    assert result.code == 2 and "store version 99" in result.err
    path.write_bytes(path.read_bytes()[:5000])
    result = run("log", "me")
    assert result.code == 1 and "damaged" in result.err


def test_a_case_is_answered_in_the_shape_of_the_recordings(run: Run, tmp_path: Path) -> None:
    case = {
        "name": "one",
        "rulesets": [{"krl": HELLO}, {"krl": "ruleset broken {", "rid": "broken"}],
        "steps": [
            {"event": {"domain": "hello", "name": "world", "attrs": {"name": "Ada"}}},
            {"query": {"rid": "hello", "name": "count"}},
            {"query": {"rid": "hello", "name": "greeting", "args": {"name": "$ref:1.type"}}},
            {"query": {"rid": "hello", "name": "nothing"}},
            {"advance": 1500},
            {"event": {"domain": "hello", "name": "fail"}},
            {"install": {"rid": "nowhere"}},
            {"uninstall": "hello"},
            {"dump": "ent"},
            {"surprise": 1},
        ],
        "exprs": ["1 + 2", '1 - "x"', "1 +", {"expr": "f(2)", "global": "f = function(x) {x*3}"}],
        "compile": ["ruleset ok {}", "ruleset"],
        "options": {"start": 0, "stepMs": 10},
    }
    (tmp_path / "case.json").write_text(json.dumps(case))
    result = run("scenario", "case.json").json
    assert result["install"][0] == {"rid": "hello"}
    assert result["install"][1]["phase"] == "compile"
    event, count, greeting, unknown, advance, failed, install, uninstall, dump, bad = result[
        "results"
    ]
    assert event["directives"][0]["options"]["text"] == "Hello, Ada!"
    assert count == {"value": 1, "type": "Number"}
    assert greeting["value"] == "Hello, Number!"
    assert unknown["phase"] == "run" and failed["phase"] == "run"
    assert advance == {"now": "1970-01-01T00:00:01.550Z"}
    assert "404" in install["error"] and uninstall == {"uninstalled": "hello"}
    assert dump == {"ent": {}} and "unknown step" in bad["error"]
    three, thrown, broken, six = result["exprs"]
    assert (three["value"], six["value"]) == (3, 6)
    assert (thrown["phase"], broken["phase"]) == ("run", "compile")
    assert result["compile"][0] == {"rid": "ok", "warnings": []}
    assert "error" in result["compile"][1] and result["ent"] == {}


@pytest.mark.parametrize(
    "case",
    [
        {"rulesets": 5},
        {"rulesets": [5]},
        {"rulesets": [{}]},
        {"rulesets": [{"file": "/nowhere.krl"}]},
        {"steps": ["event"]},
        {"steps": [{"time": "now"}]},
        {"exprs": [{}]},
        {"exprs": [1]},
        {"compile": [1]},
        {"options": 5},
        {"options": {"start": "x"}},
    ],
    ids=str,
)
def test_a_case_that_is_not_in_the_format_has_an_error(
    run: Run, tmp_path: Path, case: dict[str, Any]
) -> None:
    (tmp_path / "case.json").write_text(json.dumps(case))
    result = run("scenario", "case.json")
    assert (result.code, result.json["phase"]) == (0, "case")


def test_a_step_that_makes_no_sense_has_an_error_and_the_next_one_is_run(
    run: Run, tmp_path: Path
) -> None:
    steps: list[dict[str, Any]] = [
        {"event": 5},
        {"event": {"domain": "a"}},
        {"event": {"domain": "a", "name": "b", "attrs": [1]}},
        {"query": {"rid": "hello"}},
        {"query": {"rid": "hello", "name": "count", "args": 5}},
        {"advance": "far"},
        {"flush": "nothing"},
        {"uninstall": "nothing"},
        {"setKrl": {"rid": "hello", "krl": "ruleset"}},
        {"flush": "hello"},
        {"query": {"rid": "hello", "name": "count"}},
    ]
    case = {"rulesets": [{"krl": HELLO}], "steps": steps}
    (tmp_path / "case.json").write_text(json.dumps(case))
    results = run("scenario", "case.json", "--backend", "pulley").json["results"]
    good = [at for at, result in enumerate(results) if "error" not in result]
    assert good == [8, 10]


def test_cases_on_standard_input_are_answered_line_by_line(tmp_path: Path) -> None:
    cases = b'{"exprs": ["1"]}\n\n{"exprs": ["2"]}\n'
    done = subprocess.run(
        [sys.executable, "-m", "picomesh", "scenario", "--stdin"],
        input=cases,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PICOMESH_HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["exprs"][0]["value"] for line in done.stdout.splitlines()] == [1, 2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_itself(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert "Usage: picomesh" in result.out and len(result.out.splitlines()) > 5


def test_the_help_of_the_whole_lists_every_command_and_is_quick(run: Run) -> None:
    result = run("--help")
    assert all(name in result.out for name in COMMANDS)
    assert "Exit codes" in result.out
    program = "import sys, picomesh.cli as c; c.execute(['--help']); print(sorted(sys.modules))"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - started < 5
    loaded = done.stdout.splitlines()[-1]
    assert all(f"'{slow}'" not in loaded for slow in ("wasmtime", "krl", "sqlite3", "nacl"))


def test_a_defect_is_called_one_and_shows_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(picomesh, "main", broken)
    result = run("list")
    assert result.code == 3
    assert "this is a defect of picomesh" in result.err and "a bug" in result.err


def test_the_version_is_told(run: Run) -> None:
    result = run("--version")
    assert result.code == 0 and result.out.startswith("picomesh ")


def test_the_demo_shows_a_replay_and_catches_a_forgery(run: Run) -> None:
    result = run("demo")
    assert result.code == 0, result.err
    assert "5 of 5 receipts are equal" in result.out
    assert "out-of-fuel" in result.out
    assert "picomesh verify -> pico" in result.out.splitlines()[-1]


def test_the_price_of_every_instruction_can_be_measured(run: Run) -> None:
    result = run(
        "bench", "fuel", "--fuel", "20000", "--search", "1", "--backend", "winch", "--json"
    )
    assert result.code == 0, result.err
    measured = [row for row in result.lines if row["kind"] == "measured"]
    assert len(measured) > 20
    assert all(row["backend"] == "winch" and row["ns_per_fuel"] >= 0 for row in measured)
