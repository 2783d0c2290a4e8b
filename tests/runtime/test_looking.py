"""A run can be stopped at any unit of fuel, and what is seen there is the same on every backend."""

from __future__ import annotations

import random

import pytest

import pico_abi
from examples.cases import compiled
from picomesh.ledger.value import encode_value
from picomesh.sandbox.backends import BACKENDS, BackendOptions
from picomesh.sandbox.looking import LookingSandbox, SeenGuest, looking_form
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.transition import Circumstances, Event, Ruleset, State, Transition, run
from wat_guests import Guest

STATE = {b"ent/t/x": b"\x05"}
SANDBOXES = {name: LookingSandbox(BackendOptions(name)) for name in BACKENDS}


class Entities(State):
    def get(self, path: bytes) -> bytes | None:
        return STATE.get(path)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return sorted(item for item in STATE.items() if item[0].startswith(prefix))[:limit]


def go(
    sandbox: LookingSandbox | WasmtimeSandbox, metered: bytes, fuel: int, event: str = "a:b"
) -> Transition:
    ruleset = Ruleset(rid="t", program=sandbox.load(metered), selects=None, config={})
    given = Circumstances("p", "http://h", 1, bytes(32), fuel, 49_152)
    domain, _, name = event.partition(":")
    attrs = encode_value({"name": "Ada"})
    return run(sandbox, Entities(), Event("e", domain, name, attrs, "id"), [ruleset], given)


def counting() -> bytes:
    """Reads, loops, writes in every round, and keeps a float in a global."""
    guest = Guest(
        functions="(global $f (mut f64) (f64.const 0.5)) (global $n (mut i32) (i32.const 0))"
    )
    guest.handle = f"""
      (call $get {guest.data(b"ent/x")} (i32.const 200))
      (loop $again
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (global.set $f (f64.mul (global.get $f) (f64.const 1.5)))
        (i32.store (i32.const 4096) (i32.add (i32.load (i32.const 4096)) (i32.const 7)))
        (call $put {guest.data(b"ent/y")} {guest.value(1)})
        (br_if $again (i32.lt_u (global.get $n) (i32.const 20))))"""
    return pico_abi.meter(guest.build())


def stops(metered: bytes, fuel: int, event: str = "a:b") -> tuple[str, list[SeenGuest]]:
    """What is seen at a unit of fuel, on the backend that all agree with."""
    seen: list[tuple[str, list[SeenGuest]]] = []
    for sandbox in SANDBOXES.values():
        outcome = go(sandbox, metered, fuel, event).outcome
        seen.append((outcome, sandbox.seen))
    assert seen[1:] == seen[:-1]
    return seen[0]


def test_a_run_to_its_end_is_the_run_that_the_receipt_has() -> None:
    metered = counting()
    whole = go(WasmtimeSandbox(), metered, 10**8)
    outcome, (guest,) = stops(metered, 10**8)
    assert outcome == whole.outcome == "ok"
    assert go(SANDBOXES["pulley"], metered, 10**8).fuel == whole.fuel
    assert [call.function for call in guest.calls] == ["get", *["put"] * 20]
    assert guest.memory[4096:4100] == (140).to_bytes(4, "little")


def test_memory_globals_and_host_calls_at_any_stop_are_the_same_everywhere() -> None:
    metered = counting()
    total = go(WasmtimeSandbox(), metered, 10**8).fuel
    rng = random.Random(7)
    rounds: list[int] = []
    for fuel in sorted(rng.randrange(12_000, total) for _ in range(12)):
        outcome, (guest,) = stops(metered, fuel)
        assert outcome == "out-of-fuel"
        done = int.from_bytes(guest.memory[4096:4100], "little") // 7
        written = sum(call.function == "put" for call in guest.calls)
        assert done - 1 <= written <= done, "it stopped in front of the call or behind it"
        assert guest.globals != () and all(call.fuel_left >= 0 for call in guest.calls)
        rounds.append(done)
    assert rounds == sorted(rounds) and len(set(rounds)) > 4


def test_a_ruleset_stops_in_its_library_the_same_everywhere() -> None:
    metered = pico_abi.meter(compiled("counter"))
    digests = set()
    for fuel in (20_000, 40_000, 60_000, 80_000):
        outcome, (guest,) = stops(metered, fuel, "counter:incremented")
        assert outcome == "out-of-fuel"
        digests.add(guest.digest())
    assert len(digests) == 4


def test_a_stop_before_a_guest_begins_sees_no_guest() -> None:
    assert stops(counting(), 500) == ("out-of-fuel", [])


def test_the_looking_form_comes_from_the_metered_one_alone() -> None:
    raw = compiled("counter")
    metered = pico_abi.meter(raw)
    assert looking_form(metered) == pico_abi.meter(raw, every_block=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_left_of_a_run_when_the_next_begins(backend: str) -> None:
    sandbox = SANDBOXES[backend]
    go(sandbox, counting(), 10**8)
    first = [guest.digest() for guest in sandbox.seen]
    go(sandbox, counting(), 10**8)
    assert [guest.digest() for guest in sandbox.seen] == first
