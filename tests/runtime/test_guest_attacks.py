"""Hostile guests: each attack ends the transition with its class, and the pico is as before."""

from __future__ import annotations

from collections.abc import Callable

import cbor2
import pytest

from pico_abi import limits
from picomesh.engine import Engine, Options
from picomesh.engine.engine import Response
from wat_guests import RETURN_AREA, Guest, counter

FUEL_LIMIT = 2_000_000
OUTSIDE = "(i32.const -16)"  # the last bytes of the address space
BACKENDS = ["cranelift", "pulley"]

pytestmark = pytest.mark.usefixtures("way")


def attacked(guest: Guest, backend: str = "cranelift") -> tuple[Engine, Response]:
    """A pico with a counter and the attacker on it, after one event for the attacker."""
    engine = Engine.ephemeral(Options(backend=backend, fuel_limit=FUEL_LIMIT))
    pico = engine.create("me").pico
    assert engine.install_module(pico, counter().build()).transition.outcome == "ok"
    guest.rid, guest.events = "attacker", (("an", "attack"),)
    installed = engine.install_module(pico, guest.build())
    assert installed.transition.outcome == "ok", installed.transition.message
    engine.send(pico, "a", "b")
    return engine, engine.send(pico, "an", "attack")


def check_nothing_came_of_it(engine: Engine, response: Response, outcome: str) -> None:
    core = response.receipt.core
    assert core.outcome == outcome, response.transition.message
    assert core.writes == () and core.post == core.pre
    assert response.directives == () and response.transition.effects == ()
    assert 0 < core.fuel <= FUEL_LIMIT
    assert engine.send("me", "a", "b").transition.outcome == "ok"
    assert engine.query("me", "t", "n") == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_endless_loop_runs_out_of_fuel(backend: str) -> None:
    guest = Guest(handle="(loop $again (br $again))")
    engine, response = attacked(guest, backend)
    assert response.receipt.core.fuel == FUEL_LIMIT
    check_nothing_came_of_it(engine, response, "out-of-fuel")


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_endless_recursion_runs_out_of_stack(backend: str) -> None:
    guest = Guest(handle="(call $deeper)", functions="(func $deeper (call $deeper))")
    engine, response = attacked(guest, backend)
    assert response.receipt.core.fuel < FUEL_LIMIT
    check_nothing_came_of_it(engine, response, "out-of-stack")


def test_what_was_written_before_a_trap_is_gone() -> None:
    guest = Guest()
    guest.handle = f"(call $put {guest.data(b'ent/x')} {guest.value(1)}) (unreachable)"
    check_nothing_came_of_it(*attacked(guest), "trap")


def test_an_endless_loop_of_events_runs_out_of_fuel() -> None:
    guest = Guest(realloc="(i32.const 32768)")
    again = guest.message(kind="raise", domain="an", name="attack", attrs={})
    guest.handle = f"(call $emit {again})"
    check_nothing_came_of_it(*attacked(guest), "out-of-fuel")


PATHS = [
    b"ent",
    b"",
    b"pico/rulesets/t",
    b"pico/channels/x",
    b"/ent/x",
    b"ENT/x",
    b"../ent/t/n",
    b"schedule/x",
    b"\xff\xfe",
]


@pytest.mark.parametrize("path", PATHS, ids=repr)
@pytest.mark.parametrize("function", ["get", "put", "delete", "scan"])
def test_a_guest_cannot_leave_its_part_of_the_state(function: str, path: bytes) -> None:
    guest = Guest()
    address = guest.data(path)
    arguments = {
        "get": f"{address} (i32.const 200)",
        "put": f"{address} {guest.value(1)}",
        "delete": address,
        "scan": f"{address} (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 200)",
    }
    guest.handle = f"(call ${function} {arguments[function]})"
    check_nothing_came_of_it(*attacked(guest), "trap")


def test_a_path_that_looks_like_another_rulesets_is_the_guests_own() -> None:
    """`ent/t/n` of the attacker is `ent/attacker/t/n`, whatever it climbs over."""
    for path in (b"ent/t/n", b"ent/../t/n", b"ent//t/n"):
        guest = Guest()
        guest.handle = f"(call $put {guest.data(path)} {guest.value(9)})"
        engine, response = attacked(guest)
        assert [write.path for write in response.receipt.core.writes] == [
            b"ent/attacker/" + path.removeprefix(b"ent/")
        ]
        assert engine.query("me", "t", "n") == 1


def test_a_scan_sees_no_other_rulesets_entries() -> None:
    """The whole of `ent/` of the attacker is empty, though the counter stored something."""
    guest = Guest()
    prefix = guest.data(b"ent/")
    guest.handle = f"""
      (call $scan {prefix} (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 200))
      (if (i32.load (i32.const 204)) (then (unreachable)))
      (call $put {guest.data(b"ent/seen")} {guest.value(0)})"""
    _, response = attacked(guest)
    assert response.transition.outcome == "ok"


