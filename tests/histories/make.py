"""Records histories to be kept: `python -m histories.make NAME…` in `tests/`.

Never over one that was released: a history that does not replay equal any more is a break of the
promise that receipts make, and the mistake is in the code (README.md beside this).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from examples.test_history import live_through
from lives import lived
from picomesh.engine import Engine, OperatorError, Options
from picomesh.engine.export import export_histories
from picomesh.engine.library import compile_krl
from picomesh.engine.service import Service
from picomesh.scenario.world import VirtualWorld

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


MADE: dict[str, Callable[[], bytes]] = {
    "classes": classes,
    "examples": examples,
    "family": family,
}


def main(names: list[str]) -> None:
    for name in names:
        (FOLDER / f"{name}.car").write_bytes(MADE[name]())


if __name__ == "__main__":
    main(sys.argv[1:] or list(MADE))
