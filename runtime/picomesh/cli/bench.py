"""`picomesh bench`: what this machine needs for a unit of fuel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import backend_option, json_option
from picomesh.cli.output import print_json

if TYPE_CHECKING:
    from picomesh.sandbox.interface import Sandbox

FUEL_LIMIT = 10**12


@click.group()
def bench() -> None:
    """Measure this machine.

    Numbers are for comparing: machines, releases, backends. They decide nothing, for fuel is
    counted and not measured.
    """


@bench.command()
@backend_option
@json_option
@click.option(
    "--fuel",
    "fuel_wanted",
    type=click.IntRange(min=10_000),
    default=20_000_000,
    show_default=True,
    help="Fuel to burn for each kind of instruction.",
)
def fuel(backend: str, as_json: bool, fuel_wanted: int) -> None:
    """How long a unit of fuel takes, for each kind of instruction.

    A kind that takes much longer for its fuel than integer arithmetic is priced too low: a
    hostile ruleset would use it. `ratio` says how much longer.
    """
    from picomesh.cli.workloads import WORKLOADS
    from picomesh.sandbox.backends import BackendOptions
    from picomesh.sandbox.machine import WasmtimeSandbox

    sandbox = WasmtimeSandbox(BackendOptions(backend))
    base_ns: float | None = None
    if not as_json:
        click.echo(f"{'instruction':<24}{'fuel':>14}{'ms':>10}{'ns/fuel':>10}{'ratio':>8}")
    for name, body in WORKLOADS.items():
        row = measure(sandbox, body, fuel_wanted)
        base_ns = base_ns or row["ns_per_fuel"]
        row = {"instruction": name, **row, "ratio": row["ns_per_fuel"] / base_ns}
        if as_json:
            print_json({"backend": backend, **row})
        else:
            click.echo(
                f"{name:<24}{row['fuel']:>14,}{row['ms']:>10.1f}{row['ns_per_fuel']:>10.2f}"
                f"{row['ratio']:>8.2f}"
            )


def measure(sandbox: Sandbox, body: bytes, fuel_wanted: int) -> dict[str, Any]:
    """The best of three runs of about so much fuel; the cost of one empty run is taken off."""
    import pico_abi
    from picomesh.cli.workloads import module

    program = sandbox.load(pico_abi.meter(module(body)))
    probe, _ = _run(sandbox, program, 1_000)
    turns = max(1, fuel_wanted * 1_000 // max(probe, 1))
    empty = min(_run(sandbox, program, 1)[1] for _ in range(3))
    runs = [_run(sandbox, program, turns) for _ in range(3)]
    spent, elapsed_ns = runs[0][0], max(min(ns for _, ns in runs) - empty, 1)
    return {"fuel": spent, "ms": elapsed_ns / 1e6, "ns_per_fuel": elapsed_ns / spent}


def _run(sandbox: Sandbox, program: Any, turns: int) -> tuple[int, int]:
    """Fuel and nanoseconds of one `handle`, whose event's length is the number of turns."""
    from pico_abi.stack_words import STACK_WORDS_MAX
    from picomesh.sandbox.interface import Meter

    meter = Meter(FUEL_LIMIT, STACK_WORDS_MAX)
    machine = sandbox.machine(meter)
    try:
        guest = machine.start(program, _NoCalls())
        guest.handle(turns.to_bytes(4, "little"))
        before = meter.fuel
        started = time.perf_counter_ns()
        guest.handle(turns.to_bytes(4, "little"))
        return before - meter.fuel, time.perf_counter_ns() - started
    finally:
        machine.close()


class _NoCalls:
    """A workload calls nobody."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a workload called {name}")
