"""One transition: order, atomicity, what a ruleset sees, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cbor2
import pytest

import pico_abi
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh import transition
from picomesh.manifest import read_manifest
from picomesh.sandbox import direct
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from picomesh.sandbox.interface import EngineFault, Sandbox
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.transition import Answer, Circumstances, Event, Query, Ruleset, Transition
from wat_guests import Guest, counter, thrower

SANDBOXES = {"plain": WasmtimeSandbox(), "direct": open_sandbox()}
GIVEN = Circumstances(
    pico="p",
    host="http://host",
    time_ms=1000,
    seed=bytes(32),
    fuel_limit=5_000_000,
    stack_words_limit=STACK_WORDS_MAX,
)
pytestmark = pytest.mark.usefixtures("way")
EVENT = Event("eci", "a", "b", b"\xa0", "eid")


@dataclass
class MapState:
    """A state in memory; reading `broken` raises what is in `failure`."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    failure: BaseException | None = None

    def get(self, path: bytes) -> bytes | None:
        if self.failure is not None:
            raise self.failure
        return self.entries.get(path)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        found = (item for item in self.entries.items() if item[0].startswith(prefix))
        return sorted(item for item in found if item[0] > after)[:limit]


def sandbox() -> Sandbox:
    """The one of the way that the running test takes."""
    return SANDBOXES["plain" if direct.find_library() is None else "direct"]


def ruleset(guest: Guest) -> Ruleset:
    raw = guest.build()
    program = sandbox().load(pico_abi.meter(raw))
    manifest = read_manifest(raw)
    provides = frozenset(item.name for item in manifest.provides)
    return Ruleset(guest.rid, program, manifest.selects, {}, provides=provides)


def run(*guests: Guest, state: MapState | None = None, given: Circumstances = GIVEN) -> Transition:
    rulesets = [ruleset(guest) for guest in guests]
    return transition.run(sandbox(), state or MapState(), EVENT, rulesets, given)


def saying(rid: str, name: str, *, raises: Sequence[dict[str, object]] = ()) -> Guest:
    """Says its name in a directive, then raises events."""
    guest = Guest(rid, None if name == "all" else (("a", "b"),))
    says = guest.message(kind="directive", name=name, options={}, rule="r")
    parts = [f"(call $emit {says})"]
    parts += [f"(call $emit {guest.message(kind='raise', **event)})" for event in raises]
    guest.handle = " ".join(parts)
    return guest


def said(done: Transition) -> list[object]:
    return [directive["name"] for directive in done.directives]


def test_rulesets_see_an_event_in_order_and_only_if_they_select_it() -> None:
    other = replace(saying("B", "B1"), events=(("x", "y"),))
    assert said(run(saying("A", "A1"), other, saying("C", "C1"))) == ["A1", "C1"]


def test_raised_events_are_seen_by_every_ruleset_after_all_have_seen_the_first() -> None:
    """The reference's order: A and B both select a:b, A raises x:y, both select x:y."""
    event: dict[str, object] = {"domain": "x", "name": "y", "attrs": {}}
    first = saying("A", "A", raises=[event])
    first.events = (("a", "b"),)
    second = saying("B", "B")
    second.events = (("a", "b"), ("x", "y"))
    third = replace(saying("C", "C"), events=(("x", "y"),))
    assert said(run(first, second, third)) == ["A", "B", "B", "C"]


def test_an_event_raised_for_one_ruleset_is_seen_by_it_alone() -> None:
    event: dict[str, object] = {"domain": "x", "name": "y", "attrs": {}, "for": "C"}
    first = saying("A", "A", raises=[event])
    second = replace(saying("B", "B"), events=(("x", "y"),))
    third = replace(saying("C", "C"), events=(("x", "y"),))
    assert said(run(first, second, third)) == ["A", "C"]


def test_a_directive_names_its_ruleset_rule_and_transaction() -> None:
    (directive,) = run(saying("A", "hello")).directives
    assert directive == {
        "type": "directive",
        "name": "hello",
        "options": {},
        "meta": {"rid": "A", "rule_name": "r", "txnId": "eid"},
    }


def test_a_rule_reads_what_it_wrote_and_the_state_is_written_once() -> None:
    guest = Guest()
    path, one, two = guest.data(b"ent/x"), guest.value(1), guest.value(2)
    guest.handle = f"""
      (call $put {path} {one})
      (call $put {path} {two})
      (call $get {path} (i32.const 200))
      (if (i32.ne (i32.load8_u (i32.load (i32.const 204))) (i32.const 2)) (then (unreachable)))
      (call $delete {guest.data(b"ent/gone")})
      (call $get {guest.data(b"ent/gone")} (i32.const 200))
      (if (i32.load8_u (i32.const 200)) (then (unreachable)))"""
    done = run(guest, state=MapState({b"ent/t/gone": b"\x01"}))
    assert done.outcome == "ok", done.message
    assert done.writes == ((b"ent/t/gone", None), (b"ent/t/x", b"\x02"))


