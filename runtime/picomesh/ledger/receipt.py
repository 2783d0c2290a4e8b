"""The record of one transition (docs/formats/receipt.md).

A core is equal on every honest engine: nothing in it depends on the machine, the release or the
backend, and there is no text of an error. The envelope says who ran it and how, and signs both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from functools import lru_cache

from picomesh.ledger import pieces
from picomesh.ledger.cid import DIGEST_BYTES, RAW, Cid, cid_of_block, digest_of, trusted_cid
from picomesh.ledger.codec import Block
from picomesh.ledger.fields import FieldError, Fields
from picomesh.ledger.merkle import root_and_ways, root_by_way
from picomesh.ledger.pieces import LINK
from picomesh.ledger.shapes import ENVELOPE, CoreShape, message_of, number_of, remember
from picomesh.ledger.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer, is_signed
from picomesh.ledger.tree import PATH_BYTES_MAX

CORE_VERSION = 1  # 1: first form
ENVELOPE_VERSION = 1  # 1: first form
PROFILE = "pico-1"
SEED_BYTES = 32
KINDS = ("create", "install", "uninstall", "event", "delete", "adopt", "import")
OUTCOMES = ("ok", "throw", "trap", "out-of-fuel", "out-of-stack")
BATCH_SIZE_MAX = 65_536
DOMAIN = b"picomesh receipt 1"
BATCH_DOMAIN = b"picomesh receipts 1"
_HASH = b"\x58\x20"  # 32 bytes follow


@dataclass(frozen=True, slots=True)
class Code:
    """One installed ruleset: the module as compiled, and as the rewriter metered it."""

    rid: str
    raw: Cid
    metered: Cid


@dataclass(frozen=True, slots=True)
class Write:
    """A path of the state and the name of its new value, or None when it was removed."""

    path: bytes
    value: Cid | None


@dataclass(frozen=True, slots=True)
class Core:
    """What happened, in terms every engine shares. Fields: docs/formats/receipt.md §2."""

    pico: str
    seq: int
    prev: Cid | None
    kind: str
    code: tuple[Code, ...]
    event: Cid
    time: int
    seed: bytes
    fuel_limit: int
    pre: Cid
    post: Cid
    writes: tuple[Write, ...]
    tape: Cid
    outbox: Cid
    outcome: str
    fuel: int
    profile: str = PROFILE
    version: int = CORE_VERSION


@dataclass(frozen=True, slots=True)
class Place:
    """Where an envelope stands among those that one signature covers (receipt.md §3)."""

    index: int
    size: int
    way: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who ran a transition, on what, how fast; signed. Fields: docs/formats/receipt.md §3."""

    core: Cid
    engine: bytes
    backend: str
    versions: dict[str, str]
    received_ms: int
    elapsed_us: int
    logs: Cid | None
    signature: bytes = b""
    batch: Place | None = None
    version: int = ENVELOPE_VERSION
    # What is signed, or a leaf of it, where the block it was read from has shown it.
    message: bytes | None = field(default=None, init=False, compare=False, repr=False)


class Receipt:
    """A core and its envelope: the bytes, which are decoded when somebody looks at them.

    One that is not signed yet has no envelope; whoever signs sets its bytes.
    """

    __slots__ = ("_cid", "_core", "_envelope", "core_bytes", "envelope_bytes")

    def __init__(
        self,
        core_bytes: bytes,
        envelope_bytes: bytes = b"",
        core: Core | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        self.core_bytes = core_bytes
        self.envelope_bytes = envelope_bytes
        self._cid: Cid | None = None
        self._core = core
        self._envelope = envelope

    @property
    def core(self) -> Core:
        if self._core is None:
            self._core = decode_core(self.core_bytes)
        return self._core

    @property
    def envelope(self) -> Envelope:
        if self._envelope is None:
            self._envelope = decode_envelope(self.envelope_bytes)
        return self._envelope

    @property
    def cid(self) -> Cid:
        """The receipt's name: that of its core, which every honest engine shares."""
        if self._cid is None:
            self._cid = cid_of_block(self.core_bytes)
        return self._cid

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Receipt)
            and self.core_bytes == other.core_bytes
            and self.envelope_bytes == other.envelope_bytes
        )

    def __hash__(self) -> int:
        return hash(self.core_bytes)


