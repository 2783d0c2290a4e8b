"""One transition: (state, event, tape) -> (writes, effects, fuel, outcome), atomic.

Pure but for the sandbox it is given: no clock, no file, no network. Every installed ruleset sees
the event in order, then every raised event, first in first out (docs/formats/receipt.md §4). What
a ruleset does is collected and thrown away when the transition fails.
"""

from picomesh.transition.model import (
    Answer,
    Circumstances,
    Effect,
    Event,
    Installed,
    LogLine,
    NeedsAnswer,
    Query,
    Ruleset,
    State,
    TapeDiverged,
    Transition,
)
from picomesh.transition.run import ask, describe, run

__all__ = [
    "Answer",
    "Circumstances",
    "Effect",
    "Event",
    "Installed",
    "LogLine",
    "NeedsAnswer",
    "Query",
    "Ruleset",
    "State",
    "TapeDiverged",
    "Transition",
    "ask",
    "describe",
    "run",
]
