"""The programs that the benches run: five kinds of computing and the ten examples, recorded.

Each is run once by an engine with a virtual clock; what its guest was told and what host
functions answered is kept, so that a bench can run the guest alone, again and again, in any form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pico_rulesets
from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.programs import Programs
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.sandbox.recording import RecordedMessage, RecordingSandbox
from picomesh.scenario.world import STEP_MS, VirtualWorld

EXAMPLES = Path(pico_rulesets.__file__).parent / "examples"
COMPUTE = Path(__file__).with_name("compute.krl")
# rule: its size, and a small one for the test suite
COMPUTING = {
    "fib": (22, 8),
    "chain": (10_000, 50),
    "text": (1_000, 20),
    "data": (1_000, 10),
    "sort": (2_000, 20),
}


@dataclass(frozen=True, slots=True)
class Program:
    """A raw module and the messages of one life of its guest."""

    name: str
    raw: bytes
    messages: tuple[RecordedMessage, ...]
    fuel: int


@dataclass(frozen=True, slots=True)
class _RecordingOptions(Options):
    """An engine whose guests are recorded."""

    sandbox: RecordingSandbox | None = None

    def programs(self, cache: Path | None) -> Programs:
        assert self.sandbox is not None
        return Programs(self.sandbox, self.gate)


class Recorder:
    """A pico with one ruleset, on an engine that records."""

    def __init__(self, path: Path) -> None:
        self.sandbox = RecordingSandbox(WasmtimeSandbox(BackendOptions(plain=True)))
        self.world = VirtualWorld()
        options = _RecordingOptions(world=self.world, plain=True, sandbox=self.sandbox)
        self.engine = Engine.ephemeral(options)
        compilation = compile_source(Source(path.name, path.read_text("utf-8")))
        assert compilation.module is not None, f"{path.name} does not compile"
        self.raw = compilation.module
        self.pico = self.engine.create().pico
        self.engine.install_module(self.pico, self.raw)

    def send(self, domain: str, name: str, attrs: dict[str, Any]) -> Program:
        """The guest's life behind one event; of several attempts, the one that counts."""
        self.sandbox.machines.clear()
        response = self.engine.send(self.pico, domain, name, attrs)
        core = response.receipt.core
        assert core.outcome == "ok", f"{domain}:{name} ended with {core.outcome}"
        (guest,) = self.sandbox.machines[-1]
        return Program(name, self.raw, tuple(guest.messages), core.fuel)


def computing(small: bool) -> Iterator[Program]:
    recorder = Recorder(COMPUTE)
    for name, sizes in COMPUTING.items():
        yield recorder.send("compute", name, {"n": sizes[small]})


def example(path: Path) -> Program:
    """Of the events in an example's case the one that costs most."""
    recorder = Recorder(path)
    case = json.loads(path.with_suffix(".json").read_text("utf-8"))
    found: list[Program] = []
    for step in case["steps"]:
        recorder.world.clock_ms += step.get("wait_ms", STEP_MS)
        if "event" in step:
            event = step["event"]
            found.append(recorder.send(event["domain"], event["name"], event["attrs"]))
    dearest = max(found, key=lambda item: item.fuel)
    return Program(path.stem, dearest.raw, dearest.messages, dearest.fuel)


def example_paths() -> list[Path]:
    return sorted(EXAMPLES.glob("*.krl"))


def programs(small: bool) -> Iterator[Program]:
    """All of them; small ones do little and are fewer."""
    yield from computing(small)
    for path in example_paths()[: 2 if small else None]:
        yield example(path)
