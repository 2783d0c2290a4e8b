"""How a child comes into being: compiled once, installed in one transition, ready in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.engine.system import SYSTEM_RIDS, begin, is_system, read_system, url_of
from picomesh.ledger.value import Value
from system.served import WRANGLER

APP = """
ruleset app {
  meta { shares made }
  global { made = function() { ent:made.defaultsTo([]) } }
  rule twins {
    select when app twins
    foreach ["a", "b"] setting(name)
    always { raise wrangler event "new_child_request" attributes {"name": name} }
  }
  rule bare {
    select when app bare
    every {
      ctx:newPico([{"url": "picomesh:system/io.picolabs.wrangler.krl"}]) setting(eci)
      ctx:event(eci, "wrangler", "pico_created", {"name": "bare"})
    }
  }
  rule fails {
    select when wrangler new_child_created where event:attrs{"name"} == "doomed"
    always { ent:made := "x" - 1 }
  }
  rule note {
    select when wrangler child_initialized
    always { ent:made := made().append(event:attrs{"name"}) }
  }
}
"""


class Compiling:
    """The compiler, and how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, text: str) -> bytes:
        self.count += 1
        return compile_krl(text)


@pytest.fixture
def compiling() -> Compiling:
    return Compiling()


@pytest.fixture
def engine(compiling: Compiling, cache: Path) -> Iterator[Service]:
    options = Options(backend="winch", compile=compiling, cache=cache)
    with Service.ephemeral(options) as engine:
        begin(engine)
        engine.settle()
        engine.install("root", APP)
        yield engine


def made(engine: Service, name: str) -> str:
    """A new child's id."""
    response = engine.send("root", "wrangler", "new_child_request", {"name": name})
    assert response.transition.outcome == "ok", response.transition.message
    options = response.directives[0]["options"]
    assert isinstance(options, dict)
    pico = engine.pico_of(str(options["uiEci"]))
    assert pico is not None, "its channel is known with the answer"
    return pico


def test_system_rulesets_are_compiled_once_whatever_children_come(
    engine: Service, compiling: Compiling
) -> None:
    before = compiling.count
    assert before == len(SYSTEM_RIDS) + 1
    for name in "abc":
        made(engine, name)
    assert compiling.count == before


def test_a_child_gets_all_its_rulesets_in_its_first_receipt_and_asks_nobody(
    engine: Service,
) -> None:
    first, second = engine.log(made(engine, "Ada"))
    assert (first.core.kind, second.core.kind) == ("create", "event")
    assert [item.rid for item in first.core.code] == list(SYSTEM_RIDS)
    (asked,) = (
        item for item in engine.log("root") if item.core.fuel > 500_000 and item.core.seq > 5
    )
    assert engine.store.block(asked.core.tape) == b"\x80", "nothing is on the tape"


def test_the_first_event_of_a_child_is_in_the_commit_that_makes_it(engine: Service) -> None:
    with engine.together():
        arrival = engine.accept("root", "wrangler", "new_child_request", {"name": "Ada"})
        (accepted,) = [item for item in engine.store.waiting() if item.arrival == arrival]
        engine.process(accepted)
        (child,) = {pico for pico, _ in engine.store.picos()} - {engine.find("root")}
        assert engine.query(child, WRANGLER, "name") == "Ada"
        assert engine.store.waiting_count(child) == 0
        assert engine.store.waiting_count() == 1, "what it says to its parent"
    engine.settle()
    assert engine.query("root", "app", "made") == ["Ada"]


def test_two_children_of_one_event_are_both_ready(engine: Service) -> None:
    response = engine.send("root", "app", "twins")
    told: Any = response.directives
    assert [item["options"]["name"] for item in told] == ["a", "b"]
    assert engine.query("root", "app", "made") == ["a", "b"]


def test_a_child_whose_parent_fails_was_never_there(engine: Service) -> None:
    before = engine.store.picos()
    response = engine.send("root", "wrangler", "new_child_request", {"name": "doomed"})
    assert response.transition.outcome == "throw"
    assert engine.store.picos() == before
    assert engine.query("root", WRANGLER, "children") == []
    made(engine, "Ada")


def test_a_child_that_is_not_asked_anything_gets_its_first_event_behind_the_commit(
    engine: Service,
) -> None:
    assert engine.send("root", "app", "bare").transition.outcome == "ok"
    assert engine.query("root", "app", "made") == ["bare"]


def test_urls_of_system_rulesets_lead_to_what_ships_and_to_nothing_else() -> None:
    for rid in SYSTEM_RIDS:
        assert read_system(url_of(rid)).startswith(f"ruleset {rid} {{".encode())
    for name in ("x", "../examples/chat", "io.picolabs.wrangler", "io.picolabs.wrangler.krl.krl"):
        url = f"picomesh:system/{name}"
        assert is_system(url)
        with pytest.raises(Exception, match="none of the rulesets that ship"):
            read_system(url)


def test_a_second_start_makes_no_second_root(tmp_path: Path, cache: Path) -> None:
    options = Options(backend="winch", cache=cache)
    seen: list[Value] = []
    for _ in range(2):
        with Service.open(tmp_path / "home", options) as engine:
            begin(engine)
            engine.settle()
            seen.append([name for _, name in engine.store.picos()])
            last = engine.log("root")[-1].core
            assert (last.kind, last.outcome) == ("event", "ok")
    assert seen == [["root"], ["root"]]


def test_a_home_that_has_picos_gets_no_root(tmp_path: Path, cache: Path) -> None:
    options = Options(backend="winch", cache=cache)
    with Service.open(tmp_path / "home", options) as engine:
        engine.create("me")
        begin(engine)
        assert [name for _, name in engine.store.picos()] == ["me"]
        assert engine.store.waiting_count() == 0