_CORE_FIELDS = frozenset(
    [
        "v",
        "profile",
        "pico",
        "seq",
        "prev",
        "kind",
        "code",
        "event",
        "time",
        "seed",
        "fuel_limit",
        "pre",
        "post",
        "writes",
        "tape",
        "outbox",
        "outcome",
        "fuel",
    ]
)
_ENVELOPE_FIELDS = frozenset(
    [
        "v",
        "core",
        "logs",
        "batch",
        "engine",
        "backend",
        "versions",
        "signature",
        "elapsed_us",
        "received_ms",
    ]
)


_V, _PRE, _SEQ, _CODE = (pieces.key(name) for name in ("v", "pre", "seq", "code"))
_FUEL, _KIND, _PICO, _POST = (pieces.key(name) for name in ("fuel", "kind", "pico", "post"))
_PREV, _SEED, _TAPE, _TIME = (pieces.key(name) for name in ("prev", "seed", "tape", "time"))
_EVENT, _OUTBOX, _WRITES = (pieces.key(name) for name in ("event", "outbox", "writes"))
_OUTCOME, _PROFILE, _FUEL_LIMIT = (
    pieces.key(name) for name in ("outcome", "profile", "fuel_limit")
)
_CORE_HEAD = pieces.head(5, 18)
_TAPE_LINK, _EVENT_LINK, _OUTBOX_LINK = _TAPE + LINK, _EVENT + LINK, _OUTBOX + LINK


def code_block(code: Iterable[Code]) -> bytes:
    """The field `code`, encoded."""
    rows = [
        pieces.head(4, 3)
        + pieces.text(item.rid)
        + pieces.link(item.raw.raw)
        + pieces.link(item.metered.raw)
        for item in code
    ]
    return pieces.head(4, len(rows)) + b"".join(rows)


def core_block(
    *,
    pico: str,
    seq: int,
    prev: bytes | None,
    kind: str,
    code: bytes,
    event: bytes,
    time: int,
    seed: bytes,
    fuel_limit: int,
    pre: bytes,
    post: bytes,
    writes: Sequence[tuple[bytes, bytes | None]],
    tape: bytes,
    outbox: bytes,
    outcome: str,
    fuel: int,
    profile: str = PROFILE,
    version: int = CORE_VERSION,
) -> bytes:
    """The block of a core, its fields in the order of their names.

    Links are given as 36 bytes, the code as the bytes that `code_block` gives.
    """
    number, link = pieces.number, pieces.link
    first, whose, last = same_for_cores(kind, pico, outcome, fuel_limit, profile, version)
    out = [
        *(first, pre, _SEQ, number(seq), _CODE, code, _FUEL, number(fuel), whose, post),
        *(_PREV, link(prev), _SEED, pieces.octets(seed), _TAPE_LINK, tape, _TIME, number(time)),
        *(_EVENT_LINK, event, _OUTBOX_LINK, outbox, _WRITES, pieces.head(4, len(writes))),
    ]
    for path, value in writes:
        out += (b"\x82", pieces.octets(path), link(value))
    out.append(last)
    return b"".join(out)


@lru_cache(maxsize=4096)
def same_for_cores(
    kind: str,
    pico: str,
    outcome: str,
    fuel_limit: int,
    profile: str = PROFILE,
    version: int = CORE_VERSION,
) -> tuple[bytes, bytes, bytes]:
    """What is the same in many cores: up to `pre`, from `kind` up to `post`, and the end."""
    number, text = pieces.number, pieces.text
    return (
        _CORE_HEAD + _V + number(version) + _PRE + LINK,
        _KIND + text(kind) + _PICO + text(pico) + _POST + LINK,
        b"".join((_OUTCOME, text(outcome), _PROFILE, text(profile), _FUEL_LIMIT))
        + number(fuel_limit),
    )


