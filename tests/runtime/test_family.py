"""Families: what a ruleset does to picos happens with its commit, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine import OperatorError, Options
from picomesh.engine.engine import Response
from picomesh.engine.errors import NotAllowed
from picomesh.engine.family import children_of, parent_of
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.replay import replay
from picomesh.engine.service import Service
from picomesh.ledger.value import Value
from picomesh.scenario.world import VirtualWorld

KID = """
ruleset kid {
  meta { shares seen, mine }
  global {
    seen = function() { ent:seen }
    mine = function() { {"parent": ctx:parent, "children": ctx:children, "tags":
      ctx:channels.map(function(c) { c{"tags"} })} }
  }
  rule see { select when t see fired { ent:seen := event:attrs{"n"} } }
  rule installed { select when w installed where event:attrs{"rid"} == "kid"
    fired { ent:seen := "hello" } }
  rule back { select when t back event:send({"eci": ctx:parent, "domain": "t", "type": "heard"}) }
  rule own { select when t own ctx:newPico([{"url": "kid"}]) }
}
"""
ME = """
ruleset me {
  meta { shares ask, kids, heard }
  global {
    ask = function(eci) { ctx:query(eci, "kid", "mine") }
    kids = function() { ctx:children }
    heard = function() { ent:heard }
  }
  rule make {
    select when t make
    every {
      ctx:newPico([{"url": event:attrs{"url"}, "config": {"a": 1}}]) setting(child)
      ctx:event(child, "t", "see", {"n": 5})
      send_directive("made", {"eci": child, "children": ctx:children})
    }
    fired { x = event:attrs{"fail"} => "a" - 1 | 0 }
  }
  rule raise_one {
    select when t raise_one
    every {
      ctx:newPico([{"url": "kid"}]) setting(child)
      ctx:event(child, "t", "see", {"n": 1})
      ctx:eventQuery(child, "t", "own", {}, "kid", "mine") setting(mine)
      ctx:eventQuery(child, "t", "see", {"n": 2}, "kid", "seen") setting(seen)
      send_directive("raised", {"eci": child, "mine": mine, "seen": seen,
        "asked": ctx:query(child, "kid", "mine")})
    }
  }
  rule drop { select when t drop ctx:delPico(event:attrs{"eci"}) }
  rule both { select when t both every { ctx:newPico([]) setting(c) ctx:delPico(c) } }
  rule tell { select when t tell ctx:event(event:attrs{"eci"}, "t", event:attrs{"what"}) }
  rule install {
    select when t install ctx:install(event:attrs{"url"}) setting(rid)
    fired { raise w event "installed" attributes {"rid": "kid"} }
  }
  rule uninstall { select when t uninstall ctx:uninstall(event:attrs{"rid"}) }
  rule flush { select when t flush ctx:flush(event:attrs{"url"}) }
  rule heard { select when t heard fired { ent:heard := ent:heard.defaultsTo(0) + 1 } }
  rule wait { select when t wait
    ctx:eventQuery(event:attrs{"eci"}, "t", "see", {"n": 8}, "kid", "seen") setting(answer)
    fired { ent:heard := answer } }
}
"""
LOOPS = """
ruleset loops { global { f = function(x) { f(x) } y = f(1) } rule r { select when t x noop() } }
"""


@pytest.fixture
def texts() -> dict[str, str]:
    return {"kid": KID, "me": ME, "loops": LOOPS, "bad": "ruleset bad { rule"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled modules, which all tests of this file share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def engine(texts: dict[str, str], cache: Path) -> Iterator[Service]:
    def fetch(url: str) -> bytes:
        if url not in texts:
            raise OperatorError(f"Got a statusCode=404 for: {url}")
        return texts[url].encode()

    options = Options(
        world=VirtualWorld(), backend="winch", fetch=fetch, compile=compile_krl, cache=cache
    )
    with Service.ephemeral(options) as engine:
        engine.create("me")
        assert engine.install_from("me", "me", {}).transition.outcome == "ok"
        yield engine
        check(engine, cache)


def check(engine: Service, cache: Path) -> None:
    """Everything is in order, and every history comes out again on another backend."""
    assert verify_home(engine.store, engine.public_key).problems == ()
    programs = Options(backend="pulley").programs(cache)
    for pico, _ in engine.store.every_pico():
        done = list(replay(programs, engine.store, engine.store.receipts(pico)))
        assert [item.divergence for item in done] == [None] * len(done)


def send(engine: Service, name: str, **attrs: Value) -> Response:
    return engine.send("me", "t", name, attrs)


def make(engine: Service, url: str = "kid", **more: Value) -> str:
    response = send(engine, "make", url=url, **more)
    assert response.transition.outcome == "ok", response.transition.message
    options: Any = response.directives[0]["options"]
    assert options["children"][-1] == options["eci"], "a rule sees what it did"
    return str(options["eci"])


def test_a_child_is_born_with_its_rulesets_and_gets_what_was_sent_to_it(engine: Service) -> None:
    eci = make(engine)
    child = engine.pico_of(eci)
    assert child is not None
    assert engine.query(child, "kid", "seen") == 5
    assert engine.query("me", "me", "ask", {"eci": eci}) == {
        "parent": children_of(engine.state("me"))[0].their_eci,
        "children": [],
        "tags": engine.query(child, "kid", "mine")["tags"],  # type: ignore[index,call-overload]
    }
    assert [item.core.kind for item in engine.log(child)] == ["create", "event"]


def test_a_rule_talks_to_a_child_before_it_is_born_and_gets_what_it_will_say(
    engine: Service,
) -> None:
    response = send(engine, "raise_one")
    assert response.transition.outcome == "ok", response.transition.message
    told: Any = response.directives[0]["options"]
    child = engine.pico_of(told["eci"])
    assert child is not None and told["seen"] == 2
    assert engine.query(child, "kid", "seen") == 2
    mine = engine.query(child, "kid", "mine")
    assert told["mine"] == told["asked"] == mine
    assert len(told["mine"]["children"]) == 1
    assert [item.core.kind for item in engine.log(child)] == ["create", "event", "event", "event"]


def test_a_failed_transition_makes_no_child_and_keeps_no_channel(engine: Service) -> None:
    assert send(engine, "make", url="kid", fail=True).transition.outcome == "throw"
    assert len(engine.store.every_pico()) == 1
    assert engine.query("me", "me", "kids") == []
    assert len(engine.state("me").channels()) == 1


def test_only_parent_and_child_may_use_the_channels_between_them(engine: Service) -> None:
    eci = make(engine)
    child = engine.pico_of(eci)
    assert child is not None
    with pytest.raises(NotAllowed, match="family channel"):
        engine.send(child, "t", "see", {}, eci=eci)
    engine.send(child, "t", "back")
    assert engine.query("me", "me", "heard") == 1


def test_deleting_a_pico_deletes_all_below_it_and_keeps_their_histories(engine: Service) -> None:
    eci = make(engine)
    child = engine.pico_of(eci)
    assert child is not None
    engine.send(child, "t", "own")
    assert len(engine.store.picos()) == 3
    engine.accept(child, "t", "see", {"n": 1})  # it waits, and nobody is left to see it
    assert send(engine, "drop", eci=eci).transition.outcome == "ok"
    assert [name for _, name in engine.store.picos()] == ["me"]
    assert engine.log("me")[-1].core.outcome == "ok"
    last = [engine.store.head(pico) for pico, _ in engine.store.every_pico()]
    assert len(last) == 3 and engine.store.waiting() == []
    assert send(engine, "drop", eci=eci).transition.outcome == "throw"
    assert engine.pico_of(eci) is None


def test_a_child_that_is_deleted_by_the_rule_that_made_it_was_never_there(engine: Service) -> None:
    assert send(engine, "both").transition.outcome == "ok"
    assert len(engine.store.every_pico()) == 1


@pytest.mark.parametrize("url", ["bad", "nowhere"])
def test_an_install_that_fails_leaves_nothing_behind(engine: Service, url: str) -> None:
    for name in ("install", "make", "flush"):
        assert send(engine, name, url=url).transition.outcome == "throw"
    assert len(engine.store.every_pico()) == 1
    assert [item.rid for item in engine.state("me").rulesets()] == ["me"]


def test_a_ruleset_that_loops_when_it_is_installed_stops_only_that(engine: Service) -> None:
    outcome = send(engine, "install", url="loops").transition.outcome
    assert outcome in ("out-of-fuel", "out-of-stack")
    child = engine.pico_of(make(engine, "loops"))
    assert child is not None and engine.state(child).rulesets() == []
    assert send(engine, "heard").transition.outcome == "ok"


def test_a_new_ruleset_sees_what_is_raised_behind_its_install(engine: Service) -> None:
    assert send(engine, "install", url="kid").transition.outcome == "ok"
    assert engine.query("me", "kid", "seen") == "hello"
    assert [item.rid for item in engine.state("me").rulesets()] == ["me", "kid"]
    send(engine, "uninstall", rid="kid")
    assert list(engine.state("me").paths(b"ent/kid/")) == []


def test_a_ruleset_can_uninstall_itself_and_writes_nothing_behind_it(engine: Service) -> None:
    assert send(engine, "heard").transition.outcome == "ok"
    assert send(engine, "uninstall", rid="me").transition.outcome == "ok"
    assert engine.state("me").rulesets() == []
    assert list(engine.state("me").paths(b"ent/")) == []


def test_a_flush_changes_every_pico_that_has_the_url(
    engine: Service, texts: dict[str, str]
) -> None:
    children = [engine.pico_of(make(engine)) for _ in range(2)]
    texts["kid"] = KID.replace("ent:seen :=", 'ent:seen := "new " +')
    assert engine.pico_of(make(engine)) is not None, "without a flush it is the old one"
    assert send(engine, "flush", url="kid").transition.outcome == "ok"
    for child in children:
        assert child is not None
        engine.send(child, "t", "see", {"n": 1})
        assert engine.query(child, "kid", "seen") == "new 1"


def test_an_event_to_a_channel_that_is_not_there_throws(engine: Service) -> None:
    assert send(engine, "tell", eci="nowhere", what="x").transition.outcome == "throw"
    assert send(engine, "tell", eci=engine.eci("me"), what="heard").transition.outcome == "ok"
    assert engine.query("me", "me", "heard") == 1


def test_an_event_query_waits_for_the_event_and_never_for_itself(engine: Service) -> None:
    assert send(engine, "wait", eci=make(engine)).transition.outcome == "ok"
    assert engine.query("me", "me", "heard") == 8
    assert send(engine, "wait", eci=engine.eci("me")).transition.outcome == "throw"


def test_a_pico_gets_another_parent_with_one_receipt_for_each_of_the_three(
    engine: Service,
) -> None:
    child = engine.pico_of(make(engine))
    assert child is not None
    other = engine.create("other").pico
    engine.adopt(child, other)
    assert children_of(engine.state("me")) == []
    assert [item.pico for item in children_of(engine.state(other))] == [child]
    parent = parent_of(engine.state(child))
    assert parent is not None and parent.pico == other
    assert {engine.log(pico)[-1].core.kind for pico in (child, "me", other)} == {"adopt"}
    with pytest.raises(OperatorError, match="below itself"):
        engine.adopt(other, child)
    engine.delete(other)
    assert [name for _, name in engine.store.picos()] == ["me"]
