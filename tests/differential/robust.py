"""The compiler against anything: it never raises, and what it makes passes every gate and runs.

    PYTHONPATH=tests python -m differential.robust --cases 5000

A module that is made from a broken ruleset must validate, be metered, pass the independent check,
and then take an event of each kind that its rules name without an engine fault.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from random import Random

from differential import mutate
from differential.engines import BACKEND
from krl.compiler import compile_source
from krl.diagnostic import Source, render
from pico_abi.check import check
from picomesh.engine import Engine, Options
from picomesh.engine.errors import OperatorError
from picomesh.engine.programs import admit_module
from picomesh.manifest import read_manifest
from picomesh.scenario.world import VirtualWorld

EVENTS_MAX = 12
FUEL_LIMIT = 20_000_000


def exercise(text: str, random: Random) -> bool:
    """Compiles and, if that works, runs; says whether it compiled. Raises what must not happen."""
    compilation = compile_source(Source("case.krl", text))
    for item in compilation.diagnostics:
        assert render(item, compilation.source)
    if compilation.module is None:
        assert compilation.diagnostics.has_errors
        return False
    check(admit_module(compilation.module))
    _run(compilation.module, random)
    return True


def _run(module: bytes, random: Random) -> None:
    options = Options(world=VirtualWorld(), backend=BACKEND, fuel_limit=FUEL_LIMIT)
    manifest = read_manifest(module)
    with Engine.ephemeral(options) as engine:
        pico = engine.create().pico
        try:
            engine.install_module(pico, module)
        except OperatorError:
            return
        for domain, name in sorted(manifest.selects or {("a", "b")})[:EVENTS_MAX]:
            engine.send(pico, domain, name, mutate.attributes(random))


def main() -> int:
    parser = argparse.ArgumentParser(prog="differential.robust", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random, started = Random(options.seed), time.monotonic()
    compiled = failed = 0
    for number in range(options.cases):
        text = mutate.broken_text(random)
        try:
            compiled += exercise(text, random)
        except Exception:
            failed += 1
            print(f"-- case {number}\n{text!r}\n{traceback.format_exc()}", flush=True)
    seconds = time.monotonic() - started
    print(f"{options.cases} texts, {compiled} compiled, {failed} failed, {seconds:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
