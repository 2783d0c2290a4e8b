"""How long does an author wait between saving a ruleset and having something that runs?

Measured for one example ruleset of about 65 lines, each a median of N runs:

- `metered`: source text to metered module in a warm process: all of our own Python, nothing of
  wasmtime. The goal is 60 ms. Each run compiles a text that differs from all before it, so that
  what is remembered by the bytes of a function helps with the library only, as it does for an
  author who edits.
- `native`: the same, and wasmtime's compilation to native code behind it. The goal is 250 ms.
- `raw`, `raw_native`: as `metered` and `native`, without metering. The functions of the guest
  library are metered once in a process, not once for each ruleset: `metered` is less than 1.3
  times `raw`.
- `cached`: metered module to a program that can run, on an engine whose disk cache has it: what
  every start of a process after the first pays. The goal is 10 ms.
- `largest`: `metered` for the largest ruleset, about 800 lines of rules of that example and of the
  subscription ruleset together. The goal is 400 ms.
- `reference`: the reference's compiler from the npm registry, in Node, for the same texts as
  `metered`; it makes JavaScript. Only where PICOMESH_REFERENCE names it (sides/processes.py).
- `first`: `metered` once, in a process that did not compile before: what the command line pays.

Goals: one number an author feels, comparable over time on one machine. `calibration` is a fixed
piece of pure Python measured in the same run, so that a slow machine is not taken for a slow
compiler: compare `metered_to_calibration` between machines.

Non-goals: the start of the process and its imports, memory, rulesets of unusual size, and the
speed of the compiled code. `module` is the hash of the metered module of the text as it stands:
runs that differ in it did not measure the same thing.

    python bench/compile.py            # the figures of bench/README.md
    python bench/compile.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from blake3 import blake3

import pico_abi
import pico_rulesets
from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.cli.circumstances import circumstances
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.machine import WasmtimeSandbox
from sides.processes import PEER, missing_peer, opened

EXAMPLE = Path(pico_rulesets.__file__).parent / "examples" / "greeting.krl"
SUBSCRIPTION = EXAMPLE.parents[1] / "system" / "io.picolabs.subscription.krl"
RUNS, RUNS_SMALL = 25, 2
FIRST_RUNS_MAX = 5
GOALS_MS = {"metered": 60, "native": 250, "cached": 10, "largest": 400}


def make_raw(source: Source) -> bytes:
    """Source to raw module, validated."""
    module = compile_source(source).module
    assert module is not None, f"{source.name} does not compile"
    pico_abi.validate(module)
    return module


def make_metered(source: Source) -> bytes:
    """Source to metered module, as an install does it."""
    return pico_abi.meter(make_raw(source))


def make_native(make: Callable[[Source], bytes], source: Source) -> None:
    """The same and wasmtime's part, on an engine that has seen nothing yet."""
    WasmtimeSandbox(BackendOptions()).load(make(source))


def edited(source: Source, edit: int) -> Source:
    """The same ruleset with one more constant: no function of it has the bytes it had before."""
    before, found, after = source.text.partition("global {")
    assert found, f"{source.name} has no global block"
    constant = f'\n    edit_{edit} = "{"x" * edit}"\n'
    return Source(source.name, before + found + constant + after)


def largest() -> Source:
    """The subscription ruleset with its rules three times, under other names: 800 lines."""
    text = SUBSCRIPTION.read_text("utf-8")
    head, mark, rules = text.partition("\n  rule ")
    body = (mark + rules).rstrip().removesuffix("}")
    copies = (re.sub(r"^  rule (\w+)", rf"  rule \1_{at}", body, flags=re.M) for at in (1, 2))
    return Source("largest.krl", f"{head}{body}{''.join(copies)}\n}}\n")


def calibrate() -> None:
    """A piece of work that never changes: what this machine makes of plain Python."""
    "".join(sorted(str(number * number) for number in range(60_000)))


def measure(works: Iterable[Callable[[], object]]) -> dict[str, float]:
    """Median and spread of some pieces of work, in milliseconds."""
    elapsed_ms: list[float] = []
    for work in works:
        started_ns = time.perf_counter_ns()
        work()
        elapsed_ms.append((time.perf_counter_ns() - started_ns) / 1e6)
    return summarize(elapsed_ms)


