"""Two histories that disagree: the receipt, the field, the host call, the line of source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.bisect import Finding, Side, bisect
from picomesh.engine.export import ExportedHistories, export_histories
from picomesh.engine.fork import Fork
from picomesh.engine.moment import moment, state_behind
from picomesh.engine.programs import Programs
from picomesh.engine.sources import Regrown
from picomesh.engine.telling import lines_that_write, name_of
from picomesh.engine.trace import Trace, TracingSandbox, plain_way
from picomesh.engine.watch import Watcher
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.partial import apply_writes
from picomesh.ledger.receipt import Core, Write, encode_core, seal
from picomesh.ledger.tree import Tree
from picomesh.ledger.value import encode_value
from picomesh.sandbox.interface import Guest, HostCalls, Machine, Meter, Program, Sandbox
from picomesh.store.store import StoredReceipt
from wat_guests import Guest as Guest_

LIMITS = """ruleset limits {
  meta { shares n }
  global {
    n = function() { ent:n.defaultsTo(0) }
    least = 2
  }

  // Counts what comes in, and refuses every third.
  rule rate_limit {
    select when limits try
    pre {
      next = n() + 1
    }
    if next % 3 > 0 then
      send_directive("served", {"n": next})
    fired {
      ent:last := event:attrs{"who"};
      ent:n := next
    } else {
      ent:n := next;
      raise limits event "refused"
    }
  }

  rule refuse {
    select when limits refused
    send_directive("refused", {"n": n()})
  }
}
"""
EVENTS = 9


def compiled(text: str) -> bytes:
    module = compile_source(Source("limits.krl", text)).module
    assert module is not None
    return module


@pytest.fixture(scope="module")
def programs(engine: Engine) -> Programs:
    """The plain way into guests, with the module compiled once."""
    return Programs(plain_way(engine.programs.sandbox))


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Receipts 0 create, 1 install, 2 to 10 events; every third is refused."""
    engine = Engine.ephemeral(Options())
    engine.create("me")
    engine.install_module("me", compiled(LIMITS), source=LIMITS, url="file:///rules/limits.krl")
    for number in range(EVENTS):
        engine.send("me", "limits", "try", {"who": f"w{number}"})
    return engine


