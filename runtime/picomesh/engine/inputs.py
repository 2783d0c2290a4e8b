"""What a receipt's `event` links to: the block that says what was asked.

There is one kind of block for each kind of receipt (docs/formats/receipt.md §5). Values inside
(attributes, configuration) are bytes of the value encoding, so that these blocks hold no floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from picomesh.ledger.cid import Cid
from picomesh.ledger.codec import Block, decode_block, encode_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.fields import FieldError, Fields

VERSION = 1
NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Create:
    """The first event of a pico; the hash of this block is the pico's name for ever."""

    engine: bytes
    nonce: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Install:
    """A ruleset is added, or takes the place of the one with its rid."""

    rid: str
    raw: Cid
    source: Cid | None
    url: str
    config: bytes


@dataclass(frozen=True, slots=True)
class Uninstall:
    rid: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event from outside."""

    eci: str
    domain: str
    name: str
    attrs: bytes
    eid: str
    host: str
    schedule: list[Block] | None = None  # [rid, entry]: what fired it


Input: TypeAlias = Create | Install | Uninstall | Event

_FIELDS = {
    "create": frozenset(["v", "kind", "engine", "nonce", "name"]),
    "install": frozenset(["v", "kind", "rid", "raw", "source", "url", "config"]),
    "uninstall": frozenset(["v", "kind", "rid"]),
    "event": frozenset(["v", "kind", "eci", "domain", "name", "attrs", "eid", "host", "schedule"]),
}


def kind_of(given: Input) -> str:
    """The receipt kind of an input."""
    return type(given).__name__.lower()


def encode_input(given: Input) -> bytes:
    entries: dict[str, Block] = {"v": VERSION, "kind": kind_of(given)}
    for name in _FIELDS[kind_of(given)] - entries.keys():
        entries[name] = getattr(given, name)
    return encode_block(entries)


def decode_input(data: bytes) -> Input:
    """Reads an input block. Raises CodecError."""
    block = decode_block(data)
    kind = block.get("kind") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise CodecError("the block is not an input of a transition")
    fields = Fields(data, _FIELDS[kind])
    if fields.any("v") != VERSION:
        raise FieldError("v", f"version {fields.any('v')!r}, this code reads {VERSION}")
    match kind:
        case "create":
            nonce = fields.octets("nonce", NONCE_BYTES)
            return Create(fields.octets("engine"), nonce, fields.text("name"))
        case "install":
            return Install(
                fields.text("rid"),
                fields.cid("raw"),
                fields.cid_or_none("source"),
                fields.text("url"),
                fields.octets("config"),
            )
        case "uninstall":
            return Uninstall(fields.text("rid"))
        case _:
            return Event(
                fields.text("eci"),
                fields.text("domain"),
                fields.text("name"),
                fields.octets("attrs"),
                fields.text("eid"),
                fields.text("host"),
                _schedule(fields),
            )


def _schedule(fields: Fields) -> list[Block] | None:
    match fields.any("schedule"):
        case None:
            return None
        case [str(rid), str(entry)]:
            return [rid, entry]
        case _:
            raise FieldError("schedule", "not [rid, entry]")