def measure_in_turn(
    works: dict[str, Callable[[Source], object]], sources: Iterator[Source], runs: int
) -> dict[str, dict[str, float]]:
    """Several pieces of work on one source each, in turn: a slow moment is slow for all."""
    elapsed_ms: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            source = next(sources)
            started_ns = time.perf_counter_ns()
            work(source)
            elapsed_ms[name].append((time.perf_counter_ns() - started_ns) / 1e6)
    return {name: summarize(found) for name, found in elapsed_ms.items()}


def ratio(one: dict[str, float], other: dict[str, float]) -> float:
    return round(one["median"] / other["median"], 2)


def summarize(elapsed_ms: list[float]) -> dict[str, float]:
    figures = {
        "median": statistics.median(elapsed_ms),
        "least": min(elapsed_ms),
        "most": max(elapsed_ms),
    }
    return {name: round(figure, 2) for name, figure in figures.items()}


def measure_first(path: Path, runs: int) -> dict[str, float]:
    """The first compilation of a process, in `runs` processes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, "--first", "--source", str(path)]
    elapsed_ms = []
    for _ in range(runs):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        elapsed_ms.append(float(done.stdout))
    return summarize(elapsed_ms)


@contextmanager
def reference() -> Iterator[Callable[[Source], object] | None]:
    """The reference's compiler, or None and a word about it."""
    missing = missing_peer()
    if missing is not None:
        sys.stderr.write(f"compile: the reference is NOT measured: {missing}\n")
        yield None
        return
    with opened(PEER) as side:
        yield lambda source: side.ask("compile", sources=[source.text])


def compare(source: Source, runs: int) -> dict[str, dict[str, float]]:
    """What each way of compiling a text takes, in turn."""
    works: dict[str, Callable[[Source], object]] = {
        "raw": make_raw,
        "metered": make_metered,
        "raw_native": partial(make_native, make_raw),
        "native": partial(make_native, make_metered),
    }
    with reference() as compile_there:
        if compile_there is not None:
            works["reference"] = compile_there
        edits = iter([edited(source, edit) for edit in range(1, len(works) * runs + 1)])
        return measure_in_turn(works, edits, runs)


def measure_all(path: Path, runs: int) -> dict[str, object]:
    """Every figure of this bench, as the JSON line shows it."""
    source, large = Source(path.name, path.read_text("utf-8")), largest()
    module = make_metered(source)  # the first run reads the guest library: not measured
    calibration = measure([calibrate] * runs)
    figures = compare(source, runs)
    large_edits = (edited(large, edit) for edit in range(1, runs + 1))
    figures["largest"] = measure(partial(make_metered, edit) for edit in large_edits)
    with tempfile.TemporaryDirectory() as folder:
        WasmtimeSandbox(BackendOptions(), Path(folder)).load(module)
        engines = [WasmtimeSandbox(BackendOptions(), Path(folder)) for _ in range(runs)]
        cached = measure(partial(engine.load, module) for engine in engines)
    return {
        "bench": "compile",
        "source": source.name,
        "lines": source.text.count("\n"),
        "largest_lines": large.text.count("\n"),
        "module": blake3(module).hexdigest(),
        "module_bytes": len(module),
        "runs": runs,
        **{f"{name}_ms": figure for name, figure in figures.items()},
        "metered_to_raw": ratio(figures["metered"], figures["raw"]),
        "native_to_raw_native": ratio(figures["native"], figures["raw_native"]),
        "cached_ms": cached,
        "first_ms": measure_first(path, min(runs, FIRST_RUNS_MAX)),
        "calibration_ms": calibration,
        "metered_to_calibration": ratio(figures["metered"], calibration),
        "goals_ms": GOALS_MS,
        **circumstances(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help=f"{RUNS_SMALL} runs of each")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each ({RUNS})")
    parser.add_argument("--source", type=Path, default=EXAMPLE, help="another ruleset")
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    runs = RUNS_SMALL if options.small else max(options.runs, 1)
    if options.first:
        source = Source(options.source.name, options.source.read_text("utf-8"))
        print(measure([partial(make_metered, source)])["median"])
    else:
        print(json.dumps(measure_all(options.source, runs)))


if __name__ == "__main__":
    main()
