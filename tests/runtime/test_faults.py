"""Faults of this machine: each of its own kind, none of them a result, and the event waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pico_abi
from picomesh.engine import Engine, Options
from picomesh.sandbox import cache, compiling
from picomesh.sandbox.backends import BACKENDS, BackendOptions
from picomesh.sandbox.compiling import compile_apart
from picomesh.sandbox.direct import open_sandbox
from picomesh.sandbox.interface import (
    CompilerCrashed,
    CompilerFault,
    CompilerRefused,
    CompilerTooSlow,
    EngineFault,
    GuestStop,
    NativeStackEnded,
    NoMemory,
    TimedOut,
)
from wat_guests import Guest, counter

LIMIT_MS = 20_000
METERED = pico_abi.meter(counter().build())
KINDS = (TimedOut, NoMemory, NativeStackEnded, CompilerRefused, CompilerCrashed, CompilerTooSlow)


def python(script: str) -> tuple[str, ...]:
    """A compiler that is another one."""
    return sys.executable, "-c", script


@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_is_a_guests_stop(kind: type[EngineFault]) -> None:
    assert issubclass(kind, EngineFault) and not issubclass(kind, GuestStop)


def assert_it_waits(engine: Engine, kind: type[EngineFault]) -> None:
    """No receipt, nothing changed, and the event is the first in line."""
    receipts = len(engine.log("me"))
    with pytest.raises(kind):
        engine.send("me", "a", "b")
    assert len(engine.log("me")) == receipts
    assert len(engine.store.waiting()) == 1


# --- wall clock ---


@pytest.mark.parametrize("plain", [False, True])
def test_a_wall_clock_kill_leaves_no_receipt_and_the_event_waits(plain: bool) -> None:
    options = Options(kill_after_ms=30, fuel_limit=10**15, plain=plain)
    with Engine.ephemeral(options) as engine:
        engine.create("me")
        endless = Guest(handle="(loop $again (br $again))", events=[("a", "b")])
        engine.install_module("me", endless.build())
        assert_it_waits(engine, TimedOut)
        assert_it_waits_again(engine)


def assert_it_waits_again(engine: Engine) -> None:
    """What could not run the first time is tried again, and goes on waiting."""
    with pytest.raises(TimedOut):
        engine.process_waiting()
    assert len(engine.store.waiting()) == 1


# --- native stack ---


def test_a_native_stack_that_ends_leaves_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Guest(handle="(call $deeper)", functions="(func $deeper (call $deeper))")
    with Engine.ephemeral(Options(fuel_limit=10**12)) as engine:
        engine.create("me")
        engine.install_module("me", deep.build())
        monkeypatch.setattr("picomesh.engine.perform.STACK_WORDS_MAX", 2**31 - 1)
        assert_it_waits(engine, NativeStackEnded)
        monkeypatch.undo()
        (response,) = engine.process_waiting()
        assert response.transition.outcome == "out-of-stack"


# --- memory ---

OUT_OF_MEMORY = """
import resource
from picomesh.engine import Engine, Options
from picomesh.sandbox.interface import NoMemory
from wat_guests import counter
with Engine.ephemeral(Options(plain=True)) as engine:
    engine.create("me")
    engine.install_module("me", counter().build())
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, most))
    try:
        engine.send("me", "a", "b")
    except NoMemory:
        print("no memory", len(engine.log("me")), len(engine.store.waiting()))
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    engine.process_waiting()
    print("count", engine.query("me", "t", "n"))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to limit memory")
def test_out_of_memory_is_of_its_own_kind_and_the_event_is_run_when_there_is_some() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "no memory 2 1\ncount 1\n"


# --- the compiler, in a process of its own ---


@pytest.fixture(autouse=True)
def _modules_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's process imports what this one does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_compiled_apart_does_the_same(backend: str) -> None:
    states = []
    for compile_ms_max in (None, LIMIT_MS):
        options = Options(backend=backend, compile_ms_max=compile_ms_max)
        with Engine.ephemeral(options) as engine:
            engine.create("me")
            engine.install_module("me", counter().build())
            response = engine.send("me", "a", "b")
            states.append((response.transition.fuel, engine.query("me", "t", "n")))
    assert states[0] == states[1]


def test_a_module_compiled_apart_can_be_killed_by_the_clock() -> None:
    options = BackendOptions(kill_after_ms=1_000, compile_ms_max=LIMIT_MS)
    open_sandbox(options).load(METERED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals")
@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)", "os._exit(1)"])
def test_a_compiler_that_crashes_is_a_fault(end: str) -> None:
    with pytest.raises(CompilerCrashed):
        compile_apart(METERED, BackendOptions(), LIMIT_MS, python(f"import os; {end}"))


def test_a_compiler_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(CompilerCrashed, match="started"):
        compile_apart(METERED, BackendOptions(), LIMIT_MS, ("/no/such/program",))


def test_a_compiler_that_hangs_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "START_MS", 0)
    with pytest.raises(CompilerTooSlow):
        compile_apart(METERED, BackendOptions(), 200, python("import time; time.sleep(60)"))


def test_a_compiler_that_burns_the_processor_is_stopped_by_the_system() -> None:
    pytest.importorskip("resource")
    burn = "from picomesh.sandbox.compiling import _limit; _limit(0)\nwhile True: pass"
    with pytest.raises(CompilerTooSlow):
        compile_apart(METERED, BackendOptions(), 1, python(burn))


def test_a_compiler_that_eats_memory_is_a_fault() -> None:
    pytest.importorskip("resource")
    eat = "from picomesh.sandbox.compiling import _limit; _limit(1000)\nb = bytes(2**33)"
    with pytest.raises(CompilerCrashed):
        compile_apart(METERED, BackendOptions(), LIMIT_MS, python(eat))


def test_a_module_that_the_compiler_refuses_is_a_fault() -> None:
    with pytest.raises(CompilerRefused, match="refused"):
        compile_apart(b"\0asm\1\0\0\0\xff", BackendOptions(), LIMIT_MS)
    with pytest.raises(CompilerRefused, match="refused"):
        open_sandbox().load(b"\0asm\1\0\0\0\xff")


def test_a_compiler_that_writes_nonsense_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "compile_apart", lambda *_: b"nonsense")
    with pytest.raises(CompilerRefused):
        open_sandbox(BackendOptions(compile_ms_max=LIMIT_MS)).load(METERED)


@pytest.mark.parametrize("kind", [CompilerCrashed, CompilerTooSlow, CompilerRefused])
def test_an_event_waits_for_a_compiler_that_works(
    kind: type[CompilerFault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home moved to a machine that has not compiled the module yet."""
    with Engine.open(tmp_path) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
    for file in (tmp_path / "cache").rglob("*.cwasm"):
        file.unlink()

    def fail(*_: object) -> bytes:
        raise kind("not today")

    with Engine.open(tmp_path, Options(compile_ms_max=LIMIT_MS)) as engine:
        monkeypatch.setattr(cache, "compile_apart", fail)
        assert_it_waits(engine, kind)
        monkeypatch.setattr(cache, "compile_apart", compile_apart)
        (response,) = engine.process_waiting()
        assert response.transition.outcome == "ok"
        assert engine.query("me", "t", "n") == 1
