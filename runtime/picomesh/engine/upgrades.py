"""The event that tells a ruleset that it took the place of an older version of itself.

A new version keeps the entity variables of the old one, and may want them in another shape. If one
of its rules selects `picomesh:ruleset_upgraded`, it gets that event right behind its installation,
before anything else that waits for the pico.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from picomesh.engine.asking import Postponed
from picomesh.engine.commit import Batch
from picomesh.engine.descent import derived_seed
from picomesh.engine.inputs import Event, encode_input
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import RULESETS, Layered, RulesetRecord, decode_ruleset
from picomesh.ledger.value import Value, encode_value
from picomesh.sandbox.interface import EngineFault
from picomesh.store.held import Sent
from picomesh.store.store import Accepted, Store

UPGRADED = ("picomesh", "ruleset_upgraded")
_EID_BYTES = 12


class Runner(Protocol):
    """Who runs what was accepted."""

    store: Store

    def process(self, accepted: Accepted) -> object: ...


def upgrades_of(
    programs: Programs, layered: Layered, work: Work, performed: Performed, host: str
) -> Iterator[Sent]:
    """The events for what a transition put in the place of something else."""
    for at, (path, value) in enumerate(performed.transition.writes):
        if value is None or not path.startswith(RULESETS):
            continue
        rid = path[len(RULESETS) :].decode()
        old, new = programs.state(layered, work.pre).get(path), decode_ruleset(rid, value)
        before = None if old is None else decode_ruleset(rid, old)
        if before is None or before.raw == new.raw:
            continue
        selects = programs.manifest(new.metered, layered).selects
        if selects is None or UPGRADED not in selects:
            continue
        seed = derived_seed(work, "upgrade", at)
        attrs = encode_value(_attributes(programs, layered, before, new))
        event = Event(work.pico, *UPGRADED, attrs, seed[:_EID_BYTES].hex(), host)
        yield Sent(work.pico, encode_input(event), work.time_ms, seed, event)


def _attributes(
    programs: Programs, layered: Layered, before: RulesetRecord, new: RulesetRecord
) -> dict[str, Value]:
    def version(record: RulesetRecord) -> Value:
        return programs.manifest(record.metered, layered).meta.get("version")

    return {
        "rid": new.rid,
        "from": str(before.raw),
        "to": str(new.raw),
        "from_version": version(before),
        "to_version": version(new),
    }


def with_first(batch: Batch, upgraded: Sequence[Sent]) -> Batch:
    """A batch with events in front of its others."""
    return replace(batch, sent=[*upgraded, *batch.sent])


def run_first(engine: Runner, upgraded: Sequence[Sent]) -> None:
    """Runs these events before others that wait for their picos, if that can be."""
    given = [item.given for item in upgraded]
    for accepted in engine.store.waiting_for(upgraded[0].pico):
        if any(accepted.given is event for event in given):
            with suppress(Postponed, EngineFault):  # then it waits as others do
                engine.process(accepted)
