"""A pico that has lived through everything a receipt can tell of, for tests of proofs."""

from __future__ import annotations

from picomesh.engine import Engine, Options
from picomesh.engine.answers import Answerer
from picomesh.engine.world import RealWorld, World
from picomesh.ledger.value import Value
from wat_guests import Guest, counter, thrower

RECEIPTS = 16


class Answering:
    """A network on which everybody says yes."""

    def request(self, *_: object) -> dict[str, Value]:
        return {"status_code": 200, "content": "yes"}


def asker() -> Guest:
    """Asks for a page."""
    guest = Guest("asker", (("a", "ask"),))
    question = guest.message(
        fn="http:get", args=[{"method": "GET", "url": "http://x", "headers": {}}]
    )
    guest.handle = f"(call $ask {question} (i32.const 200))"
    return guest


def actor() -> Guest:
    """Makes a channel, and does it."""
    guest = Guest("actor", (("a", "act"),))
    question = guest.message(fn="ctx:newChannel", args=[["door"]])
    effect = guest.message(kind="ctx.newChannel", args=[["door"]])
    guest.handle = f"(call $ask {question} (i32.const 200)) (call $emit {effect})"
    return guest


def lived(world: World | None = None) -> Engine:
    """A pico `me` with a receipt of every class: 0 create, 1 install, 2 to 6 events, 7 and 8
    installs, 9 a throw, 10 a tape, 11 a new version, 12 out of fuel, 13 uninstall, 14 install,
    15 an act."""
    options = Options(
        answerer=Answerer(Answering()), fuel_limit=1_000_000, world=world or RealWorld()
    )
    engine = Engine.ephemeral(options)
    engine.create("me")
    engine.install_module("me", counter().build(), source="source")
    for _ in range(5):
        engine.send("me", "a", "b", {"x": [1, {"y": None}], "z": 1.5})
    bad = thrower("bad")
    bad.events = (("a", "throw"),)
    engine.install_module("me", bad.build())
    engine.install_module("me", asker().build())
    engine.send("me", "a", "throw")
    engine.send("me", "a", "ask")
    endless = Guest("bad", (("a", "loop"),), handle="(loop $l (br $l))")
    engine.install_module("me", endless.build())
    engine.send("me", "a", "loop")
    engine.uninstall("me", "bad")
    engine.install_module("me", actor().build())
    engine.send("me", "a", "act")
    assert len(engine.log("me")) == RECEIPTS
    return engine
