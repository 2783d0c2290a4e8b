"""`picomesh fuel`: the lines, rules and functions that an event's fuel goes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from picomesh.cli.commands import picomesh
from picomesh.cli.flame import collapsed, flame_graph
from picomesh.engine.spending import Spending, Spot, by_function, by_line, by_rule
from wat_guests import counter

SOURCE = """ruleset dear {
  global {
    cheap = function(n) { n + 1 }
    dear = function(n) { 1.range(n).reduce(function(a, b) { a + b }, 0) }
  }
  rule count {
    select when a b
    pre {
      one = cheap(2)
      many = dear(event:attrs{"n"})
    }
    send_directive("r", {"sum": one + many})
    fired { ent:sum := many }
  }
  rule idle { select when a b }
}
"""
DEAR_LINE, CHEAP_LINE = 4, 3


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "dear.krl"
    path.write_text(SOURCE)
    return path


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(picomesh, ["fuel", *map(str, arguments)])


def rows(source: Path, *arguments: str | Path) -> dict[str, Any]:
    event = ("--event", "a:b", "--attr", "n:=3000", "--stops", "120")
    done = invoke(source, *event, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_the_line_that_does_the_work_is_the_first_row(source: Path) -> None:
    found = rows(source)
    first = found["rows"][0]
    assert (first["line"], first["text"][:15]) == (DEAR_LINE, "dear = function")
    assert first["fuel"] > found["fuel"] / 2
    assert all(row["fuel"] < found["fuel"] / 20 for row in found["rows"] if row["line"] == 3)


def test_the_rows_add_up_to_the_fuel_of_the_receipt(source: Path) -> None:
    ran = CliRunner().invoke(
        picomesh, ["run", str(source), "--event", "a:b", "--attr", "n:=3000", "--json"]
    )
    fuel = json.loads(ran.output)["fuel"]
    for way in ("line", "rule"):
        found = rows(source, "--by", way)
        assert sum(row["fuel"] for row in found["rows"]) == found["fuel"] == fuel
    functions = rows(source, "--by", "function")["rows"]
    assert sum(row["own"] for row in functions) == fuel


def test_rules_and_what_is_around_them_have_rows(source: Path) -> None:
    names = [row["rule"] for row in rows(source, "--by", "rule")["rows"]]
    assert names[0] == "rule count"
    assert {"(engine)", "(reading the event)"} < set(names)


def test_two_runs_show_the_same_for_fuel_is_no_clock(source: Path) -> None:
    assert rows(source) == rows(source)


def test_the_last_event_is_looked_at_and_those_before_it_prepare(source: Path) -> None:
    before = ("--event", "a:b", "--attr", "n:=9000")
    after = ("--event", "a:b", "--attr", "n:=3", "--stops", "20", "--json")
    found = json.loads(invoke(source, *before, *after).output)
    alone = json.loads(invoke(source, *after).output)
    assert found["fuel"] < 2 * alone["fuel"]


def test_the_flame_graph_is_svg_as_wide_as_what_it_shows(source: Path, tmp_path: Path) -> None:
    picture, text = tmp_path / "dear.svg", tmp_path / "dear.txt"
    found = rows(source, "--flame", picture, "--stacks", text)
    root = ElementTree.fromstring(picture.read_text("utf-8"))
    hints = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(hint.startswith(f"all: {found['fuel']:,} fuel, 100.0 %") for hint in hints)
    assert any(hint.startswith("rule count:10: ") for hint in hints)
    boxes = [item for item in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in item.attrib]
    assert all(float(box.attrib["x"]) + float(box.attrib["width"]) <= 1200 for box in boxes)
    lines = [line.rsplit(" ", 1) for line in text.read_text("utf-8").splitlines()]
    assert sum(int(amount) for _, amount in lines) == found["fuel"]
    assert any("handle;rule count:10;dear:4" in stack for stack, _ in lines)


def test_a_table_names_the_line_and_its_text(source: Path) -> None:
    done = invoke(source, "--event", "a:b", "--attr", "n:=3000", "--stops", "50")
    head, first, *_ = done.output.splitlines()
    assert "looked at 50 times" in head
    assert "line 4" in first and "dear = function(n)" in first and "%" in first


def test_an_event_that_throws_is_looked_at_as_well(tmp_path: Path) -> None:
    path = tmp_path / "bad.krl"
    path.write_text(
        'ruleset bad { rule r { select when a b pre { x = ctx:query("nowhere", 1) } } }'
    )
    done = invoke(path, "--event", "a:b", "--stops", "10", "--by", "rule")
    assert done.exit_code == 0, done.output


def test_no_event_is_a_mistake_in_the_command(source: Path) -> None:
    done = invoke(source)
    assert done.exit_code != 0


def test_a_module_without_a_source_map_has_functions_and_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.wasm"
    path.write_bytes(counter().build())
    found = rows(path)["rows"]
    assert all(row["line"] is None for row in found)
    assert "(engine)" in {row["function"] for row in found}


def test_stacks_add_up_by_line_rule_and_function() -> None:
    handle, rule, helper = Spot("handle"), Spot("rule r", 7), Spot("rt_add")
    found = Spending(
        60,
        3,
        {(handle, rule, helper): 30, (handle, rule): 20, (handle, Spot("rt_event_begin")): 10},
    )
    assert by_line(found) == {(7, "rule r"): 50, (None, "(reading the event)"): 10}
    assert by_rule(found) == {"rule r": 50, "(reading the event)": 10}
    assert by_function(found)["rule r"] == (20, 50)
    assert by_function(found)["handle"] == (0, 60)
    assert collapsed(found.stacks).splitlines() == [
        "handle;rt_event_begin 10",
        "handle;rule r:7 20",
        "handle;rule r:7;rt_add 30",
    ]


def test_names_cannot_break_out_of_a_picture_or_a_stack() -> None:
    bad = Spot("<script>;&", 1)
    assert "<script>" not in flame_graph({(bad,): 5}, "<b>", "fuel")
    assert collapsed({(bad,): 5}) == "<script>,&:1 5\n"
