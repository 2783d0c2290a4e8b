"""What does it cost to check a history, next to running it the first time?

One pico with the counter of events.py gets N events, one after the other. Measured, each per
transition and in time of the processor:

- `run`: the first execution, with everything on: accept, perform, sign, a home on disk, 64 events
  durable together. `run_one`: the same one at a time.
- `verify`: hashes, chain, signatures and state roots of what was kept; nothing runs.
- `replay`: the same and every transition run again, on the same backend, by one process, which
  has run the first receipts before, so that the module is compiled, as it is for `run`;
  `replay_speed` is how many times faster than `run` that is, `replay_speed_clock` the same by the
  clock, where `run` waits for its disk. `replay_one` replays what `run_one` ran. `beside` is what
  of `replay` is not the running itself: reading, believing, comparing.
- `prove`, `audit`: the file of one transition, made and checked; the auditor knows the module,
  as it is after his first file. `proof_bytes` is the file besides the modules.
- `export`, `exported_bytes`: the history as a file without states.
- `raising_…`: run and replay of the counter that ships as an example, half as many events. Its
  rule raises an event, so two rules run in each.

Goals: a replay is 1.5 times as fast as the first execution; a proof of this pico is below 10 KB
besides its modules, and audited in less than 10 ms.

Non-goals: rulesets that compute much, where all of these come to the same; the start of a process;
several processes.

    python bench/checking.py            # the figures of bench/README.md: 9,600 transitions
    python bench/checking.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pico_rulesets
from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.cli.circumstances import circumstances, one_core
from picomesh.engine import Engine, Options
from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.export import export_histories
from picomesh.engine.history import verify_pico
from picomesh.engine.model import Sending
from picomesh.engine.native import Native
from picomesh.engine.perform import perform
from picomesh.engine.prove import prove
from picomesh.engine.rerun import rerun

COUNTER = Path(__file__).resolve().parent / "workloads" / "counter.krl", "count"
EXAMPLE = Path(pico_rulesets.__file__).parent / "examples" / "counter.krl", "incremented"
EVENTS, EVENTS_SMALL = 64 * 150, 64
OUTSTANDING = 64
PROOFS, PROOFS_SMALL = 50, 3
REPLAYS = 3
GOALS = {"replay_speed": 1.5, "proof_bytes": 10 * 1024, "audit_ms": 10.0}


def module(path: Path) -> bytes:
    compiled = compile_source(Source(path.name, path.read_text("utf-8"))).module
    assert compiled is not None, "it compiles"
    return compiled


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the processor, which neighbours on a machine move little, and of the clock."""

    cpu: float
    clock: float


def took(work: Callable[[], object]) -> Took:
    started = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - started[0], time.perf_counter() - started[1])


def median_ms(works: list[Callable[[], object]]) -> float:
    return statistics.median(1000 * took(work).cpu for work in works)


