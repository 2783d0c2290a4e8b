"""Checkpoints: an engine's signed word on how long a history is (docs/formats/checkpoint.md).

A receipt says what is before it and nothing about what is behind it. A checkpoint says how many
receipts a pico has and binds all of them with one hash, so that a single receipt can be shown to
stand in that history, and an engine that shows two histories contradicts its own signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import CodecError
from picomesh.ledger.fields import FieldError, Fields
from picomesh.ledger.merkle import is_included, leaf_hash, root_of
from picomesh.ledger.pieces import head, key, link, number, octets, text
from picomesh.ledger.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer, is_signed

VERSION = 1  # 1: first form
HASH_BYTES = 32
_DOMAIN = b"picomesh checkpoint 1"
_FIELDS = frozenset(["v", "pico", "size", "head", "root", "time", "engine", "signature"])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` receipts of a pico, the last of which is `head`. Signed."""

    pico: str
    size: int
    head: Cid
    root: bytes
    time: int
    engine: bytes
    signature: bytes = b""


def _unsigned(checkpoint: Checkpoint, entries: int = 7) -> bytes:
    """The block without its signature, which is the last entry: what is signed."""
    return b"".join(
        (
            head(5, entries),
            key("v") + number(VERSION),
            key("head") + link(checkpoint.head.raw),
            key("pico") + text(checkpoint.pico),
            key("root") + octets(checkpoint.root),
            key("size") + number(checkpoint.size),
            key("time") + number(checkpoint.time),
            key("engine") + octets(checkpoint.engine),
        )
    )


def sign_checkpoint(
    pico: str, receipts: Sequence[Cid], time_ms: int, signer: Signer, root: bytes | None = None
) -> Checkpoint:
    """Signs the history that these receipts are, in order; there is at least one.

    `root` is that of the tree over them, if it is known already.
    """
    if root is None:
        root = root_of([leaf_hash(cid) for cid in receipts])
    plain = Checkpoint(pico, len(receipts), receipts[-1], root, time_ms, signer.public_key)
    return replace(plain, signature=signer.sign(_DOMAIN, _unsigned(plain)))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The block of a signed checkpoint."""
    return _unsigned(checkpoint, 8) + key("signature") + octets(checkpoint.signature)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Reads a checkpoint and checks its signature. Raises CodecError."""
    fields = Fields(data, _FIELDS)
    fields.version(VERSION)
    checkpoint = Checkpoint(
        pico=fields.text("pico"),
        size=fields.natural("size"),
        head=fields.cid("head"),
        root=fields.octets("root", HASH_BYTES),
        time=fields.integer("time"),
        engine=fields.octets("engine", PUBLIC_KEY_BYTES),
        signature=fields.octets("signature", SIGNATURE_BYTES),
    )
    if checkpoint.size == 0:
        raise FieldError("size", "a history has at least one receipt")
    if not is_signed(checkpoint.engine, _DOMAIN, _unsigned(checkpoint), checkpoint.signature):
        raise CodecError("signature: it does not hold")
    return checkpoint


def covers(checkpoint: Checkpoint, receipt: Cid, seq: int, path: Sequence[bytes]) -> bool:
    """Whether this receipt stands at this place in the history that the checkpoint binds."""
    return is_included(leaf_hash(receipt), seq, checkpoint.size, path, checkpoint.root)