def test_writing_what_is_there_already_is_no_write() -> None:
    guest = Guest()
    guest.handle = f"""
      (call $put {guest.data(b"ent/x")} {guest.value(1)})
      (call $delete {guest.data(b"ent/never")})"""
    assert run(guest, state=MapState({b"ent/t/x": b"\x01"})).writes == ()


def test_a_scan_sees_the_state_and_what_was_written_over_it() -> None:
    guest = Guest()
    rows = "(i32.load (i32.const 200))"
    guest.handle = f"""
      (call $put {guest.data(b"ent/m/b")} {guest.value(8)})
      (call $delete {guest.data(b"ent/m/c")})
      (call $scan {guest.data(b"ent/m/")} {guest.data(b"ent/m/a")} (i32.const 9) (i32.const 200))
      (if (i32.ne (i32.load (i32.const 204)) (i32.const 2)) (then (unreachable)))
      (if (i32.ne (i32.load8_u (i32.load offset=8 {rows})) (i32.const 8)) (then (unreachable)))
      (if (i32.ne (i32.load8_u (i32.load offset=24 {rows})) (i32.const 4)) (then (unreachable)))
      (if (i32.ne (i32.load offset=4 {rows}) (i32.const 7)) (then (unreachable)))
      (if (i32.ne (i32.load8_u offset=6 (i32.load {rows})) (i32.const 98)) (then (unreachable)))"""
    entries = {b"ent/t/m/" + key: b"\x01" for key in (b"a", b"c")} | {b"ent/t/m/d": b"\x04"}
    assert run(guest, state=MapState(entries)).message == ""


def test_a_throw_leaves_nothing_but_its_fuel_its_logs_and_its_text() -> None:
    done = run(counter("A"), thrower("B", "I will not"), counter("C"))
    assert (done.outcome, done.message) == ("throw", "I will not")
    assert done.writes == () and done.effects == () and done.directives == ()
    assert [(line.rid, line.value) for line in done.logs] == [("B", "seen")]
    assert done.fuel > run(counter("A")).fuel


def test_a_ruleset_gets_the_context_of_its_event() -> None:
    guest = Guest()
    guest.handle = f"(call $put {guest.data(b'ent/got')} (local.get 0) (local.get 1))"
    ((_, got),) = run(guest).writes
    assert got is not None
    message = cbor2.loads(got)
    assert len(message.pop("seed")) == 32
    assert message == {
        "attrs": {},
        "config": {},
        "domain": "a",
        "eci": "eci",
        "eid": "eid",
        "host": "http://host",
        "name": "b",
        "pico": "p",
        "time": 1000,
        "txn": "eid",
        "url": "",
    }


def test_every_entry_into_a_guest_has_a_seed_of_its_own() -> None:
    seeds = set()
    for rid in ("A", "B"):
        guest = Guest(rid)
        guest.handle = f"(call $put {guest.data(b'ent/got')} (local.get 0) (local.get 1))"
        done = run(counter("first"), guest) if rid == "B" else run(guest)
        got = dict(done.writes)[f"ent/{rid}/got".encode()]
        assert got is not None
        seeds.add(cbor2.loads(got)["seed"])
    assert len(seeds) == 2 and bytes(32) not in seeds


def asker(question: object = "q") -> Guest:
    """Stores the answer to its question."""
    guest = Guest()
    guest.handle = f"""
      (call $ask {guest.value(question)} (i32.const 200))
      (call $put {guest.data(b"ent/answer")}
        (i32.load (i32.const 200)) (i32.load (i32.const 204)))"""
    return guest


def test_a_question_without_an_answer_ends_the_attempt() -> None:
    with pytest.raises(transition.NeedsAnswer) as need:
        run(asker())
    assert (need.value.position, need.value.rid, need.value.question) == (0, "t", b"\x61q")


def test_a_question_is_answered_from_the_tape() -> None:
    tape = (Answer(b"\x61q", b"\x07"), Answer(b"\x61q", b"\x08"))
    done = run(asker(), given=replace(GIVEN, tape=tape))
    assert done.writes == ((b"ent/t/answer", b"\x07"),)
    assert done.tape == tape[:1], "the tape of a receipt holds what was asked, and no more"


def test_a_tape_of_other_questions_is_no_result() -> None:
    given = replace(GIVEN, tape=(Answer(b"\x61r", b"\x07"),))
    with pytest.raises(transition.TapeDiverged):
        run(asker(), given=given)


