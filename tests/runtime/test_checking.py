"""The commands that check a history, as people use them, with files that are not what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from command_line import Run, runner
from picomesh.engine import Options
from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service

LIMITS = """ruleset limits {
  meta { shares n }
  global { n = function() { ent:n.defaultsTo(0) } }
  rule rate_limit {
    select when a b
    pre { x = n() + event:attrs{"by"}.defaultsTo(1) }
    send_directive("counted", {"n": x})
    fired { ent:n := x }
  }
}
"""
EVENTS = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two picos; the second one is deleted."""
    home = tmp_path_factory.mktemp("template") / "home"
    with Service.open(home, Options()) as engine:
        engine.create("me")
        engine.install_module("me", compile_krl(LIMITS), source=LIMITS, url="file:///limits.krl")
        for _ in range(EVENTS):
            engine.send("me", "a", "b")
        engine.create("you")
        engine.delete("you")
    return home


@pytest.fixture
def run(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    shutil.copytree(template, tmp_path / "home")
    (tmp_path / "limits.krl").write_text(LIMITS)
    (tmp_path / "twice.krl").write_text(LIMITS.replace("defaultsTo(1) }\n", "defaultsTo(2) }\n"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(template.parent / "cache"))
    return runner(tmp_path, monkeypatch, capsys)


def test_a_proof_needs_no_home_and_no_other_file(run: Run, tmp_path: Path) -> None:
    assert run("prove", "me", "4", "-o", "p.car").code == 0
    shutil.rmtree(tmp_path / "home")
    result = run("audit", "p.car")
    assert result.code == 0 and "limits/n = 3" in result.out
    assert result.out.splitlines()[-1].startswith("proved: ")


@pytest.mark.parametrize("seq", ["99", "8"])
def test_a_receipt_past_the_end_has_no_proof_and_leaves_no_file(
    run: Run, tmp_path: Path, seq: str
) -> None:
    result = run("prove", "me", seq, "-o", "p.car")
    assert result.code == 2 and f"no receipt {seq}" in result.err
    assert not (tmp_path / "p.car").exists()


def test_a_pico_that_was_deleted_is_still_proved_replayed_and_exported(run: Run) -> None:
    assert run("prove", "you", "1", "-o", "p.car").code == 0
    assert run("audit", "p.car").code == 0
    assert run("replay", "you").code == 0
    assert run("export", "-o", "h.car", "--json").json["picos"] == 2
    assert run("replay", "--history", "h.car", "--json").json["replayed"] == 2 + EVENTS + 2


WRONG = {
    "nothing": b"",
    "a length without end": b"\xff" * 9,
    "a length past the end": b"\xff\xff\xff\xff\x0f" + bytes(64),
    "text": b'{"v": 1}',
    "random bytes": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_none_is_refused_by_every_command(
    run: Run, tmp_path: Path, name: str
) -> None:
    (tmp_path / "x.car").write_bytes(WRONG[name])
    for command in (
        ("audit", "x.car"),
        ("evidence", "check", "x.car"),
        ("replay", "--history", "x.car"),
        ("verify", "--history", "x.car"),
        ("bisect", "home", "x.car"),
        ("at", "me", "1", "--history", "x.car"),
        ("prove", "me", "1", "--history", "x.car"),
        ("import", "x.car"),
    ):
        result = run(*command)
        assert result.code == 1, command
        assert "backup" not in result.err, "it is the file that is wrong, not the home"


def test_a_file_of_another_kind_is_refused_by_every_command(run: Run) -> None:
    run("prove", "me", "4", "-o", "proof.car")
    run("export", "-o", "history.car")
    assert run("audit", "history.car").code == 1
    assert run("evidence", "check", "proof.car").code == 1
    assert run("replay", "--history", "proof.car").code == 1


def test_an_export_that_fails_leaves_what_was_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h.car").write_text("mine")
    assert run("export", "me", "--from", "50", "-o", "h.car").code == 2
    assert (tmp_path / "h.car").read_text() == "mine"
    assert [path.name for path in tmp_path.glob(".h.car*")] == []


def test_a_key_that_is_too_short_is_refused(run: Run) -> None:
    run("prove", "me", "4", "-o", "p.car")
    assert run("audit", "p.car", "--engine", "00").code == 2


def test_a_part_of_a_history_is_enough_for_proofs(run: Run) -> None:
    run("export", "me", "--from", "3", "--to", "5", "-o", "h.car")
    for seq in ("3", "5"):
        assert run("prove", "me", seq, "--history", "h.car", "-o", "p.car").code == 0
        assert run("audit", "p.car").code == 0
    assert run("verify", "--history", "h.car").out == "3 receipts good\n"


def test_two_parts_without_a_common_receipt_are_not_called_the_same(run: Run) -> None:
    run("export", "me", "--to", "1", "-o", "a.car")
    run("export", "me", "--from", "4", "-o", "b.car")
    result = run("bisect", "a.car", "b.car")
    assert result.code == 1 and "no receipt that both have" in result.out
    result = run("bisect", "home", "b.car")
    assert result.code == 0 and "the same history" in result.out


# -- two pasts of one pico


@pytest.fixture
def two(run: Run, tmp_path: Path) -> Run:
    """The home and a copy of it; each got another event."""
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    run("send", "me", "a:b")
    run("send", "me", "a:b", "--attr", "by:=7", "--home", "copy")
    return run


def test_bisect_says_what_was_given_and_where_the_runs_part(two: Run) -> None:
    result = two("bisect", "home", "copy")
    assert result.code == 1
    assert "the first 8 receipts are the same" in result.out
    assert 'A event a:b {}\n    B event a:b {"by":7}' in result.out
    (last,) = (line for line in result.out.splitlines() if line.startswith("agree"))
    assert re.fullmatch(
        r"agree until fuel [\d,]+; rule rate_limit, limits\.krl:7: "
        r'A sent directive counted {"n":7}, B sent directive counted {"n":13}',
        last,
    )


def test_bisect_compares_no_calls_of_an_event_and_an_install(run: Run, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    run("send", "me", "a:b")
    run("install", "me", "twice.krl", "--home", "copy")
    result = run("bisect", "home", "copy", "--json").lines[0]
    assert (result["seq"], result["field"], "fuel" in result) == (8, "kind", False)


def test_a_history_that_parted_before_the_file_begins_is_said_to(two: Run) -> None:
    two("send", "me", "a:b")
    two("send", "me", "a:b", "--home", "copy")
    two("export", "me", "--from", "9", "-o", "late.car")
    result = two("bisect", "late.car", "copy")
    assert result.code == 1 and "they part before receipt 9" in result.out


def test_two_pasts_convict_their_engine_and_one_past_does_not(two: Run, tmp_path: Path) -> None:
    same = two("evidence", "make", "home", "./home", "-o", "e.car")
    assert same.code == 2 and "A and B are one home" in same.err
    assert two("evidence", "make", "home", "copy", "-o", "e.car").code == 0
    shutil.rmtree(tmp_path / "home")
    found = two("evidence", "check", "e.car", "--json").json
    assert (found["ok"], found["seq"], found["field"]) == (True, 8, "event")


def test_two_proofs_of_one_place_convict_without_any_history(two: Run, tmp_path: Path) -> None:
    two("prove", "me", "8", "-o", "a.car")
    two("prove", "me", "8", "-o", "b.car", "--home", "copy")
    two("prove", "me", "7", "-o", "c.car")
    for folder in ("home", "copy"):
        shutil.rmtree(tmp_path / folder)
    assert two("evidence", "make", "a.car", "b.car", "-o", "e.car").code == 0
    assert two("evidence", "check", "e.car", "--json").json["seq"] == 8
    for other in ("a.car", "c.car"):
        assert two("evidence", "make", "a.car", other, "-o", "none.car").code == 1
    assert not (tmp_path / "none.car").exists()


# -- the past


def test_fork_shows_state_and_effects_next_to_what_they_were(run: Run) -> None:
    result = run("fork", "me", "--at", "5", "--ruleset", "twice.krl", "--replay")
    assert result.code == 1
    assert "n = 6, was 5" in result.out
    assert 'sent directive counted {"n":6}, was: sent directive counted {"n":5}' in result.out
    assert "2 events run again: 0 the same, 2 differ" in result.out
    assert result.out.splitlines()[-1] == "  n = 8, was 6"


def test_fork_says_the_same_from_a_file_without_states(run: Run) -> None:
    run("export", "me", "--without-states", "-o", "h.car")
    command = ("fork", "me", "--at", "5", "--ruleset", "twice.krl", "--replay")
    assert run(*command, "--history", "h.car").out == run(*command).out


def test_fork_ends_no_earlier_than_it_begins(run: Run) -> None:
    result = run("fork", "me", "--at", "5", "--ruleset", "twice.krl", "--replay", "--to", "2")
    assert result.code == 2 and "--to 2 is before --at 5" in result.err


def test_at_shows_any_past_moment_to_the_unit_of_fuel(run: Run) -> None:
    assert run("at", "me", "0", "--json").json["entities"] == {}
    assert run("at", "me", "4", "--json").json["entities"] == {"limits": {"n": 3}}
    assert run("at", "me", "4", "--fuel", "0", "--json").json["calls"] == []
    whole = run("at", "me", "4", "--fuel", str(2**60), "--json").json
    assert whole["ended"] and whole["written"] == {"n": "3"}
    half = run("at", "me", "4", "--fuel", str(whole["calls"][0]["fuel"] + 1), "--json").json
    assert not half["ended"] and half["line"] in range(3, 8) and half["written"] == {}
    assert run("at", "me", "99").code == 2


# -- families and failures

HISTORIES = Path(__file__).resolve().parents[1] / "histories"


def test_at_keeps_a_child_s_calls_apart_from_the_pico_s_own(run: Run) -> None:
    family = str(HISTORIES / "family.car")
    then = run("at", "home", "2", "--fuel", str(2**60), "--history", family, "--json").json
    children = [call["text"] for call in then["calls"] if call["child"]]
    assert 'wrote seen=["hello"]' in children
    assert then["written"] == {}, "the child's state is not the parent's"
    own = [call["fuel"] for call in then["calls"] if not call["child"]]
    assert own == sorted(own)


def test_fork_says_what_would_not_have_been_done(run: Run) -> None:
    family = str(HISTORIES / "family.car")
    command = ("fork", "home", "--at", "1", "--replay", "--history", family)
    result = run(*command, "--ruleset", "limits.krl")
    assert result.code == 0, "another ruleset beside it changes nothing"
    parent = 'ruleset parent { rule make { select when home child_wanted send_directive("no") } }'
    Path("parent.krl").write_text(parent)
    result = run(*command, "--ruleset", "parent.krl")
    assert "sent directive no {}, was: made a child" in result.out
    assert "no effect, was: sent event home:said" in result.out
    assert "no effect, was: deleted bafyr4i" in result.out
    assert "is not written, was removed" in result.out


@pytest.mark.parametrize("seq", range(23))
def test_a_transition_that_failed_is_proved_as_such(run: Run, seq: int) -> None:
    fates = str(HISTORIES / "fates.car")
    assert run("prove", "fates", str(seq), "--history", fates, "-o", "p.car").code == 0
    assert run("audit", "p.car").code == 0
