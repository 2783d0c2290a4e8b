"""Several engines by seed: lost and repeated messages, crashes, clock jumps; nothing is lost.

A failing seed reproduces: everything that happens follows from it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from picomesh.engine.answers import Answerer
from picomesh.engine.delivery import KEY_HEADER, deliver
from picomesh.engine.engine import Engine
from picomesh.engine.errors import OperatorError
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.network import NetworkError
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.ledger.value import Value
from picomesh.scenario.world import VirtualWorld

ENGINES = 3
STEPS = 120
RULESET = """
ruleset sim {
  meta { shares got, order }
  global {
    got = function() { ent:got.defaultsTo({}) }
    order = function() { ent:order.defaultsTo([]) }
  }
  rule give {
    select when t give
    event:send({"eci": event:attrs{"eci"}, "domain": "t", "type": "take",
      "attrs": {"n": event:attrs{"n"}}}, event:attrs{"host"})
  }
  rule take {
    select when t take
    fired {
      ent:got{event:attrs{"n"}} := ent:got{event:attrs{"n"}}.defaultsTo(0) + 1;
      ent:order := ent:order.defaultsTo([]).append(event:attrs{"n"})
    }
  }
  rule later { select when t later
    fired { schedule t event "take" at time:add(time:now(), {"seconds": 30})
      attributes {"n": event:attrs{"n"}} } }
}
"""


class Mesh:
    """Engines with homes, and a network between them that loses requests and answers."""

    def __init__(self, seed: int, folder: Path, cache: Path, module: bytes) -> None:
        self.chance = random.Random(seed)
        self.world = VirtualWorld(seed=seed)
        self.folder, self.cache = folder, cache
        self.hosts = [f"http://engine{number}.test" for number in range(ENGINES)]
        self.lossy = True
        self.engines: dict[str, Service] = {}
        self.ecis: dict[str, str] = {}
        self.wanted: dict[str, set[str]] = {host: set() for host in self.hosts}
        for host in self.hosts:
            engine = self.start(host)
            self.ecis[host] = engine.eci(engine.create("me").pico)
            assert engine.install_module("me", module).transition.outcome == "ok"

    def start(self, host: str) -> Service:
        options = Options(
            backend="winch", world=self.world, host=host, cache=self.cache, answerer=Answerer(self)
        )
        self.engines[host] = Service.open(self.folder / host.removeprefix("http://"), options)
        return self.engines[host]

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        """A request to another engine: lost, or its answer is lost, or it arrives."""
        if self.lossy and self.chance.random() < 0.2:
            raise NetworkError("lost on the way there")
        parts = urlsplit(url)
        engine = self.engines[f"http://{parts.netloc}"]
        _, _, eci, _, domain, name = unquote(parts.path).split("/")
        self.accept(engine, eci, domain, name, json.loads(body or "{}"), headers[KEY_HEADER])
        if self.lossy and self.chance.random() < 0.2:
            raise NetworkError("lost on the way back")
        return {"status_code": 200}

    def accept(
        self, engine: Engine, eci: str, domain: str, name: str, attrs: Any, key: str
    ) -> None:
        """What the server does with an event that has a key."""
        known = f"{eci} {key}"
        pico = engine.pico_of(eci)
        if engine.store.seen(known) is None and pico is not None:
            engine.accept(pico, domain, name, attrs, eci=eci, sender="", key=known)

    # -- what can happen

    def step(self, number: int) -> None:
        host = self.chance.choice(self.hosts)
        engine = self.engines[host]
        match self.chance.randrange(8):
            case 0 | 1:
                other = self.chance.choice([item for item in self.hosts if item != host])
                given: dict[str, Value] = {"n": f"n{number:04}", "eci": self.ecis[other]}
                engine.accept("me", "t", "give", {**given, "host": other})
                self.wanted[other].add(f"n{number:04}")
            case 2:
                engine.accept("me", "t", "later", {"n": f"s{number:04}"})
                self.wanted[host].add(f"s{number:04}")
            case 3 | 4:
                self.run(engine)
            case 5:
                self.deliver(engine)
            case 6:
                self.world.clock_ms += self.chance.choice([10, 5_000, 60_000])
            case _:
                self.crash(host)

    def run(self, engine: Service) -> None:
        engine.fire_due()
        engine.settle(self.chance.randrange(1, 4))

    def deliver(self, engine: Service) -> None:
        for item in engine.store.outgoing():
            if deliver(self, item).done:
                engine.store.delivered(item.position)
            else:
                engine.store.delivery_failed(item.position)

    def crash(self, host: str) -> None:
        """Nothing is said to anybody; what is durable is all there is."""
        self.engines[host].close()
        self.start(host)

    def come_to_rest(self) -> None:
        self.lossy = False
        self.world.clock_ms += 120_000
        for _ in range(50):
            for engine in self.engines.values():
                engine.fire_due()
                engine.settle()
                self.deliver(engine)

    # -- what must hold

    def check(self) -> None:
        for host, engine in self.engines.items():
            got = engine.query("me", "sim", "got")
            assert isinstance(got, dict)
            assert set(got.values()) <= {1}, f"{host}: something happened twice: {got}"
            assert set(got) <= self.wanted[host], f"{host}: something that nobody sent"

    def check_end(self) -> None:
        self.check()
        for host, engine in self.engines.items():
            got, order = engine.query("me", "sim", "got"), engine.query("me", "sim", "order")
            assert isinstance(got, dict) and isinstance(order, list)
            assert set(got) == self.wanted[host], "something is lost"
            assert verify_home(engine.store, engine.public_key).problems == ()
            assert not engine.store.outgoing() and not engine.store.waiting()


@pytest.fixture(scope="module")
def module() -> bytes:
    return compile_krl(RULESET)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("seed", range(6))
def test_engines_that_crash_and_a_network_that_loses_lose_and_repeat_nothing(
    seed: int, tmp_path: Path, cache: Path, module: bytes
) -> None:
    mesh = Mesh(seed, tmp_path, cache, module)
    for number in range(STEPS):
        mesh.step(number)
        mesh.check()
    mesh.come_to_rest()
    mesh.check_end()
    for engine in mesh.engines.values():
        engine.close()


def test_what_one_pico_sends_another_arrives_in_order(
    tmp_path: Path, cache: Path, module: bytes
) -> None:
    mesh = Mesh(7, tmp_path, cache, module)
    first, second = mesh.hosts[:2]
    for number in range(20):
        attrs: dict[str, Value] = {"n": f"n{number:04}", "eci": mesh.ecis[second], "host": second}
        mesh.engines[first].send("me", "t", "give", attrs)
        mesh.wanted[second].add(f"n{number:04}")
    for _ in range(100):
        mesh.deliver(mesh.engines[first])
        mesh.engines[second].settle()
    order = mesh.engines[second].query("me", "sim", "order")
    assert order == [f"n{number:04}" for number in range(20)]
    for engine in mesh.engines.values():
        engine.close()


def test_a_channel_that_is_unknown_elsewhere_loses_one_event_and_holds_up_none(
    tmp_path: Path, cache: Path, module: bytes
) -> None:
    mesh = Mesh(8, tmp_path, cache, module)
    with pytest.raises(OperatorError):
        mesh.engines[mesh.hosts[0]].accept("nobody", "t", "give", {})
    engine, other = mesh.engines[mesh.hosts[0]], mesh.hosts[1]
    engine.send("me", "t", "give", {"n": "n1", "eci": "nowhere", "host": other})
    engine.send("me", "t", "give", {"n": "n2", "eci": mesh.ecis[other], "host": other})
    mesh.wanted[other].add("n2")
    mesh.come_to_rest()
    mesh.check_end()
    for item in mesh.engines.values():
        item.close()
