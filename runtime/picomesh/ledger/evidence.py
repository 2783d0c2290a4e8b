"""Evidence against an engine: two receipts for one place, both signed (docs/formats/evidence.md).

A history has one receipt for each number. An engine that signs two shows different people different
pasts, and its own two signatures prove it: no third party, no clock and no history is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import Cid, cid_of_block, parse_cid
from picomesh.ledger.codec import encode_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.fields import FieldError, Fields
from picomesh.ledger.proof import Links, read_links
from picomesh.ledger.receipt import (
    Core,
    Envelope,
    Receipt,
    decode_core,
    decode_envelope,
    is_envelope_signed,
)

VERSION = 1  # 1: first form
KIND = "picomesh evidence"
EVIDENCE_BYTES_MAX = 16 * 1024 * 1024
_FIELDS = frozenset(["v", "kind", "receipts"])

# The engine that a block names which made a pico; the pico that it names as its parent.
Maker = Callable[[bytes], "bytes | str"]


@dataclass(frozen=True, slots=True)
class Equivocation:
    """What a file of evidence proves: this engine signed both."""

    engine: bytes
    pico: str
    seq: int
    cores: tuple[Core, Core]


def encode_evidence(a: Receipt, b: Receipt, makers: dict[Cid, bytes]) -> bytes:
    """The file about two receipts; `makers` are the inputs that made the pico and its parents.

    The same two receipts give the same file, in whatever order.
    """
    blocks: dict[Cid, bytes] = dict(makers)
    rows: list[tuple[Cid, Cid]] = []
    for receipt in sorted((a, b), key=lambda item: item.cid):
        envelope = cid_of_block(receipt.envelope_bytes)
        blocks |= {receipt.cid: receipt.core_bytes, envelope: receipt.envelope_bytes}
        rows.append((receipt.cid, envelope))
    root = encode_block(
        {"v": VERSION, "kind": KIND, "receipts": [[core, envelope] for core, envelope in rows]}
    )
    return encode_car(cid_of_block(root), {**blocks, cid_of_block(root): root})


def read_evidence(data: bytes, maker: Maker) -> Equivocation:
    """Checks a file of evidence. Raises CodecError for one that proves nothing."""
    car = CarFile(data, EVIDENCE_BYTES_MAX)
    first, second = _read_root(car.block(car.root))
    a, b = _read_receipt(car, first), _read_receipt(car, second)
    if first.core >= second.core:
        raise CodecError("the two receipts are one, or not in order")
    for field, of_a, of_b in [
        ("pico", a[0].pico, b[0].pico),
        ("seq", a[0].seq, b[0].seq),
        ("engine", a[1].engine, b[1].engine),
    ]:
        if of_a != of_b:
            raise CodecError(f"the two receipts differ in {field}")
    engine, makers = _engine_of(car, a[0].pico, maker)
    if engine != a[1].engine:
        raise CodecError("the receipts are signed by another engine than the pico's")
    links = {first.core, first.envelope, second.core, second.envelope}
    car.refuse_strangers({car.root, *links, *makers})
    return Equivocation(engine, a[0].pico, a[0].seq, (a[0], b[0]))


def _read_root(data: bytes) -> tuple[Links, Links]:
    fields = Fields(data, _FIELDS)
    if fields.text("kind") != KIND:
        raise FieldError("kind", f"{fields.text('kind')!r} is not evidence")
    fields.version(VERSION)
    rows = fields.any("receipts")
    if not isinstance(rows, list) or len(rows) != 2:
        raise FieldError("receipts", "not two")
    return read_links(rows[0], "receipts"), read_links(rows[1], "receipts")


def _read_receipt(car: CarFile, links: Links) -> tuple[Core, Envelope]:
    core = decode_core(car.block(links.core))
    envelope = decode_envelope(car.block(links.envelope))
    if envelope.core != links.core:
        raise CodecError("an envelope is that of another core")
    if not is_envelope_signed(envelope):
        raise CodecError("a signature does not hold")
    return core, envelope


def _engine_of(car: CarFile, pico: str, maker: Maker) -> tuple[bytes, list[Cid]]:
    """The engine that a pico's name names, over its parents, and the blocks that say so."""
    seen: list[Cid] = []
    found: bytes | str = pico
    while isinstance(found, str):
        seen.append(parse_cid(found))
        found = maker(car.block(seen[-1]))
    return found, seen