def encode_core(core: Core) -> bytes:
    """The block of a core."""
    return core_block(
        pico=core.pico,
        seq=core.seq,
        prev=None if core.prev is None else core.prev.raw,
        kind=core.kind,
        code=code_block(core.code),
        event=core.event.raw,
        time=core.time,
        seed=core.seed,
        fuel_limit=core.fuel_limit,
        pre=core.pre.raw,
        post=core.post.raw,
        writes=[
            (item.path, None if item.value is None else item.value.raw) for item in core.writes
        ],
        tape=core.tape.raw,
        outbox=core.outbox.raw,
        outcome=core.outcome,
        fuel=core.fuel,
        profile=core.profile,
        version=core.version,
    )


def decode_core(data: bytes) -> Core:
    """Reads a core; refuses unknown versions, kinds, outcomes and unordered writes."""
    core = _read_core(data)
    if core is None:
        core = _decode_core(data)
        _SHAPE.remember(code_block(core.code), core.code)
    return core


_SHAPE = CoreShape(KINDS, OUTCOMES, PROFILE, Write)
_new = object.__new__
# A frozen dataclass sets its fields in a way that takes three times as long.
_SET_CORE = tuple(vars(Core)[item.name].__set__ for item in fields_of(Core))
_SET_ENVELOPE = tuple(vars(Envelope)[item.name].__set__ for item in fields_of(Envelope))


def _read_core(data: bytes) -> Core | None:
    """A core as `core_block` writes it, much faster; None says nothing."""
    found = _SHAPE.read(data)
    if found is None:
        return None
    core: Core = _new(Core)
    for set_field, value in zip(_SET_CORE, (*found, PROFILE, CORE_VERSION), strict=True):
        set_field(core, value)
    return core


def _decode_core(data: bytes) -> Core:
    """The same for any bytes; says what is wrong with them."""
    fields = Fields(data, _CORE_FIELDS)
    _one_of(fields, "profile", (PROFILE,))
    _one_of(fields, "kind", KINDS)
    _one_of(fields, "outcome", OUTCOMES)
    fields.version(CORE_VERSION)
    return Core(
        pico=fields.text("pico"),
        seq=fields.natural("seq"),
        prev=fields.cid_or_none("prev"),
        kind=fields.text("kind"),
        code=_decode_code(fields),
        event=fields.cid("event"),
        time=fields.integer("time"),
        seed=fields.octets("seed", SEED_BYTES),
        fuel_limit=fields.natural("fuel_limit"),
        pre=fields.cid("pre"),
        post=fields.cid("post"),
        writes=_decode_writes(fields),
        tape=fields.cid("tape"),
        outbox=fields.cid("outbox"),
        outcome=fields.text("outcome"),
        fuel=fields.natural("fuel"),
    )


def _one_of(fields: Fields, name: str, known: tuple[str, ...]) -> None:
    if fields.text(name) not in known:
        raise FieldError(name, f"{fields.text(name)!r} is not one of {', '.join(known)}")


def _decode_code(fields: Fields) -> tuple[Code, ...]:
    code: list[Code] = []
    for rid, raw, metered in fields.rows("code", 3):
        if not (isinstance(rid, str) and isinstance(raw, Cid) and isinstance(metered, Cid)):
            raise FieldError("code", "a row is not [rid, raw, metered]")
        code.append(Code(rid, raw, metered))
    return tuple(code)


def _decode_writes(fields: Fields) -> tuple[Write, ...]:
    writes: list[Write] = []
    for path, value in fields.rows("writes", 2):
        if not isinstance(path, bytes) or not (value is None or isinstance(value, Cid)):
            raise FieldError("writes", "a row is not [path, value]")
        if value is not None and value.codec != RAW:
            raise FieldError("writes", "a value is not raw bytes")
        if not 0 < len(path) <= PATH_BYTES_MAX:
            raise FieldError("writes", f"a path is not 1 to {PATH_BYTES_MAX} bytes")
        if writes and path <= writes[-1].path:
            raise FieldError("writes", "not in order of their paths")
        writes.append(Write(path, value))
    return tuple(writes)


