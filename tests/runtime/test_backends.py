"""Every backend is a working engine, built in a child process: a wrong setting would abort it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from picomesh.cli.backends import BACKENDS as NAMES
from picomesh.engine import Engine, Options
from picomesh.sandbox.backends import BACKENDS, BackendOptions, create_engine
from picomesh.sandbox.interface import EngineFault
from picomesh.scenario.world import VirtualWorld
from wat_guests import counter

PROGRAM = """
import sys
import wasmtime
from picomesh.sandbox.backends import BackendOptions, create_engine
engine = create_engine(BackendOptions(sys.argv[1], int(sys.argv[2]) or None))
text = '(module (func (export "f") (result i32) (i32.const 7)))'
store = wasmtime.Store(engine)
if int(sys.argv[2]):
    store.set_epoch_deadline(1)
instance = wasmtime.Instance(store, wasmtime.Module(engine, text), [])
sys.exit(instance.exports(store)["f"](store))
"""

REFUSED = {
    "simd": "(func (result v128) (v128.const i32x4 0 0 0 0))",
    "threads": "(memory 1 1 shared)",
    "tail-call": "(func $f (return_call $f))",
    "memory64": "(memory i64 1)",
    "multi-memory": "(memory 1) (memory 1)",
    "exceptions": "(tag $t)",
    "gc": "(type (struct (field i32)))",
    "function-references": "(type $t (func)) (func (param (ref $t)))",
    "wide-arithmetic": "(func (result i64 i64) i64.const 0 i64.const 0 i64.mul_wide_s)",
    "custom-page-sizes": "(memory 1 (pagesize 1))",
}


def test_the_command_line_knows_the_backends() -> None:
    assert NAMES == BACKENDS


@pytest.mark.parametrize("kill_after_ms", [0, 50])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_starts_and_runs(backend: str, kill_after_ms: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend, str(kill_after_ms)],
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 7


@pytest.mark.parametrize("proposal", REFUSED)
def test_what_the_profile_does_not_have_is_off_in_the_engine_too(proposal: str) -> None:
    import wasmtime

    text = f"(module {REFUSED[proposal]})"
    with pytest.raises(wasmtime.WasmtimeError):
        wasmtime.Module(create_engine(BackendOptions()), text)


def test_a_backend_that_does_not_exist_is_a_fault() -> None:
    with pytest.raises(EngineFault, match="unknown backend"):
        create_engine(BackendOptions("abacus"))


def test_every_backend_comes_to_the_same_receipts() -> None:
    heads = set()
    for backend in BACKENDS:
        with Engine.ephemeral(Options(backend=backend, world=VirtualWorld())) as engine:
            engine.create("me")
            engine.install_module("me", counter().build())
            for _ in range(3):
                engine.send("me", "a", "b")
            heads.add(engine.log("me")[-1].cid)
    assert len(heads) == 1
