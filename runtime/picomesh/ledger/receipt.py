"""The record of one transition (docs/formats/receipt.md).

A core is equal on every honest engine: nothing in it depends on the machine, the release or the
backend, and there is no text of an error. The envelope says who ran it and how, and signs both.
"""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.ledger.cid import RAW, Cid, cid_of_block
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.fields import FieldError, Fields
from picomesh.ledger.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer, is_signed
from picomesh.ledger.tree import PATH_BYTES_MAX

CORE_VERSION = 1  # 1: first form
ENVELOPE_VERSION = 1  # 1: first form
PROFILE = "pico-1"
SEED_BYTES = 32
KINDS = ("create", "install", "uninstall", "event", "delete", "adopt")
OUTCOMES = ("ok", "throw", "trap", "out-of-fuel", "out-of-stack")
_DOMAIN = b"picomesh receipt 1"


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
    version: int = ENVELOPE_VERSION


@dataclass(frozen=True, slots=True)
class Receipt:
    """A core and its envelope, with the bytes they were read from."""

    core: Core
    core_bytes: bytes
    envelope: Envelope
    envelope_bytes: bytes

    @property
    def cid(self) -> Cid:
        """The receipt's name: that of its core, which every honest engine shares."""
        return cid_of_block(self.core_bytes)


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
    ["v", "core", "engine", "backend", "versions", "received_ms", "elapsed_us", "logs", "signature"]
)


def encode_core(core: Core) -> bytes:
    """The block of a core."""
    code: list[Block] = [[item.rid, item.raw, item.metered] for item in core.code]
    writes: list[Block] = [[item.path, item.value] for item in core.writes]
    return encode_block(
        {
            "v": core.version,
            "profile": core.profile,
            "pico": core.pico,
            "seq": core.seq,
            "prev": core.prev,
            "kind": core.kind,
            "code": code,
            "event": core.event,
            "time": core.time,
            "seed": core.seed,
            "fuel_limit": core.fuel_limit,
            "pre": core.pre,
            "post": core.post,
            "writes": writes,
            "tape": core.tape,
            "outbox": core.outbox,
            "outcome": core.outcome,
            "fuel": core.fuel,
        }
    )


def decode_core(data: bytes) -> Core:
    """Reads a core; refuses unknown versions, kinds, outcomes and unordered writes."""
    fields = Fields(data, _CORE_FIELDS)
    _one_of(fields, "profile", (PROFILE,))
    _one_of(fields, "kind", KINDS)
    _one_of(fields, "outcome", OUTCOMES)
    if fields.any("v") != CORE_VERSION:
        raise FieldError("v", f"version {fields.any('v')!r}, this code reads {CORE_VERSION}")
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


def _envelope_entries(envelope: Envelope) -> dict[str, Block]:
    return {
        "v": envelope.version,
        "core": envelope.core,
        "engine": envelope.engine,
        "backend": envelope.backend,
        "versions": dict(envelope.versions),
        "received_ms": envelope.received_ms,
        "elapsed_us": envelope.elapsed_us,
        "logs": envelope.logs,
    }


def encode_envelope(envelope: Envelope) -> bytes:
    """The block of a signed envelope."""
    return encode_block({**_envelope_entries(envelope), "signature": envelope.signature})


def decode_envelope(data: bytes) -> Envelope:
    """Reads an envelope; the signature is checked by `is_envelope_signed`."""
    fields = Fields(data, _ENVELOPE_FIELDS)
    if fields.any("v") != ENVELOPE_VERSION:
        raise FieldError("v", f"version {fields.any('v')!r}, this code reads {ENVELOPE_VERSION}")
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
    )


def seal(core: Core, core_bytes: bytes, envelope: Envelope, signer: Signer) -> Receipt:
    """Signs: the envelope's block without its signature, which links to the core."""
    message = encode_block(_envelope_entries(envelope))
    signed = Envelope(
        core=envelope.core,
        engine=envelope.engine,
        backend=envelope.backend,
        versions=envelope.versions,
        received_ms=envelope.received_ms,
        elapsed_us=envelope.elapsed_us,
        logs=envelope.logs,
        signature=signer.sign(_DOMAIN, message),
    )
    return Receipt(core, core_bytes, signed, encode_envelope(signed))


def is_envelope_signed(envelope: Envelope) -> bool:
    """Whether the key that the envelope names signed it."""
    message = encode_block(_envelope_entries(envelope))
    return is_signed(envelope.engine, _DOMAIN, message, envelope.signature)