def live(engine: Engine, pico: str, name: str, events: int) -> None:
    batch = [Sending(pico, "counter", name)] * OUTSTANDING
    for _ in range(events // OUTSTANDING):
        engine.send_many(batch)


def live_alone(engine: Engine, pico: str, name: str, events: int) -> None:
    for _ in range(events):
        engine.send(pico, "counter", name)


def raising(events: int, folder: Path) -> dict[str, Any]:
    """Run and replay of the example."""
    path, name = EXAMPLE
    with Engine.open(folder, Options()) as engine:
        pico = engine.create("counter").pico
        engine.install_module(pico, module(path))
        live_alone(engine, pico, name, 3)
        gc.collect()
        gc.freeze()
        run_us = 1e6 * took(lambda: live(engine, pico, name, events)).cpu / events
        total = len(engine.store.receipts(pico))
        replay_us = 1e6 * _replay(engine, pico).cpu / total
    return {
        "raising_run_us": round(run_us, 1),
        "raising_replay_us": round(replay_us, 1),
        "raising_replay_speed": round(run_us / replay_us, 2),
    }


def measure(events: int, proofs: int, folder: Path) -> dict[str, Any]:
    path, name = COUNTER
    with Engine.open(folder, Options()) as engine:
        pico = engine.create("counter").pico
        engine.install_module(pico, module(path))
        engine.send(pico, "counter", "clear")
        live_alone(engine, pico, name, 3)  # what is compiled and remembered once
        gc.collect()
        gc.freeze()  # what is loaded stays, as in the process of an engine
        store, key = engine.store, engine.public_key
        run = took(lambda: live(engine, pico, name, events))
        together = len(store.receipts(pico))
        replay = _replay(engine, pico)
        beside_s = _beside(engine, pico)
        alone = max(events // 20, 1)
        run_one = took(lambda: live_alone(engine, pico, name, alone))
        replay_one = _replay(engine, pico, together)
        verify_s = took(lambda: verify_pico(store, key, pico, "counter")).cpu
        lean: list[bytes] = []
        picos = [(pico, "counter")]
        export_s = took(
            lambda: lean.extend(export_histories(store, key, picos, has_states=False))
        ).cpu
        total = len(store.receipts(pico))
        return {
            "transitions": total,
            "head": str(engine.log(pico, total - 1)[0].cid),
            "run_per_s": round(events / run.cpu),
            "replay_per_s": round(together / replay.cpu),
            "verify_per_s": round(total / verify_s),
            "run_us": round(1e6 * run.cpu / events, 1),
            "run_clock_us": round(1e6 * run.clock / events, 1),
            "run_one_us": round(1e6 * run_one.cpu / alone, 1),
            "verify_us": round(1e6 * verify_s / total, 1),
            "replay_us": round(1e6 * replay.cpu / together, 1),
            "replay_clock_us": round(1e6 * replay.clock / together, 1),
            "replay_one_us": round(1e6 * replay_one.cpu / alone, 1),
            "beside_us": round(1e6 * beside_s / together, 1),
            "export_us": round(1e6 * export_s / total, 1),
            "replay_speed": round((run.cpu / events) / (replay.cpu / together), 2),
            "replay_speed_clock": round((run.clock / events) / (replay.clock / together), 2),
            "replay_speed_one": round(run_one.cpu / replay_one.cpu, 1),
            "exported_bytes": sum(map(len, lean)),
            **_proofs(engine, pico, total, proofs),
        }


def _replay(engine: Engine, pico: str, first: int = 0) -> Took:
    """The median of three, each of which has compiled before, as the engine has."""
    found: list[Took] = []
    for _ in range(REPLAYS):
        fresh = engine.options.programs(None)
        rerun(engine.store, engine.public_key, fresh, pico, 0, 3)
        engine.store.past.forget()
        found.append(took(partial(_replayed, engine, fresh, pico, first)))
    return sorted(found, key=lambda it: it.cpu)[REPLAYS // 2]


def _replayed(engine: Engine, programs: Any, pico: str, first: int = 0) -> None:
    done = rerun(engine.store, engine.public_key, programs, pico, first)
    assert done.is_equal, done


def _beside(engine: Engine, pico: str) -> float:
    """Replays once more, and takes the time away that transitions take."""
    inside_s = 0.0

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            nonlocal inside_s
            started = time.process_time()
            try:
                return work(*given)
            finally:
                inside_s += time.process_time() - started

        return run

    fresh = engine.options.programs(None)
    rerun(engine.store, engine.public_key, fresh, pico, 0, 3)
    with (
        patch("picomesh.engine.replay.perform", timed(perform)),
        patch.object(Native, "again", timed(Native.again)),
    ):
        inside_s = 0.0
        whole_s = took(lambda: _replayed(engine, fresh, pico)).cpu
    return whole_s - inside_s


def _proofs(engine: Engine, pico: str, total: int, count: int) -> dict[str, Any]:
    """A proof of the last receipts each; the first is not measured, for it meters the module."""
    checked = CheckedModules()
    sandbox = engine.programs.sandbox
    files: list[bytes] = []

    def make(seq: int) -> Callable[[], object]:
        return lambda: files.append(
            prove(engine.store, engine.programs, pico, seq, engine.signer, has_modules=False)
        )

    whole = prove(engine.store, engine.programs, pico, total - 1, engine.signer)
    assert audit(whole, lambda _: sandbox, checked).is_proved
    prove_ms = median_ms([make(total - 1 - at) for at in range(count)])
    results: list[bool] = []

    def check(data: bytes) -> Callable[[], object]:
        return lambda: results.append(audit(data, lambda _: sandbox, checked).is_proved)

    audit_ms = median_ms([check(data) for data in files])
    assert all(results) and len(results) == count
    return {
        "prove_ms": round(prove_ms, 2),
        "audit_ms": round(audit_ms, 2),
        "proof_bytes": max(map(len, files)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="only: does it still run?")
    small = parser.parse_args().small
    with tempfile.TemporaryDirectory() as root, one_core():
        counts = (EVENTS_SMALL, PROOFS_SMALL) if small else (EVENTS, PROOFS)
        found = measure(*counts, Path(root) / "home")
        found |= raising(max(counts[0] // 2, OUTSTANDING), Path(root) / "raising")
    result = {"bench": "checking", **circumstances(), "goals": GOALS, **found}
    sys.stdout.write(json.dumps(result) + "\n")
    missed = found["proof_bytes"] > GOALS["proof_bytes"]
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
