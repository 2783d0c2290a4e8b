"""Content identifiers: the name of a block is the hash of its bytes (docs/formats/block.md §2).

CIDv1, codec dag-cbor (0x71) for our blocks and raw (0x55) for bytes that stay opaque, multihash
BLAKE3-256 (0x1e, 32 bytes). Nothing else is accepted, so two names for one block cannot exist.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from blake3 import blake3

from picomesh.ledger.errors import CodecError

DAG_CBOR = 0x71
RAW = 0x55
DIGEST_BYTES = 32
CID_BYTES = 4 + DIGEST_BYTES
_PREFIXES = (bytes((1, DAG_CBOR, 0x1E, 0x20)), bytes((1, RAW, 0x1E, 0x20)))
_BLOCK_PREFIX, _BYTES_PREFIX = _PREFIXES
_TEXT_LENGTH = 1 + 58  # multibase "b", then 36 bytes in base32 without padding


@dataclass(frozen=True, slots=True, order=True)
class Cid:
    """The identifier of one block, as its 36 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != CID_BYTES or self.raw[:4] not in _PREFIXES:
            raise CodecError("not a CIDv1 with dag-cbor or raw codec and a BLAKE3-256 hash")

    # Written out, for they are asked for many times with every event.

    def __hash__(self) -> int:
        return hash(self.raw)

    def __eq__(self, other: object) -> bool:
        return type(other) is Cid and self.raw == other.raw

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.raw).decode("ascii").rstrip("=").lower()

    @property
    def codec(self) -> int:
        return self.raw[1]

    @property
    def digest(self) -> bytes:
        return self.raw[4:]


def digest_of(data: bytes) -> bytes:
    """BLAKE3-256, the only hash of this project."""
    return blake3(data).digest()


_new, _set_raw = object.__new__, vars(Cid)["raw"].__set__


def trusted_cid(raw: bytes) -> Cid:
    """A CID of bytes that this code made, or has checked before."""
    cid = _new(Cid)
    _set_raw(cid, raw)
    return cid


def raw_cid_of_block(block: bytes) -> bytes:
    """The 36 bytes of the name of a DAG-CBOR block."""
    return _BLOCK_PREFIX + blake3(block).digest()


def raw_cid_of_bytes(data: bytes) -> bytes:
    """The 36 bytes of the name of bytes that are not ours to read."""
    return _BYTES_PREFIX + blake3(data).digest()


def cid_of_block(block: bytes) -> Cid:
    """The name of a DAG-CBOR block."""
    return trusted_cid(_BLOCK_PREFIX + blake3(block).digest())


def cid_of_bytes(data: bytes) -> Cid:
    """The name of bytes that are not ours to read: modules, sources, stored values."""
    return trusted_cid(_BYTES_PREFIX + blake3(data).digest())


def block_cid_of_digest(digest: bytes) -> Cid:
    """The name of a DAG-CBOR block whose hash is known."""
    return trusted_cid(_BLOCK_PREFIX + digest)


def bytes_cid_of_digest(digest: bytes) -> Cid:
    """The name of other bytes whose hash is known."""
    return trusted_cid(_BYTES_PREFIX + digest)


def is_named(cid: Cid, data: bytes) -> bool:
    """Whether these are the bytes that the identifier names."""
    return blake3(data).digest() == cid.digest


def parse_cid(text: str) -> Cid:
    """Reads the text form; refuses every spelling but the canonical one."""
    if len(text) != _TEXT_LENGTH or text[0] != "b" or text != text.lower():
        raise CodecError("not the text form of a CID")
    try:
        raw = base64.b32decode(text[1:].upper() + "======")
    except ValueError as problem:
        raise CodecError("not the text form of a CID") from problem
    cid = Cid(raw)
    if str(cid) != text:  # unused low bits of the last character
        raise CodecError("not the text form of a CID")
    return cid
