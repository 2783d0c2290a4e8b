"""The kernel and Python come to the same receipts, whatever an event does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.export import ExportedHistories
from picomesh.engine.history import verify_home
from picomesh.engine.model import Sending
from picomesh.engine.native import Native
from picomesh.engine.packets import FromKernel
from picomesh.engine.perform import perform
from picomesh.engine.programs import Programs
from picomesh.engine.replay import work_of
from picomesh.engine.rerun import rerun
from picomesh.engine.sources import with_state
from picomesh.kernel.library import find_library
from picomesh.ledger.receipt import decode_core
from picomesh.scenario.world import VirtualWorld
from picomesh.store.held import Held
from picomesh.store.packing import PACK_RECEIPTS_MIN

HISTORIES = sorted((Path(__file__).parent.parent / "histories").glob("*.car"))
FUEL_LIMIT = 3_000_000
RULESETS = (
    """ruleset a {
  global { f = function(n){ n < 2 => n | f(n - 1) + f(n - 2) } }
  rule count { select when a count always { ent:n := ent:n.defaultsTo(0) + 1 } }
  rule put { select when a put
    send_directive("put", {"was": ent:m{event:attrs{"k"}}, "9": 1, "10": [], "b": {"/": 2}})
    always { ent:m{event:attrs{"k"}} := event:attrs{"v"} } }
  rule fill { select when a fill
    foreach 0.range(40) setting(i) always { ent:m{"f" + i} := i } }
  rule clear { select when a clear always { clear ent:m } }
  rule say { select when a say send_directive("said", event:attrs) always { log info "said" } }
  rule wide { select when a wide
    foreach 0.range(300) setting(i) always { ent:wide{"w" + i} := ent:wide{"w" + i} + 1 } }
  rule again { select when a again always { raise a event "count" ent:last := event:attrs } }
  rule fib { select when a fib pre { n = f(event:attrs{"v"}) } always { ent:fib := n } }
  rule wrong { select when a wrong pre { g = 1 n = g(2) } always { ent:n := n } }
  rule later { select when a later always { schedule a event "count" at "2030-01-01" } }
  rule told { select when a told always { raise a event "put" for "b" attributes event:attrs } }
  rule many { select when a many foreach 0.range(5) setting(i)
    send_directive("many", {"i": i})
    always { raise event ("a:" + (i < 3 => "count" | "say")) attributes {"v": i}
      raise other event "thing" ent:many := i } }
  rule mail { select when a mail
    if event:attrs{"k"} == "k" then
      event:send({"eci": meta:eci, "domain": "a", "type": "count", "attrs": {"v": 2}})
    always { ent:mails := ent:mails + 1 } }
  rule endless { select when a endless always { raise a event "endless" } }
  rule both { select when a both before a count always { ent:both := ent:both + 1 } }
}""",
    """ruleset b {
  rule see { select when a count or a put or a both
    send_directive("seen") always { ent:seen := time:now() } }
  rule other { select when other thing always { ent:things := ent:things + 1 } }
  rule count { select when a count where event:attrs{"v"} != 3
    always { ent:n := ent:n + event:attrs{"v"}.defaultsTo(1) } }
}""",
)
NAMES = (
    *("count", "count", "count", "put", "put", "fill", "clear", "say", "wide"),
    *(
        "again",
        "fib",
        "wrong",
        "later",
        "both",
        "nothing",
        "told",
        "many",
        "many",
        "endless",
        "mail",
    ),
)
KEYS = st.sampled_from(["k", "f1", "f39", "10", "/", "ö", "a/b", ""])
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, 3, 24, 1.5, "", "x" * 300, None, True, [], {"b": 1, "a": []}]
)
EVENTS = st.tuples(st.sampled_from(NAMES), KEYS, VALUES, st.integers(0, 1))
RUNS = st.tuples(EVENTS, st.integers(1, 6), st.lists(VALUES, min_size=6, max_size=6))
GROUPS = st.lists(
    st.lists(RUNS, min_size=1, max_size=12).map(
        lambda runs: [one for run in runs for one in alike(run)]
    ),
    min_size=1,
    max_size=4,
)


def alike(run: tuple[tuple[Any, ...], int, list[Any]]) -> list[tuple[Any, ...]]:
    """Events of one kind behind each other, which run in one call of the kernel."""
    (name, key, _, at), count, values = run
    return [(name, key, value, at) for value in values[:count]]


def test_there_is_a_kernel_for_this_system() -> None:
    assert find_library() is not None, "python runtime/picomesh/kernel/build.py makes it"


@cache
def modules() -> tuple[bytes, ...]:
    found = [compile_source(Source(f"{at}.krl", text)) for at, text in enumerate(RULESETS)]
    assert all(item.module is not None for item in found), [item.diagnostics for item in found]
    return tuple([item.module for item in found if item.module is not None])


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Counts what the kernel answered inside."""
    seen: Counter[str] = Counter()
    real, many = Native.perform, Native.many

    def noting(self: Native, *arguments: Any) -> Any:
        found = real(self, *arguments)
        seen[type(found).__name__] += 1
        return found

    def noting_many(self: Native, *arguments: Any) -> Any:
        found = many(self, *arguments)
        seen[FromKernel.__name__] += 0 if found is None else found.count
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Native, "perform", noting)
        patch.setattr(Native, "many", noting_many)
        yield seen