POINTERS: dict[str, Callable[[Guest], str]] = {
    "get-path": lambda g: f"(call $get {OUTSIDE} (i32.const 5) (i32.const 200))",
    "get-path-that-wraps": lambda g: "(call $get (i32.const -1) (i32.const 2) (i32.const 200))",
    "get-length": lambda g: "(call $get (i32.const 0) (i32.const -1) (i32.const 200))",
    "get-result": lambda g: f"(call $get {g.data(b'ent/x')} {OUTSIDE})",
    "get-result-last-byte": lambda g: f"(call $get {g.data(b'ent/x')} (i32.const 131072))",
    "get-result-misaligned": lambda g: f"(call $get {g.data(b'ent/x')} (i32.const 201))",
    "put-path": lambda g: f"(call $put {OUTSIDE} (i32.const 5) {g.value(1)})",
    "put-value": lambda g: f"(call $put {g.data(b'ent/x')} {OUTSIDE} (i32.const 5))",
    "put-length": lambda g: f"(call $put {g.data(b'ent/x')} (i32.const 0) (i32.const 131073))",
    "delete-path": lambda g: f"(call $delete {OUTSIDE} (i32.const 1))",
    "scan-prefix": lambda g: (
        f"(call $scan {OUTSIDE} (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 1)"
        " (i32.const 200))"
    ),
    "scan-after": lambda g: (
        f"(call $scan {g.data(b'ent/')} {OUTSIDE} (i32.const 4) (i32.const 1) (i32.const 200))"
    ),
    "scan-result": lambda g: (
        f"(call $scan {g.data(b'ent/')} (i32.const 0) (i32.const 0) (i32.const 1) {OUTSIDE})"
    ),
    "emit": lambda g: f"(call $emit {OUTSIDE} (i32.const 3))",
    "ask": lambda g: f"(call $ask {OUTSIDE} (i32.const 3) (i32.const 200))",
    "call": lambda g: f"(call $call {OUTSIDE} (i32.const 3) (i32.const 200))",
}


@pytest.mark.parametrize("name", POINTERS)
def test_a_pointer_outside_memory_or_a_false_length_traps(name: str) -> None:
    guest = Guest()
    guest.handle = POINTERS[name](guest)
    engine, response = attacked(guest)
    assert response.transition.outcome in ("trap", "out-of-fuel")
    check_nothing_came_of_it(engine, response, response.transition.outcome)


RETURNS = {
    "area-outside": "(i32.const -8)",
    "area-half-outside": "(i32.const 131068)",
    "area-misaligned": f"(i32.const {RETURN_AREA + 1})",
    "list-outside": "(call $list (i32.const -8) (i32.const 4))",
    "list-that-wraps": "(call $list (i32.const -1) (i32.const 2))",
    "list-longer-than-memory": "(call $list (i32.const 0) (i32.const 131073))",
    "list-longer-than-anything": "(call $list (i32.const 0) (i32.const -1))",
    "list-of-zeros": "(call $list (i32.const 4096) (i32.const 9))",
}


@pytest.mark.parametrize("name", RETURNS)
def test_a_result_that_lies_about_its_place_or_length_traps(name: str) -> None:
    engine, response = attacked(Guest(handle_result=RETURNS[name]))
    assert response.transition.outcome in ("trap", "out-of-fuel")
    check_nothing_came_of_it(engine, response, response.transition.outcome)


REALLOCS = {
    "calls-an-import": "(call $delete (i32.const 0) (i32.const 0)) (call $bump (local.get 3))",
    "traps": "(unreachable)",
    "gives-what-is-outside": "(i32.const -8)",
    "gives-too-little": "(i32.const 131071)",
    "loops": "(loop $again (br $again)) (i32.const 0)",
}


@pytest.mark.parametrize("name", REALLOCS)
def test_a_hostile_allocator_ends_the_transition(name: str) -> None:
    outcome = "out-of-fuel" if name == "loops" else "trap"
    check_nothing_came_of_it(*attacked(Guest(realloc=REALLOCS[name])), outcome)


def test_an_allocator_cannot_misplace_the_rows_of_a_scan() -> None:
    guest = Guest(realloc="(i32.add (call $bump (local.get 3)) (i32.const 1))")
    guest.handle = f"""
      (call $put {guest.data(b"ent/x")} {guest.value(1)})
      (call $scan {guest.data(b"ent/")} (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 200))
      """
    check_nothing_came_of_it(*attacked(guest), "trap")


