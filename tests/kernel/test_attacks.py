"""What a hostile guest, state or moment does to the kernel: it gives up, and Python decides."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.native import KINDS_MAX, RECIPES_MAX
from picomesh.engine.packets import FromKernel
from picomesh.engine.perform import perform
from picomesh.engine.performed import Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered
from picomesh.kernel.library import Kernel
from picomesh.ledger.errors import LedgerError
from picomesh.sandbox.interface import TimedOut
from picomesh.scenario.world import VirtualWorld
from wat_guests import Guest, counter

OUTSIDE = "(i32.const -16)"  # the last bytes of the address space
FUEL_LIMIT = 2_000_000
RAISED_MAX, WRITES_MAX, GUESTS_MAX = 1024, 256, 64  # of guest.zig
CACHE_BYTES_MAX = 64 * 1024 * 1024  # of tree.zig


def engine_with(*guests: Guest, **options: Any) -> tuple[Engine, str]:
    engine = Engine.ephemeral(Options(world=VirtualWorld(), **options))
    pico = engine.create("me").pico
    for guest in guests:
        assert engine.install_module(pico, guest.build()).transition.outcome == "ok"
    return engine, pico


def kernel_of(engine: Engine) -> Kernel:
    loop = engine.programs.native._loop
    assert loop is not None
    return loop.kernel


def work_for(engine: Engine, pico: str, name: str = "b") -> Work:
    event = engine._event(engine.eci(pico), "a", name, None, None)
    return engine.next_work(pico, event, 0, bytes(32))


def run(engine: Engine, work: Work, blocks: Any = None) -> Any:
    """What the kernel answers."""
    programs = engine.programs
    return programs.native.perform(programs, Layered(blocks or engine.store), work)


def hostile() -> dict[str, Guest]:
    """Guests that break a rule of the boundary, each in a function of the kernel's own."""
    made: dict[str, Guest] = {}

    def guest(name: str, handle: str, **fields: Any) -> Guest:
        found = made[name] = Guest(rid="t", handle=handle, **fields)
        return found

    path = guest("reads a path outside", "").data(b"ent/n")
    made["reads a path outside"].handle = f"(call $get {OUTSIDE} (i32.const 100) (i32.const 200))"
    for name, handle in {
        "reads into an area outside": f"(call $get {path} {OUTSIDE})",
        "reads into an area that is not aligned": f"(call $get {path} (i32.const 201))",
        "reads where it may not": "(call $get (i32.const 0) (i32.const 3) (i32.const 200))",
        "writes a path outside": f"(call $put {OUTSIDE} (i32.const 100) {path})",
        "writes a value outside": f"(call $put {path} {OUTSIDE} (i32.const 100))",
        "writes a value that is too long": f"(call $put {path} (i32.const 0) (i32.const -1))",
        "removes a path outside": f"(call $delete {OUTSIDE} (i32.const 100))",
        "says something outside": f"(call $emit {OUTSIDE} (i32.const 100))",
        "says what is no message": f"(call $emit {path})",
        "traps": "(unreachable)",
        "never ends": "(loop $again (br $again))",
        "goes too deep": "(call $deeper)",
    }.items():
        made[name] = Guest(rid="t", handle=handle, functions="(func $deeper (call $deeper))")
        made[name].data(b"ent/n")
    for name, result in {
        "answers outside": f"(call $list {OUTSIDE} (i32.const 100))",
        "answers from an area that is not aligned": "(i32.const 17)",
        "answers from an area outside": OUTSIDE,
        "answers more than it may": "(call $list (i32.const 0) (i32.const 2000000))",
        "answers what is no list of rules": "(call $list (i32.const 8192) (i32.const 3))",
    }.items():
        made[name] = Guest(rid="t", handle_result=result)
    made["allocates outside"] = Guest(rid="t", realloc=OUTSIDE)
    made["calls out while it allocates"] = Guest(
        rid="t", realloc=f"(call $get {path} (i32.const 200)) (call $bump (local.get 3))"
    )
    return made


@pytest.mark.parametrize("name", hostile())
def test_a_guest_that_breaks_a_rule_is_left_to_python(name: str) -> None:
    engine, pico = engine_with(hostile()[name], fuel_limit=FUEL_LIMIT)
    other, _ = engine_with(hostile()[name], fuel_limit=FUEL_LIMIT, kernel=False)
    with engine, other:
        assert run(engine, work_for(engine, pico)) is None
        work_for(other, pico)  # which draws as much from its world
        receipt = engine.send("me", "a", "b").receipt
        assert receipt.core_bytes == other.send("me", "a", "b").receipt.core_bytes
        assert receipt.core.outcome != "ok" and receipt.core.writes == ()


