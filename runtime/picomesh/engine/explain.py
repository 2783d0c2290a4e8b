"""The host call at which two runs part, and the line of source that made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from picomesh.engine.places import Place
from picomesh.engine.records import PicoState, RulesetRecord
from picomesh.engine.replay import decode_outbox, work_of
from picomesh.engine.telling import (
    answer_text,
    call_text,
    effect_text,
    lines_that_write,
    name_of,
    write_text,
)
from picomesh.engine.trace import Call, Trace
from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import LedgerError

if TYPE_CHECKING:
    from picomesh.engine.bisect import Side


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a ruleset: `rule serve`, `limits.krl`, 45."""

    rid: str
    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function}, {self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Explained:
    """Up to which fuel two sides agree, and what each does then."""

    fuel: int
    call: int | None
    where: Where | None
    a: str
    b: str


def explain_traces(a: Side, b: Side, is_given_same: bool) -> Explained | None:
    """Both sides were run: the first host call that is another one, or answered otherwise.

    What their guests hold is compared only when both were given the same: else it differs from
    the first instruction on.
    """
    assert a.trace is not None and b.trace is not None, "both were run"
    count = max(len(a.trace.calls), len(b.trace.calls))
    for at in range(count):
        first, second = _call(a.trace, at), _call(b.trace, at)
        if first is not None and second is not None:
            if not first.same_question(second):
                texts = call_text(first), call_text(second)
                narrowed = _narrowed(a, b, at, *texts) if is_given_same else None
                return narrowed or _parting(a, b, at, *texts)
            if first.answer != second.answer:
                told = [
                    f"{call_text(item)}: {answer_text(item.answer)}" for item in (first, second)
                ]
                return _parting(a, b, at, told[0], told[1])
        else:
            return _parting(a, b, at, call_text(first), call_text(second))
    return None


def _narrowed(a: Side, b: Side, at: int, a_text: str, b_text: str) -> Explained | None:
    """Two engines run the same code and part before they call: the last fuel at which all that
    their guests hold is equal, and the line that runs then."""
    assert a.core is not None and b.core is not None and a.trace is not None
    if a.core.code != b.core.code or a.core.pre != b.core.pre:
        return None
    work = [work_of(side.core, side.source) for side in (a, b) if side.core is not None]

    def differs(fuel: int) -> bool:
        held = [
            side.watcher.memory_at(side.source, item, fuel)
            for side, item in zip((a, b), work, strict=True)
        ]
        return held[0] != held[1]

    low, high = a.trace.fuel_used(at - 1) if at else 0, a.trace.fuel_used(at)
    if not differs(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle + 1, high)
    watched = a.watcher.run_to_fuel(a.source, work[0], low)
    record = record_of(a, watched.trace.stopped_in)
    place = None if record is None else a.watcher.place(a.source, record, watched)
    where = where_of(record, place) if record and place else locate(a, at)[0]
    return Explained(max(low - 1, 0), at, where, a_text, b_text)


def _call(trace: Trace, at: int) -> Call | None:
    return trace.calls[at] if at < len(trace.calls) else None


def _parting(a: Side, b: Side, at: int, a_text: str, b_text: str) -> Explained:
    assert a.trace is not None and b.trace is not None, "both were run"
    side = a if at < len(a.trace.calls) else b
    trace = side.trace
    assert trace is not None, "it was run"
    where, fuel = locate(side, at)
    if at < len(a.trace.calls) and at < len(b.trace.calls):
        fuel = min(fuel, a.trace.fuel_used(at), b.trace.fuel_used(at))
    return Explained(fuel, at, where, a_text, b_text)


def explain_claim(right: Side, wrong: Side, is_first: bool) -> Explained | None:
    """One side replays: the first call of that run that the other side's receipt contradicts."""
    found = _contradicted_write(right, wrong) or _contradicted_effect(right, wrong)
    if found is None:
        return None
    at, right_text, wrong_text = found
    if at is None:
        assert right.performed is not None, "it was run"
        where, fuel = None, right.performed.core.fuel
    else:
        where, fuel = locate(right, at)
    texts = (right_text, wrong_text) if is_first else (wrong_text, right_text)
    return Explained(fuel, at, where, *texts)


_Found = tuple[int | None, str, str]


def _contradicted_write(right: Side, wrong: Side) -> _Found | None:
    assert right.core is not None and wrong.core is not None and right.trace is not None
    recorded = {write.path: write.value for write in wrong.core.writes}
    true = {write.path: write.value for write in right.core.writes}
    last = {
        call.path: at
        for at, call in enumerate(right.trace.calls)
        if call.function in ("put", "delete") and call.path is not None
    }
    wrong_paths = sorted(
        (path for path in true.keys() | recorded.keys() if not _same(true, recorded, path)),
        key=lambda path: last.get(path, len(right.trace.calls) if right.trace else 0),
    )
    if not wrong_paths:
        return None
    path = wrong_paths[0]
    at = last.get(path)
    if path in true:
        value = None if at is None else right.trace.calls[at].arguments[-1]
        shown = value if isinstance(value, bytes) and true[path] is not None else true[path]
        right_text = write_text(path, shown)
    else:
        right_text = f"left {name_of(path)} as it was"
    if path in recorded:
        return at, right_text, write_text(path, _value(wrong, recorded[path]))
    return at, right_text, f"left {name_of(path)} as it was"


def _same(true: dict[bytes, Cid | None], recorded: dict[bytes, Cid | None], path: bytes) -> bool:
    return path in true and path in recorded and true[path] == recorded[path]


def _value(side: Side, cid: Cid | None) -> bytes | Cid | None:
    """A value that a receipt names, if its side has it."""
    try:
        return None if cid is None else side.source.block(cid)
    except LedgerError:
        return cid


def _contradicted_effect(right: Side, wrong: Side) -> _Found | None:
    assert right.performed is not None and right.trace is not None and wrong.core is not None
    assert right.core is not None
    if right.core.outbox == wrong.core.outbox:
        return None
    try:
        theirs = [data for _, data in decode_outbox(wrong.source.block(wrong.core.outbox))]
    except LedgerError:
        return None
    ours = [effect.data for effect in right.performed.transition.effects]
    at = next(
        (at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(theirs)),
    )
    texts = [
        effect_text(data[at]) if at < len(data) else "sent nothing more" for data in (ours, theirs)
    ]
    calls = [number for number, call in enumerate(right.trace.calls) if _emits(call, ours, at)]
    return (calls[0] if calls else None), texts[0], texts[1]


def _emits(call: Call, effects: list[bytes], at: int) -> bool:
    return at < len(effects) and call.function == "emit" and call.arguments[0] == effects[at]


# -- from a call to a line


def locate(side: Side, at: int) -> tuple[Where | None, int]:
    """The line of source that made a call, and the fuel that was used when it ran."""
    assert side.core is not None and side.trace is not None, "it was run"
    call, fuel = side.trace.calls[at], side.trace.fuel_used(at)
    record = record_of(side, call.rid)
    if record is None:
        return None, fuel
    watched = side.watcher.run_to_call(side.source, work_of(side.core, side.source), at)
    place = side.watcher.place(side.source, record, watched)
    if place is not None:
        return where_of(record, place), fuel
    found = _assignment(side, record, call, fuel) if call.function in ("put", "delete") else None
    return (None, fuel) if found is None else found


def record_of(side: Side, rid: str) -> RulesetRecord | None:
    """The record of an installed ruleset, before the transition or after it."""
    assert side.core is not None and side.performed is not None, "it was run"
    blocks = _Blocks(side)
    for root in (side.core.pre, side.performed.core.post):
        for record in PicoState(blocks, root).rulesets():
            if record.rid == rid:
                return record
    return None


class _Blocks:
    def __init__(self, side: Side) -> None:
        self._side = side

    def block(self, cid: Cid) -> bytes:
        made = {} if self._side.performed is None else self._side.performed.blocks
        return made[cid] if cid in made else self._side.source.block(cid)


def where_of(record: RulesetRecord, place: Place) -> Where:
    """A place with the name of the file, as the ruleset was installed."""
    file = PurePosixPath(unquote(urlsplit(record.url).path)).name or f"{record.rid}.krl"
    return Where(record.rid, place.function, file, place.line)


def _assignment(
    side: Side, record: RulesetRecord, call: Call, fuel: int
) -> tuple[Where, int] | None:
    """Entity variables are stored when the event ends: the line is the one that assigned last."""
    assert side.core is not None and call.path is not None
    if record.source is None or not call.path.startswith(b"ent/"):
        return None
    source = side.source.block(record.source).decode("utf-8", "replace")
    work = work_of(side.core, side.source)
    found = [
        side.watcher.reach(side.source, work, record, line, fuel)
        for line in lines_that_write(source, name_of(call.path))
    ]
    reached = [item for item in found if item is not None]
    if not reached:
        return None
    last = max(reached, key=lambda item: item.fuel)
    return where_of(record, last.place), last.fuel
