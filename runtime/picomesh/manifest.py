"""What the host reads of a module's manifest (docs/formats/module.md), before it runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pico_abi.contract import MANIFEST_SECTION
from pico_abi.refused import ModuleRefused
from pico_abi.wasm.leb128 import read_uleb32
from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.errors import CodecError

_HEADER_BYTES = 8
_RID_CHARACTERS_MAX = 256


class BadManifest(Exception):
    """A module that does not say, or says wrongly, what it is."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A function or value that a module shares or provides."""

    name: str
    kind: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest as the host uses it; `data` is what `describe` must return."""

    data: bytes
    rid: str
    meta: dict[str, str]
    shares: tuple[Shared, ...]
    provides: tuple[Shared, ...]
    uses: tuple[str, ...]
    compiler: str
    selects: frozenset[tuple[str, str]] | None


def read_manifest(module: bytes) -> Manifest:
    """Reads the section `pico:manifest`. Raises BadManifest."""
    try:
        data = _custom_section(module, MANIFEST_SECTION)
        block = decode_block(data)
    except (CodecError, ModuleRefused) as problem:
        raise BadManifest(f"the module's manifest cannot be read: {problem}") from problem
    if not isinstance(block, dict) or block.get("abi") != "pico-1":
        raise BadManifest("the module's manifest is not for abi pico-1")
    return Manifest(
        data,
        _rid(block.get("rid")),
        _texts(block.get("meta")),
        _shared(block.get("shares")),
        _shared(block.get("provides")),
        tuple(str(use["rid"]) for use in _maps(block.get("uses")) if "rid" in use),
        str(block.get("compiler", "")),
        _selects(block.get("rules")),
    )


def _custom_section(module: bytes, wanted: str) -> bytes:
    position = _HEADER_BYTES
    while position < len(module):
        section = module[position]
        size, start = read_uleb32(module, position + 1)
        position = start + size
        if section == 0:
            length, begin = read_uleb32(module, start)
            if module[begin : begin + length] == wanted.encode():
                return module[begin + length : position]
    raise BadManifest("the module has no section pico:manifest, so it is not a ruleset")


def _rid(rid: Block) -> str:
    if not isinstance(rid, str) or not rid or len(rid) > _RID_CHARACTERS_MAX:
        raise BadManifest("the module's manifest has no ruleset id")
    if "/" in rid or not rid.isprintable():  # it becomes a part of paths, state.md §1
        raise BadManifest(f"the ruleset id {rid!r} holds a slash or what cannot be printed")
    return rid


def _maps(rows: Block) -> list[dict[str, Block]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _texts(meta: Block) -> dict[str, str]:
    entries = meta.items() if isinstance(meta, dict) else ()
    return {key: value for key, value in entries if isinstance(value, str)}


def _shared(rows: Block) -> tuple[Shared, ...]:
    found: list[Shared] = []
    for row in _maps(rows):
        args = row.get("args")
        names = tuple(str(arg) for arg in args) if isinstance(args, list) else ()
        found.append(Shared(str(row.get("name")), str(row.get("kind", "function")), names))
    return tuple(found)


def _selects(rules: Block) -> frozenset[tuple[str, str]] | None:
    """The events any rule may select; None when some rule sees every event."""
    pairs: set[tuple[str, str]] = set()
    for rule in _maps(rules):
        events = rule.get("events")
        if not isinstance(events, list):
            return None
        for event in events:
            match event:
                case [str(domain), str(name)]:
                    pairs.add((domain, name))
                case _:
                    raise BadManifest("an event of the module's manifest is not [domain, type]")
    return frozenset(pairs)


def find_cycle(start: str, uses: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The way from a ruleset through what it uses back to itself; empty when there is none."""
    paths = [[start, rid] for rid in uses.get(start, ())]
    seen: set[str] = set()
    while paths:
        path = paths.pop()
        if path[-1] == start:
            return path
        if path[-1] not in seen:
            seen.add(path[-1])
            paths += [[*path, rid] for rid in uses.get(path[-1], ())]
    return []