@pytest.mark.parametrize(
    "failure",
    [MemoryError(), OSError("disk"), KeyboardInterrupt(), ValueError("a bug"), SystemExit(9)],
    ids=repr,
)
def test_a_failure_of_the_host_is_never_a_result(failure: BaseException) -> None:
    with pytest.raises(type(failure)) as raised:
        run(counter(), state=MapState(failure=failure))
    assert raised.value is failure


def test_a_failure_of_the_host_does_not_leak_into_the_next_run() -> None:
    with pytest.raises(OSError, match="disk"):
        run(counter(), state=MapState(failure=OSError("disk")))
    assert run(counter()).outcome == "ok"
    assert run(Guest(handle="(unreachable)")).outcome == "trap"


def test_the_operators_kill_switch_is_a_fault_and_no_outcome() -> None:
    sandbox = open_sandbox(BackendOptions(kill_after_ms=30))
    guest = Guest(handle="(loop $again (br $again))")
    raw = guest.build()
    rulesets = [Ruleset("t", sandbox.load(pico_abi.meter(raw)), None, {})]
    with pytest.raises(EngineFault):
        transition.run(sandbox, MapState(), EVENT, rulesets, replace(GIVEN, fuel_limit=10**15))


def test_a_native_stack_that_is_too_small_is_a_fault_and_no_outcome() -> None:
    guest = Guest(handle="(call $deeper)", functions="(func $deeper (call $deeper))")
    with pytest.raises(EngineFault):
        run(guest, given=replace(GIVEN, stack_words_limit=2**31 - 1, fuel_limit=10**12))


def test_fuel_is_exact_at_the_edge() -> None:
    """With exactly the fuel it takes a transition ends well, with one less it does not."""
    fuel = run(counter()).fuel
    enough = run(counter(), given=replace(GIVEN, fuel_limit=fuel))
    assert (enough.outcome, enough.fuel) == ("ok", fuel)
    short = run(counter(), given=replace(GIVEN, fuel_limit=fuel - 1))
    assert (short.outcome, short.fuel) == ("out-of-fuel", fuel - 1)


def test_every_smaller_fuel_limit_ends_without_effect() -> None:
    fuel = run(counter()).fuel
    for limit in range(0, fuel, fuel // 40):
        done = run(counter(), given=replace(GIVEN, fuel_limit=limit))
        assert (done.outcome, done.fuel, done.writes) == ("out-of-fuel", limit, ())


def calling(rid: str, name: str = "f") -> Guest:
    """Asks another ruleset for a function and stores the answer."""
    guest = Guest(rid)
    request = {"kind": "function", "rid": "M", "name": name, "args": {"0": 5, "x": 1}}
    more = {"use": 0, "config": {"c": 2}, "rule": "mine"}
    guest.handle = f"""
      (call $call {guest.message(**request, **more)} (i32.const 200))
      (call $put {guest.data(b"ent/answer")}
        (i32.load (i32.const 200)) (i32.load (i32.const 204)))"""
    return guest


def module() -> Guest:
    """Provides f, which writes, directs, and answers with the whole request."""
    guest = Guest("M", (), manifest={"provides": [{"name": "f", "kind": "action", "args": []}]})
    says = guest.message(kind="directive", name="d", options={}, rule=None)
    guest.query = f"""
      (call $put {guest.data(b"ent/mine")} {guest.value(1)})
      (call $emit {says})"""
    guest.query_result = "(call $list (local.get 0) (local.get 1))"
    return guest


def test_a_module_runs_with_its_own_state_and_the_users_name_on_directives() -> None:
    done = run(calling("A"), module())
    assert done.outcome == "ok", done.message
    writes = dict(done.writes)
    assert writes[b"ent/M/mine"] == b"\x01"
    request = cbor2.loads(writes[b"ent/A/answer"] or b"")
    assert (request["kind"], request["name"]) == ("function", "f")
    assert (request["args"], request["config"]) == ({"0": 5, "x": 1}, {"c": 2})
    assert "eci" not in request, "a module does not see who called"
    (directive,) = done.directives
    assert directive["meta"] == {"rid": "A", "rule_name": "mine", "txnId": "eid"}


def test_a_module_that_is_not_there_or_does_not_provide_is_thrown() -> None:
    assert run(calling("A")).message == "Module not found: M"
    done = run(calling("A", "g"), module())
    assert (done.outcome, done.message) == ("throw", "M does not provide g")


def test_a_query_to_a_ruleset_that_is_not_installed_is_thrown() -> None:
    query = Query("eci", "nope", "f", b"\xa0", "eid")
    done = transition.ask(sandbox(), MapState(), query, [], GIVEN)
    assert (done.outcome, done.message) == ("throw", "Pico doesn't have nope installed.")
