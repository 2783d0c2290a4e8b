"""Events of one kind that come together to one pico: run in as few calls of the kernel as can be.

What comes of them is what would come of each alone. Each has its own receipt, time and seed; where
the kernel gives up, or an event has to be followed up, the rest goes on one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from picomesh.engine.errors import OperatorError
from picomesh.engine.inputs import Event
from picomesh.engine.model import EID_BYTES, Response, Sending, encode_given
from picomesh.engine.records import Layered
from picomesh.engine.runs import Drawn, PlainRun
from picomesh.engine.world import World
from picomesh.ledger.signature import SEED_BYTES
from picomesh.sandbox.interface import EngineFault
from picomesh.store.held import Sent

if TYPE_CHECKING:
    from picomesh.engine.engine import Engine

ALIKE_MIN = 2
ALIKE_MAX = 64  # in one call
Looked: TypeAlias = "tuple[Sending, Sent | None]"  # an event, and as a worker may have got it


def groups_of(items: Iterable[Looked]) -> Iterator[list[Looked]]:
    """Those that follow each other and are of one kind, some at a time."""
    for _, alike in groupby(items, lambda item: _kind(item[0])):
        group: list[Looked] = []
        for item in alike:
            group.append(item)
            if len(group) == ALIKE_MAX:
                yield group
                group = []
        if group:
            yield group


def _kind(item: Sending) -> tuple[str, str, str, str | None]:
    return item.pico, item.domain, item.name, item.eci


def send_alike(engine: Engine, items: Sequence[Looked]) -> list[Response | Exception]:
    """What became of each; in the place of one that was refused or failed, the exception."""
    results: list[Response | Exception] = []
    if engine.workers is None and len(items) >= ALIKE_MIN:
        results += _together(engine, [item for item, _ in items])
    for item, sent in items[len(results) :]:
        try:
            results.append(engine.send_one(item, sent))
        except (OperatorError, EngineFault) as problem:
            results.append(problem)
    return results


def _together(engine: Engine, items: Sequence[Sending]) -> list[Response | Exception]:
    """What became of the first ones; nothing of what has to go another way from the start."""
    first = items[0]
    try:
        pico, eci = engine.way_of(first)
        if engine.store.waiting_count(pico):
            return []
        given = _draw(engine.options.world, items)
    except OperatorError:  # of which each is told by itself
        return []

    def event(one: Drawn) -> Event:
        return Event(eci, first.domain, first.name, one.attrs, one.eid, engine.host)

    results = _run(engine, pico, event(given[0]), given)
    for one in given[len(results) :]:
        try:
            results.append(engine.run_event(pico, event(one), one.time_ms, one.seed))
        except (OperatorError, EngineFault) as problem:
            results.append(problem)
    return results


def _draw(world: World, items: Sequence[Sending]) -> list[Drawn]:
    """What is each event's own, drawn as each alone would draw it. Raises OperatorError."""
    time_ms, draw = world.now_ms(), world.random_bytes
    return [
        Drawn(
            item.eid or draw(EID_BYTES).hex(),
            encode_given(item.attrs, "the attributes"),
            time_ms,
            draw(SEED_BYTES),
        )
        for item in items
    ]


def _run(
    engine: Engine, pico: str, first: Event, given: Sequence[Drawn]
) -> list[Response | Exception]:
    """Those that the kernel runs together."""
    world, layered = engine.options.world, Layered(engine.store)
    started_us = world.elapsed_us()
    work = engine.next_work(pico, first, given[0].time_ms, given[0].seed)
    run = engine.programs.native.many(engine.programs, layered, work, given)
    if run is None:
        return []
    each_us = (world.elapsed_us() - started_us) // run.count
    results: list[Response | Exception] = []
    for piece in run.pieces():
        if isinstance(piece, PlainRun):
            results += engine.commit_run(piece, each_us)
            continue
        one = given[piece]
        event = replace(first, attrs=one.attrs, eid=one.eid)
        work = engine.next_work(pico, event, one.time_ms, one.seed)
        results.append(engine.commit_performed(work, layered, run.performed(piece), each_us))
    return results
