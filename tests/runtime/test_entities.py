"""Large entity variables: one entry costs one path, and order and content stay KRL's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine
from picomesh.engine.entities import ENTITIES, read_entities

KRL = """
ruleset r {
  meta { shares get, size, names, log }
  global {
    get = function(k) { ent:m{k} }
    size = function() { [ent:m.length(), ent:log.length()] }
    names = function() { ent:m.keys() }
    log = function() { ent:log }
  }
  rule load { select when t load always { ent:m := event:attrs{"m"} } }
  rule put { select when t put always { ent:m{event:attrs{"path"}} := event:attrs{"value"} } }
  rule clear_one { select when t clear always { clear ent:m{event:attrs{"path"}} } }
  rule clear_all { select when t forget always { clear ent:m } }
  rule append { select when t append always { ent:log := ent:log.append(event:attrs{"value"}) } }
  rule both { select when t both
    always { ent:m{"new"} := 1; ent:size := ent:m.length(); ent:first := ent:m.keys().head() } }
  rule later { select when t later foreach 1.range(70) setting(i)
    always { schedule t event "x" at "2030-01-01T00:00:00Z" attributes {"i": i} } }
}
"""


class Pico:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pico = engine.create().pico
        module = compile_source(Source("r.krl", KRL)).module
        assert module is not None
        engine.install_module(self.pico, module)

    def send(self, name: str, **attributes: Any) -> int:
        """Sends an event; returns how many paths it wrote."""
        response = self.engine.send(self.pico, "t", name, attributes)
        assert response.receipt.core.outcome == "ok", response.transition.message
        return len(response.receipt.core.writes)

    def ask(self, name: str, **arguments: Any) -> Any:
        return self.engine.query(self.pico, "r", name, arguments)

    @property
    def entities(self) -> dict[str, Any]:
        items = self.engine.state(self.pico).items(ENTITIES)
        return dict(read_entities(items).get("r", {}))


@pytest.fixture
def pico(tmp_path: Path) -> Pico:
    return Pico(Engine.ephemeral())


def numbered(count: int) -> dict[str, Any]:
    """Keys whose order is not that of their bytes."""
    return {f"k{(index * 37) % count}": {"n": index} for index in range(count)}


def test_one_key_of_a_large_map_is_read_and_written_alone(pico: Pico) -> None:
    big = numbered(1_000)
    pico.send("load", m=big)
    assert pico.send("put", path=["k5", "n"], value="new") == 1
    assert pico.ask("get", k="k5") == {"n": "new"}
    assert pico.ask("get", k=["k5", "n"]) == "new"
    assert pico.ask("get", k="nothing") is None


def test_a_new_key_goes_to_the_end_and_index_keys_to_the_front(pico: Pico) -> None:
    big = numbered(100)
    pico.send("load", m=big)
    assert pico.send("put", path="new", value=1) == 2
    pico.send("put", path="7", value=2)
    assert pico.ask("names") == ["7", *big, "new"]
    assert json.dumps(pico.entities["m"]) == json.dumps({"7": 2, **big, "new": 1})


def test_a_cleared_key_is_gone_and_the_others_keep_their_order(pico: Pico) -> None:
    big = numbered(100)
    pico.send("load", m=big)
    assert pico.send("clear", path="k5") == 2
    del big["k5"]
    assert pico.ask("names") == list(big)
    assert pico.ask("size") == [99, 0]
    pico.send("clear", path=["k6", "n"])
    assert pico.ask("get", k="k6") == {}


def test_a_whole_map_stored_again_writes_what_differs(pico: Pico) -> None:
    big = numbered(200)
    pico.send("load", m=big)
    changed = {**big, "k9": "other", "last": True}
    del changed["k3"]
    assert pico.send("load", m=changed) == 4  # two entries, one removed, the header
    assert list(pico.entities["m"].items()) == list(changed.items())


def test_a_map_that_shrinks_is_kept_whole_again(pico: Pico) -> None:
    pico.send("load", m=numbered(100))
    pico.send("load", m={"a": 1})
    assert dict(pico.engine.state(pico.pico).items(ENTITIES)).keys() == {b"ent/r/m"}
    pico.send("load", m=numbered(100))
    pico.send("forget")
    assert pico.entities == {}


def test_appending_to_a_long_log_does_not_rewrite_it(pico: Pico) -> None:
    for number in range(70):
        pico.send("append", value=number)
    assert pico.send("append", value=[70, 71]) == 3
    assert pico.ask("log") == [None, *range(72)]
    assert pico.ask("size") == [0, 73]


def test_reads_of_the_whole_see_writes_of_one_key(pico: Pico) -> None:
    big = numbered(80)
    pico.send("load", m=big)
    pico.send("both")
    assert pico.entities["size"] == 81
    assert pico.entities["first"] == next(iter(big))


@pytest.mark.parametrize("key", ["", "/", "a/b", ":", "ent/r/x", "é", "\U0001f600", "x" * 200])
def test_a_key_may_be_any_text(pico: Pico, key: str) -> None:
    big = {**numbered(80), key: 1}
    pico.send("load", m=big)
    pico.send("put", path=[key], value=2)
    assert pico.ask("get", k=[key]) == 2
    assert pico.entities["m"] == {**big, key: 2}


def test_a_map_with_a_key_too_long_for_a_path_is_kept_whole(pico: Pico) -> None:
    big = {**numbered(80), "x" * 201: 1}
    pico.send("load", m=big)
    assert pico.entities["m"] == big
    pico.send("load", m=numbered(80))
    pico.send("put", path="x" * 201, value=1)
    assert pico.entities["m"] == big


def test_the_schedule_is_kept_whole_however_long(pico: Pico) -> None:
    pico.send("later")
    assert len(pico.entities["_schedule"]) == 70
    assert pico.engine.next_due() is not None
