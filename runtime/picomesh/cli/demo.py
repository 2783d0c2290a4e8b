"""`picomesh demo`: the whole of it in a few seconds, on a home that is gone afterwards."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.output import to_json

if TYPE_CHECKING:
    from picomesh.engine import Engine

RULESET = """\
ruleset counter {
  meta { shares total }
  global { total = function() { ent:total.defaultsTo(0) } }

  rule count {
    select when counter increment by re#^(\\d+)$# setting(by)
    send_directive("counted", {"by": by.as("Number"), "total": total() + by.as("Number")})
    fired { ent:total := total() + by.as("Number") }
  }

  rule forever {
    select when counter hang
    pre { never = function(n) { never(n + 1) }  value = never(0) }
  }
}
"""


@click.command()
def demo() -> None:
    """Compile a ruleset, run it, check it, replay it on another engine, and catch a forgery.

    Works on a temporary folder; nothing of yours is touched.
    """
    with tempfile.TemporaryDirectory() as folder:
        _demo(Path(folder))


def _say(text: str) -> None:
    click.echo(text)


def _demo(folder: Path) -> None:
    from krl.compiler import compile_source
    from krl.diagnostic import Source
    from picomesh.engine import Engine, Options

    _say("A ruleset in KRL:\n")
    _say("".join(f"    {line}\n" for line in RULESET.splitlines()))
    module = compile_source(Source("counter.krl", RULESET)).module
    assert module is not None, "the demo's ruleset compiles"
    _say(f"compiled to a WebAssembly module of {len(module):,} bytes\n")
    with Engine.open(folder, Options(fuel_limit=20_000_000)) as engine:
        pico = engine.create("demo").pico
        _say(f"a pico: its name for ever is the hash of its first event\n    {pico}\n")
        engine.install_module(pico, module, source=RULESET)
        for by in ("2", "40"):
            _event(engine, "increment", by)
        _say("    query counter:total -> " + to_json(engine.query(pico, "counter", "total")) + "\n")
        _say("a ruleset that never ends is stopped at its fuel limit, and the pico is as before:")
        _event(engine, "hang", "0")
        _replay(engine)
    _forge(folder)


def _event(engine: Engine, name: str, by: str) -> None:
    response = engine.send("demo", "counter", name, {"by": by})
    said = [item["options"] for item in response.directives]
    _say(
        f"    event counter:{name} by={by} -> {to_json(said)}  "
        f"{response.transition.outcome}, {response.transition.fuel:,} fuel"
    )
    _say(f"    receipt {response.receipt.core.seq} {response.receipt.cid}\n")


def _replay(engine: Engine) -> None:
    from picomesh.engine import Options
    from picomesh.engine.replay import replay

    rows = engine.store.receipts(engine.find("demo"))
    other = Options(backend="pulley").programs(None)
    done = list(replay(other, engine.store, rows))
    equal = sum(item.divergence is None for item in done)
    _say("replayed on another WebAssembly engine (an interpreter instead of a compiler):")
    _say(f"    {equal} of {len(done)} receipts are equal, fuel and all\n")


def _forge(folder: Path) -> None:
    """Changes the stored total, as a dishonest host might."""
    from picomesh.engine import Engine
    from picomesh.engine.history import verify_home

    database = sqlite3.connect(folder / "picomesh.sqlite3")
    with database:
        database.execute("UPDATE block SET data = x'187b' WHERE data = x'182a'")
    database.close()
    _say("now the host changes the stored total from 42 to 123:")
    with Engine.open(folder) as engine:
        problem = verify_home(engine.store, engine.public_key).problems[0]
        _say(f"    picomesh verify -> {problem.place}: {problem.text}")