_CORE, _LOGS, _BATCH, _ENGINE = (pieces.key(name) for name in ("core", "logs", "batch", "engine"))
_BACKEND, _VERSIONS, _SIGNATURE = (
    pieces.key(name) for name in ("backend", "versions", "signature")
)
_ELAPSED, _RECEIVED = (pieces.key(name) for name in ("elapsed_us", "received_ms"))


@dataclass(frozen=True, slots=True)
class Sender:
    """The fields of an envelope that are the same for every receipt of an engine, encoded."""

    before: bytes
    between: bytes

    @classmethod
    def of(cls, engine: bytes, backend: str, versions: Mapping[str, str]) -> Sender:
        names = sorted(versions, key=lambda name: (len(name.encode()), name.encode()))
        rows = [pieces.text(name) + pieces.text(versions[name]) for name in names]
        return cls(
            _ENGINE + pieces.octets(engine) + _BACKEND + pieces.text(backend),
            _VERSIONS + pieces.head(5, len(rows)) + b"".join(rows),
        )


def envelope_message(
    core: bytes, sender: Sender, received_ms: int, elapsed_us: int, logs: bytes | None
) -> tuple[bytes, bytes]:
    """An envelope without signature and batch, in front of where these stand and behind it."""
    front = _V + pieces.number(ENVELOPE_VERSION) + _CORE + LINK + core + _LOGS + pieces.link(logs)
    back = _ELAPSED + pieces.number(elapsed_us) + _RECEIVED + pieces.number(received_ms)
    return front, back


def _message_of(envelope: Envelope) -> tuple[Sender, bytes, bytes]:
    sender = Sender.of(envelope.engine, envelope.backend, envelope.versions)
    logs = None if envelope.logs is None else envelope.logs.raw
    front, back = envelope_message(
        envelope.core.raw, sender, envelope.received_ms, envelope.elapsed_us, logs
    )
    return sender, front, back


def _unsigned(sender: Sender, front: bytes, back: bytes) -> bytes:
    """The block without `signature` and `batch`: what is signed, or a leaf of what is."""
    return b"".join((b"\xa8", front, sender.before, sender.between, back))


def _signed(
    sender: Sender, front: bytes, back: bytes, signature: bytes, place: Place | None
) -> bytes:
    if place is None:
        batch = pieces.NULL
    else:
        batch = b"\x83" + pieces.number(place.index) + pieces.number(place.size)
        batch += pieces.head(4, len(place.way)) + b"".join([_HASH + item for item in place.way])
    signed = _SIGNATURE + pieces.octets(signature)
    return b"".join((b"\xaa", front, _BATCH, batch, sender.before, sender.between, signed, back))


def encode_envelope(envelope: Envelope) -> bytes:
    """The block of a signed envelope."""
    return _signed(*_message_of(envelope), envelope.signature, envelope.batch)


def decode_envelope(data: bytes) -> Envelope:
    """Reads an envelope; the signature is checked by `is_envelope_signed`."""
    envelope = _read_envelope(data)
    if envelope is None:
        envelope = _decode_envelope(data)
        sender = Sender.of(envelope.engine, envelope.backend, envelope.versions)
        same = sender.before[len(_ENGINE) + 2 + PUBLIC_KEY_BYTES :] + sender.between
        remember(_SENDERS, same, (envelope.backend, envelope.versions))
    return envelope


# Of the envelopes that were decoded before: what `backend` and `versions` say.
_SENDERS: dict[bytes, tuple[str, dict[str, str]]] = {}


def is_known_sender(same: bytes) -> bool:
    """Whether these are the fields `backend` and `versions` of an envelope that was decoded."""
    return same in _SENDERS


