"""Events of one kind that come together to one pico: run in as few calls of the kernel as can be.

What comes of them is what would come of each alone. Each has its own receipt, time and seed; where
the kernel gives up, or an event has to be followed up, the rest goes on one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from picomesh.engine.errors import OperatorError
from picomesh.engine.inputs import Event
from picomesh.engine.model import Response, Sending
from picomesh.engine.records import Layered
from picomesh.sandbox.interface import EngineFault
from picomesh.store.held import Sent

if TYPE_CHECKING:
    from picomesh.engine.engine import Engine

ALIKE_MIN = 2
ALIKE_MAX = 64  # in one call
Looked: TypeAlias = "tuple[Sending, Sent | None]"  # an event, and as a worker may have got it
Given: TypeAlias = "tuple[Event, int, bytes]"  # with its time and seed


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
        given = [engine.draw(item, eci) for item in items]
    except OperatorError:  # of which each is told by itself
        return []
    results = _run(engine, pico, given)
    for event, time_ms, seed in given[len(results) :]:
        try:
            results.append(engine.run_event(pico, event, time_ms, seed))
        except (OperatorError, EngineFault) as problem:
            results.append(problem)
    return results


def _run(engine: Engine, pico: str, given: Sequence[Given]) -> list[Response | Exception]:
    """Those that the kernel runs together."""
    world, layered = engine.options.world, Layered(engine.store)
    started_us = world.elapsed_us()
    first = engine.next_work(pico, *given[0])
    done = engine.programs.native.many(engine.programs, layered, first, given)
    each_us = (world.elapsed_us() - started_us) // max(len(done), 1)
    results: list[Response | Exception] = []
    for performed, one in zip(done, given, strict=False):
        work = engine.next_work(pico, *one)
        results.append(engine.commit_performed(work, layered, performed, each_us))
    return results
