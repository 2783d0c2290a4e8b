"""The examples and what is written beside each: how a case is read, run, and written again.

Everything goes through the public API of the engine, on a clock that moves one second with each
step, or by the step's `wait_ms`.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pico_rulesets
from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.ledger.value import decode_value
from picomesh.scenario.world import STEP_MS, VirtualWorld

FOLDER = Path(pico_rulesets.__file__).parent / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.krl"))


def source_path(name: str) -> Path:
    return FOLDER / f"{name}.krl"


def case_path(name: str) -> Path:
    return FOLDER / f"{name}.json"


def read_case(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(case_path(name).read_text("utf-8"))
    return case


@cache
def compiled(name: str) -> bytes:
    """The raw module of an example."""
    return compile_text(source_path(name).read_text("utf-8"), f"{name}.krl")


def compile_text(text: str, name: str = "test.krl") -> bytes:
    compilation = compile_source(Source(name, text))
    assert compilation.module is not None, compilation.diagnostics
    return compilation.module


@cache
def module_cache() -> Path:
    """A folder for what wasmtime compiled, gone when the tests end."""
    folder = tempfile.TemporaryDirectory(prefix="picomesh-examples-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def rid_of(name: str) -> str:
    return f"examples.{name}"


@dataclass(slots=True)
class Bench:
    """A pico with some rulesets on it, and the clock it lives by."""

    engine: Engine
    world: VirtualWorld
    pico: str

    @classmethod
    def with_modules(cls, *modules: bytes, folder: Path | None = None, **given: Any) -> Bench:
        """A fresh pico, in a folder or only in memory."""
        world = VirtualWorld()
        options = Options(world=world, cache=module_cache(), **given)
        engine = Engine.open(folder, options) if folder else Engine.ephemeral(options)
        bench = cls(engine, world, engine.create().pico)
        for module in modules:
            installed = engine.install_module(bench.pico, module)
            assert installed.transition.outcome == "ok", installed.transition.message
        return bench

    def entities(self, rid: str) -> dict[str, Any]:
        """Every entity variable of a ruleset."""
        prefix = f"ent/{rid}/".encode()
        items = self.engine.state(self.pico).items(prefix)
        return {path[len(prefix) :].decode(): decode_value(data) for path, data in items}

    def post_root(self) -> str:
        return str(self.engine.log(self.pico)[-1].core.post)


@dataclass(slots=True)
class Observed:
    """What a case came to, in the shape in which it is written down."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)


def run_case(name: str, case: dict[str, Any]) -> Observed:
    """Runs the steps of a case on a fresh pico."""
    bench = Bench.with_modules(compiled(name))
    observed = Observed()
    with bench.engine:
        for step in case["steps"]:
            bench.world.clock_ms += step.get("wait_ms", STEP_MS)
            given = {key: step[key] for key in ("wait_ms", "event", "query") if key in step}
            if "event" in step:
                observed.steps.append(given | _send(bench, step["event"]))
            else:
                query = step["query"]
                value = bench.engine.query(bench.pico, rid_of(name), query["name"], query["args"])
                observed.steps.append({**given, "value": value})
        observed.state = bench.entities(rid_of(name))
    return observed


def _send(bench: Bench, event: dict[str, Any]) -> dict[str, Any]:
    done = bench.engine.send(bench.pico, event["domain"], event["name"], event["attrs"])
    outcome = done.transition.outcome
    return {
        "directives": [
            {"name": directive["name"], "options": directive["options"]}
            for directive in done.directives
        ],
        **({} if outcome == "ok" else {"outcome": outcome}),
        "fuel": done.receipt.core.fuel,
    }


def write_case(case: dict[str, Any]) -> str:
    """A case as it stands in its file: one line for each step and each variable."""
    steps = ",\n  ".join(text_of(step) for step in case["steps"])
    state = ",\n  ".join(f"{text_of(key)}: {text_of(case['state'][key])}" for key in case["state"])
    head = f' "ruleset": {text_of(case["ruleset"])}'
    return f'{{\n{head},\n "steps": [\n  {steps}\n ],\n "state": {{\n  {state}\n }}\n}}\n'


def text_of(value: Any) -> str:
    """JSON in the order of the keys, which KRL keeps, so that a comparison sees it."""
    return json.dumps(value, ensure_ascii=False)


def without_fuel(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: step[key] for key in step if key != "fuel"} for step in steps]
