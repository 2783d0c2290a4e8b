"""Random well-typed modules: every backend and a plain interpreter agree on all a receipt holds.

`PICOMESH_MODULES` sets how many modules are tried (default 40); a failing seed is printed by
Hypothesis and reproduces the module.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pico_abi
from abi.engines import BACKENDS, Run, run
from abi.generator import generate
from abi.interpreter import Interpreter, OutOfFuel, OutOfStack, Trapped
from pico_abi.contract import Outcome
from pico_abi.wasm import decode_module, instructions
from pico_abi.wasm import opcodes as op

MODULES = int(os.environ.get("PICOMESH_MODULES", "40"))
FUEL_MAX = 30_000
SETTINGS = settings(
    max_examples=MODULES,
    deadline=None,
    derandomize="PICOMESH_MODULES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)
SEEDS = st.integers(0, 2**48)


@dataclass(frozen=True, slots=True)
class Case:
    raw: bytes
    metered: bytes
    arguments: tuple[int, int]
    stack: int


def case(seed: int) -> Case:
    rng = random.Random(seed)
    raw = generate(seed)
    arguments = rng.getrandbits(31), rng.randrange(100)
    return Case(raw, pico_abi.meter(raw), arguments, rng.choice((300, 3000)))


def frame_words(metered: bytes, count: int) -> list[int | None]:
    """What each function takes or compares at its entry, None where it does neither."""
    module = decode_module(metered)
    stack = len(module.globals) - 1
    found: list[int | None] = []
    for function in module.functions[:count]:
        first, second, *_ = instructions(function.body + bytes((op.NOP,)))
        counted = first[1:3] == (op.GLOBAL_GET, (stack,))
        found.append(second.immediates[0] if counted else None)
    return found


def interpreted(item: Case, fuel_max: int = FUEL_MAX) -> tuple[Outcome, Interpreter, list[int]]:
    count = len(decode_module(item.raw).functions)
    words = frame_words(item.metered, count)
    machine = Interpreter(item.raw, words, item.stack, fuel_max)
    try:
        results = machine.call(len(machine.module.imports), list(item.arguments))
        return Outcome.OK, machine, results
    except Trapped:
        return Outcome.TRAP, machine, []
    except OutOfFuel:
        return Outcome.OUT_OF_FUEL, machine, []
    except OutOfStack:
        return Outcome.OUT_OF_STACK, machine, []


def execute(item: Case, backend: str, fuel: int) -> Run:
    return run(item.metered, backend, fuel=fuel, stack=item.stack, arguments=item.arguments)


@SETTINGS
@given(SEEDS)
def test_the_fuel_used_is_the_plain_sum_of_the_prices_of_what_ran(seed: int) -> None:
    item = case(seed)
    outcome, machine, results = interpreted(item)
    fuel = FUEL_MAX if outcome == Outcome.OUT_OF_FUEL else 10**9
    found = execute(item, "cranelift", fuel)
    assert found.outcome == outcome
    if outcome == Outcome.OUT_OF_FUEL:
        return
    assert found.fuel == machine.fuel
    assert found.memory == hashlib.sha256(machine.memory).hexdigest()
    integers = (found.globals[0] % 2**32, found.globals[1] % 2**64)
    assert [*integers, found.globals[3]] == [*machine.globals[:2], machine.globals[3]]
    if outcome == Outcome.OK:
        assert [value % 2**32 for value in found.results if isinstance(value, int)] == results


@SETTINGS
@given(SEEDS)
def test_all_backends_agree_on_outcome_fuel_memory_and_globals(seed: int) -> None:
    item = case(seed)
    runs = [execute(item, backend, FUEL_MAX) for backend in BACKENDS]
    assert runs[1:] == runs[:-1]


@SETTINGS
@given(SEEDS, st.integers(0, FUEL_MAX))
def test_a_run_is_out_of_fuel_exactly_if_what_ran_costs_more_than_there_was(
    seed: int, fuel: int
) -> None:
    item = case(seed)
    fuel %= max(execute(item, "cranelift", FUEL_MAX).fuel, 1)
    runs = [execute(item, backend, fuel) for backend in ("cranelift", "pulley")]
    assert runs[0] == runs[1]
    assert runs[0].outcome == interpreted(item, fuel)[0]


@SETTINGS
@given(SEEDS, st.integers(0, FUEL_MAX))
def test_a_stop_in_front_of_any_block_is_the_same_on_two_backends(seed: int, fuel: int) -> None:
    item = case(seed)
    fuel %= max(execute(item, "cranelift", FUEL_MAX).fuel, 1)
    stops = replace(item, metered=pico_abi.meter(item.raw, every_block=True))
    runs = [execute(stops, backend, fuel) for backend in ("cranelift", "pulley")]
    assert runs[0] == runs[1]
    assert runs[0].outcome != Outcome.OK


@SETTINGS
@given(SEEDS)
def test_the_form_that_stops_at_every_block_comes_to_the_same(seed: int) -> None:
    item = case(seed)
    stops = replace(item, metered=pico_abi.meter(item.raw, every_block=True))
    whole, parts = execute(item, "cranelift", FUEL_MAX), execute(stops, "cranelift", FUEL_MAX)
    if parts.outcome == Outcome.OUT_OF_FUEL:  # perhaps in front of the block that traps
        assert whole.outcome in (Outcome.OUT_OF_FUEL, Outcome.TRAP)
    else:  # that form exports every global once more, for whoever looks at a stop
        assert replace(parts, globals=parts.globals[: len(whole.globals)]) == whole


@SETTINGS
@given(SEEDS)
def test_the_checker_accepts_every_metered_module(seed: int) -> None:
    pico_abi.check(pico_abi.meter(generate(seed)))


V8 = """
const crypto = require('crypto');
const cases = JSON.parse(require('fs').readFileSync(0));
const answers = cases.map(({metered, fuel, stack, arguments: given}) => {
  const module = new WebAssembly.Module(Buffer.from(metered, 'hex'));
  const imports = {};
  for (const item of WebAssembly.Module.imports(module))
    (imports[item.module] ??= {})[item.name] = () => {};
  const exports = new WebAssembly.Instance(module, imports).exports;
  exports['pico-1:fuel'].value = BigInt(fuel);
  exports['pico-1:stack'].value = stack;
  let outcome = 0;
  try { exports.handle(...given); } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    outcome = exports['pico-1:stack'].value < 0 ? 4 : 2;
  }
  if (exports['pico-1:fuel'].value < 0n) outcome = 3;
  const used = outcome === 3 ? fuel : fuel - Number(exports['pico-1:fuel'].value);
  const memory = crypto.createHash('sha256').update(Buffer.from(exports.memory.buffer));
  return [outcome, used, memory.digest('hex')];
});
console.log(JSON.stringify(answers));
"""


def test_v8_agrees_on_outcome_fuel_and_memory(tmp_path: Path) -> None:
    """Only where a `node` is installed; the other backends come with wasmtime."""
    node = shutil.which("node")
    if node is None:
        return
    items = [case(seed) for seed in range(MODULES)]
    given = [
        {
            "metered": item.metered.hex(),
            "fuel": FUEL_MAX,
            "stack": item.stack,
            "arguments": item.arguments,
        }
        for item in items
    ]
    (tmp_path / "run.js").write_text(V8)
    found = subprocess.run(
        [node, tmp_path / "run.js"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    runs = [execute(item, "cranelift", FUEL_MAX) for item in items]
    assert json.loads(found.stdout) == [[run.outcome, run.fuel, run.memory] for run in runs]
