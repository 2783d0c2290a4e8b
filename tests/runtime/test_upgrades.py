"""Installing, upgrading and uninstalling: by path, URL or content id, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from picomesh.engine import library, programs
from picomesh.engine.errors import Conflict, NotFound, OperatorError
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.replay import replay
from picomesh.engine.service import Service
from picomesh.ledger.cid import cid_of_bytes
from picomesh.scenario.world import VirtualWorld

OLD = """
ruleset shop {
  meta { version "1" shares items }
  global { items = function() { ent:items } }
  rule add { select when shop add
    fired { ent:items := ent:items.defaultsTo([]).append(event:attrs{"n"}) } }
}
"""
NEW = """
ruleset shop {
  meta { version "2" shares items, told }
  global { items = function() { ent:items } told = function() { ent:told } }
  rule add { select when shop add fired { ent:items{event:attrs{"n"}} := 1 } }
  rule upgraded {
    select when picomesh ruleset_upgraded rid re#^shop$#
    fired {
      ent:items := ent:items.defaultsTo([]).reduce(function(a, n) { a.put([n], 1) }, {});
      ent:told := event:attrs.delete("from").delete("to")
    }
  }
}
"""
USER = """
ruleset user {
  meta { use module shop alias s shares all }
  global { all = function() { s:items() } }
}
"""
ACTS = """
ruleset acts {
  rule install { select when t install ctx:install(event:attrs{"url"}) setting(rid)
    fired { ent:rid := rid } }
  rule uninstall { select when t uninstall ctx:uninstall(event:attrs{"rid"}) }
  rule flush { select when t flush ctx:flush(event:attrs{"url"}) }
}
"""
PROVIDER = OLD.replace("shares items }", "shares items provides items }")


@pytest.fixture
def texts() -> dict[str, str]:
    return {"http://x/shop": OLD}


@pytest.fixture
def engine(texts: dict[str, str], tmp_path: Path) -> Iterator[Service]:
    def fetch(url: str) -> bytes:
        if url not in texts:
            raise OperatorError(f"Got a statusCode=404 for: {url}")
        return texts[url].encode()

    options = Options(
        world=VirtualWorld(), backend="winch", fetch=fetch, compile=compile_krl, cache=tmp_path
    )
    with Service.ephemeral(options) as engine:
        engine.create("me")
        engine.install_from("me", "http://x/shop", {})
        engine.install("me", ACTS)
        yield engine
        assert verify_home(engine.store, engine.public_key).problems == ()
        for pico, _ in engine.store.picos():
            done = list(replay(engine.programs, engine.store, engine.store.receipts(pico)))
            assert [item.divergence for item in done] == [None] * len(done)


def fill(engine: Service) -> None:
    for name in ("a", "b"):
        assert engine.send("me", "shop", "add", {"n": name}).transition.outcome == "ok"


@pytest.mark.parametrize("way", ["operator", "flush", "rule installs", "rule flushes"])
def test_an_upgrade_keeps_what_was_stored_and_tells_the_new_version_first(
    engine: Service, texts: dict[str, str], way: str
) -> None:
    fill(engine)
    texts["http://x/shop"] = texts["http://x/new"] = NEW
    engine.accept("me", "shop", "add", {"n": "waits"})
    match way:
        case "operator":
            engine.install_from("me", "http://x/new", {})
        case "flush":
            engine.library_find("http://x/shop", True)
            done = engine.flush("http://x/shop")
            assert done["picos"] == [engine.find("me")] and done["failed"] == {}
        case "rule installs":
            engine.send("me", "t", "install", {"url": "http://x/new"})
        case _:
            engine.send("me", "t", "flush", {"url": "http://x/shop"})
    engine.settle()
    items = engine.query("me", "shop", "items")
    if way in ("operator", "flush"):
        assert items == {"a": 1, "b": 1, "waits": 1}, "the migration came before what waited"
    else:
        assert items == {"a": 1, "b": 1, "waits": 1}, "what waited ran on the old version"
    told = {"rid": "shop", "from_version": "1", "to_version": "2"}
    assert engine.query("me", "shop", "told") == told


def test_the_same_version_again_and_a_first_one_are_no_upgrade(engine: Service) -> None:
    engine.install("me", NEW)
    fill(engine)
    told = engine.query("me", "shop", "told")
    count = len(engine.log("me"))
    engine.install("me", NEW)
    assert engine.query("me", "shop", "told") == told
    assert len(engine.log("me")) == count + 1
    engine.create("you")
    engine.install("you", NEW)
    assert engine.query("you", "shop", "told") is None


def test_a_migration_that_fails_leaves_the_new_version_and_the_old_state(engine: Service) -> None:
    fill(engine)
    engine.install("me", NEW.replace("a.put([n], 1)", '"x" - 1'))
    assert [item.core.outcome for item in engine.log("me")[-2:]] == ["ok", "throw"]
    assert engine.query("me", "shop", "items") == ["a", "b"]


def test_a_ruleset_is_installed_by_the_content_id_of_its_module_or_source(engine: Service) -> None:
    raw, source = cid_of_bytes(compile_krl(NEW)), cid_of_bytes(NEW.encode())
    with pytest.raises(NotFound, match="no module"):
        engine.install_from("me", str(raw), {})
    engine.create("you")
    engine.install("you", NEW)
    for pico, name in enumerate([str(raw), f"cid:{raw}", f"ipfs://{raw}", str(source)]):
        made = engine.create(f"p{pico}").pico
        engine.install_from(made, name, {})
        (record,) = engine.state(made).rulesets()
        assert (record.rid, record.raw, record.url) == ("shop", raw, name)
    done = engine.send("me", "t", "install", {"url": f"cid:{raw}"})
    assert done.transition.outcome == "ok", done.transition.message
    assert next(item for item in engine.state("me").rulesets() if item.rid == "shop").raw == raw
    other = cid_of_bytes(b"nothing")
    assert engine.send("me", "t", "install", {"url": str(other)}).transition.outcome == "throw"
    state = str(engine.state("me").root)
    with pytest.raises(OperatorError):
        engine.install_from("me", state, {})


@pytest.mark.parametrize("text", ["ruleset shop {", "not krl at all", "", "\0"])
def test_after_a_flush_that_failed_the_old_version_can_be_installed(
    engine: Service, texts: dict[str, str], text: str
) -> None:
    fill(engine)
    texts["http://x/shop"] = text
    with pytest.raises(OperatorError):
        engine.library_find("http://x/shop", True)
    assert engine.send("me", "t", "flush", {"url": "http://x/shop"}).transition.outcome == "throw"
    engine.create("you")
    assert engine.install_from("you", "http://x/shop", {}).transition.outcome == "ok"
    assert engine.query("me", "shop", "items") == ["a", "b"]
    texts["http://x/shop"] = NEW
    assert engine.send("me", "t", "flush", {"url": "http://x/shop"}).transition.outcome == "ok"
    engine.settle()
    assert engine.query("me", "shop", "items") == {"a": 1, "b": 1}


def test_a_module_that_is_used_is_not_uninstalled(engine: Service) -> None:
    engine.install("me", PROVIDER)
    engine.install("me", USER)
    fill(engine)
    with pytest.raises(Conflict, match="user"):
        engine.uninstall("me", "shop")
    done = engine.send("me", "t", "uninstall", {"rid": "shop"})
    assert (done.transition.outcome, done.transition.message) == (
        "throw",
        "Cannot uninstall shop because user depends on it",
    )
    assert engine.query("me", "user", "all") == ["a", "b"]
    engine.uninstall("me", "user")
    engine.uninstall("me", "shop")
    assert [item.rid for item in engine.state("me").rulesets()] == ["acts"]
    with pytest.raises(NotFound):
        engine.uninstall("me", "shop")


def test_a_flush_that_one_pico_cannot_have_changes_the_others(
    engine: Service, texts: dict[str, str]
) -> None:
    engine.create("you")
    engine.install_from("you", "http://x/shop", {})
    engine.install("you", "ruleset extra { meta { provides f } global { f = function() { 1 } } }")
    texts["http://x/shop"] = OLD.replace("shares items", "use module extra shares items")
    engine.library_find("http://x/shop", True)
    done = engine.flush("http://x/shop")
    assert done["picos"] == [engine.find("you")]
    assert done["failed"] == {engine.find("me"): "Dependant module not loaded: extra"}
    assert engine.send("me", "shop", "add", {"n": "c"}).transition.outcome == "ok"


def test_a_pico_that_installs_one_after_the_other_fills_no_memory(
    engine: Service, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "FOUND_MAX", 3)
    monkeypatch.setattr(programs, "MODULES_IN_MEMORY_MAX", 3)
    for number in range(8):
        url = f"http://x/{number}"
        texts[url] = f"ruleset r{number} {{ rule x {{ select when t x noop() }} }}"
        done = engine.send("me", "t", "install", {"url": url}).transition
        assert done.outcome == "ok", done.message
    assert len(engine._library._found) <= 3
    assert len(engine.programs.admitted()) <= 3
    assert len(engine.state("me").rulesets()) == 10
    assert engine.send("me", "t", "x").transition.outcome == "ok"
