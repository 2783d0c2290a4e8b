"""The root of a proof file: which receipt is proved, and where it stands (docs/formats/proof.md).

Everything else of a proof hangs from these links: the input, the tape, the modules, the part of
the state that the transition reads. Knows nothing of how a transition runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.ledger.cid import DIGEST_BYTES, Cid
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.fields import FieldError, Fields

VERSION = 1  # 1: first form
KIND = "picomesh proof"
_FIELDS = frozenset(["v", "kind", "receipt", "before", "position", "modules"])


@dataclass(frozen=True, slots=True)
class Links:
    """A receipt by the names of its two blocks."""

    core: Cid
    envelope: Cid


@dataclass(frozen=True, slots=True)
class Position:
    """A checkpoint, and the hashes that lead from the receipt to its root."""

    checkpoint: Cid
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """One receipt, the one before it unless it is the first, and its place in a checkpoint.

    `modules` are those that the transition runs and neither state nor core name: raw, metered.
    """

    receipt: Links
    before: Links | None
    position: Position | None
    modules: tuple[tuple[Cid, Cid], ...] = ()


def encode_proof(proof: Proof) -> bytes:
    """The root block of a proof file."""
    before: Block = None if proof.before is None else [proof.before.core, proof.before.envelope]
    position: Block = None
    if proof.position is not None:
        position = [proof.position.checkpoint, list(proof.position.path)]
    return encode_block(
        {
            "v": VERSION,
            "kind": KIND,
            "receipt": [proof.receipt.core, proof.receipt.envelope],
            "before": before,
            "position": position,
            "modules": [[raw, metered] for raw, metered in proof.modules],
        }
    )


def decode_proof(data: bytes) -> Proof:
    """Reads the root block of a proof file. Raises CodecError."""
    fields = Fields(data, _FIELDS)
    if fields.text("kind") != KIND:
        raise FieldError("kind", f"{fields.text('kind')!r} is not a proof")
    fields.version(VERSION)
    before = fields.any("before")
    return Proof(
        receipt=read_links(fields.any("receipt"), "receipt"),
        before=None if before is None else read_links(before, "before"),
        position=_read_position(fields.any("position")),
        modules=_read_modules(fields),
    )


def _read_modules(fields: Fields) -> tuple[tuple[Cid, Cid], ...]:
    modules: list[tuple[Cid, Cid]] = []
    for row in fields.rows("modules", 2):
        match row:
            case [Cid() as raw, Cid() as metered] if not modules or raw > modules[-1][0]:
                modules.append((raw, metered))
            case _:
                raise FieldError("modules", "not [raw, metered], ascending")
    return tuple(modules)


def read_links(block: Block, field: str) -> Links:
    """The two links of a receipt. Raises FieldError."""
    match block:
        case [Cid() as core, Cid() as envelope]:
            return Links(core, envelope)
        case _:
            raise FieldError(field, "not [core, envelope]")


def _read_position(block: Block) -> Position | None:
    match block:
        case None:
            return None
        case [Cid() as checkpoint, list(path)]:
            hashes = tuple(item for item in path if isinstance(item, bytes))
            if len(hashes) == len(path) and all(len(item) == DIGEST_BYTES for item in hashes):
                return Position(checkpoint, hashes)
    raise FieldError("position", "not [checkpoint, hashes]")
