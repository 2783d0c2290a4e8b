"""How much slower and larger does metering make a ruleset?

Each program is a guest that was recorded once (programs/recorded.py): fib, map, filter and reduce,
strings and regular expressions, JSON and CBOR, sorting, and the dearest event of each of the ten
examples. It runs alone, raw and metered in turn, on an engine as the sandbox makes it, with a host
that is WASM too (programs/alone.py). `ratio` is the median over the pairs of what the metered run
took in units of the raw one before or after it.

Goals: the geometric mean of the ratios on Cranelift is at most 1.25; the metered module is smaller
than 1.8 times the raw one. Comparable over time: the ratio is measured within one run.

Non-goals: the absolute speed of rulesets, the engine around them, the other backends (--backend
measures them, there is no goal). Answers of both forms must be equal: `hash` is of all of them.

    python bench/metering.py            # the figures of bench/README.md
    python bench/metering.py --small    # does it still run? (the test suite asks this)
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass

from blake3 import blake3

import pico_abi
from picomesh.cli.circumstances import circumstances, one_core
from picomesh.sandbox.backends import BACKENDS, BackendOptions, create_engine
from programs.alone import Alone, Run
from programs.recorded import Program, programs

PAIRS, PAIRS_SMALL = 40, 2
GOAL_RATIO, GOAL_SIZE = 1.25, 1.8


@dataclass(frozen=True, slots=True)
class Figures:
    """What one program came to."""

    raw_us: float
    metered_us: float
    ratio: float
    fuel: int
    size: float
    answers: bytes

    def row(self) -> dict[str, float]:
        return {
            "raw_us": round(self.raw_us, 1),
            "metered_us": round(self.metered_us, 1),
            "ratio": round(self.ratio, 3),
            "fuel": self.fuel,
            "size": round(self.size, 3),
        }


def measure(program: Program, backend: str, pairs: int) -> Figures:
    """Raw and metered in turn, so that a slow moment of the machine is slow for both."""
    engine = create_engine(BackendOptions(backend), pooled=True)
    metered = pico_abi.meter(program.raw)
    forms = Alone(engine, program.raw), Alone(engine, metered)
    runs: list[tuple[Run, Run]] = []
    for pair in range(pairs):
        first, second = (forms[at].run(program.messages) for at in (pair % 2, 1 - pair % 2))
        runs.append((first, second) if pair % 2 == 0 else (second, first))
    raw, with_meter = runs[0]
    assert raw.answers == with_meter.answers, f"{program.name}: metering changes the answer"
    return Figures(
        min(item.elapsed_ns for item, _ in runs) / 1e3,
        min(item.elapsed_ns for _, item in runs) / 1e3,
        statistics.median(b.elapsed_ns / a.elapsed_ns for a, b in runs),
        with_meter.fuel,
        len(metered) / len(program.raw),
        b"".join(raw.answers),
    )


def measure_all(backend: str, pairs: int, small: bool) -> dict[str, object]:
    """Every figure of this bench, as the JSON line shows it."""
    found = {}
    with one_core():
        for program in programs(small):
            found[program.name] = measure(program, backend, pairs)
            print(f"{program.name}: {found[program.name].ratio:.3f}", file=sys.stderr)
    return {
        "bench": "metering",
        "backend": backend,
        "pairs": pairs,
        "ratio": round(statistics.geometric_mean(item.ratio for item in found.values()), 3),
        "size": round(statistics.geometric_mean(item.size for item in found.values()), 3),
        "goals": {"ratio": GOAL_RATIO, "size": GOAL_SIZE},
        "programs": {name: item.row() for name, item in found.items()},
        "hash": blake3(b"".join(item.answers for item in found.values())).hexdigest(),
        **circumstances(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="few programs that do little")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"runs of each form ({PAIRS})")
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0])
    options = parser.parse_args()
    pairs = PAIRS_SMALL if options.small else max(options.pairs, 1)
    print(json.dumps(measure_all(options.backend, pairs, options.small)))


if __name__ == "__main__":
    main()
