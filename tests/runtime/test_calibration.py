"""`picomesh bench fuel`: what is measured, what is concluded from it, and how it is shown."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

import pico_abi
from pico_abi import prices
from picomesh.cli.calibration.adversary import search
from picomesh.cli.calibration.fit import non_negative_least_squares, proposals
from picomesh.cli.calibration.measure import Measured, Point, Stopwatch, first_touch
from picomesh.cli.calibration.prices import price_of
from picomesh.cli.calibration.scatter import Dot, scatter
from picomesh.cli.calibration.workloads import (
    BASE_CLASS,
    BULK_CLASS,
    CALIBRATION,
    CLASSES,
    REPEATS,
    SNIPPETS,
    Snippet,
    module,
)
from picomesh.cli.commands import picomesh
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox

SVG = "{http://www.w3.org/2000/svg}"


def by_name(name: str) -> Snippet:
    return next(item for item in SNIPPETS if item.name == name)


# --- least squares ---


def test_times_made_of_known_parts_are_taken_apart_again() -> None:
    rng = random.Random(3)
    parts = {"a": 0.25, "b": 4.0, "c": 0.0, "d": 30.0}
    rows = [{name: float(rng.randrange(5)) for name in parts} for _ in range(12)]
    wanted = [sum(parts[name] * count for name, count in row.items()) for row in rows]
    found = non_negative_least_squares(rows, wanted)
    assert found == pytest.approx(parts, abs=1e-3)


def test_no_part_takes_less_than_nothing() -> None:
    found = non_negative_least_squares([{"a": 1, "b": 1}, {"a": 1}], [1.0, 2.0])
    assert found["b"] == 0 and found["a"] > 0


def test_a_measurement_of_nothing_is_left_out() -> None:
    assert non_negative_least_squares([{"a": 1}, {"a": 2}], [0.0, 4.0]) == {"a": 2.0}


def test_the_slowest_backend_asks_for_the_price() -> None:
    times = {"fast": {"div": 4.0, "add": 1.0}, "slow": {"div": 8.0, "add": 8.0}}
    assert proposals(times, {"fast": 1.0, "slow": 8.0}) == {"div": 4.0, "add": 1.0}


# --- workloads ---


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda item: item.name)
def test_a_workload_is_admitted_and_pays_what_its_classes_cost(snippet: Snippet) -> None:
    raw = module((snippet,))
    pico_abi.check(pico_abi.meter(raw))
    watch = Stopwatch(open_sandbox(BackendOptions()), 20_000)
    found = watch.measure(snippet.name, [snippet])
    most = sum(price_of(name) * count for name, count in snippet.classes().items())
    call = prices.PRICE_BASIC if "call" in snippet.name else 0
    assert found.fuel_per_repeat <= most + call
    if "if" not in snippet.name.split(","):  # what stands behind a condition may not run
        least = most - 4 * prices.PRICE_MULTIPLY
        assert found.fuel_per_repeat >= least


def test_every_price_above_the_least_is_calibrated() -> None:
    measured = {name for item in CALIBRATION for name in item.classes()}
    assert measured >= set(CLASSES) - {"constant"} | {BASE_CLASS, BULK_CLASS}
    dear = {code for code, price in prices.PRICES.items() if price > prices.PRICE_BASIC}
    assert dear <= {code for codes in CLASSES.values() for code in codes}
    for codes in CLASSES.values():
        assert len({prices.PRICES[code] for code in codes}) == 1, "one price stands for a class"


def test_each_repeat_of_a_store_has_a_place_of_its_own() -> None:
    store = by_name("i32.store")
    assert len({store.repeat(at) for at in range(REPEATS)}) == REPEATS


# --- measuring ---


def test_a_line_through_what_was_measured() -> None:
    points = tuple(Point(turns, 100 * turns, 640 * turns) for turns in (1, 2, 4))
    found = Measured("x", points)
    assert found.ns_per_repeat == pytest.approx(10.0)
    assert found.ns_per_fuel == pytest.approx(6.4)
    assert found.straightness == pytest.approx(1.0)
    crooked = Measured("y", (Point(1, 1, 900), Point(2, 1, 100), Point(4, 1, 500)))
    assert crooked.straightness < 0.9


def test_the_search_finds_what_is_worse_than_where_it_began() -> None:
    """On a stopwatch that takes one snippet for a hundred times as dear as all others."""
    bad = SNIPPETS[-1].name

    class Fake:
        def measure(self, name: str, snippets: tuple[Snippet, ...]) -> Measured:
            time = sum(100 if item.name == bad else 1 for item in snippets)
            return Measured(name, (Point(1, len(snippets) * REPEATS, time * REPEATS),))

    tried: list[Measured] = []
    watch: Any = Fake()
    found = search(watch, 200, 1, tried.append)
    assert len(tried) == 200
    assert found.worst.ns_per_fuel > 50 and bad in found.worst.name
    assert found.ratio > 10
    again = search(watch, 200, 1, lambda measured: None)
    assert again.worst == found.worst


def test_a_record_that_does_not_happen_again_is_none() -> None:
    """A stopwatch that a neighbour disturbs once, in the middle of the search."""
    times = 0

    class Disturbed:
        def measure(self, name: str, snippets: tuple[Snippet, ...]) -> Measured:
            nonlocal times
            times += 1
            time = 100 if times == 50 else len(snippets)
            return Measured(name, (Point(1, len(snippets) * REPEATS, time * REPEATS),))

    watch: Any = Disturbed()
    found = search(watch, 100, 1, lambda measured: None)
    assert times > 100
    assert found.worst.ns_per_fuel == pytest.approx(1.0)


def test_the_first_touch_of_memory_is_measured_apart() -> None:
    found = first_touch(open_sandbox(BackendOptions()))
    assert found.pages > 1000 and found.elapsed_ns >= 0 and found.fuel > found.pages


# --- showing ---


def test_the_picture_has_a_point_for_each_event_inside_its_axes() -> None:
    dots = [Dot("cart", "a:b", 10_000, 12.5), Dot("<chat>", "c:d", 2_000_000, 900.0)]
    root = ElementTree.fromstring(scatter(dots, "x & y"))
    circles = [item for item in root.iter(f"{SVG}circle") if item.find(f"{SVG}title") is not None]
    hints = [item.findtext(f"{SVG}title") for item in circles]
    assert hints == ["cart a:b: 10,000 fuel, 12 µs", "<chat> c:d: 2,000,000 fuel, 900 µs"]
    for item in circles:
        assert 74 <= float(item.attrib["cx"]) <= 610 and 40 <= float(item.attrib["cy"]) <= 426


def test_a_picture_of_nothing_is_a_picture() -> None:
    ElementTree.fromstring(scatter([], "nothing"))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(picomesh, ["bench", "fuel", *map(str, arguments)])


def test_a_small_bench_saves_raw_data_with_its_circumstances(tmp_path: Path) -> None:
    out, svg = tmp_path / "fuel.jsonl", tmp_path / "fuel.svg"
    small = ("--fuel", "10000", "--search", "2", "--backend", "cranelift", "--backend", "pulley")
    done = invoke(*small, "--out", out, "--svg", svg)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert rows[0]["kind"] == "circumstances" and "machine" in rows[0] and "profile" in rows[0]
    kinds = {row["kind"] for row in rows}
    assert kinds == {
        *("circumstances", "measured", "fitted", "worst mix", "price", "event", "events")
    }
    measured = [row for row in rows if row["kind"] == "measured"]
    assert len(measured) == 2 * len(CALIBRATION)
    assert all(len(row["ns"]) == len(row["turns"]) == 3 for row in measured)
    assert "the worst of 2 mixes" in done.output and "price" in done.output
    ElementTree.fromstring(svg.read_text("utf-8"))


RULESET = """ruleset two {
  rule first { select when a b send_directive("x", {"n": 1.range(200).length()}) }
  rule second { select when a b fired { ent:n := ent:n.defaultsTo(0) + 1 } }
}
"""


def test_a_rulesets_events_and_rules_have_fuel_and_time(tmp_path: Path) -> None:
    path = tmp_path / "two.krl"
    path.write_text(RULESET)
    done = invoke(path, "--json")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.output.splitlines()]
    (event,) = [row for row in rows if row["kind"] == "event"]
    rules = [row for row in rows if row["kind"] == "rule"]
    assert (event["event"], event["outcome"]) == ("a:b", "ok")
    assert event["us"] > 0
    assert sum(row["fuel"] for row in rules) == event["fuel"]
    assert [row["rule"] for row in rules if row["rule"].startswith("rule")] == [
        "rule first",
        "rule second",
    ]


def test_a_table_of_a_given_event(tmp_path: Path) -> None:
    path = tmp_path / "two.krl"
    path.write_text(RULESET)
    done = invoke(path, "--event", "a:b", "--attr", "n=1", "--backend", "pulley")
    assert done.exit_code == 0, done.output
    assert "pulley" in done.output and "  rule first" in done.output


def test_an_event_without_a_ruleset_is_a_mistake_in_the_command() -> None:
    assert invoke("--event", "a:b").exit_code != 0