def _read_envelope(data: bytes) -> Envelope | None:
    """An envelope as `seal_batch` writes it, much faster; None says nothing."""
    found = ENVELOPE.match(data)
    if found is None:
        return None
    core, logs, _, index, size, head, way, engine, same, _, *rest = found.groups()
    signature, elapsed, received = rest
    sender = _SENDERS.get(same)
    if sender is None:
        return None
    place: Place | None = None
    if index is not None:
        hashes = tuple([way[at + 2 : at + 34] for at in range(0, len(way), 34)])
        place = Place(number_of(index), number_of(size), hashes)
        if len(hashes) != head[0] - 0x80 or not _is_place(place.index, place.size):
            return None
    envelope: Envelope = _new(Envelope)
    values = (
        *(trusted_cid(core), engine, sender[0], dict(sender[1]), number_of(received)),
        *(number_of(elapsed), None if logs is None else trusted_cid(logs), signature, place),
        *(ENVELOPE_VERSION, message_of(data, found)),
    )
    for set_field, value in zip(_SET_ENVELOPE, values, strict=True):
        set_field(envelope, value)
    return envelope


def _decode_envelope(data: bytes) -> Envelope:
    """The same for any bytes; says what is wrong with them."""
    fields = Fields(data, _ENVELOPE_FIELDS)
    fields.version(ENVELOPE_VERSION)
    versions: dict[str, str] = {}
    claimed = fields.any("versions")
    for name, value in claimed.items() if isinstance(claimed, dict) else [("", None)]:
        if not isinstance(value, str):
            raise FieldError("versions", "not a map of texts")
        versions[name] = value
    return Envelope(
        core=fields.cid("core"),
        engine=fields.octets("engine", PUBLIC_KEY_BYTES),
        backend=fields.text("backend"),
        versions=versions,
        received_ms=fields.integer("received_ms"),
        elapsed_us=fields.natural("elapsed_us"),
        logs=fields.cid_or_none("logs"),
        signature=fields.octets("signature", SIGNATURE_BYTES),
        batch=_decode_place(fields.any("batch")),
    )


def _is_place(index: int, size: int) -> bool:
    return 0 <= index < size and 1 < size <= BATCH_SIZE_MAX


def _decode_place(block: Block) -> Place | None:
    match block:
        case None:
            return None
        case [int(index), int(size), [*way]] if _is_place(index, size) and not isinstance(
            index, bool
        ):
            hashes = [item for item in way if isinstance(item, bytes) and len(item) == DIGEST_BYTES]
            if len(hashes) == len(way) < BATCH_SIZE_MAX:
                return Place(index, size, tuple(hashes))
    raise FieldError("batch", "not null or [index, size, hashes]")


def seal(core_bytes: bytes, envelope: Envelope, signer: Signer) -> Receipt:
    """Signs one envelope alone: its block without `signature` and `batch`."""
    sender, front, back = _message_of(envelope)
    signature = signer.sign(DOMAIN, _unsigned(sender, front, back))
    return Receipt(core_bytes, _signed(sender, front, back, signature, None))


def seal_batch(
    sender: Sender, messages: Sequence[tuple[bytes, bytes]], signer: Signer
) -> list[bytes]:
    """Envelopes under one signature, from what `envelope_message` gave for each."""
    unsigned = [_unsigned(sender, *message) for message in messages]
    if len(unsigned) == 1:
        signature = signer.sign(DOMAIN, unsigned[0])
        return [_signed(sender, *messages[0], signature, None)]
    size = len(unsigned)
    root, ways = root_and_ways([_leaf(block) for block in unsigned])
    signature = signer.sign(BATCH_DOMAIN, _batch_message(size, root))
    return [
        _signed(sender, *message, signature, Place(index, size, way))
        for index, (message, way) in enumerate(zip(messages, ways, strict=True))
    ]


def is_envelope_signed(envelope: Envelope) -> bool:
    """Whether the key that the envelope names signed it, alone or among others."""
    message = envelope.message or _unsigned(*_message_of(envelope))
    place = envelope.batch
    if place is None:
        return is_signed(envelope.engine, DOMAIN, message, envelope.signature)
    root = root_by_way(_leaf(message), place.index, place.size, place.way)
    if root is None:
        return False
    batch = _batch_message(place.size, root)
    return is_signed(envelope.engine, BATCH_DOMAIN, batch, envelope.signature)


def _leaf(unsigned: bytes) -> bytes:
    return digest_of(b"\x00" + unsigned)


def _batch_message(size: int, root: bytes) -> bytes:
    return size.to_bytes(8, "big") + root
