"""Programs that never end: stopped by fuel or stack, the state as before, the next event served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.cases import Bench, compile_text
from picomesh.ledger.value import Value

RID = "test.endless"
FUEL_LIMIT = 20_000_000

SOURCE = """
ruleset test.endless {
  meta { shares deeper, grow }
  global {
    deeper = function(n) { 1 + deeper(n + 1) }
    there = function(n) { 1 + back(n) }
    back = function(n) { there(n) }
    turn = function(n) { turn(n + 1) }
    grow = function(list) { grow(list.append(0).map(function(x) { x + 1 })) }
    swell = function(text) { swell(text + text) }
  }
  rule serve {
    select when test served
    always { ent:served := ent:served.defaultsTo(0) + 1 }
  }
  rule write_first {
    select when test recursion or test mutual or test tail or test list or test text or test echo
    always { ent:served := "nobody may see this" }
  }
  rule recursion { select when test recursion pre { never = deeper(0) } }
  rule mutual { select when test mutual pre { never = there(0) } }
  rule tail { select when test tail pre { never = turn(0) } }
  rule list { select when test list pre { never = grow([]) } }
  rule text { select when test text pre { never = swell("a") } }
  rule echo { select when test echo always { raise test event "echo" } }
}
"""

ENDS = {
    "recursion": "out-of-stack",
    "mutual": "out-of-stack",
    "tail": "out-of-fuel",
    "list": "out-of-fuel",
    "text": "trap",  # the memory is full before the fuel is gone
    "echo": "out-of-fuel",
}


@pytest.fixture(scope="module", params=["cranelift", "pulley"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    module = compile_text(SOURCE)
    bench = Bench.with_modules(module, backend=request.param, fuel_limit=FUEL_LIMIT)
    with bench.engine:
        yield bench


@pytest.mark.parametrize("endless", ENDS)
def test_an_endless_program_is_stopped_and_the_next_event_is_served(
    bench: Bench, endless: str
) -> None:
    bench.engine.send(bench.pico, "test", "served")
    before = bench.post_root()
    served = bench.entities(RID)["served"]

    stopped = bench.engine.send(bench.pico, "test", endless)

    assert stopped.transition.outcome == ENDS[endless]
    assert stopped.receipt.core.writes == ()
    assert stopped.directives == ()
    assert bench.post_root() == before
    assert bench.engine.send(bench.pico, "test", "served").transition.outcome == "ok"
    assert bench.entities(RID) == {"served": served + 1}


@pytest.mark.parametrize(
    ("function", "args", "outcome"),
    [("grow", {"list": [1]}, "out-of-fuel"), ("deeper", {"n": 1}, "out-of-stack")],
)
def test_an_endless_query_is_stopped_and_leaves_no_receipt(
    bench: Bench, function: str, args: dict[str, Value], outcome: str
) -> None:
    receipts = len(bench.engine.log(bench.pico))
    assert bench.engine.run_query(bench.pico, RID, function, args).outcome == outcome
    assert len(bench.engine.log(bench.pico)) == receipts


@pytest.mark.parametrize("endless", ENDS)
def test_both_backends_stop_at_the_same_fuel(endless: str) -> None:
    fuel = set()
    for backend in ("cranelift", "pulley"):
        bench = Bench.with_modules(
            compile_text(SOURCE), backend=backend, fuel_limit=FUEL_LIMIT // 10
        )
        with bench.engine:
            core = bench.engine.send(bench.pico, "test", endless).receipt.core
            fuel.add((core.outcome, core.fuel, core.post))
    assert len(fuel) == 1
