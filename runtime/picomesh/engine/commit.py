"""What follows from a transition and becomes durable with it.

Children get their first receipt with their parent's, deleted ones their last; events for picos of
this engine are accepted, what goes elsewhere waits to be delivered (docs/formats/receipt.md §7).
Seeds and times of all of it follow from the transition's own, so a run ahead of the commit comes
to the same receipts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from picomesh.channels import CHANNELS
from picomesh.engine.delivery import outgoing_of
from picomesh.engine.descent import derived_seed, spawn_work
from picomesh.engine.family import children_of
from picomesh.engine.inputs import Delete, Install, Spawn, decode_input, encode_input
from picomesh.engine.newborn import Newborn
from picomesh.engine.perform import perform
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import RULESETS, Layered, PicoState
from picomesh.engine.sends import Neighbours, sends_of
from picomesh.ledger.cid import Cid
from picomesh.ledger.value import decode_plain
from picomesh.store.held import Sent
from picomesh.store.store import Outgoing, Store

_ENTITIES, _SCHEDULE = b"ent/", b"/_schedule"


class Host(Neighbours, Protocol):
    """What following up on a transition needs of the engine."""

    store: Store
    programs: Programs

    def state(self, pico: str) -> PicoState: ...
    def next_work(self, pico: str, given: Delete, time_ms: int, seed: bytes) -> Work: ...


@dataclass(slots=True)
class Batch:
    """Everything that one commit holds besides the first transition's own receipt."""

    members: list[tuple[Work, Performed]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)


NOTHING = Batch()


def follow_up(host: Host, layered: Layered, work: Work, performed: Performed) -> Batch:
    """What a transition that was performed leads to."""
    effects = performed.transition.effects
    for effect in effects:
        if effect.kind != "directive":
            break
    else:
        return NOTHING
    batch = Batch()
    _follow(host, Newborn(host, host.programs), layered, work, performed, batch)
    return batch


def _follow(
    host: Host, young: Newborn, layered: Layered, work: Work, performed: Performed, batch: Batch
) -> None:
    young.note(work, performed)
    born: dict[str, str] = {}
    for at, effect in enumerate(performed.transition.effects):
        if effect.kind == "spawn":
            spawn = decode_input(effect.data)
            assert isinstance(spawn, Spawn), "the host writes these effects"
            member = spawn_work(work, at, spawn)
            born[spawn.eci] = member.pico
            batch.members.append((member, perform(host.programs, layered, member)))
            young.note(*batch.members[-1])
        elif effect.kind == "remove":
            _remove(host, layered, work, at, str(decode_plain(effect.data)["pico"]), batch)
        elif effect.kind == "flush":
            installed = {path for path, _ in performed.transition.writes}
            batch.sent += _flush(host, work, at, decode_plain(effect.data), installed)
    for at, pico, event in sends_of(performed.transition, young, work.pico, born):
        seed = derived_seed(work, "send", at)
        joining = young.next_of(pico, event, seed)
        if joining is None:
            batch.sent.append(Sent(pico, encode_input(event), work.time_ms, seed, event))
        else:
            batch.members.append(joining)
            _follow(host, young, layered, *joining, batch)
    batch.outgoing += outgoing_of(performed.transition, host.host, work)


def _remove(host: Host, layered: Layered, work: Work, at: int, root: str, batch: Batch) -> None:
    """The last receipt of a pico and of all below it."""
    waiting = [root]
    while waiting:
        pico = waiting.pop()
        if pico in batch.gone or host.store.head(pico) is None or host.store.is_gone(pico):
            continue
        waiting += [child.pico for child in children_of(host.state(pico))]
        last = host.next_work(pico, Delete(), work.time_ms, derived_seed(work, "remove", at))
        batch.members.append((last, perform(host.programs, layered, last)))
        batch.gone.append(pico)


def _flush(
    host: Host, work: Work, at: int, flushed: Mapping[str, object], installed: Set[bytes]
) -> Iterator[Sent]:
    """An install for every pico that has something else from this URL.

    Not for the one that flushed, if it has installed it itself.
    """
    own = RULESETS + str(flushed["rid"]).encode() in installed
    raw, source = Cid(bytes.fromhex(str(flushed["raw"]))), flushed["source"]
    text = None if source is None else Cid(bytes.fromhex(str(source)))
    for pico, _ in host.store.picos():
        if own and pico == work.pico:
            continue
        for record in host.state(pico).rulesets():
            if record.url == flushed["url"] and record.raw != raw and record.rid == flushed["rid"]:
                given = Install(record.rid, raw, text, record.url, record.config)
                seed = derived_seed(work, "flush", at)
                yield Sent(pico, encode_input(given), work.time_ms, seed)


Done: TypeAlias = Sequence[tuple[Work, Performed, int]]


@dataclass(slots=True)
class Indices:
    """What transitions change in the tables that are kept beside the histories."""

    channels: list[tuple[str, str | None]] = field(default_factory=list)
    timed: list[str] = field(default_factory=list)  # picos whose schedules change
    gone: list[str] = field(default_factory=list)


def indices_of(done: Done) -> Indices:
    found = Indices()
    for work, performed, _ in done:
        pico = work.pico
        if type(work.given) is Delete:
            found.gone.append(pico)
        for path, value in performed.transition.writes:
            if path[:4] == _ENTITIES:
                if value is not None and path.endswith(_SCHEDULE):
                    found.timed.append(pico)
            elif path.startswith(CHANNELS):
                eci = path[len(CHANNELS) :].decode()
                found.channels.append((eci, None if value is None else pico))
    return found
