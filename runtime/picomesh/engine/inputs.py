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
from picomesh.ledger.pieces import NULL, key, known_text, number, octets, text
from picomesh.ledger.shapes import span_at

VERSION = 1
NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Create:
    """The first event of a pico; the hash of this block is the pico's name for ever."""

    engine: bytes
    nonce: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """The first event of a child: everything in it follows from the parent's transition.

    `rulesets` are rows [rid, raw, source, url, config], installed in this order.
    """

    parent: str
    nonce: bytes
    eci: str  # the child's channel for its parent
    parent_eci: str  # the parent's channel for the child
    rulesets: list[Block]


@dataclass(frozen=True, slots=True)
class Delete:
    """The last event of a pico: nothing of its state is left."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """A child gets another parent; each of the three picos has a receipt of its part in it."""

    part: str  # "leave": the old parent, "join": the new one, "move": the child
    child: str
    parent: str
    eci: str
    parent_eci: str


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
class Import:
    """What a pico had elsewhere becomes its own, as it was (docs/migration.md).

    Rulesets are installed before; a pico with much gets it in several of these.
    """

    was: str  # the pico's name there; empty in all but the first
    parent: list[Block] | None  # [eci, pico, their eci]
    children: list[list[Block]]
    channels: list[bytes] | None  # records, instead of those that are there; None: they stay
    entities: list[list[Block]]  # [rid, name, value]


@dataclass(slots=True)
class Event:
    """An event from outside."""

    eci: str
    domain: str
    name: str
    attrs: bytes
    eid: str
    host: str
    schedule: list[Block] | None = None  # [rid, entry]: what fired it


Input: TypeAlias = Create | Spawn | Delete | Adopt | Install | Uninstall | Import | Event

_FIELDS = {
    "create": frozenset(["v", "kind", "engine", "nonce", "name"]),
    "spawn": frozenset(["v", "kind", "parent", "nonce", "eci", "parent_eci", "rulesets"]),
    "delete": frozenset(["v", "kind"]),
    "adopt": frozenset(["v", "kind", "part", "child", "parent", "eci", "parent_eci"]),
    "install": frozenset(["v", "kind", "rid", "raw", "source", "url", "config"]),
    "uninstall": frozenset(["v", "kind", "rid"]),
    "import": frozenset(["v", "kind", "was", "parent", "children", "channels", "entities"]),
    "event": frozenset(["v", "kind", "eci", "domain", "name", "attrs", "eid", "host", "schedule"]),
}


def kind_of(given: Input) -> str:
    """The receipt kind of an input: a child is created by being spawned."""
    return "create" if isinstance(given, Spawn) else _input_kind(given)


def _input_kind(given: Input) -> str:
    return type(given).__name__.lower()


_ECI, _EID, _HOST, _KIND, _NAME, _ATTRS, _DOMAIN, _SCHEDULE = (
    key(name) for name in ("eci", "eid", "host", "kind", "name", "attrs", "domain", "schedule")
)
_EVENT_HEAD = b"\xa9" + key("v") + number(VERSION) + _ECI
_EVENT_KIND = _KIND + text("event") + _NAME
_BEHIND_TEXTS = _EID, _HOST, _EVENT_KIND, _ATTRS
_NO_SCHEDULE = _SCHEDULE + NULL
_BYTES, _TEXT = 2, 3  # major types


def same_for_inputs(eci: str, host: str, name: str, domain: str) -> tuple[bytes, bytes, bytes]:
    """What is the same in many events that no schedule fired: up to the eid, from behind it up to
    the attributes, and the end."""
    return (
        _EVENT_HEAD + known_text(eci) + _EID,
        _HOST + known_text(host) + _EVENT_KIND + known_text(name) + _ATTRS,
        _DOMAIN + known_text(domain) + _SCHEDULE + NULL,
    )


def _encode_event(given: Event) -> bytes:
    """An event is encoded for every transition, so from its pieces; as `encode_block` would."""
    first, second, last = same_for_inputs(given.eci, given.host, given.name, given.domain)
    if given.schedule is not None:
        last = last[:-1] + encode_block(given.schedule)
    return b"".join((first, text(given.eid), second, octets(given.attrs), last))


def encode_input(given: Input) -> bytes:
    if type(given) is Event:
        return _encode_event(given)
    kind = _input_kind(given)
    entries: dict[str, Block] = {"v": VERSION, "kind": kind}
    for name in _FIELDS[kind] - entries.keys():
        entries[name] = getattr(given, name)
    return encode_block(entries)


def decode_input(data: bytes) -> Input:
    """Reads an input block. Raises CodecError."""
    return _read_event(data) or _decode_input(data)


def _read_event(data: bytes) -> Event | None:
    """An event as `_encode_event` writes it, much faster; None says nothing.

    Each head and key is looked for where it must stand, so there is one such block of an event.
    """
    if not data.startswith(_EVENT_HEAD):
        return None
    at = len(_EVENT_HEAD)
    texts: list[str] = []
    try:
        for behind in _BEHIND_TEXTS:
            start, end = span_at(data, at, _TEXT)
            if not data.startswith(behind, end):
                return None
            texts.append(data[start:end].decode())
            at = end + len(behind)
        first, last = span_at(data, at, _BYTES)
        if not data.startswith(_DOMAIN, last):
            return None
        start, end = span_at(data, last + len(_DOMAIN), _TEXT)
        if data[end:] != _NO_SCHEDULE:
            return None
        eci, eid, host, name = texts
        return Event(eci, data[start:end].decode(), name, data[first:last], eid, host)
    except (ValueError, IndexError):
        return None


def _decode_input(data: bytes) -> Input:
    """The same for any bytes; says what is wrong with them."""
    block = decode_block(data)
    kind = block.get("kind") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise CodecError("the block is not an input of a transition")
    fields = Fields(data, _FIELDS[kind], block)
    fields.version(VERSION)
    match kind:
        case "create":
            nonce = fields.octets("nonce", NONCE_BYTES)
            return Create(fields.octets("engine"), nonce, fields.text("name"))
        case "spawn":
            return _spawn(fields)
        case "delete":
            return Delete()
        case "adopt":
            parts = ("part", "child", "parent", "eci", "parent_eci")
            return Adopt(*(fields.text(name) for name in parts))
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
        case "import":
            return _import(fields)
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


def _spawn(fields: Fields) -> Spawn:
    rows: list[Block] = []
    for row in fields.rows("rulesets", 5):
        match row:
            case [str(), Cid(), None | Cid(), str(), bytes()]:
                rows.append(row)
            case _:
                raise FieldError("rulesets", "not [rid, raw, source, url, config]")
    nonce = fields.octets("nonce", NONCE_BYTES)
    eci, parent_eci = fields.text("eci"), fields.text("parent_eci")
    return Spawn(fields.text("parent"), nonce, eci, parent_eci, rows)


def _import(fields: Fields) -> Import:
    family = list(fields.rows("children", 3))
    parent, channels = fields.any("parent"), fields.any("channels")
    if parent is not None:
        if not isinstance(parent, list) or len(parent) != 3:
            raise FieldError("parent", "not [eci, pico, their eci]")
        family.append(parent)
    if not all(isinstance(item, str) for row in family for item in row):
        raise FieldError("children", "not [eci, pico, their eci]")
    records: list[bytes] | None = None
    if channels is not None:
        if not isinstance(channels, list):
            raise FieldError("channels", "not a list")
        records = [item for item in channels if isinstance(item, bytes)]
        if len(records) != len(channels):
            raise FieldError("channels", "not bytes")
    entities = fields.rows("entities", 3)
    for row in entities:
        match row:
            case [str(), str(), bytes()]:
                pass
            case _:
                raise FieldError("entities", "not [rid, name, value]")
    was, children = fields.text("was"), fields.rows("children", 3)
    return Import(was, parent, children, records, entities)


def _schedule(fields: Fields) -> list[Block] | None:
    match fields.any("schedule"):
        case None:
            return None
        case [str(rid), str(entry)]:
            return [rid, entry]
        case _:
            raise FieldError("schedule", "not [rid, entry]")
