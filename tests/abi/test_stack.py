"""The logical stack ends before any engine's real one, whatever shape a frame has.

Every shape recurses without end. The shapes are the worst that were found: values kept alive over
the call by the optimizer, 16-byte spill slots of floats, results and parameters passed in memory,
and frames with nothing in them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import pico_abi
from abi.engines import engine, run
from abi.samples import module
from pico_abi import limits
from pico_abi.contract import Outcome
from pico_abi.stack_words import STACK_WORDS_MAX

BACKENDS = ("cranelift", "cranelift-none", "pulley", "winch")
RECURSE = "(call $h (i32.add (local.get 0) (i32.const 1)) (local.get 1))"


def handle(body: str, variables: str = "", before: str = "") -> bytes:
    head = '(func $h (export "handle") (param i32 i32) (result i32)'
    return module(before, f"{head} {variables} {body})")


def through(function: str, call: str) -> bytes:
    """`handle` calls another function once, and that one recurses."""
    return handle(f"{call} i32.const 0", before=function)


def nothing() -> bytes:
    return through("(func $r (call $r))", "(call $r)")


def indirect() -> bytes:
    table = (
        "(type $t (func (param i32 i32) (result i32))) (table 1 1 funcref) (elem (i32.const 0) $h)"
    )
    call = "(call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 0))"
    return handle(f"{call} i32.const 1 i32.add", before=table)


def locals_used_after(count: int, kind: str) -> bytes:
    convert = {"i64": "i64.extend_i32_u", "f64": "f64.convert_i32_u"}[kind]
    back = {"i64": "i32.wrap_i64", "f64": "i32.trunc_sat_f64_s"}[kind]
    join = {"i64": "i64.xor", "f64": "f64.copysign"}[kind]
    numbers = range(2, count + 2)
    first = "".join(
        f"(local.set {n} ({convert} (i32.add (local.get 0) (i32.const {n}))))" for n in numbers
    )
    last = "".join(f"(local.get {n}) {join} " for n in numbers)
    body = f"{first} (drop {RECURSE}) {kind}.const 0 {last} {back}"
    return handle(body, f"(local {f'{kind} ' * count})")


def constants(count: int) -> bytes:
    push = "".join(f"(f64.const {n}.5)" for n in range(count))
    join = "f64.copysign " * (count - 1)
    return handle(f"{push} (local.set 0 {RECURSE}) {join} i32.trunc_sat_f64_s")


def operands(count: int) -> bytes:
    push = "".join(f"(i32.mul (local.get 0) (i32.const {2 * n + 3}))" for n in range(count))
    return handle(f"{push} {RECURSE} {'i32.xor ' * count}")


def parameters(count: int, kind: str) -> bytes:
    change = {"i64": "i64.eqz i64.extend_i32_u", "f64": "f64.neg"}[kind]
    join = {"i64": "i64.xor", "f64": "f64.copysign"}[kind]
    again = "".join(f"(local.get {n}) {change} " for n in range(count))
    use = "".join(f"(local.get {n}) {join} " for n in range(count))
    types = f"(param {f'{kind} ' * count}) (result {kind})"
    call = f"{f'({kind}.const 1) ' * count} call $r drop"
    return through(f"(func $r {types} {again} call $r {use})", call)


def results(count: int, kind: str) -> bytes:
    types = f"(param i32) (result {f'{kind} ' * count})"
    return through(
        f"(func $r {types} (call $r (local.get 0)))", f"(call $r (i32.const 1)) {'drop ' * count}"
    )


def kept_products(count: int) -> bytes:
    """Equal products before and after the call: one value each, alive over it."""
    stores = "".join(
        f"(i32.store (i32.const {4 * n}) (i32.mul (local.get 0) (i32.const {2 * n + 3})))"
        for n in range(count)
    )
    return handle(f"{stores} (drop {RECURSE}) {stores} i32.const 0")


def kept_floats(count: int) -> bytes:
    """As above with floats, which need no new operands: all pairs of a few."""
    few = int(count**0.5) + 1
    first = "".join(
        f"(local.set {n + 2} (f64.convert_i32_s (i32.add (local.get 0) (i32.const {n}))))"
        for n in range(few)
    )
    pairs = [(a, b) for a in range(few) for b in range(few) if a != b][:count]
    stores = "".join(
        f"(f64.store (i32.const {8 * n}) (f64.copysign (local.get {a + 2}) (local.get {b + 2})))"
        for n, (a, b) in enumerate(pairs)
    )
    body = f"{first} {stores} (drop {RECURSE}) {stores} i32.const 0"
    return handle(body, f"(local {'f64 ' * few})")


def kept_selects(count: int) -> bytes:
    choice = "(select (local.get 2) (local.get 3) (i32.eqz (local.get {})))"
    stores = "".join(
        f"(f64.store (i32.const {8 * n}) {choice.format(n + 4)})" for n in range(count)
    )
    loads = "(local.set 2 (f64.load (i32.const 0))) (local.set 3 (f64.load (i32.const 8)))"
    chosen = "".join(f"(local.set {n + 4} (i32.load (i32.const {n})))" for n in range(count))
    body = f"{loads} {chosen} {stores} (drop {RECURSE}) {stores} i32.const 0"
    return handle(body, f"(local f64 f64) (local {'i32 ' * count})")


SHAPES = {
    "nothing": nothing(),
    "indirect": indirect(),
    "ten integers": locals_used_after(10, "i64"),
    "many integers": locals_used_after(300, "i64"),
    "many floats": locals_used_after(300, "f64"),
    "constants": constants(100),
    "operands": operands(200),
    "integer parameters": parameters(limits.TYPE_PARAMS_MAX, "i64"),
    "float parameters": parameters(limits.TYPE_PARAMS_MAX, "f64"),
    "a few parameters": parameters(12, "i64"),
    "integer results": results(limits.TYPE_RESULTS_MAX, "i64"),
    "float results": results(limits.TYPE_RESULTS_MAX, "f64"),
    "two results": results(2, "i64"),
    "kept products": kept_products(300),
    "kept floats": kept_floats(300),
    "kept selects": kept_selects(100),
}
METERED = {name: pico_abi.meter(raw) for name, raw in SHAPES.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_logical_stack_ends_first_with_half_a_mebibyte_of_native_stack(backend: str) -> None:
    for name, metered in METERED.items():
        found = run(metered, backend, fuel=10**12, stack=STACK_WORDS_MAX)
        assert found.outcome == Outcome.OUT_OF_STACK, name


def test_the_engines_of_these_tests_have_the_default_native_stack() -> None:
    """With four times the words the worst shape meets the engine's own end: the margin is known."""
    with pytest.raises(AssertionError, match="engine's stack"):
        run(METERED["kept floats"], fuel=10**12, stack=4 * STACK_WORDS_MAX)
    assert engine("cranelift") is engine("cranelift")


V8 = """
const modules = JSON.parse(require('fs').readFileSync(0));
const answers = {};
for (const [name, hex] of Object.entries(modules)) {
  const module = new WebAssembly.Module(Buffer.from(hex, 'hex'));
  const exports = new WebAssembly.Instance(module, {}).exports;
  for (let turn = 0; turn < 5; turn++) {
    exports['pico-1:fuel'].value = 1n << 50n;
    exports['pico-1:stack'].value = %d;
    try { exports.handle(1, 2); answers[name] = 'returned'; }
    catch (error) { answers[name] = exports['pico-1:stack'].value < 0 ? 'words' : 'native'; }
  }
}
console.log(JSON.stringify(answers));
"""


def test_the_logical_stack_ends_first_on_v8(tmp_path: Path) -> None:
    """Only where a `node` is installed; the other backends come with wasmtime."""
    node = shutil.which("node")
    if node is None:
        return
    (tmp_path / "stack.js").write_text(V8 % STACK_WORDS_MAX)
    modules = json.dumps({name: code.hex() for name, code in METERED.items()})
    found = subprocess.run(
        [node, tmp_path / "stack.js"], input=modules, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == dict.fromkeys(METERED, "words")
