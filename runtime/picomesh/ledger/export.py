"""The root and the pages of an exported history (docs/formats/export.md).

A file names for each pico a run of receipts, by the names of their cores and envelopes, in pages so
that no block grows with the history. Everything else hangs from the receipts by links.
"""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.ledger.cid import DAG_CBOR, Cid
from picomesh.ledger.codec import Block, decode_block, encode_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.fields import FieldError, Fields
from picomesh.ledger.proof import Links, read_links
from picomesh.ledger.signature import PUBLIC_KEY_BYTES

VERSION = 1  # 1: first form
KIND = "picomesh history"
PAGE_RECEIPTS_MAX = 1000
_FIELDS = frozenset(["v", "kind", "engine", "picos"])
_PICO_FIELDS = frozenset(["pico", "name", "first", "count", "before", "pages"])


@dataclass(frozen=True, slots=True)
class ExportedPico:
    """A run of receipts of one pico; `before` is the receipt that it continues."""

    pico: str
    name: str
    first: int
    count: int
    before: Links | None
    pages: tuple[Cid, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """What a file of histories says it holds. `engine` is the key that signed them."""

    engine: bytes
    picos: tuple[ExportedPico, ...]


def encode_export(export: Export) -> bytes:
    """The root block of a file of histories."""
    picos: list[Block] = []
    for item in export.picos:
        before: Block = None if item.before is None else [item.before.core, item.before.envelope]
        picos.append(
            {
                "pico": item.pico,
                "name": item.name,
                "first": item.first,
                "count": item.count,
                "before": before,
                "pages": list(item.pages),
            }
        )
    return encode_block({"v": VERSION, "kind": KIND, "engine": export.engine, "picos": picos})


def decode_export(data: bytes) -> Export:
    """Reads the root block of a file of histories. Raises CodecError."""
    fields = Fields(data, _FIELDS)
    if fields.text("kind") != KIND:
        raise FieldError("kind", f"{fields.text('kind')!r} is not a history")
    fields.version(VERSION)
    rows = fields.any("picos")
    if not isinstance(rows, list):
        raise FieldError("picos", "not a list")
    picos = tuple(_read_pico(row) for row in rows)
    if list(picos) != sorted(picos, key=lambda item: item.pico.encode()) or len(picos) != len(
        {item.pico for item in picos}
    ):
        raise FieldError("picos", "not in order of their names")
    return Export(fields.octets("engine", PUBLIC_KEY_BYTES), picos)


def _read_pico(row: Block) -> ExportedPico:
    if not isinstance(row, dict):
        raise FieldError("picos", "not maps")
    fields = Fields(encode_block(row), _PICO_FIELDS)
    before = fields.any("before")
    pages = fields.any("pages")
    links = [item for item in pages if _is_link(item)] if isinstance(pages, list) else None
    if links is None or len(links) != len(pages or []):  # type: ignore[arg-type] # a list here
        raise FieldError("pages", "not links")
    first, count = fields.natural("first"), fields.natural("count")
    if (first == 0) != (before is None):
        raise FieldError("before", "only a run that begins at 0 continues nothing")
    if count == 0 or len(links) != -(-count // PAGE_RECEIPTS_MAX):
        raise FieldError("pages", "not as many as the receipts need")
    return ExportedPico(
        pico=fields.text("pico"),
        name=fields.text("name"),
        first=first,
        count=count,
        before=None if before is None else read_links(before, "before"),
        pages=tuple(item for item in links if isinstance(item, Cid)),
    )


def _is_link(item: Block) -> bool:
    return isinstance(item, Cid) and item.codec == DAG_CBOR


def encode_page(receipts: list[Links]) -> bytes:
    """A page: the receipts of a run, PAGE_RECEIPTS_MAX in all pages but the last."""
    rows: list[Block] = [[links.core, links.envelope] for links in receipts]
    return encode_block(rows)


def decode_page(data: bytes, count: int) -> list[Links]:
    """A page that must hold so many receipts. Raises CodecError."""
    rows = decode_block(data)
    if not isinstance(rows, list) or len(rows) != count:
        raise CodecError(f"a page is not a list of {count} receipts")
    return [read_links(row, "page") for row in rows]


def links_of(block: Block) -> list[Cid]:
    """Every link in a block, at any depth."""
    match block:
        case Cid():
            return [block]
        case list():
            return [link for item in block for link in links_of(item)]
        case dict():
            return [link for item in block.values() for link in links_of(item)]
        case _:
            return []