def lived(groups: list[list[tuple[Any, ...]]], kernel: bool) -> tuple[list[Any], set[bytes]]:
    """What two picos answered and recorded, and the blocks that are left of it."""
    options = Options(world=VirtualWorld(), kernel=kernel, fuel_limit=FUEL_LIMIT)
    with Engine.ephemeral(options) as engine:
        picos = [engine.create(name).pico for name in ("one", "two")]
        for pico in picos:
            for module in modules():
                engine.install_module(pico, module)
        seen: list[Any] = []
        for group in groups:
            sendings = [
                Sending(picos[at], "a", name, {"k": key, "v": value})
                for name, key, value, at in group
            ]
            for answer in engine.send_many(sendings):
                assert not isinstance(answer, Exception), answer
                seen.append((answer.directives, answer.transition))
        seen += [(item.core_bytes, item.envelope) for pico in picos for item in engine.log(pico)]
        assert verify_home(engine.store, engine.public_key).problems == ()
        engine.store.past.forget()
        for pico in picos:
            assert rerun(engine.store, engine.public_key, options.programs(None), pico).is_equal
        return [as_data(item) for item in seen], {cid for cid, _ in engine.store.all_blocks()}


def as_data(item: Any) -> Any:
    """Records by what is in them."""
    first, second = item
    effects = [
        (effect.kind, effect.rid, effect.data, effect.rule, effect.eid)
        for effect in getattr(second, "effects", ())
    ]
    rest = {name: getattr(second, name, None) for name in ("outcome", "fuel", "writes", "rules")}
    logs = getattr(second, "logs", None)
    return first, effects, rest, logs, second if not effects and logs is None else None


@given(GROUPS)
@example([[("count", "k", 0, 0)], [("say", "k", 0, 0)] * PACK_RECEIPTS_MIN])
@settings(max_examples=40, deadline=None)
def test_whatever_an_event_does_comes_to_the_same_receipts_and_blocks(
    groups: list[list[tuple[Any, ...]]],
) -> None:
    with_kernel, blocks = lived(groups, True)
    without, other_blocks = lived(groups, False)
    assert with_kernel == without
    assert other_blocks <= blocks, "nothing is lost"


def test_the_kernel_performs_most_events_and_leaves_the_others() -> None:
    with watched() as seen:
        lived([[("count", "k", 1, 0)] * 40], True)
    assert seen["FromKernel"] >= 38
    with watched() as seen:
        lived([[("wrong", "k", 1, 0)] * 40], True)
    assert seen["FromKernel"] == 0 and seen["NoneType"] >= 40


def test_what_the_kernel_gives_up_on_is_asked_of_it_seldom() -> None:
    asked: list[int] = []
    options = Options(world=VirtualWorld())
    with Engine.ephemeral(options) as engine:
        pico = engine.create("one").pico
        engine.install_module(pico, modules()[0])
        loop = engine.programs.native._loop
        assert loop is not None
        event = loop.kernel.event
        with pytest.MonkeyPatch.context() as patch:

            def noting(*arguments: Any) -> Any:
                asked.append(1)
                return event(*arguments)

            patch.setattr(loop.kernel, "event", noting)
            for _ in range(100):
                engine.send(pico, "a", "wrong")
    assert 4 <= len(asked) <= 8


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_recorded_histories_come_to_their_cores_with_and_without(path: Path) -> None:
    source = ExportedHistories(path.read_bytes())
    for kernel in (True, False):
        programs = Options(kernel=kernel).programs(None)
        with watched() as seen:
            for pico, _ in source.picos():
                rows = source.receipts(pico)
                states = with_state(source, programs, pico, rows[-1].seq)
                for row in rows:
                    assert core_of(programs, states, row.core) == row.core
        assert kernel or not seen["FromKernel"]


def core_of(programs: Programs, states: Any, recorded: bytes) -> bytes:
    return perform(programs, states, work_of(decode_core(recorded), states)).core_bytes


def test_a_packet_is_not_looked_into_for_an_event_whose_answer_nobody_reads() -> None:
    """All that it costs would be paid for each event."""
    with Engine.ephemeral(Options(world=VirtualWorld())) as engine:
        pico = engine.create("one").pico
        engine.install_module(pico, modules()[0])
        sendings = [Sending(pico, "a", "count")] * 32
        engine.send_many(sendings)
        with pytest.MonkeyPatch.context() as patch:
            looked: list[str] = []
            real = FromKernel.__getattr__

            def noting(self: FromKernel, name: str) -> object:
                looked.append(name)
                return real(self, name)

            patch.setattr(FromKernel, "__getattr__", noting)
            patch.setattr(Held, "look", lambda self: looked.append("look"))
            engine.send_many(sendings)
        assert looked == []
