"""Every bench still runs, and says of itself what it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
SCRIPTS = sorted(BENCH.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_bench_opens_with_its_question_its_goals_and_its_non_goals(script: Path) -> None:
    text = script.read_text("utf-8")
    head = text.split('"""')[1]
    assert head.splitlines()[0].endswith("?")
    assert "Goals:" in head and "Non-goals:" in head
    assert script.name in (BENCH / "README.md").read_text("utf-8")


def test_the_compile_bench_prints_one_line_with_a_hash_and_its_circumstances() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH / "compile.py"), "--small"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["bench"] == "compile"
    assert len(result["module"]) == 64
    assert result["runs"] == 2
    assert {"machine", "python", "wasmtime", "picomesh", "goals_ms"} <= set(result)
    figures = ("raw", "metered", "raw_native", "native", "cached", "first", "calibration")
    for figure in [f"{name}_ms" for name in figures]:
        assert 0 < result[figure]["least"] <= result[figure]["median"] <= result[figure]["most"]


def small(script: str) -> dict[str, Any]:
    """What a bench finds in its small form, which fails if it finds what must not be."""
    done = subprocess.run(
        [sys.executable, str(BENCH / f"{script}.py"), "--small"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["bench"] == script
    assert {"machine", "python", "wasmtime", "picomesh", "profile"} <= set(result)
    return result


def test_the_metering_bench_compares_both_forms_of_a_few_programs() -> None:
    result = small("metering")
    assert {"fib", "chain", "text", "data", "sort"} < set(result["programs"])
    assert 0.3 < result["ratio"] < 5 and 1 < result["size"] < 1.8
    assert result["goals"] == {"ratio": 1.25, "size": 1.8}
    assert len(result["hash"]) == 64


def test_stops_of_a_few_modules_look_the_same_on_every_engine() -> None:
    result = small("stops")
    assert result["differences"] == 0 and result["stops"] == 64
    assert len(result["engines"]) >= 4 and result["runs"] == 64 * len(result["engines"])


def test_the_engine_matrix_replays_a_short_history_on_the_release_that_is_here() -> None:
    result = small("engine_matrix")
    assert len(result["digests"]) == 1
    assert [row["wasmtime"] for row in result["releases"]] == [result["wasmtime"]]


@pytest.mark.parametrize(
    ("script", "count", "least"), [("crash", "kills", 4), ("powercut", "cuts", 12)]
)
def test_an_engine_that_dies_loses_nothing_and_repeats_nothing(
    script: str, count: str, least: int
) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH / f"{script}.py"), "--small"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result[count] == least and result["acknowledged"] > 4
    assert result["problem_count"] == 0


def test_the_model_of_a_disk_can_tell_that_nothing_was_synced() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH / "powercut.py"), "--small", "--synchronous", "OFF"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["problem_count"] > 0


def test_checking_a_short_history_costs_what_the_bench_says() -> None:
    result = small("checking")
    assert result["proof_bytes"] < 10 * 1024
    assert result["transitions"] > 30 and result["head"].startswith("bafyr4i")
    for figure in ("run_us", "verify_us", "replay_us", "export_us", "prove_ms", "audit_ms"):
        assert result[figure] > 0


def test_children_are_made_by_wrangler_and_cost_time_and_memory() -> None:
    result = small("children")
    assert result["count"] == 20 and len(result["hash"]) == 64
    for way in ("together", "alone"):
        assert result[way]["cpu_ms"] > 0 and result[way]["memory_kb"] < 1_000


def test_workers_come_to_the_same_and_run_most_of_it() -> None:
    (row,) = small("cores")["rows"]
    assert len(row["receipts"]) == 32
    cases = [case for name, case in row.items() if " workers, " in name]
    assert cases[0]["speedup"] == 1.0
    assert all(case["taken"] > 0.9 for case in cases[1:])