def asking() -> dict[str, Guest]:
    """Guests that do in a query what only an event may do, or what the kernel leaves to Python."""
    made: dict[str, Guest] = {}
    for name, fields in {
        "writes": "(call $put {path} {path})",
        "removes": "(call $delete {path})",
        "directs": "(call $emit {directive})",
        "logs": "(call $emit {log})",
        "throws": "(call $emit {throw})",
        "traps": "(unreachable)",
        "never ends": "(loop $again (br $again))",
        "reads outside": "(call $get (i32.const -16) (i32.const 100) (i32.const 200))",
        "scans": "(call $scan {path} {path} (i32.const 5) (i32.const 200))",
    }.items():
        guest = made[name] = Guest(
            rid="t", manifest={"shares": [{"name": "n", "kind": "function", "args": []}]}
        )
        guest.query = fields.format(
            path=guest.data(b"ent/n"),
            directive=guest.message(kind="directive", name="x", options={}, rule="r"),
            log=guest.message(kind="log", level="info", message="", value=1, rule="r"),
            throw=guest.message(kind="throw", message="no"),
        )
    return made


@pytest.mark.parametrize("name", asking())
def test_a_query_that_does_more_than_read_is_left_to_python(name: str) -> None:
    engine, pico = engine_with(asking()[name], fuel_limit=FUEL_LIMIT)
    other, _ = engine_with(asking()[name], fuel_limit=FUEL_LIMIT, kernel=False)
    with engine, other:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel_of(engine).library, "query", never_more(engine))
            mine = engine.run_query(pico, "t", "n")
        theirs = other.run_query(pico, "t", "n")
        assert mine == theirs


def never_more(engine: Engine) -> Any:
    """The kernel's query, which must give up."""
    real = kernel_of(engine).library.query

    def query(*arguments: Any) -> int:
        assert real(*arguments) == 0
        return 0

    return query


def test_a_query_is_answered_alike_and_costs_the_same() -> None:
    engine, pico = engine_with(counter())
    other, _ = engine_with(counter(), kernel=False)
    with engine, other:
        for _ in range(3):
            mine, theirs = (it.run_query(pico, "t", "n") for it in (engine, other))
            assert mine == theirs and mine.outcome == "ok"
            engine.send(pico, "a", "b")
            other.send(pico, "a", "b")
        assert engine.query(pico, "t", "n") == 3


def test_the_fuel_of_an_event_ends_at_the_same_unit() -> None:
    """One unit less than it takes, and it is Python that says so."""
    engine, pico = engine_with(counter())
    with engine:
        engine.send(pico, "a", "b")
        work = work_for(engine, pico)
        done = run(engine, work)
        assert isinstance(done, FromKernel)
        needed = done.transition.fuel
        for limit, is_enough in ((needed, True), (needed - 1, False), (1, False), (0, False)):
            work.fuel_limit = limit
            engine.programs.views.at(work.pre).recipes.clear()
            assert isinstance(run(engine, work), FromKernel) is is_enough, limit


class Forged:
    """A store in which one block has other bytes than its name says."""

    def __init__(self, behind: Any, data: bytes, other: bytes) -> None:
        self._behind, self._data, self._other = behind, data, other

    def block(self, cid: Any) -> bytes:
        data: bytes = self._behind.block(cid)
        return self._other if data == self._data else data


def test_a_block_that_is_not_what_its_name_says_is_not_believed() -> None:
    engine, pico = engine_with(counter())
    with engine:
        engine.send(pico, "a", "b")
        fresh = Programs(engine.programs.sandbox)
        engine.programs = fresh
        work = work_for(engine, pico)
        kernel_of(engine).forget()
        assert run(engine, work, Forged(engine.store, b"\x01", b"\x07")) is None
        fresh.views.at(work.pre).recipes.clear()
        assert isinstance(run(engine, work), FromKernel)


class Missing:
    def block(self, cid: Any) -> bytes:
        raise LedgerError(f"{cid} is not there")


