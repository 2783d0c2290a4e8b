"""Do engines that crash, over a network that loses and repeats, lose or repeat anything?

Several engines with several picos each live on one virtual clock and one random seed. Step by step
something happens: an event to a pico here or elsewhere, a child is born or dies, a request goes
out, deliveries are lost on the way there or back or come twice, time jumps forth and back, an
engine stops dead in the middle of a transaction and is opened again. After each step the invariants
hold: nothing happened twice, nothing happened that nobody wanted, the newest receipts follow from
the ones before. At the end the network heals, and everything wanted has happened once, in the order
in which each sender sent it to each receiver; every request went out under one key; every ledger
verifies, and every history replays.

Goals: no problem for any seed; what happens follows from the seed, so a failing one reproduces.

Non-goals: power cuts (`powercut.py`), processes (`crash.py`), speed. `digest` is over the receipts
of all engines, each without its signature's key: the same for the same seed.

    python bench/simulate.py                 # 60 seeds of 250 steps, about ten minutes
    python bench/simulate.py --first 17 --seeds 1 --verbose
    python bench/simulate.py --small         # three seeds of 60 steps (the test suite asks this)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import picomesh
from picomesh.engine.answers import Answerer
from picomesh.engine.delivery import KEY_HEADER, deliver, wait_ms
from picomesh.engine.errors import OperatorError
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.network import NetworkError
from picomesh.engine.options import Options
from picomesh.engine.replay import replay
from picomesh.engine.service import Service
from picomesh.ledger.receipt import decode_core
from picomesh.ledger.value import Value
from picomesh.scenario.world import VirtualWorld

ENGINES, PICOS = 3, 2
SEEDS, STEPS = 60, 250
SEEDS_SMALL, STEPS_SMALL = 3, 60
LOSS = 0.15
RULESET = """
ruleset sim {
  meta { shares got, order, kids }
  global {
    got = function() { ent:got.defaultsTo({}) }
    order = function() { ent:order.defaultsTo([]) }
    kids = function() { ctx:children }
  }
  rule give { select when t give
    event:send({"eci": event:attrs{"eci"}, "domain": "t", "type": "take",
      "attrs": {"n": event:attrs{"n"}, "from": event:attrs{"from"}}}, event:attrs{"host"}) }
  rule take { select when t take
    fired {
      ent:got{event:attrs{"n"}} := ent:got{event:attrs{"n"}}.defaultsTo(0) + 1;
      ent:order := ent:order.defaultsTo([]).append(event:attrs{"from"} + " " + event:attrs{"n"});
      log info "took " + event:attrs{"n"}
    } }
  rule later { select when t later
    fired { schedule t event "take" at time:add(time:now(), {"seconds": 30})
      attributes {"n": event:attrs{"n"}, "from": "clock"} } }
  rule pay { select when t pay
    http:post("http://sink.test/" + event:attrs{"n"},
      autosend = {"eci": meta:eci, "domain": "t", "type": "paid"}) }
  rule have { select when t have http:post("http://sink.test/" + event:attrs{"n"}) setting(r)
    fired { ent:got{event:attrs{"n"}} := ent:got{event:attrs{"n"}}.defaultsTo(0) + 1 } }
  rule paid { select when t paid noop() }
  rule bear { select when t bear ctx:newPico([]) setting(eci) }
  rule bury { select when t bury where ctx:children.length() > 0 ctx:delPico(ctx:children[0]) }
  rule fail { select when t fail event:send({"eci": meta:eci, "domain": "t", "type": "take",
      "attrs": {"n": "never", "from": "nobody"}})
    fired { ent:got{"never"} := "x" - 1 } }
}
"""


class Crash(BaseException):
    """The process is gone."""


class Mortal:
    """A database whose process dies at the n-th statement from now on."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.left: int | None = None

    def _tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise Crash

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._tick()
        return self._database.execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._tick()
        return self._database.executemany(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@dataclass(slots=True)
class Wanted:
    """What a pico must have got when all is quiet, and from whom in which order."""

    names: set[str] = field(default_factory=set)
    sent: dict[str, list[str]] = field(default_factory=dict)

    def add(self, sender: str, name: str) -> None:
        self.names.add(name)
        self.sent.setdefault(sender, []).append(name)


class Mesh:
    """Engines with homes, and a network between them that loses requests and answers."""

    def __init__(self, seed: int, folder: Path, cache: Path, module: bytes) -> None:
        self.chance = random.Random(seed)
        self.world = VirtualWorld(seed=seed)
        self.folder, self.cache = folder, cache
        self.hosts = [f"http://engine{number}.test" for number in range(ENGINES)]
        self.lossy = True
        self.crashes = 0
        self.engines: dict[str, Service] = {}
        self.mortals: dict[str, Mortal] = {}
        self.ecis: dict[tuple[str, str], str] = {}
        self.wanted: dict[tuple[str, str], Wanted] = {}
        self.sink: dict[str, set[str]] = {}
        self.paid: set[str] = set()
        self.rests: dict[tuple[str, int], int] = {}
        for host in self.hosts:
            engine = self.start(host)
            for number in range(PICOS):
                name = f"p{number}"
                self.ecis[host, name] = engine.eci(engine.create(name).pico)
                self.wanted[host, name] = Wanted()
                assert engine.install_module(name, module).transition.outcome == "ok"

    def start(self, host: str) -> Service:
        options = Options(
            backend="winch", world=self.world, host=host, cache=self.cache, answerer=Answerer(self)
        )
        engine = Service.open(self.folder / host.removeprefix("http://"), options)
        self.mortals[host] = Mortal(engine.store._database)
        engine.store._database = self.mortals[host]  # type: ignore[assignment]  # it acts like one
        self.engines[host] = engine
        return engine

    # -- the network

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        """A request: lost, or its answer is lost, or it arrives, maybe twice."""
        if self.lossy and self.chance.random() < LOSS:
            raise NetworkError("lost on the way there")
        for _ in range(2 if self.lossy and self.chance.random() < LOSS else 1):
            self.arrive(url, headers, body)
        if self.lossy and self.chance.random() < LOSS:
            raise NetworkError("lost on the way back")
        return {"status_code": 200}

    def arrive(self, url: str, headers: dict[str, str], body: str | None) -> None:
        parts, key = urlsplit(url), headers[KEY_HEADER]
        if parts.netloc == "sink.test":
            self.sink.setdefault(parts.path[1:], set()).add(key)
            return
        engine = self.engines[f"http://{parts.netloc}"]
        _, _, eci, _, domain, name = unquote(parts.path).split("/")
        pico, known = engine.pico_of(eci), f"{eci} {key}"
        if pico is not None and engine.store.seen(known) is None:
            attrs = json.loads(body or "{}")
            engine.accept(pico, domain, name, attrs, eci=eci, sender="", key=known)

    # -- what can happen

    def step(self, number: int) -> str:
        host = self.chance.choice(self.hosts)
        act = self.chance.choice(_ACTS)
        if self.chance.random() < 0.08:
            self.mortals[host].left = self.chance.randrange(1, 25)
        try:
            act(self, host, number)
        except Crash:
            self.crash(host)
            return f"{act.__name__} on {host}, which died"
        self.mortals[host].left = None
        return f"{act.__name__} on {host}"

    def give(self, host: str, number: int) -> None:
        """An event that leads to one for another pico, here or elsewhere."""
        name, (other, pico) = self.pico(), self.chance.choice(list(self.ecis))
        n = f"n{number:05}"
        sender = f"{host}/{name}"
        attrs: dict[str, Value] = {"n": n, "eci": self.ecis[other, pico], "from": sender}
        self.accept(host, number, name, "give", {**attrs, "host": other})
        self.wanted[other, pico].add(sender, n)

    def later(self, host: str, number: int) -> None:
        name, n = self.pico(), f"s{number:05}"
        self.accept(host, number, name, "later", {"n": n})
        self.wanted[host, name].names.add(n)

    def pay(self, host: str, number: int) -> None:
        self.accept(host, number, self.pico(), "pay", {"n": f"pay{number:05}"})
        self.paid.add(f"pay{number:05}")

    def have(self, host: str, number: int) -> None:
        """A request whose answer the rule needs: one key, and the event once, if it ends well."""
        name, n = self.pico(), f"have{number:05}"
        self.accept(host, number, name, "have", {"n": n})
        self.paid.add(n)

    def family(self, host: str, number: int) -> None:
        self.accept(host, number, self.pico(), self.chance.choice(["bear", "bury", "fail"]), {})

    def run(self, host: str, number: int) -> None:
        engine = self.engines[host]
        engine.fire_due()
        engine.settle(self.chance.randrange(1, 5))

    def together(self, host: str, number: int) -> None:
        """Some of it durable with one sync, as a served engine does."""
        with self.engines[host].store.group():
            self.run(host, number)

    def deliver(self, host: str, number: int) -> None:
        engine = self.engines[host]
        for item in engine.store.outgoing():
            if self.rests.get((host, item.position), 0) > self.world.clock_ms:
                continue
            done = deliver(self, item)
            if done.done:
                engine.store.delivered(item.position)
            else:
                engine.store.delivery_failed(item.position)
                self.rests[host, item.position] = self.world.clock_ms + min(wait_ms(item.tries), 9)

    def jump(self, host: str, number: int) -> None:
        self.world.clock_ms += self.chance.choice([10, 5_000, 60_000, 3_600_000, -20_000])

    def stop(self, host: str, number: int) -> None:
        raise Crash

    def accept(self, host: str, number: int, name: str, kind: str, attrs: dict[str, Value]) -> None:
        """Accepted or not: a sender that hears nothing sends again, under the same key."""
        key = f"key {number}"
        engine = self.engines[host]
        try:
            engine.accept(name, "t", kind, attrs, key=key)
        except Crash:
            self.crash(host)
            engine = self.engines[host]
            if engine.store.seen(key) is None:
                engine.accept(name, "t", kind, attrs, key=key)

    def pico(self) -> str:
        return f"p{self.chance.randrange(PICOS)}"

    def crash(self, host: str) -> None:
        """Nothing is said to anybody; what is durable is all there is."""
        self.crashes += 1
        engine, mortal = self.engines[host], self.mortals[host]
        mortal.left = None
        mortal._database.close()
        assert engine._home is not None, "it has a folder"
        engine._home.close()
        self.start(host)

    def come_to_rest(self) -> None:
        self.lossy = False
        for mortal in self.mortals.values():
            mortal.left = None
        for _ in range(60):
            self.world.clock_ms += 120_000
            for host in self.hosts:
                self.engines[host].fire_due()
                self.engines[host].settle()
                self.deliver(host, 0)

    # -- what must hold

    def check(self) -> None:
        for (host, name), wanted in self.wanted.items():
            engine = self.engines[host]
            got = engine.query(name, "sim", "got")
            assert isinstance(got, dict), f"{host} {name}: no map"
            assert set(got.values()) <= {1}, f"{host} {name}: something happened twice: {got}"
            known = wanted.names | self.paid
            assert set(got) <= known, f"{host} {name}: something nobody sent: {set(got) - known}"
            self._check_chain(engine, engine.find(name))
        for name, keys in self.sink.items():
            assert len(keys) == 1, f"{name} went out under {len(keys)} keys"
            assert name in self.paid, f"{name} went out, and nobody wanted it"

    def _check_chain(self, engine: Service, pico: str) -> None:
        head = engine.store.recorded_head(pico)
        assert head is not None, "every pico has a receipt"
        rows = [decode_core(row.core) for row in engine.store.receipts(pico, max(0, head - 3))]
        for before, after in pairwise(rows):
            assert after.seq == before.seq + 1 and after.pre == before.post, "the chain is broken"
        assert rows[-1].post == engine.state(pico).root, "the state is not the newest receipt's"

    def check_end(self) -> None:
        self.check()
        for (host, name), wanted in self.wanted.items():
            engine = self.engines[host]
            got, order = engine.query(name, "sim", "got"), engine.query(name, "sim", "order")
            assert isinstance(got, dict) and isinstance(order, list)
            lost = wanted.names - set(got)
            assert not lost, f"{host} {name}: lost {sorted(lost)}"
            for sender, names in wanted.sent.items():
                seen = [
                    row.split(" ")[1] for row in map(str, order) if row.startswith(sender + " ")
                ]
                assert seen == names, f"{host} {name}: {sender} sent {names}, got {seen}"
        unpaid = {name for name in self.paid if name.startswith("pay")} - set(self.sink)
        assert not unpaid, f"requests that never went out: {sorted(unpaid)}"
        for host, engine in self.engines.items():
            problems = verify_home(engine.store, engine.public_key).problems
            assert problems == (), f"{host}: {problems}"
            assert not engine.store.outgoing() and not engine.store.waiting(), f"{host}: not quiet"
            for pico, _ in engine.store.every_pico():
                for done in replay(engine.programs, engine.store, engine.store.receipts(pico)):
                    assert done.divergence is None, f"{host} {pico}: {done.divergence}"

    def digest(self) -> str:
        """Of everything that happened."""
        found = hashlib.sha256()
        for engine in self.engines.values():
            for pico, _ in engine.store.every_pico():
                for row in engine.store.receipts(pico):
                    found.update(row.core)
        return found.hexdigest()

    def close(self) -> None:
        for engine in self.engines.values():
            engine.close()


_Act = Callable[[Mesh, str, int], None]
_ACTS: list[_Act] = [
    *[Mesh.give] * 5,
    Mesh.later,
    Mesh.pay,
    Mesh.have,
    Mesh.family,
    *[Mesh.run] * 4,
    *[Mesh.together] * 2,
    *[Mesh.deliver] * 3,
    Mesh.jump,
    Mesh.stop,
]


@dataclass(slots=True)
class Lived:
    """What came of one seed."""

    digest: str
    crashes: int
    problem: str


def live(seed: int, steps: int, cache: Path, module: bytes, verbose: bool = False) -> Lived:
    """One mesh from its first step to its rest."""
    with tempfile.TemporaryDirectory() as scratch:
        mesh = Mesh(seed, Path(scratch), cache, module)
        number, what = 0, ""
        try:
            for number in range(steps):
                what = mesh.step(number)
                if verbose:
                    print(f"{number:>5}  {what}", file=sys.stderr)
                mesh.check()
            what = "coming to rest"
            mesh.come_to_rest()
            mesh.check_end()
            return Lived(mesh.digest(), mesh.crashes, "")
        except (AssertionError, OperatorError) as problem:
            return Lived("", mesh.crashes, f"seed {seed}, step {number} ({what}): {problem}")
        finally:
            mesh.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    seeds = SEEDS_SMALL if given.small else given.seeds
    steps = STEPS_SMALL if given.small else given.steps
    module = compile_krl(RULESET)
    with tempfile.TemporaryDirectory() as cache:
        lives = [
            live(seed, steps, Path(cache), module, given.verbose)
            for seed in range(given.first, given.first + seeds)
        ]
    problems = [item.problem for item in lives if item.problem]
    result = {
        "bench": "simulate",
        "seeds": seeds,
        "steps": seeds * steps,
        "crashes": sum(item.crashes for item in lives),
        "problem_count": len(problems),
        "digest": hashlib.sha256("".join(item.digest for item in lives).encode()).hexdigest(),
        "machine": platform.platform(),
        "picomesh": picomesh.__version__,
    }
    print(json.dumps(result))
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