class Lying:
    """A store in which some receipts say something else, and blocks were added."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rows: dict[int, StoredReceipt] = {}
        self.made: dict[Cid, bytes] = {}
        self.looked: list[int] = []

    def picos(self) -> list[tuple[str, str]]:
        return self.engine.store.picos()

    def head(self, pico: str) -> StoredReceipt | None:
        return self.engine.store.head(pico)

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        self.looked.append(seq)
        return self.rows.get(seq) or self.engine.store.receipt(pico, seq)

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        rows = self.engine.store.receipts(pico, first, last)
        return [self.rows.get(row.seq, row) for row in rows]

    def block(self, cid: Cid) -> bytes:
        return self.made[cid] if cid in self.made else self.engine.store.block(cid)

    def lie(self, seq: int, **fields: Any) -> None:
        """Signs another core at a place, and everything behind it again."""
        prev: Cid | None = None
        for receipt in self.engine.log("me"):
            core: Core = receipt.core
            if core.seq >= seq:
                changed = fields if core.seq == seq else {"prev": prev}
                core = replace(core, **changed)
                envelope = replace(receipt.envelope, core=cid_of_block(encode_core(core)))
                sealed = seal(encode_core(core), envelope, self.engine.signer)
                row = StoredReceipt(core.pico, core.seq, sealed.core_bytes, sealed.envelope_bytes)
                self.rows[core.seq] = row
            prev = cid_of_block(encode_core(core))

    def lie_in_writes(self, seq: int, values: dict[bytes, Any]) -> None:
        """A receipt that wrote other values, with the state that they lead to."""
        core = self.engine.receipt("me", seq).core
        writes = {write.path: write.value for write in core.writes}
        for path, value in values.items():
            data = encode_value(value)
            self.made[cid_of_bytes(data)] = data
            writes[path] = cid_of_bytes(data)
        tree = Tree(self.engine.store, core.pre)
        post = apply_writes(tree, sorted(writes.items()))
        rows = tuple(Write(path, value) for path, value in sorted(writes.items()))
        self.lie(seq, writes=rows, post=post)


def compare(engine: Engine, programs: Programs, other: Lying) -> Finding:
    a = Side("A", engine.store, programs)
    b = Side("B", other, programs)
    return bisect(a, b, engine.find("me"))


def test_the_first_difference_is_found_in_few_looks_and_told_by_line(
    engine: Engine, programs: Programs
) -> None:
    other = Lying(engine)
    other.lie_in_writes(8, {b"ent/limits/n": 8})
    finding = compare(engine, programs, other)
    assert (finding.seq, finding.differs_in, finding.receipts) == (8, "writes", (11, 11))
    assert finding.looks <= 4, "log2 of 11"
    assert finding.sides is not None
    assert [side.reproduces for side in finding.sides] == [True, False]
    told = finding.explained
    assert told is not None and told.where is not None
    assert str(told.where) == "rule rate_limit, limits.krl:18"
    assert (told.a, told.b) == ("wrote n=7", "wrote n=8")
    used = engine.receipt("me", 8).core.fuel
    assert 0 < told.fuel < used


def test_of_two_lines_that_write_the_one_that_ran_is_named(
    engine: Engine, programs: Programs
) -> None:
    other = Lying(engine)
    other.lie_in_writes(7, {b"ent/limits/n": 1})  # the sixth try, which is refused
    told = compare(engine, programs, other).explained
    assert told is not None and str(told.where) == "rule rate_limit, limits.krl:20"


def test_a_side_is_named_by_its_own_letter(engine: Engine, programs: Programs) -> None:
    other = Lying(engine)
    other.lie_in_writes(8, {b"ent/limits/n": 8})
    a, b = Side("A", other, programs), Side("B", engine.store, programs)
    told = bisect(a, b, engine.find("me")).explained
    assert told is not None and (told.a, told.b) == ("wrote n=8", "wrote n=7")


def test_a_directive_that_was_not_sent_is_told(engine: Engine, programs: Programs) -> None:
    other = Lying(engine)
    other.lie(4, outbox=cid_of_block(b"\x80"))
    other.made[cid_of_block(b"\x80")] = b"\x80"
    finding = compare(engine, programs, other)
    assert finding.differs_in == "outbox"
    told = finding.explained
    assert told is not None and (told.a, told.b) == (
        'sent directive refused {"n":3}',
        "sent nothing more",
    )
    assert told.where is not None and told.where.line == 27


def test_a_wrong_fuel_is_told_without_a_call(engine: Engine, programs: Programs) -> None:
    other = Lying(engine)
    other.lie(5, fuel=1)
    finding = compare(engine, programs, other)
    assert (finding.seq, finding.differs_in, finding.explained) == (5, "fuel", None)


def test_other_inputs_accuse_nobody_of_a_wrong_execution(
    engine: Engine, programs: Programs
) -> None:
    other = Lying(engine)
    other.lie(6, time=1)
    finding = compare(engine, programs, other)
    assert finding.given == ("time",)
    assert finding.differs_in == "time"


def test_one_history_that_continues_the_other_is_no_difference(
    engine: Engine, programs: Programs
) -> None:
    pico = engine.find("me")
    parts = export_histories(engine.store, engine.public_key, [(pico, "me")], 0, 6)
    shorter = ExportedHistories(b"".join(parts))
    a, b = Side("A", engine.store, programs), Side("B", shorter, programs)
    finding = bisect(a, b, pico)
    assert (finding.seq, finding.receipts) == (None, (11, 7))


# -- an engine that executes wrongly


class Faulty:
    """A sandbox whose host answers a state that is not there."""

    def __init__(self, inner: Sandbox, make: Any = None) -> None:
        self._inner = inner
        self._make = make or _FaultyMachine
        self.backend, self.version = inner.backend, inner.version

    def load(self, metered: bytes) -> Program:
        return self._inner.load(metered)

    def machine(self, meter: Meter) -> Machine:
        made: Machine = self._make(self._inner.machine(meter))
        return made


class _FaultyMachine:
    def __init__(self, inner: Machine) -> None:
        self._inner = inner
        self.close = inner.close

    def start(self, program: Program, calls: HostCalls) -> Guest:
        own: Any = getattr(calls, "_inner", calls)  # below the trace, so that it sees the answer
        right: Callable[[bytes], bytes | None] = own.get

        def wrong(path: bytes) -> bytes | None:
            value = right(path)
            return b"\x0c" if value == b"\x06" else value  # twelve for six

        own.get = wrong
        return self._inner.start(program, calls)


def test_two_engines_of_which_one_executes_wrongly_part_at_a_host_call(
    engine: Engine, programs: Programs
) -> None:
    """The wrong one signed what it computed, and computes it again: both reproduce."""
    faulty = Programs(Faulty(programs.sandbox))
    pico = engine.find("me")
    core = engine.receipt("me", 8).core
    other = Lying(engine)
    other.lie_in_writes(8, {b"ent/limits/n": 13})
    wrong = replace(decode(other, 8), fuel=core.fuel)
    other.lie(8, writes=wrong.writes, post=wrong.post, outbox=outbox(other, 13))
    finding = bisect(Side("A", engine.store, programs), Side("B", other, faulty), pico)
    assert finding.sides is not None and finding.seq == 8
    assert [side.reproduces for side in finding.sides] == [True, True]
    told = finding.explained
    assert told is not None and told.where is not None
    assert (told.a, told.b) == ("read n: 6", "read n: 12")
    assert told.where.line == 4


class _Scribbling(_FaultyMachine):
    """A machine whose host writes where it has no business, with the first effect."""

    def start(self, program: Program, calls: HostCalls) -> Guest:
        own: Any = getattr(calls, "_inner", calls)
        right = own.emit
        guest: Any = self._inner.start(program, calls)

        def wrong(effect: bytes) -> None:
            right(effect)
            guest.memory_write(CELL, b"\x2a")

        own.emit = wrong
        return guest  # type: ignore[no-any-return] # a guest


CELL = 12_000


def test_an_engine_that_spoils_a_guest_s_memory_is_found_between_two_calls() -> None:
    """All host calls up to the last are the same: what differs is what the guest holds."""
    guest = Guest_("t")
    guest.handle = f"""
      (call $emit {guest.message(kind="directive", name="x", options={}, rule="r")})
      (drop (i32.add (i32.const 1) (i32.const 1)))
      (call $put {guest.data(b"ent/n")} (i32.const {CELL}) (i32.const 1))"""
    with Engine.ephemeral() as engine:
        engine.create("me")
        engine.install_module("me", guest.build())
        engine.send("me", "a", "b")
        right = Programs(plain_way(engine.programs.sandbox))
        spoilt = Programs(Faulty(right.sandbox, _Scribbling))
        other = Lying(engine)
        other.lie_in_writes(2, {b"ent/t/n": -11})
        a, b = Side("A", engine.store, right), Side("B", other, spoilt)
        told = bisect(a, b, engine.find("me")).explained
        assert a.reproduces and b.reproduces and a.trace is not None
        assert told is not None and (told.a, told.b) == ("wrote n=0", "wrote n=-11")
        assert told.fuel == a.trace.fuel_used(0) - 1, "it happens in the first call"


def decode(other: Lying, seq: int) -> Core:
    from picomesh.ledger.receipt import decode_core

    return decode_core(other.rows[seq].core)


def outbox(other: Lying, number: int) -> Cid:
    """The effects of the seventh try, had it counted so far."""
    data = other.engine.store.block(other.engine.receipt("me", 8).core.outbox)
    assert data.count(b"\x61n\x07") == 1
    changed = data.replace(b"\x61n\x07", b"\x61n" + encode_value(number))
    other.made[cid_of_block(changed)] = changed
    return cid_of_block(changed)


# -- moments and forks


def test_a_moment_stops_at_its_fuel_and_knows_the_line(engine: Engine, programs: Programs) -> None:
    pico = engine.find("me")
    core = engine.receipt("me", 8).core
    seen: list[int] = []
    watcher = Watcher(programs)
    for fuel in range(0, core.fuel + 500, 500):
        then = moment(engine.store, programs, watcher, pico, 8, fuel)
        assert then.fuel <= fuel and then.ended == (fuel >= core.fuel)
        if then.where is not None and (not seen or seen[-1] != then.where.line):
            seen.append(then.where.line)
    assert 15 in seen and {17, 18} & set(seen)
    assert then.written == {b"ent/limits/n": b"\x07", b"ent/limits/last": encode_value("w6")}


@pytest.mark.parametrize("backend", ["cranelift", "pulley"])
def test_every_engine_stops_at_the_same_place(
    engine: Engine, programs: Programs, backend: str
) -> None:
    pico = engine.find("me")
    other = Programs(plain_way(Options(backend=backend).programs(None).sandbox))
    watchers = [Watcher(programs), Watcher(other)]
    for fuel in (20_000, 40_000, 60_000):
        first = moment(engine.store, programs, watchers[0], pico, 8, fuel)
        second = moment(engine.store, programs, watchers[1], pico, 8, fuel)
        assert (first.where, first.calls) == (second.where, second.calls)


def test_a_watched_run_comes_to_the_same_receipt(engine: Engine, programs: Programs) -> None:
    from picomesh.engine.perform import perform
    from picomesh.engine.replay import work_of

    core = engine.receipt("me", 5).core
    trace = Trace(core.fuel_limit)
    watched = Programs(TracingSandbox(programs.sandbox, trace))
    assert perform(watched, engine.store, work_of(core, engine.store)).core == core
    assert [call.function for call in trace.calls].count("put") == len(core.writes)


def test_the_state_behind_every_receipt_is_there(engine: Engine, programs: Programs) -> None:
    pico = engine.find("me")
    for seq in range(2, 11):
        state = state_behind(engine.store, programs, pico, seq)
        assert state.get(b"ent/limits/n") == encode_value(seq - 1)


def test_a_fork_under_the_same_ruleset_is_the_past(engine: Engine, programs: Programs) -> None:
    made = Fork(engine.store, programs, engine.find("me"), 1)
    made.install(compiled(LIMITS), LIMITS, "file:///rules/limits.krl")
    events = list(made.replay())
    assert len(events) == EVENTS and all(item.is_same for item in events)
    assert made.differences() == []


def test_a_fork_under_an_edited_ruleset_shows_what_would_have_been(
    engine: Engine, programs: Programs
) -> None:
    edited = LIMITS.replace("next % 3 > 0", "next % 4 > 0")
    made = Fork(engine.store, programs, engine.find("me"), 3)
    made.install(compiled(edited), edited, "file:///rules/limits.krl")
    events = list(made.replay())
    assert [item.seq for item in events if not item.is_same] == [4, 5, 7, 9, 10]
    paths = {item.path for item in made.differences()}
    assert paths == {b"ent/limits/last"}


def test_a_fork_leaves_the_past_alone(engine: Engine, programs: Programs) -> None:
    before = [receipt.cid for receipt in engine.log("me")]
    made = Fork(engine.store, programs, engine.find("me"), 3)
    made.install(compiled(LIMITS), LIMITS, "")
    list(made.replay())
    assert [receipt.cid for receipt in engine.log("me")] == before


# -- words


def test_lines_that_may_write_a_variable_are_found_by_their_look() -> None:
    source = "ent:n := 1\nx = ent:n\nclear ent:n\nent:nn := 2\nent:n{k} := 3\nset ent:n 4"
    assert lines_that_write(source, "n") == [1, 3, 5, 6]
    assert lines_that_write(source, "n{k}") == [1, 3, 5, 6]


def test_paths_are_named_as_their_author_knows_them() -> None:
    assert name_of(b"ent/r/n") == "n"
    assert name_of(b"ent/r/n/:k") == "n{k}"
    assert name_of(b"select/r/rule") == "the state of rule rule"
    assert name_of(b"pico/channels/x") == "pico/channels/x"


def test_blocks_that_were_made_again_are_in_front(engine: Engine, programs: Programs) -> None:
    grown = Regrown(engine.store, {cid_of_bytes(b"x"): b"x"})
    assert grown.block(cid_of_bytes(b"x")) == b"x"
    assert grown.picos() == engine.store.picos()
