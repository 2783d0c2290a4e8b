"""Fuel and time of real events: a ruleset's own, and those of the ten examples.

An event is run as the engine runs it when it replays: guest, host functions, state tree and
receipt, without the disk. Each runs several times on the same state; the best time counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pico_rulesets
from picomesh.engine import Engine, Options
from picomesh.engine.perform import perform
from picomesh.engine.performed import Work
from picomesh.engine.programs import Programs
from picomesh.engine.replay import work_of
from picomesh.ledger.value import Value
from picomesh.manifest import Manifest
from picomesh.scenario.world import STEP_MS, VirtualWorld

EXAMPLES = Path(pico_rulesets.__file__).parent / "examples"
TRIES = 9


@dataclass(frozen=True, slots=True)
class Given:
    """An event to measure, and how much time passes before it."""

    domain: str
    name: str
    attrs: dict[str, Value]
    wait_ms: int = STEP_MS

    def __str__(self) -> str:
        return f"{self.domain}:{self.name}"


@dataclass(frozen=True, slots=True)
class Timed:
    """One event of one ruleset."""

    ruleset: str
    event: str
    outcome: str
    fuel: int
    elapsed_ns: int
    work: Work
    rules: tuple[str, ...]  # that its event selected

    @property
    def ns_per_fuel(self) -> float:
        return self.elapsed_ns / max(self.fuel, 1)

    def row(self) -> dict[str, Any]:
        return {
            "ruleset": self.ruleset,
            "event": self.event,
            "outcome": self.outcome,
            "fuel": self.fuel,
            "us": round(self.elapsed_ns / 1e3, 1),
            "ns_per_fuel": round(self.ns_per_fuel, 3),
        }


class Bench:
    """A pico with one ruleset, on a clock that moves when it is told to."""

    def __init__(self, raw: bytes, source: str | None, url: str, backend: str) -> None:
        self._world = VirtualWorld()
        self.engine = Engine.ephemeral(Options(backend=backend, world=self._world))
        self._pico = self.engine.create().pico
        self.installed = self.engine.install_module(self._pico, raw, source=source, url=url)
        self.manifest: Manifest = self.engine.programs.admit(raw)[1]

    def time(self, ruleset: str, given: Given, tries: int = TRIES) -> Timed:
        """Sends an event, and runs the same transition again and again."""
        self._world.clock_ms += given.wait_ms
        response = self.engine.send(self._pico, given.domain, given.name, given.attrs)
        core = response.receipt.core
        work = work_of(core, self.engine.store)
        rules = tuple(name for _, name, _ in response.transition.rules)
        elapsed_ns = self.best_ns(work, tries)
        return Timed(ruleset, str(given), core.outcome, core.fuel, elapsed_ns, work, rules)

    def best_ns(self, work: Work, tries: int, fuel: int | None = None) -> int:
        """The time of a recorded transition, perhaps only up to a unit of fuel."""
        programs: Programs = self.engine.programs
        work = work if fuel is None else replace(work, fuel_limit=fuel)
        best_ns = 0
        for _ in range(tries):
            started_ns = time.thread_time_ns()
            perform(programs, self.engine.store, work)
            elapsed_ns = time.thread_time_ns() - started_ns
            best_ns = min(best_ns or elapsed_ns, elapsed_ns)
        return best_ns


def case_of(path: Path) -> list[Given]:
    """The events of the case that is written beside an example."""
    case = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return [
        Given(
            step["event"]["domain"],
            step["event"]["name"],
            step["event"]["attrs"],
            step.get("wait_ms", STEP_MS),
        )
        for step in case["steps"]
        if "event" in step
    ]


def own_events(manifest: Manifest) -> list[Given]:
    """What a ruleset selects, without attributes: when nothing else is known of its events."""
    return [Given(domain, name, {}) for domain, name in sorted(manifest.selects or ())]


def examples(backend: str, limit: int | None, tell: Callable[[int], None]) -> Iterator[Timed]:
    """Every event of the ten examples' cases."""
    from krl.compiler import compile_source
    from krl.diagnostic import Source

    for path in sorted(EXAMPLES.glob("*.krl"))[:limit]:
        text = path.read_text("utf-8")
        module = compile_source(Source(path.name, text)).module
        assert module is not None, f"{path.name} compiles"
        bench = Bench(module, text, path.as_uri(), backend)
        for given in case_of(path):
            yield bench.time(path.stem, given)
        tell(1)
