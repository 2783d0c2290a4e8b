"""From a module to the record of an installed ruleset: the checks every way of installing makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from picomesh.engine.programs import Programs
from picomesh.engine.records import RULESETS, Layered, RulesetRecord, encode_ruleset
from picomesh.ledger.cid import Cid
from picomesh.transition import Ruleset


class InstallProblem(Exception):
    """A ruleset that cannot be installed on this pico; the text is for its author."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed."""

    rid: str
    raw: Cid
    source: Cid | None
    url: str
    config: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ruleset that may be installed when it tells of itself what its manifest says."""

    record: RulesetRecord
    ruleset: Ruleset
    manifest: bytes

    @property
    def write(self) -> tuple[bytes, bytes]:
        return RULESETS + self.record.rid.encode(), encode_ruleset(self.record)


def prepare(
    programs: Programs,
    blocks: Layered,
    before: Mapping[str, RulesetRecord],
    wanted: Wanted,
    seq: int,
) -> Prepared:
    """Admits a module and checks what it uses. Raises InstallProblem and ModuleNotAdmitted.

    A ruleset keeps its place when it is replaced, and is the last one when it is new.
    """
    raw = blocks.block(wanted.raw)
    metered, metered_cid, manifest = programs.admit_block(wanted.raw, raw)
    blocks.new[metered_cid] = metered
    uses = {rid: programs.manifest(item.metered, blocks).uses for rid, item in before.items()}
    problem = module_problem({**uses, wanted.rid: manifest.uses}, wanted.rid)
    if problem:
        raise InstallProblem(problem)
    last = max((item.position for item in before.values()), default=-1)
    known = before.get(wanted.rid)
    position = max(seq, last + 1) if known is None else known.position
    record = RulesetRecord(
        wanted.rid, position, wanted.raw, metered_cid, wanted.source, wanted.url, wanted.config
    )
    if manifest.rid != wanted.rid:
        raise InstallProblem(f"the module is {manifest.rid}, not {wanted.rid}")
    return Prepared(record, programs.ruleset(record, blocks), manifest.data)


def users_of(
    programs: Programs, blocks: Layered, installed: Mapping[str, RulesetRecord], rid: str
) -> list[str]:
    """The installed rulesets that use this one as a module."""
    return [
        other
        for other, record in installed.items()
        if other != rid and rid in programs.manifest(record.metered, blocks).uses
    ]


def module_problem(uses: Mapping[str, tuple[str, ...]], rid: str) -> str:
    """Why a ruleset's modules cannot work on this pico: one is missing, or they use each other.

    `uses` says for every installed ruleset which others it uses. Empty if all is well.
    """
    trail: list[tuple[str, ...]] = [(rid,)]
    seen: set[str] = set()
    while trail:
        path = trail.pop()
        if path[-1] in seen:
            continue
        seen.add(path[-1])
        for used in uses[path[-1]]:
            if used in path:
                return f"Dependency Cycle Found: {' -> '.join((*path, used))}"
            if used not in uses:
                return f"Dependant module not loaded: {used}"
            trail.append((*path, used))
    return ""
