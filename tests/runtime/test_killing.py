"""The operator's kill switch: each transition has its own time, and the clock costs nobody else."""

from __future__ import annotations

import threading
import time
from typing import cast

import pytest

import pico_abi
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from picomesh.sandbox.interface import HostCalls, Machine, Meter, Sandbox, TimedOut
from wat_guests import Guest

KILL_S = 0.2
ENDLESS = pico_abi.meter(Guest(handle="(loop $again (br $again))").build())
SHORT = pico_abi.meter(Guest().build())
NO_CALLS = cast(HostCalls, None)


@pytest.fixture(params=[False, True], ids=["direct", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return open_sandbox(BackendOptions(kill_after_ms=int(KILL_S * 1000), plain=request.param))


def open_machine(sandbox: Sandbox) -> Machine:
    return sandbox.machine(Meter(10**15, STACK_WORDS_MAX))


def clocks() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "picomesh clock"}


def ran_s(sandbox: Sandbox, machine: Machine) -> float:
    """How long a guest runs that never ends by itself."""
    guest = machine.start(sandbox.load(ENDLESS), NO_CALLS)
    began_s = time.monotonic()
    with pytest.raises(TimedOut):
        guest.handle(b"")
    return time.monotonic() - began_s


def test_a_guest_has_its_whole_time_though_another_one_began_before_it(sandbox: Sandbox) -> None:
    sandbox.load(ENDLESS)
    first = open_machine(sandbox)
    time.sleep(KILL_S * 0.7)
    second = open_machine(sandbox)
    assert ran_s(sandbox, second) >= KILL_S * 0.9, "the other one's time was over before"
    assert ran_s(sandbox, first) < KILL_S * 0.5
    second.close()
    first.close()


def test_a_guest_is_killed_on_a_machine_that_is_too_busy_to_tick_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(3 * seconds))
    slow = open_sandbox(BackendOptions(kill_after_ms=int(KILL_S * 1000)))
    machine = open_machine(slow)
    assert ran_s(slow, machine) >= KILL_S * 2
    machine.close()


def test_many_transitions_have_one_clock_and_it_rests_when_nobody_runs(sandbox: Sandbox) -> None:
    others = clocks()
    for _ in range(50):
        machine = open_machine(sandbox)
        machine.start(sandbox.load(SHORT), NO_CALLS).handle(b"")
        machine.close()
        assert len(clocks() - others) <= 1
    deadline_s = time.monotonic() + 20
    while clocks() - others and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not clocks() - others
    machine = open_machine(sandbox)
    assert ran_s(sandbox, machine) >= KILL_S * 0.9, "it ticks again for who comes later"
    machine.close()