EFFECTS: dict[str, bytes] = {
    "empty": b"",
    "not-a-map": b"\x80",
    "not-cbor": b"\xff\xff",
    "not-canonical": b"\xa1\x78\x04kind\x63log",
    "no-kind": b"\xa0",
    "unknown-kind": cbor2.dumps({"kind": "steal"}, canonical=True),
    "kind-not-text": cbor2.dumps({"kind": 1}, canonical=True),
    "raise-without-name": cbor2.dumps(
        {"kind": "raise", "domain": "a", "attrs": {}}, canonical=True
    ),
    "raise-with-attrs-no-map": cbor2.dumps(
        {"kind": "raise", "domain": "a", "name": "b", "attrs": [1]}, canonical=True
    ),
    "raise-for-no-text": cbor2.dumps(
        {"kind": "raise", "domain": "a", "name": "b", "attrs": {}, "for": 1}, canonical=True
    ),
    "float-that-is-integral": b"\xa1\x64kind\xfb\x3f\xf0" + bytes(6),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_that_is_none_traps(name: str) -> None:
    guest = Guest()
    guest.handle = f"(call $emit {guest.data(EFFECTS[name])})"
    check_nothing_came_of_it(*attacked(guest), "trap")


def test_a_request_to_another_ruleset_that_is_none_traps() -> None:
    for request in (b"", b"\x80", b"\xa0"):
        guest = Guest()
        guest.handle = f"(call $call {guest.data(request)} (i32.const 200))"
        check_nothing_came_of_it(*attacked(guest), "trap")


def test_rulesets_that_call_each_other_without_end_are_stopped() -> None:
    request = {"kind": "function", "rid": "attacker", "name": "f", "args": {}}
    guest = Guest(manifest={"provides": [{"name": "f", "kind": "function", "args": []}]})
    call = f"(call $call {guest.message(**request)} (i32.const 200))"
    guest.handle = guest.query = call
    check_nothing_came_of_it(*attacked(guest), "trap")


def test_more_effects_than_allowed_trap() -> None:
    guest = Guest(functions="(global $left (mut i32) (i32.const 0))")
    log = guest.message(kind="log", level="info", message="", value=None, rule="r")
    guest.handle = f"""
      (global.set $left (i32.const {limits.EFFECTS_MAX + 1}))
      (loop $again
        (call $emit {log})
        (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (br_if $again (global.get $left)))"""
    engine = Engine.ephemeral(Options(fuel_limit=10**9))
    engine.create("me")
    engine.install_module("me", guest.build())
    response = engine.send("me", "a", "b")
    assert response.transition.outcome == "trap"
    assert len(response.transition.logs) == limits.EFFECTS_MAX


@pytest.mark.parametrize(
    ("length", "outcome"), [(limits.PATH_BYTES_MAX, "ok"), (limits.PATH_BYTES_MAX + 1, "trap")]
)
def test_a_path_is_accepted_up_to_the_limit_and_not_one_longer(length: int, outcome: str) -> None:
    guest = Guest()
    guest.handle = f"(call $put {guest.data(b'ent/'.ljust(length, b'x'))} {guest.value(1)})"
    _, response = attacked(guest)
    assert response.transition.outcome == outcome


WRITES = {
    "put": lambda g: f"(call $put {g.data(b'ent/n')} {g.value(7)})",
    "delete": lambda g: f"(call $delete {g.data(b'ent/n')})",
    "directive": lambda g: (
        f"(call $emit {g.message(kind='directive', name='x', options={}, rule=None)})"
    ),
    "raise": lambda g: f"(call $emit {g.message(kind='raise', domain='a', name='b', attrs={})})",
    "abandon": lambda g: f"(call $emit {g.message(kind='abandon')})",
}


@pytest.mark.parametrize("name", WRITES)
def test_a_query_cannot_change_the_pico(name: str) -> None:
    guest = Guest()
    guest.query = WRITES[name](guest)
    engine, _ = attacked(guest)
    receipts = len(engine.log("me"))
    done = engine.run_query("me", "attacker", "anything")
    assert done.outcome == "trap" and "query" in done.message
    assert done.writes == () and done.effects == ()
    assert len(engine.log("me")) == receipts


@pytest.mark.parametrize(
    ("describe", "outcome"),
    [
        (f"(i32.const {RETURN_AREA})", "trap"),  # an empty list: not the manifest
        ("(unreachable)", "trap"),
        ("(loop $again (br $again)) (i32.const 0)", "out-of-fuel"),
    ],
)
def test_a_module_that_does_not_describe_itself_is_not_installed(
    describe: str, outcome: str
) -> None:
    engine = Engine.ephemeral(Options(fuel_limit=FUEL_LIMIT))
    engine.create("me")
    response = engine.install_module("me", Guest(describe=describe).build())
    assert response.transition.outcome == outcome
    assert response.receipt.core.kind == "install" and response.receipt.core.writes == ()
    assert engine.state("me").rulesets() == []


def test_a_module_may_not_take_the_names_of_the_meter() -> None:
    from picomesh.engine.errors import ModuleNotAdmitted

    guest = Guest(functions='(global (export "pico-1:fuel") (mut i64) (i64.const 9))')
    engine = Engine.ephemeral()
    engine.create("me")
    with pytest.raises(ModuleNotAdmitted):
        engine.install_module("me", guest.build())
    assert len(engine.log("me")) == 1
