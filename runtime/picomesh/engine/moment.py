"""A moment of the past: the state behind a receipt, or within its transition at a unit of fuel.

Fuel stops every engine at the same place (pico-1.md §3), so a transition can be run up to any of
them, as often as one likes, and what it had written by then is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from picomesh.engine.errors import OperatorError
from picomesh.engine.explain import Where, where_of
from picomesh.engine.programs import Programs
from picomesh.engine.records import PicoState
from picomesh.engine.replay import perform_recorded, work_of
from picomesh.engine.sources import Regrown, Source, get_receipt, has_state, with_state
from picomesh.engine.trace import Call
from picomesh.engine.watch import Watcher
from picomesh.ledger.receipt import Core, decode_core
from picomesh.transition import NeedsAnswer, TapeDiverged


@dataclass(frozen=True, slots=True)
class Moment:
    """A transition up to a unit of fuel."""

    core: Core
    limit: int  # of the fuel that it was given
    fuel: int  # at which it was stopped; all that it took when it came to its end
    ended: bool
    outcome: str
    rid: str  # of the ruleset that was running
    where: Where | None
    calls: tuple[Call, ...]
    fuels: tuple[int, ...]  # of each call's own run: a child's has its own
    written: dict[bytes, bytes | None]


def source_behind(source: Source, programs: Programs, pico: str, seq: int) -> Source:
    """The source, with the state that a receipt left in it."""
    if source.receipt(pico, seq + 1) is not None:
        return with_state(source, programs, pico, seq + 1)
    core = decode_core(get_receipt(source, pico, seq).core)  # the newest one
    if has_state(source, core.post):
        return source
    before = with_state(source, programs, pico, seq)
    with replaying(seq):
        performed = perform_recorded(programs, before, work_of(core, before))
    return Regrown(before, performed.blocks)


@contextmanager
def replaying(seq: int) -> Iterator[None]:
    """A run that asks something else than its tape says is not what happened."""
    try:
        yield
    except (NeedsAnswer, TapeDiverged) as problem:
        raise OperatorError(
            f"receipt {seq} does not replay: its tape is another: {problem}",
            "`picomesh replay` says more",
        ) from problem


def state_behind(source: Source, programs: Programs, pico: str, seq: int) -> PicoState:
    """The state that a receipt left."""
    core = decode_core(get_receipt(source, pico, seq).core)
    return PicoState(source_behind(source, programs, pico, seq), core.post)


def moment(
    source: Source, programs: Programs, watcher: Watcher, pico: str, seq: int, fuel: int
) -> Moment:
    """A receipt's transition, stopped before it takes more than this fuel."""
    source = with_state(source, programs, pico, seq)
    core = decode_core(get_receipt(source, pico, seq).core)
    work = work_of(core, source)
    is_whole = fuel >= core.fuel
    with replaying(seq):
        watched = watcher.run(source, work) if is_whole else watcher.run_to_fuel(source, work, fuel)
    trace = watched.trace
    where = None
    if trace.stopped is not None:
        state = PicoState(source, core.pre)
        record = next((item for item in state.rulesets() if item.rid == trace.stopped_in), None)
        place = None if record is None else watcher.place(source, record, watched)
        where = None if record is None or place is None else where_of(record, place)
    return Moment(
        core,
        trace.fuel_limit,
        core.fuel if is_whole else fuel,
        is_whole,
        watched.performed.core.outcome,
        trace.stopped_in,
        where,
        tuple(trace.calls),
        tuple(map(trace.own_fuel, trace.calls)),
        trace.written(),
    )
