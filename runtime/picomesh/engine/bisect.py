"""Two histories of one pico that disagree: where first, in what, and which line of source did it.

Receipts are a hash chain, so equal names at a place mean equal histories before it, and the first
difference is found in O(log n) looks. There each side is run again from its own record: whoever
does not come to what it recorded is wrong; and where both do, their host calls are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import zip_longest

from picomesh.engine.explain import Explained, explain_claim, explain_traces
from picomesh.engine.inputs import decode_input
from picomesh.engine.performed import Performed
from picomesh.engine.programs import Programs
from picomesh.engine.replay import Divergence, compare, decode_tape, describe_field, work_of
from picomesh.engine.sources import Source, cid_of, get_receipt, with_state
from picomesh.engine.telling import given_text, tape_answer_text
from picomesh.engine.trace import Trace
from picomesh.engine.watch import Watcher
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.receipt import Core, decode_core
from picomesh.transition import NeedsAnswer, TapeDiverged

# What a transition is given; the other fields are what it comes to.
GIVEN = ("profile", "kind", "event", "time", "seed", "fuel_limit", "pre", "tape")


@dataclass(slots=True)
class Side:
    """One of the two histories, and what its differing receipt came to when it was run again."""

    label: str
    source: Source
    programs: Programs
    core: Core | None = None
    performed: Performed | None = None
    trace: Trace | None = None
    divergence: Divergence | None = None
    problem: str = ""
    _watcher: Watcher | None = None

    @property
    def watcher(self) -> Watcher:
        """This side's engine, as it can be watched."""
        if self._watcher is None:
            self._watcher = Watcher(self.programs)
        return self._watcher

    @property
    def reproduces(self) -> bool:
        """Whether running it again comes to what it recorded."""
        return self.performed is not None and self.divergence is None and not self.problem


@dataclass(slots=True)
class Finding:
    """What a comparison of two histories came to."""

    pico: str
    receipts: tuple[int, int]
    starts: tuple[int, int]  # the first that each side has: a file may begin late
    looks: int = 0
    seq: int | None = None  # of the first receipt that differs; None: one continues the other
    differs_in: str = ""
    values: tuple[str, str] = ("", "")
    given: tuple[str, ...] = ()  # the fields of what it was given that differ
    sides: tuple[Side, Side] | None = None
    explained: Explained | None = None

    @property
    def is_apart(self) -> bool:
        """The two have no receipt of one place, so nothing can be said."""
        return max(self.starts) >= min(self.receipts)

    @property
    def is_older(self) -> bool:
        """They part before the first receipt that both have."""
        sides = self.sides or ()
        prevs = {side.core.prev for side in sides if side.core is not None}
        return self.seq == max(self.starts) and len(prevs) > 1


def bisect(a: Side, b: Side, pico: str) -> Finding:
    """Compares two histories of a pico. Raises OperatorError when one has none."""
    heads = [_length(side.source, pico) for side in (a, b)]
    starts = [_start(side.source, pico) for side in (a, b)]
    finding = Finding(pico, (heads[0], heads[1]), (starts[0], starts[1]))
    finding.seq, finding.looks = first_difference(a.source, b.source, pico)
    if finding.seq is None:
        return finding
    for side in (a, b):
        side.core = decode_core(get_receipt(side.source, pico, finding.seq).core)
    assert a.core is not None and b.core is not None, "both were just read"
    _compare_fields(finding, a.core, b.core, (a.source, b.source))
    for side in (a, b):
        _run_again(side)
    finding.sides = (a, b)
    finding.explained = _explain(finding, a, b)
    return finding


def _length(source: Source, pico: str) -> int:
    head = source.head(pico)
    return 0 if head is None else head.seq + 1


def first_difference(a: Source, b: Source, pico: str) -> tuple[int | None, int]:
    """The first place at which the receipts have other names, and how often it looked."""
    looks = 0

    def differs(seq: int) -> bool:
        nonlocal looks
        looks += 1
        return cid_of(get_receipt(a, pico, seq)) != cid_of(get_receipt(b, pico, seq))

    end = min(_length(a, pico), _length(b, pico))
    low, high = max(_start(a, pico), _start(b, pico)), end
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle + 1, high)
    return (low if low < end else None), looks


def _start(source: Source, pico: str) -> int:
    rows = source.receipts(pico, 0, 0)
    if rows:
        return 0
    first = source.receipts(pico)
    return first[0].seq if first else 0


def _compare_fields(finding: Finding, a: Core, b: Core, blocks: tuple[Source, Source]) -> None:
    differing = [
        item.name for item in fields(Core) if getattr(a, item.name) != getattr(b, item.name)
    ]
    finding.given = tuple(name for name in differing if name in GIVEN)
    results = [name for name in differing if name not in (*GIVEN, "prev")]
    order = [*finding.given, *_by_weight(results), *differing]
    finding.differs_in = order[0]
    finding.values = _values(finding.differs_in, a, b, blocks)


def _values(field: str, a: Core, b: Core, blocks: tuple[Source, Source]) -> tuple[str, str]:
    """What each side has in a field: of a link what it leads to, if that is there."""
    sides = list(zip(blocks, (a, b), strict=True))
    try:
        match field:
            case "event":
                given = [decode_input(side.block(core.event)) for side, core in sides]
                texts = [given_text(item) for item in given]
                if texts[0] != texts[1]:
                    return texts[0], texts[1]
            case "tape":
                tapes = [decode_tape(side.block(core.tape)) for side, core in sides]
                pairs = zip_longest(*tapes)
                first, second = next(pair for pair in pairs if pair[0] != pair[1])
                return tape_answer_text(first), tape_answer_text(second)
            case _:
                pass
    except LedgerError:  # that is said when the side is run again
        pass
    values = [describe_field(getattr(core, field)) for core in (a, b)]
    return values[0], values[1]


def _by_weight(results: list[str]) -> list[str]:
    """What says most first: the outcome, then what was written, then what follows from it."""
    weight = ("outcome", "writes", "outbox", "code", "fuel", "post")
    return sorted(results, key=lambda name: weight.index(name) if name in weight else len(weight))


def _run_again(side: Side) -> None:
    core = side.core
    assert core is not None, "it was read before"
    try:
        side.source = with_state(side.source, side.programs, core.pico, core.seq)
        watched = side.watcher.run(side.source, work_of(core, side.source))
    except (NeedsAnswer, TapeDiverged, LedgerError) as problem:
        side.problem = str(problem)
        return
    side.performed, side.trace = watched.performed, watched.trace
    side.divergence = compare(core, watched.performed.core)


def _explain(finding: Finding, a: Side, b: Side) -> Explained | None:
    """The first host call in which the two differ, or in which the wrong one contradicts it."""
    if "kind" in finding.given:
        return None  # they did not do the same thing, so no call of the one is the other's
    if a.reproduces and b.reproduces:
        return explain_traces(a, b, not finding.given)
    right = next((side for side in (a, b) if side.reproduces), None)
    wrong = b if right is a else a
    if right is None or finding.given or wrong.core is None:
        return None
    return explain_claim(right, wrong, is_first=right is a)