def ready(engine: Engine, pico: str) -> Work:
    """An event whose kind the kernel knows, when it has forgotten all blocks."""
    engine.send(pico, "a", "b")
    work = work_for(engine, pico)
    done = run(engine, work)
    assert isinstance(done, FromKernel)
    engine.programs.views.follow(done.post, work.pre)
    kernel_of(engine).forget()
    return work


def test_a_block_that_is_missing_is_what_python_says_it_is() -> None:
    engine, pico = engine_with(counter())
    with engine:
        work = ready(engine, pico)
        assert run(engine, work, Missing()) is None
        engine.programs.nodes.clear()
        with pytest.raises(LedgerError):
            perform(engine.programs, Missing(), work)


class Asking:
    """A store that asks the kernel for something while the kernel asks it."""

    def __init__(self, engine: Engine, work: Work) -> None:
        self.engine, self.work = engine, work
        self.answers: list[Any] = []

    def block(self, cid: Any) -> bytes:
        self.answers.append(run(self.engine, self.work))
        return self.engine.store.block(cid)


def test_a_kernel_that_is_busy_leaves_the_event_to_python() -> None:
    engine, pico = engine_with(counter())
    with engine:
        work = ready(engine, pico)
        asking = Asking(engine, work)
        assert isinstance(run(engine, work, asking), FromKernel)
        assert asking.answers and set(asking.answers) == {None}


class Interrupted:
    def block(self, cid: Any) -> bytes:
        raise KeyboardInterrupt


def test_an_interrupt_while_the_kernel_asks_is_not_lost() -> None:
    engine, pico = engine_with(counter())
    with engine:
        work = ready(engine, pico)
        with pytest.raises(KeyboardInterrupt):
            run(engine, work, Interrupted())
        engine.programs.views.at(work.pre).recipes.clear()
        assert isinstance(run(engine, work), FromKernel)


def test_other_threads_go_on_while_a_guest_runs() -> None:
    endless = Guest(handle="(loop $again (br $again))")
    engine, _ = engine_with(endless, fuel_limit=200_000_000)
    with engine:
        ticks: list[int] = []
        done = threading.Event()

        def tick() -> None:
            while not done.wait(0.001):
                ticks.append(1)

        thread = threading.Thread(target=tick)
        thread.start()
        engine.send("me", "a", "b")
        done.set()
        thread.join()
        assert len(ticks) > 5


def test_a_guest_that_runs_too_long_is_killed_in_the_kernel_too() -> None:
    endless = Guest(handle="(loop $again (br $again))")
    engine, pico = engine_with(endless, fuel_limit=10**15, kill_after_ms=50)
    with engine:
        assert run(engine, work_for(engine, pico)) is None
        with pytest.raises(TimedOut):
            engine.send(pico, "a", "b")
        assert len(engine.store.waiting()) == 1


def test_names_that_a_sender_makes_up_fill_no_memory() -> None:
    engine, pico = engine_with(counter())
    with engine:
        for at in range(3 * RECIPES_MAX):
            engine.send(pico, "x", f"name{at}")
        head = engine._head(pico)
        assert head is not None
        assert len(engine.programs.views.at(head.post).recipes) <= RECIPES_MAX


@pytest.mark.parametrize("extra", [0, 1])
def test_names_that_a_ruleset_makes_up_fill_no_memory(extra: int) -> None:
    """With one more kind of event than a recipe holds it is left to Python."""
    guest = Guest()
    raised = [
        guest.message(kind="raise", domain="made", name=f"up{at}", attrs={})
        for at in range(KINDS_MAX - 1 + extra)
    ]
    guest.handle = " ".join(f"(call $emit {item})" for item in raised)
    engine, pico = engine_with(guest)
    with engine:
        found = run(engine, work_for(engine, pico))
        assert isinstance(found, FromKernel) is (extra == 0)
        assert engine.send(pico, "a", "b").transition.outcome == "ok"


@pytest.mark.parametrize("extra", [0, 1])
def test_a_guest_that_writes_very_many_paths_is_left_to_python(extra: int) -> None:
    """Each path is compared with all before it."""
    guest = Guest()
    address = guest.data(b"ent/0000").split(" (")[0]
    guest.functions = f"""(func $put_many (param $left i32)
      (loop $next
        (i32.store offset=4 {address} (i32.add (i32.const 0x30303030) (local.get $left)))
        (call $put {address} (i32.const 8) {address} (i32.const 1))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (local.get $left))))"""
    guest.handle = f"(call $put_many (i32.const {WRITES_MAX + extra}))"
    engine, pico = engine_with(guest)
    with engine:
        assert (run(engine, work_for(engine, pico)) is None) is (extra == 1)
        done = engine.send(pico, "a", "b").transition
        assert done.outcome == "ok" and len(done.writes) == WRITES_MAX + extra


