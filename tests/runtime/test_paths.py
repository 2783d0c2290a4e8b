"""The direct way into a guest: equal to the plain one in every receipt, and safe in its traps."""

from __future__ import annotations

import ctypes
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

import pytest
import wasmtime

import pico_abi
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh.engine import Engine, Options
from picomesh.sandbox import direct, native
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import DirectProgram, DirectSandbox, find_library, open_sandbox
from picomesh.sandbox.interface import EngineFault, GuestTrap, Meter, OutOfFuel
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.scenario.world import VirtualWorld
from wat_guests import Guest, counter, thrower

FUEL = 10**9


def direct_sandbox(options: BackendOptions | None = None) -> DirectSandbox:
    sandbox = open_sandbox(options)
    assert isinstance(sandbox, DirectSandbox), "this wasmtime is the one it was written for"
    return sandbox


SANDBOX = direct_sandbox()


@dataclass
class Calls:
    """Host functions that keep what they are given; `failure` is raised by every one."""

    state: dict[bytes, bytes] = field(default_factory=dict)
    emitted: list[bytes] = field(default_factory=list)
    failure: BaseException | None = None
    inside: Any = None

    def _happen(self) -> None:
        if self.inside is not None:
            self.inside()
        if self.failure is not None:
            raise self.failure

    def get(self, path: bytes) -> bytes | None:
        self._happen()
        return self.state.get(path)

    def put(self, path: bytes, value: bytes) -> None:
        self._happen()
        self.state[path] = value

    def delete(self, path: bytes) -> None:
        self._happen()
        self.state.pop(path, None)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        self._happen()
        return sorted(item for item in self.state.items() if item[0].startswith(prefix))[:limit]

    def emit(self, effect: bytes) -> None:
        self._happen()
        self.emitted.append(effect)

    def ask(self, question: bytes) -> bytes:
        self._happen()
        return question

    def call(self, request: bytes) -> bytes:
        self._happen()
        return request


def everything() -> Guest:
    """Calls every import, with answers that are kept."""
    guest = Guest("all", pages=(2, 9))
    guest.realloc = "(drop (memory.grow (i32.const 1))) (call $bump (local.get 3))"
    path, value = guest.data(b"ent/x"), guest.value(7)
    guest.handle = f"""
      (call $put {path} {value})
      (call $put {guest.data(b"ent/big")} (i32.const 0) (i32.const 30000))
      (call $get {path} (i32.const 200))
      (call $get {guest.data(b"ent/nothing")} (i32.const 216))
      (call $get {guest.data(b"ent/big")} (i32.const 216))
      (call $emit {guest.data(b"effect")})
      (call $scan {guest.data(b"ent/")} (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 232))
      (call $delete {path})
      (call $ask {guest.data(b"question")} (i32.const 248))
      (call $call {guest.data(b"request")} (i32.const 264))"""
    guest.handle_result = "(call $list (i32.const 0) (i32.const 40000))"
    return guest


def run(sandbox: Any, guest: Guest, calls: Calls, fuel: int = FUEL) -> tuple[Any, ...]:
    """One event: its answer or how it ended, and what is left of the meter."""
    meter = Meter(fuel, STACK_WORDS_MAX)
    machine = sandbox.machine(meter)
    try:
        started = machine.start(sandbox.load(pico_abi.meter(guest.build())), calls)
        answer: object = started.handle(b"e" * 100)
    except (GuestTrap, OutOfFuel) as stop:
        answer = (type(stop), str(stop))
    finally:
        machine.close()
    return answer, meter.fuel, meter.stack_words, calls.emitted, calls.state


def test_both_ways_read_write_and_charge_the_same_at_every_amount_of_fuel() -> None:
    plain = WasmtimeSandbox()
    answer, left, *_ = run(SANDBOX, everything(), Calls())
    assert isinstance(answer, bytes) and len(answer) == 40000
    took = FUEL - left
    for fuel in sorted({*range(0, took + 1, 4001), *range(took - 300, took + 3, 11), took}):
        one, other = (run(sandbox, everything(), Calls(), fuel) for sandbox in (SANDBOX, plain))
        assert one == other, f"with {fuel} fuel"


def test_both_ways_make_the_same_receipts() -> None:
    heads = set()
    for plain in (False, True):
        world = VirtualWorld()
        with Engine.ephemeral(Options(plain=plain, world=world)) as engine:
            engine.create("me")
            for guest in (counter(), thrower("bad"), Guest("trap", handle="(unreachable)")):
                engine.install_module("me", guest.build())
                for _ in range(2):
                    engine.send("me", "a", "b", {"n": 1})
            heads.add(engine.log("me")[-1].cid)
    assert len(heads) == 1


