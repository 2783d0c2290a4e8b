"""The benches that compare with the reference run small, and say what they measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from picomesh.cli.bench_charts import chart
from picomesh.cli.bench_suite import SUITE
from picomesh.cli.commands import picomesh

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
HEAD = {"question", "machine", "python", "wasmtime", "picomesh", "profile", "commit", "reference"}


@cache
def run_small(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A bench as somebody without the reference runs it."""
    names = ("PICOMESH_REFERENCE", "PICOMESH_REFERENCE_WHOLE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, str(BENCH / f"{script}.py"), "--small", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def rows_of(script: str, *arguments: str) -> list[dict[str, Any]]:
    done = run_small(script, *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


ROWS = [name for name, bench in SUITE.items() if not bench.is_plain]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in ("http", "start")])
def test_a_bench_of_the_suite_runs_small_and_says_where_and_what_it_measured(name: str) -> None:
    head, *figures = rows_of(SUITE[name].script)
    assert head["kind"] == "circumstances" and set(head) >= HEAD
    assert head["reference"] is None
    assert figures and all(row["kind"] == "figure" for row in figures)
    assert len({(row["label"], row.get("mode")) for row in figures}) == len(figures)
    for row in figures:
        for side in row["sides"].values():
            assert side.get("per_s", side.get("value")) is not None
    drawing = ElementTree.fromstring(chart([head, *figures]))
    assert drawing.tag.endswith("svg")


def test_without_the_reference_a_bench_says_aloud_what_is_missing_and_how_to_get_it() -> None:
    done = run_small("sizes")
    assert "the reference is NOT measured" in done.stderr
    assert "PICOMESH_REFERENCE" in done.stderr and "npm install" in done.stderr
    assert "NOT" not in run_small("sizes", "--no-reference").stderr


def test_an_engine_over_http_counts_every_request_of_the_bench() -> None:
    _, one, many = rows_of("serving", "--no-reference")
    assert (one["x"], many["x"]) == (1, 32)
    assert many["sides"]["picomesh"]["per_s"] > 0 and many["sides"]["picomesh"]["wait_us"] > 0


def test_the_start_of_an_engine_has_a_time_and_a_memory() -> None:
    _, *figures = rows_of("starting", "--no-reference")
    found = {row["label"]: row["sides"]["picomesh"]["value"] for row in figures}
    assert 0 < found["time"] < 60 and found["memory"] > 1_000_000


def test_both_ways_to_keep_a_history_answer_the_same() -> None:
    _, *figures = rows_of("events")
    assert len(figures) == 24
    for row in figures:
        assert set(row["sides"]) == {"picomesh", "picomesh in memory"}
        assert re.fullmatch("[0-9a-f]{64}", row["hash"])


def test_a_bench_that_finds_different_answers_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from sides.cases import counter
    from sides.comparison import same_answers
    from sides.given import Effort

    class Saying:
        def __init__(self, name: str, answer: str) -> None:
            self.name, self.answer = name, answer

        def ask(self, what: str, **given: object) -> dict[str, str]:
            return {"hash": self.answer}

    sides: Any = [Saying("one", "a"), Saying("other", "b")]
    with pytest.raises(AssertionError, match="the sides differ"):
        same_answers(sides, counter(), Effort.of(True))


def test_the_command_shows_figures_and_leaves_rows_and_a_chart(tmp_path: Path) -> None:
    arguments = ["bench", "events", "--small", "--no-reference", "--only", "raise"]
    files = ["--out", str(tmp_path / "rows.jsonl"), "--svg", str(tmp_path / "chart.svg")]
    done = CliRunner().invoke(picomesh, [*arguments, *files])
    assert done.exit_code == 0, done.output
    assert "raise, pipelined" in done.output and "µs of processor" in done.output
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    assert [row["kind"] for row in rows] == ["circumstances", "figure", "figure"]
    assert "raise, one at a time" in (tmp_path / "chart.svg").read_text("utf-8")


def test_a_bench_of_one_row_is_shown_line_by_line_and_drawn(tmp_path: Path) -> None:
    arguments = ["bench", "replay", "--small", "--svg", str(tmp_path / "chart.svg")]
    done = CliRunner().invoke(picomesh, arguments)
    assert done.exit_code == 0, done.output
    assert "replay_speed: " in done.output
    assert ">audit</text>" in (tmp_path / "chart.svg").read_text("utf-8")


def test_where_the_benches_are_not_the_command_says_where_to_find_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICOMESH_BENCH", str(tmp_path))
    done = CliRunner().invoke(picomesh, ["bench", "events", "--small"])
    assert done.exit_code == 2 and "they are in the repository" in done.output


def figure(label: str, per_s: float, **more: Any) -> dict[str, Any]:
    sides = {"picomesh": {"per_s": per_s, "cpu_us": 1e6 / per_s}}
    return {"kind": "figure", "label": label, "sides": sides, **more}


def test_a_chart_is_of_curves_where_a_number_grows_and_of_bars_where_kinds_differ() -> None:
    head = {"question": "How?", "machine": "one", "commit": "abc", "picomesh": "0.1"}
    curves = chart([head, *(figure(f"{x} keys", 100, x=x) for x in (10, 100, 1_000))])
    bars = chart([head, figure("fib", 10, ratio=3.5, aim=2), figure("<map>", 1_000)])
    assert curves.count("<circle") == 3 and "keys" in curves
    assert bars.count("<circle") == 0 and "3.5 times the reference, aim 2" in bars
    assert "&lt;map&gt;" in bars
    assert all("prefers-color-scheme:dark" in text for text in (curves, bars))


def test_samples_are_sorted_by_what_an_event_was_busy_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from programs.phases import phases

    run = "main (counting.py:1);Worker.run (sides/worker.py:84)"
    text = f"""\
main (counting.py:1);Worker.install (sides/worker.py:73);f (picomesh/store/store.py:1) 9
{run};Engine.send_many (picomesh/engine/engine.py:9);Store.put (picomesh/store/store.py:1) 3
{run};Engine.send_many (picomesh/engine/engine.py:9);len (picomesh/ledger/pieces.py:1) 2
{run} 1
"""
    assert phases(text) == {
        "store: SQLite and around it": 3,
        "ledger: values, tree, receipts": 2,
        "the bench": 1,
    }


def test_a_table_has_a_line_for_each_row_and_says_what_was_aimed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from programs.table import table

    rows = [
        {"commit": "abc", "rounds": 5},
        figure("counter", 100, aim=2.5, ratio=3, cpu_ratio=2),
        figure("fib", 10),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    lines = list(table(path))
    assert lines[-3:] == [
        "| counter | 100 |  |  | 10,000 |  | 3 | 2 | 2.5 |",
        "| fib | 10 |  |  | 100,000 |  |  |  |  |",
        "",
    ]