@pytest.mark.parametrize("extra", [0, 1])
def test_an_event_for_very_many_rulesets_is_left_to_python(extra: int) -> None:
    def guests() -> list[Guest]:
        return [counter(f"t{number}") for number in range(GUESTS_MAX + extra)]

    engine, pico = engine_with(*guests())
    other, _ = engine_with(*guests(), kernel=False)
    with engine, other:
        engine.send(pico, "a", "b")  # the first write of a path is Python's
        other.send(pico, "a", "b")
        work_for(other, pico)  # which draws as much from its world
        assert (run(engine, work_for(engine, pico)) is None) is (extra == 1)
        receipt = engine.send(pico, "a", "b").receipt
        assert receipt.core_bytes == other.send(pico, "a", "b").receipt.core_bytes
        assert len(receipt.core.writes) == GUESTS_MAX + extra


def test_a_state_that_is_larger_than_the_cache_fills_no_memory() -> None:
    """What an event reads is held until the next one begins, then dropped if it is too much."""
    source = Source("a.krl", BIG)
    module = compile_source(source).module
    assert module is not None
    engine = Engine.ephemeral(Options(world=VirtualWorld()))
    with engine:
        pico = engine.create("me").pico
        engine.install_module(pico, module)
        engine.send(pico, "a", "fill")  # so many keys that each has a value of its own in the state
        text = "x" * 900_000
        for key in range(CACHE_BYTES_MAX // len(text) + 10):
            engine.send(pico, "a", "put", {"k": str(key), "v": text})
        kernel = kernel_of(engine)
        kernel.forget()
        most = 0
        for key in (*range(CACHE_BYTES_MAX // len(text) + 10), 0, 1):
            assert run(engine, work_for(engine, pico, "count")) is not None, "the kernel runs it"
            done = engine.send(pico, "a", "look", {"k": str(key)}).directives
            assert done[0]["options"] == {"n": len(text)}
            most = max(most, kernel.held_bytes)
        assert CACHE_BYTES_MAX < most < CACHE_BYTES_MAX + 2 * len(text)
        assert kernel.held_bytes < CACHE_BYTES_MAX // 2, "it was dropped and begins anew"


BIG = """ruleset a {
  rule fill { select when a fill foreach 0.range(999) setting(i) always { ent:m{"f" + i} := i } }
  rule put { select when a put always { ent:m{event:attrs{"k"}} := event:attrs{"v"} } }
  rule look { select when a look
    send_directive("look", {"n": ent:m{event:attrs{"k"}}.length()}) }
  rule count { select when a count send_directive("count") }
}"""


@pytest.mark.parametrize("extra", [0, 1])
def test_a_rule_that_raises_without_end_fills_no_memory(extra: int) -> None:
    guest = Guest(events=(("a", "b"),))
    raised = guest.message(kind="raise", domain="no", name="one", attrs={})
    guest.functions = f"""(func $raise (param $left i32)
      (loop $next
        (call $emit {raised})
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (local.get $left))))"""
    guest.handle = f"(call $raise (i32.const {RAISED_MAX + extra}))"
    engine, pico = engine_with(guest)
    with engine:
        found = run(engine, work_for(engine, pico))
        assert isinstance(found, FromKernel) is (extra == 0)
        assert engine.send(pico, "a", "b").transition.outcome == "ok"


def test_a_text_that_has_no_bytes_is_python_s_to_refuse() -> None:
    engine, pico = engine_with(counter())
    with engine:
        engine.send(pico, "a", "b")
        work = work_for(engine, pico)
        work.given.eid = "\ud800"  # type: ignore[union-attr]  # it is an event
        assert run(engine, work) is None


def test_an_engine_that_is_gone_leaves_no_kernel_behind() -> None:
    engine, _ = engine_with(counter())
    with engine:
        engine.send("me", "a", "b")
        kernel = weakref.ref(kernel_of(engine))
    del engine
    gc.collect()
    assert kernel() is None
