"""Does a run stopped at any unit of fuel look the same on every engine?

Random well-typed modules (tests/abi/generator.py: integers, floats with NaNs, memory, loops, calls
through a table, bulk memory) run to random units of fuel, in the form that stops in front of every
block and in the metered form, on Cranelift (optimizing or not), Pulley, Winch and, where a `node`
is installed, V8. What is seen is hashed: outcome, fuel, every byte of memory, every global.

Goals: no difference in 1,000 modules times 20 stops, with the count of what was compared.

Non-goals: host calls (tests/runtime/test_looking.py compares them), speed, releases of wasmtime
(engine_matrix.py). `hash` is of all that was seen: equal on every machine.

    python bench/stops.py            # the figures of bench/README.md
    python bench/stops.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import wasmtime

import pico_abi
from pico_abi.contract import FUEL_EXPORT, GLOBAL_EXPORT, HOST_FUNCTIONS, STACK_EXPORT, Outcome
from pico_abi.wasm import F32, F64, decode_module
from picomesh.cli.circumstances import circumstances
from picomesh.sandbox.backends import BACKENDS, BackendOptions, create_engine

MODULES, STOPS = 1_000, 20
MODULES_SMALL, STOPS_SMALL = 8, 4
FUEL_MAX = 30_000  # of a whole run; some never end
V8_SCRIPT = Path(__file__).parent / "programs" / "stop.js"


@dataclass(frozen=True, slots=True)
class Case:
    """A module in one form, and the units of fuel to stop at."""

    code: bytes
    types: tuple[str, ...]  # of the globals that are seen: i or f
    arguments: tuple[int, int]
    stack: int
    fuels: tuple[int, ...]


def cases(seed: int, stops: int) -> Iterator[Case]:
    """Both forms of a random module, with the same stops."""
    from abi.generator import generate

    rng = random.Random(seed)
    raw = generate(seed)
    module = decode_module(raw)
    types = tuple("f" if item.value_type in (F32, F64) else "i" for item in module.globals)
    given = (rng.getrandbits(31), rng.randrange(100)), rng.choice((300, 3000))
    metered, looking = pico_abi.meter(raw), pico_abi.meter(raw, every_block=True)
    pico_abi.check(metered)
    whole = Case(metered, (), *given, (FUEL_MAX,))
    used = Instances(BACKENDS[0], whole).see(FUEL_MAX)[1]
    fuels = tuple(sorted(rng.randrange(used + 1) for _ in range(stops)))
    yield Case(looking, types, *given, fuels)
    yield Case(metered, (), *given, fuels)


@cache
def engine(backend: str) -> wasmtime.Engine:
    return create_engine(BackendOptions(backend))


class Instances:
    """One module on one backend of wasmtime, compiled once."""

    def __init__(self, backend: str, case: Case) -> None:
        self._engine = engine(backend)
        self._module = wasmtime.Module(self._engine, case.code)
        self._case = case

    def see(self, fuel: int) -> tuple[Outcome, int, str, list[str]]:
        """What a fresh instance comes to with this much fuel."""
        store = wasmtime.Store(self._engine)
        exports: Any = self._link(store).instantiate(store, self._module).exports(store)
        counter, stack = exports[FUEL_EXPORT], exports[STACK_EXPORT]
        counter.set_value(store, fuel)
        stack.set_value(store, self._case.stack)
        outcome = Outcome.OK
        try:
            exports["handle"](store, *self._case.arguments)
        except wasmtime.Trap as trap:
            assert trap.trap_code != wasmtime.TrapCode.STACK_OVERFLOW, "the engine's stack ended"
            outcome = Outcome.OUT_OF_STACK if stack.value(store) < 0 else Outcome.TRAP
        left = counter.value(store)
        if left < 0:
            outcome, left = Outcome.OUT_OF_FUEL, 0
        memory = hashlib.sha256(exports["memory"].read(store)).hexdigest()
        names = [GLOBAL_EXPORT.format(index) for index in range(len(self._case.types))]
        seen = [_bits(exports[name].value(store)) for name in names]
        store.close()
        return outcome, fuel - left, memory, seen

    def _link(self, store: wasmtime.Store) -> wasmtime.Linker:
        linker = wasmtime.Linker(self._engine)
        for item in HOST_FUNCTIONS:
            kind = wasmtime.FuncType([wasmtime.ValType.i32()] * len(item.params), [])
            linker.define_func(item.module, item.name, kind, lambda *_: None)
        return linker

    def hashes(self) -> list[str]:
        """One hash for each stop."""
        found = []
        for fuel in self._case.fuels:
            outcome, used, memory, numbers = self.see(fuel)
            text = " ".join([str(int(outcome)), str(used), memory, *numbers])
            found.append(hashlib.sha256(text.encode()).hexdigest())
        return found


def _bits(value: int | float) -> str:
    """A float as its bits; JavaScript does not keep those of a NaN, so all NaNs are one here."""
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return str(int.from_bytes(struct.pack("<d", value), "little"))
    return str(value)


class V8:
    """A Node process that stops modules as `Instances` does."""

    def __init__(self, node: str) -> None:
        self._process = subprocess.Popen(
            [node, str(V8_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hashes(self, case: Case) -> list[str]:
        given = {
            "code": case.code.hex(),
            "types": case.types,
            "arguments": case.arguments,
            "stack": case.stack,
            "fuels": case.fuels,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        self._process.communicate()


@dataclass(slots=True)
class Tally:
    """What was compared."""

    stops: int = 0
    runs: int = 0
    differences: int = 0


def compare(case: Case, v8: V8 | None, tally: Tally) -> list[str]:
    """Every engine on one module; the hashes of the first engine."""
    found = {name: Instances(name, case).hashes() for name in BACKENDS}
    if v8 is not None:
        found["v8"] = v8.hashes(case)
    first = found[BACKENDS[0]]
    tally.stops += len(first)
    tally.runs += sum(len(item) for item in found.values())
    for name, hashes in found.items():
        different = sum(a != b for a, b in zip(first, hashes, strict=True))
        tally.differences += different
        if different:
            print(f"{name} differs in {different} stops of {case.code.hex()}", file=sys.stderr)
    return first


def measure_all(modules: int, stops: int) -> dict[str, object]:
    """Every module on every engine, as the JSON line shows it."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    node = shutil.which("node")
    v8 = None if node is None else V8(node)
    tally, digest = Tally(), hashlib.sha256()
    outcomes: Counter[str] = Counter()
    for seed in range(modules):
        for case in cases(seed, stops):
            for item in compare(case, v8, tally):
                digest.update(item.encode())
            outcomes[Instances(BACKENDS[0], case).see(FUEL_MAX)[0].name.lower()] += 1
        if seed % 100 == 99:
            print(f"{seed + 1} modules, {tally.differences} differences", file=sys.stderr)
    if v8 is not None:
        v8.close()
    return {
        "bench": "stops",
        "modules": modules,
        "forms": 2,
        "stops": tally.stops,
        "engines": [*BACKENDS, *(["v8"] if v8 else [])],
        "runs": tally.runs,
        "differences": tally.differences,
        "whole_runs": dict(sorted(outcomes.items())),
        "hash": digest.hexdigest(),
        **circumstances(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help=f"{MODULES_SMALL} modules")
    parser.add_argument("--modules", type=int, default=MODULES)
    parser.add_argument("--stops", type=int, default=STOPS, help="of each module")
    options = parser.parse_args()
    size = (MODULES_SMALL, STOPS_SMALL) if options.small else (options.modules, options.stops)
    result = measure_all(*size)
    print(json.dumps(result))
    sys.exit(1 if result["differences"] else 0)


if __name__ == "__main__":
    main()
