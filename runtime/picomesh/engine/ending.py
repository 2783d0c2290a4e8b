"""Where a transition that failed was in its ruleset's source when it did."""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.engine.observing import Observed
from picomesh.engine.performed import Work
from picomesh.engine.records import Layered, PicoState
from picomesh.engine.watch import Watcher
from picomesh.ledger.tree import Blocks
from picomesh.sandbox.frames import frames_of

_RULE = "rule "  # how the compiler names the function of a rule


@dataclass(frozen=True, slots=True)
class Ending:
    """The ruleset, the rule if it can be told, and the innermost place in the source."""

    rid: str
    rule: str | None
    function: str | None
    line: int | None


def ending_of(watcher: Watcher, blocks: Blocks, work: Work, observed: Observed) -> Ending | None:
    """Runs it once more with a little less fuel, so that it stops in front of its end.

    None for a transition that ended well, and for one that no guest ended.
    """
    core = observed.performed.core
    if core.outcome == "ok" or not observed.trace.stopped_in or not core.fuel:
        return None
    watched = watcher.run_to_fuel(blocks, work, core.fuel - 1)
    rid, stop = watched.trace.stopped_in, watched.trace.stopped
    if stop is None:
        return Ending(observed.trace.stopped_in, None, None, None)
    names = [frame.name for frame in frames_of(stop)]
    rule = next((name.removeprefix(_RULE) for name in names if name.startswith(_RULE)), None)
    layered = Layered(blocks)
    layered.new.update(observed.performed.blocks)
    records = PicoState(layered, work.pre).rulesets()
    record = next((item for item in records if item.rid == rid), None)
    place = None if record is None else watcher.place(layered, record, watched)
    if place is None:
        return Ending(rid, rule, None, None)
    return Ending(rid, rule, place.function, place.line)
