"""Logs: kept by rule, outside of the receipts' cores, and also when a transition fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picomesh.cli import execute
from picomesh.engine import Engine, Options
from picomesh.engine.library import compile_krl
from picomesh.engine.logs import QUERY_LINES_MAX, Wanted, logs_of, merge_lines
from picomesh.scenario.world import VirtualWorld

RULESET = """
ruleset l {
  rule good { select when t good fired { log info "fine" } }
  rule bad { select when t bad pre { x = "seen".klog("before") y = x - 1 } }
}
"""


def test_a_failed_transition_keeps_its_lines_and_its_error() -> None:
    with Engine.ephemeral(Options(world=VirtualWorld(), backend="winch")) as engine:
        pico = engine.create("me").pico
        engine.install_module("me", compile_krl(RULESET))
        engine.send("me", "t", "good")
        engine.send("me", "t", "bad")
        lines = logs_of(engine.store, pico)
        assert [(line.seq, line.rule, line.level) for line in lines] == [
            (2, "good", "info"),
            (3, "bad", lines[1].level),
            (3, "", "error"),
        ]
        assert "cannot be subtracted" in lines[-1].message
        assert logs_of(engine.store, pico, Wanted(since_ms=2**52)) == []


def test_what_queries_log_is_known_for_a_while_and_ends() -> None:
    text = """ruleset q { meta { shares f, bad } global {
      f = function(n) { n.klog("n is") } bad = function() { "seen".klog("x") - 1 } } }"""
    with Engine.ephemeral(Options(world=VirtualWorld(), backend="winch")) as engine:
        pico = engine.create("me").pico
        engine.install_module("me", compile_krl(text))
        for number in range(QUERY_LINES_MAX):
            engine.query("me", "q", "f", {"n": number})
        assert engine.run_query("me", "q", "bad").outcome == "throw"
        lines = engine.query_lines.of(pico, Wanted())
        assert len(lines) == QUERY_LINES_MAX
        assert [(line.seq, line.level, line.message) for line in lines[-2:-1]] == [
            (None, "klog", "x")
        ]
        assert "cannot be subtracted" in lines[-1].message
        assert lines[0].value == 2, "the oldest two have gone"
        assert engine.query_lines.of(pico, Wanted(rid="other")) == []
        merged = merge_lines(logs_of(engine.store, pico), lines)
        assert merged == lines


def test_an_entry_of_a_schedule_that_fails_does_not_fire_again_and_again() -> None:
    rule = 'rule s { select when t s fired { schedule t event "bad" at time:now() } }\n}'
    text = RULESET.rstrip().removesuffix("}") + rule
    world = VirtualWorld()
    with Engine.ephemeral(Options(world=world, backend="winch")) as engine:
        engine.create("me")
        assert engine.install_module("me", compile_krl(text)).transition.outcome == "ok"
        assert engine.send("me", "t", "s").transition.outcome == "ok"
        world.clock_ms += 5_000
        (response,) = engine.run_due()
        assert response.transition.outcome == "throw"
        assert engine.next_due() is None


def test_the_command_shows_the_lines_of_one_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(tmp_path / "home")]
    source = tmp_path / "l.krl"
    source.write_text(RULESET)
    assert execute(["new", "me", *home]) == 0
    assert execute(["install", "me", str(source), *home]) == 0
    assert execute(["send", "me", "t:good", *home]) == 0
    assert execute(["send", "me", "t:bad", *home]) == 1
    capsys.readouterr()
    assert execute(["logs", "me", "--rule", "bad", "--json", *home]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["rid"] == "l"
    assert execute(["logs", "me", *home]) == 0
    assert "cannot be subtracted" in capsys.readouterr().out
