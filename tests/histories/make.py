"""Records histories to be kept: `python -m histories.make NAME…` in `tests/`.

Never over one that was released: a history that does not replay equal any more is a break of the
promise that receipts make, and the mistake is in the code (README.md beside this).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.test_history import live_through
from lives import lived
from picomesh.engine import Engine, OperatorError, Options
from picomesh.engine.answers import Answerer
from picomesh.engine.export import export_histories
from picomesh.engine.inputs import Import, Install, Uninstall
from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service
from picomesh.engine.system import begin
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.value import Value, encode_value
from picomesh.scenario.world import VirtualWorld
from wat_guests import Guest, counter, thrower

FOLDER = Path(__file__).parent
CHILD = """ruleset child {
  meta { shares seen }
  global { seen = function() { ent:seen.defaultsTo([]) } }
  rule see { select when home said fired { ent:seen := seen().append(event:attrs{"what"}) } }
  rule tell { select when home told
    event:send({"eci": ctx:parent, "domain": "home", "type": "heard", "attrs": event:attrs}) }
}
"""
PARENT = """ruleset parent {
  meta { shares heard }
  global { heard = function() { ent:heard.defaultsTo(0) } }
  rule make {
    select when home child_wanted
    every {
      ctx:newPico([{"url": "child"}]) setting(child)
      ctx:event(child, "home", "said", {"what": "hello"})
      ctx:eventQuery(child, "home", "said", {"what": "again"}, "child", "seen") setting(seen)
      send_directive("made", {"child": child, "seen": seen})
    }
  }
  rule open { select when home door_wanted
    ctx:newChannel(["door"], {"allow": [{"domain": "home", "name": "*"}], "deny": []}, null)
      setting(channel)
    fired { ent:doors := ent:doors.defaultsTo([]).append(channel{"id"}) } }
  rule hear { select when home heard fired { ent:heard := heard() + 1 } }
  rule drop { select when home dropped foreach ctx:children setting(child) ctx:delPico(child) }
}
"""


def record(engine: Engine) -> bytes:
    picos = engine.store.every_pico()
    parts = export_histories(engine.store, engine.public_key, picos, has_states=False)
    return b"".join(parts)


def classes() -> bytes:
    """Every class of receipt, by guests written by hand."""
    with lived(VirtualWorld()) as engine:
        return record(engine)


def examples() -> bytes:
    """Three examples and a ruleset that fails, with events made at random."""
    return record(live_through(60, ["counter", "rate_limiter", "todo"]).engine)


def family() -> bytes:
    """Children, channels, events between picos, a deletion."""
    texts = {"child": CHILD, "parent": PARENT}

    def fetch(url: str) -> bytes:
        if url not in texts:
            raise OperatorError(f"nothing is at {url}")
        return texts[url].encode()

    options = Options(world=VirtualWorld(), fetch=fetch, compile=compile_krl)
    with Service.ephemeral(options) as engine:
        engine.create("home")
        engine.install_from("home", "parent", {})
        for name in ("child_wanted", "door_wanted", "child_wanted"):
            engine.send("home", "home", name)
        for pico, _ in engine.store.picos()[1:]:
            engine.send(pico, "home", "told", {"n": 1})
        engine.send("home", "home", "dropped")
        return record(engine)


HOUSE = """ruleset house {
  meta { shares log, far }
  global {
    log = function() { ent:log.defaultsTo([]) }
    far = function() { ent:far.defaultsTo({}) }
    cells = function() { 1.range(70).reduce(function(all, n) { all.put("k" + n, n / 4) }, {}) }
  }
  rule ask {
    select when house asked
    http:get("http://far.test/", qs = {"q": event:attrs{"q"}}) setting(answer)
    fired { ent:log := log().append(answer{"status_code"}) }
  }
  rule fill { select when house filled
    fired { ent:far := cells(); ent:log := log().append(random:integer(99)) } }
  rule change { select when house changed
    fired { ent:far{event:attrs{"key"}} := event:attrs; clear ent:far{"k9"} } }
  rule soon { select when house planned
    fired { schedule house event "rang" at time:add(time:now(), {"seconds": 30})
            schedule house event "ticked" repeat "*/5 * * * *"
            schedule house event "failed" at time:add(time:now(), {"seconds": 40}) } }
  rule ring { select when house rang or house ticked
    fired { ent:log := log().append(time:now()) } }
  rule fail { select when house failed fired { ent:log := "x" - 1 } }
  rule both { select when house first then house second within 5 minutes
    send_directive("both") fired { raise house event "rang" } }
}
"""


def fates() -> bytes:
    """Every way in which a transition or an install ends, by guests written by hand."""
    deeper = "(func $deeper (call $deeper))"
    guests = [
        Guest("trap", (("a", "trap"),), handle="(unreachable)"),
        Guest("deep", (("a", "deep"),), handle="(call $deeper)", functions=deeper),
        Guest("loop", (("a", "loop"),), handle="(loop $again (br $again))"),
        Guest("far", (("a", "far"),), handle="(drop (i32.load (i32.const -4)))"),
    ]
    writer = Guest("mute", (("a", "mute"),))
    writer.handle = f"(call $put {writer.data(b'ent/x')} {writer.value(1)}) (unreachable)"
    thrown = thrower("loud")
    thrown.events = (("a", "loud"),)
    world = VirtualWorld()
    with Engine.ephemeral(Options(fuel_limit=300_000, world=world)) as engine:
        pico = engine.create("fates").pico
        for guest in (counter(), *guests, writer, thrown):
            engine.install_module("fates", guest.build())
        for name in ("b", "trap", "deep", "loop", "far", "mute", "loud", "b"):
            engine.send("fates", "a", name, {"n": 1})
        for describe in ("(i32.const 16)", "(unreachable)", "(loop $a (br $a)) (i32.const 0)"):
            engine.install_module("fates", Guest("bad", describe=describe).build())
        needy = Guest("needy", manifest={"uses": [{"rid": "missing", "alias": "m"}]})
        raw = needy.build()
        module = cid_of_bytes(raw)
        for given in (
            Install("needy", module, None, "", b"\xa0"),
            Uninstall("nobody"),
            Uninstall("trap"),
            Import("", None, [], None, [["nobody", "x", b"\x01"]]),
        ):
            engine._commit(
                engine.next_work(pico, given, world.now_ms(), bytes(32)), blocks={module: raw}
            )
        return record(engine)


def house() -> bytes:
    """Requests, schedules, a large variable, an upgrade, what came from elsewhere, an adoption."""

    class Far:
        def request(self, *_: object) -> dict[str, Value]:
            return {"status_code": 200, "content": "yes", "headers": {}}

    world = VirtualWorld()
    options = Options(world=world, answerer=Answerer(Far()))
    with Service.ephemeral(options) as engine:
        pico = engine.create("house").pico
        for version in (HOUSE, HOUSE.replace('seconds": 30', 'seconds": 20')):
            engine.install_module("house", compile_krl(version), source=version)
            for name in ("asked", "filled", "changed", "planned", "first", "second"):
                engine.send("house", "house", name, {"key": "k3", "q": [1, {"x": None}]})
            world.clock_ms += 60_000
            engine.run_due()
            world.clock_ms += 300_000
            engine.run_due()
        entity = encode_value({f"x{at}": at for at in range(80)})
        given = Import("old-house", None, [], None, [["house", "far", entity]])
        engine.commit_together([engine.next_work(pico, given, world.now_ms(), bytes(32))])
        engine.send("house", "house", "changed", {"key": "k3"})
        engine.create("garden")
        engine.adopt("garden", "house")
        engine.create("yard")
        engine.adopt("garden", "yard")
        engine.uninstall("house", "house")
        return record(engine)


def system() -> bytes:
    """A root and two children by wrangler, a subscription between them, data, an end."""
    with Service.ephemeral(Options(world=VirtualWorld())) as engine:
        begin(engine)
        engine.settle()
        for name in ("one", "two"):
            engine.send("root", "wrangler", "new_child_request", {"name": name})
        one, two = (pico for pico, name in engine.store.picos() if name != "root")
        known: Any = engine.query(two, "io.picolabs.subscription", "wellKnown_Rx")
        asked: dict[str, Value] = {"wellKnown_Tx": known["id"], "Rx_role": "a", "Tx_role": "b"}
        engine.send(one, "wrangler", "subscription", {**asked, "name": "both"})
        engine.send(two, "wrangler", "pending_subscription_approval", bus_of(engine, two))
        hello: dict[str, Value] = {"namespace": "a", "keyvalue": "b", "value": [1.5]}
        sent: dict[str, Value] = {"Tx_role": "b", "domain": "pds", "attrs": hello}
        engine.send(one, "wrangler", "send_event_on_subs", {**sent, "type": "new_data_available"})
        engine.send(two, "wrangler", "cancel_subscriptions")
        engine.send(two, "wrangler", "intent_to_delete")
        assert engine.query("root", "io.picolabs.wrangler", "children") != []
        return record(engine)


def bus_of(engine: Service, pico: str) -> dict[str, Value]:
    """What names the subscription that a pico is asked for."""
    buses: Any = engine.query(pico, "io.picolabs.subscription", "inbound")
    return {"Id": buses[0]["Id"]}


MADE: dict[str, Callable[[], bytes]] = {
    "classes": classes,
    "examples": examples,
    "family": family,
    "fates": fates,
    "house": house,
    "system": system,
}


def main(names: list[str]) -> None:
    for name in names:
        (FOLDER / f"{name}.car").write_bytes(MADE[name]())


if __name__ == "__main__":
    main(sys.argv[1:] or list(MADE))