def test_another_release_or_layout_of_wasmtime_means_the_plain_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (
        ("WASMTIME_VERSION", "51.0.0"),
        ("_SIZES", {**native._SIZES, "wasmtime_extern_t": 40}),
        ("EXTERN_ITEM", 16),
        ("VALUE_NUMBER", 16),
        ("_KIND_I64", 2),
        ("_TRAP_INTERRUPT", 9),
        ("_QUICK", {**native._QUICK, "wasmtime_not_there": (None, [])}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(direct, "_library", None)
            patch.setattr(native, name, value)
            assert find_library() is None, name
            assert isinstance(open_sandbox(), WasmtimeSandbox)
    assert isinstance(open_sandbox(BackendOptions(plain=True)), WasmtimeSandbox)


NO_ROOM = """
import resource
from picomesh.sandbox.direct import open_sandbox
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (2**31, most))
print(type(open_sandbox()).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux to limit memory")
def test_an_address_space_without_room_for_the_pool_means_the_plain_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "WasmtimeSandbox\n"


def test_sandboxes_of_one_kind_share_their_pool_unless_they_can_be_killed() -> None:
    assert direct_sandbox().engine is direct_sandbox().engine
    kill = BackendOptions(kill_after_ms=50)
    assert direct_sandbox(kill).engine is not direct_sandbox(kill).engine


@pytest.mark.parametrize("function", ["get", "put", "delete", "scan", "emit", "ask", "call"])
@pytest.mark.parametrize("failure", [OSError("disk"), KeyboardInterrupt(), RecursionError()])
def test_what_a_host_function_raises_comes_out_as_it_is(
    function: str, failure: BaseException
) -> None:
    """ctypes would print it and let the guest go on."""
    guest = Guest()
    path = guest.data(b"ent/x")
    arguments = {
        "get": f"{path} (i32.const 200)",
        "put": f"{path} {path}",
        "scan": f"{path} (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 200)",
        "ask": f"{path} (i32.const 200)",
        "call": f"{path} (i32.const 200)",
    }
    guest.handle = f"(call ${function} {arguments.get(function, path)})"
    with pytest.raises(type(failure)) as raised:
        run(SANDBOX, guest, Calls(failure=failure))
    assert raised.value is failure
    assert isinstance(run(SANDBOX, guest, Calls())[0], bytes), "and does not come again"


class Late(BaseException):
    """What a signal handler raises."""


def test_an_interrupt_that_arrives_in_front_of_a_host_function_is_not_lost() -> None:
    """It comes while WASM runs, and Python raises it at the first line it can: in the callback.

    The plain way cannot promise that: there the first line is in wasmtime-py.
    """

    def late(_: int, __: FrameType | None) -> None:
        raise Late

    guest = Guest(functions="(global $left (mut i32) (i32.const 0))")
    guest.handle = f"""
      (global.set $left (i32.const 90000000))
      (loop $again
        (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (br_if $again (global.get $left)))
      (call $put {guest.data(b"ent/x")} {guest.value(1)})"""
    calls = Calls()
    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Late):
            run(SANDBOX, guest, calls)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls.state == {}, "the guest was stopped before it wrote"


def at_depth(frames: int, work: Callable[[], object]) -> None:
    if frames:
        at_depth(frames - 1, work)
    else:
        work()


def test_the_end_of_pythons_stack_in_front_of_a_host_function_is_no_result() -> None:
    """Nobody can even be told of it then; the guest is stopped all the same."""
    guest = Guest()
    guest.handle = f"(call $put {guest.data(b'ent/x')} {guest.value(1)})"
    program = SANDBOX.load(pico_abi.meter(guest.build()))
    ends: dict[object, int] = {}
    for frames in range(sys.getrecursionlimit() - 60, sys.getrecursionlimit()):
        run(SANDBOX, counter(), Calls())  # prepares a lane, if the last one broke
        machine = SANDBOX.machine(Meter(FUEL, STACK_WORDS_MAX))
        started, calls = machine.start(program, inner := Calls()), inner
        end: object = None
        try:
            at_depth(frames - len(inspect.stack(0)), partial(started.handle, b""))
        except (RecursionError, ctypes.ArgumentError, EngineFault) as problem:
            end = type(problem)
        finally:
            machine.close()
        ends[end] = ends.get(end, 0) + 1
        assert (calls.state == {}) == (end is not None), "it happened, or it was a fault"
    assert set(ends) >= {None, RecursionError}


def test_traps_come_through_either_channel_and_are_told_apart() -> None:
    traps = {
        "(unreachable)": "unreachable",
        "(drop (i32.load (i32.const -4)))": "memory out of bounds",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))": "integer division by zero",
    }
    for body, text in traps.items():
        answer, *_ = run(SANDBOX, Guest(handle=body), Calls())
        assert answer == (GuestTrap, text)


def test_a_guest_or_machine_that_is_closed_refuses_instead_of_crashing() -> None:
    machine = SANDBOX.machine(Meter(FUEL, STACK_WORDS_MAX))
    program = SANDBOX.load(pico_abi.meter(counter().build()))
    guest: Any = machine.start(program, Calls())
    machine.close()
    machine.close()
    for use in (
        lambda: guest.handle(b""),
        lambda: guest.query(b""),
        guest.describe,
        guest.memory_size,
        lambda: guest.enter("cabi_realloc", 0, 0, 1, 1),
        lambda: machine.start(program, Calls()),
    ):
        with pytest.raises(EngineFault):
            use()


def test_a_program_of_another_sandbox_is_refused() -> None:
    program = WasmtimeSandbox().load(pico_abi.meter(counter().build()))
    other = direct_sandbox(BackendOptions("pulley")).load(pico_abi.meter(counter().build()))
    machine = SANDBOX.machine(Meter(FUEL, STACK_WORDS_MAX))
    try:
        for foreign in (program, other):
            with pytest.raises(EngineFault):
                machine.start(foreign, Calls())
    finally:
        machine.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        '(memory (export "memory") 1)',
        '(global (export "pico-1:fuel") i64 (i64.const 0))',
        '(global (export "pico-1:fuel") (mut i32) (i32.const 0))',
        '(func (export "handle") (param i64 i32) (result i32) (i32.const 0))',
    ],
)
def test_a_module_whose_exports_are_not_the_contracts_is_refused_when_it_is_loaded(
    text: str,
) -> None:
    with pytest.raises(EngineFault, match="export"):
        DirectProgram(wasmtime.Module(SANDBOX.engine, f"(module {text})"))


def test_more_instances_than_a_transition_may_have_are_a_fault() -> None:
    program = SANDBOX.load(pico_abi.meter(counter().build()))
    machine = SANDBOX.machine(Meter(FUEL, STACK_WORDS_MAX))
    try:
        with pytest.raises(EngineFault, match="instance"):
            for _ in range(1100):
                machine.start(program, Calls())
    finally:
        machine.close()
    assert isinstance(run(SANDBOX, counter(), Calls())[0], bytes), "and all are free again"


def test_an_instance_begins_with_nothing_of_the_one_before() -> None:
    """Pooled memory is used again: every byte and global that a guest changed is as it was."""
    spoil = Guest(functions="(global $seen (mut i32) (i32.const 0))", pages=(16, 16))
    end = 16 * 65536
    spoil.handle = f"""
      (if (i32.or (global.get $seen) (i32.load (i32.const 700000))) (then (unreachable)))
      (if (i32.load (i32.const 300)) (then (unreachable)))
      (global.set $seen (i32.const 1))
      (memory.fill (i32.const 256) (i32.const 255) (i32.const {end - 256}))"""
    spoil.handle_result = "(call $list (i32.const 0) (i32.const 0))"
    for _ in range(3):
        assert run(SANDBOX, spoil, Calls())[0] == b""


def test_threads_use_lanes_of_their_own() -> None:
    results: list[tuple[Any, ...]] = []
    guests = [everything() for _ in range(4)]
    threads = [
        threading.Thread(target=lambda guest=guest: results.append(run(SANDBOX, guest, Calls())))
        for guest in guests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(result == results[0] for result in results)


def test_a_machine_inside_a_machine_has_its_own_lane() -> None:
    inner: list[Any] = []
    calls = Calls(inside=lambda: inner.append(run(SANDBOX, counter("in"), Calls())))
    alone = run(SANDBOX, everything(), Calls())
    assert run(SANDBOX, everything(), calls)[:3] == alone[:3]
    assert inner and all(isinstance(result[0], bytes) for result in inner)


def test_a_sandbox_that_nobody_uses_is_freed() -> None:
    sandbox = direct_sandbox()
    run(sandbox, counter(), Calls())
    reference = weakref.ref(sandbox)
    del sandbox
    gc.collect()
    assert reference() is None
