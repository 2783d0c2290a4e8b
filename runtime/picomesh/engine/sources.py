"""Where recorded histories come from: an engine's own store, or a file that somebody exported.

Proving, replaying, bisecting and forking read histories through this and nothing else, so each of
them works on a home and on a file alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from picomesh.engine.errors import OperatorError
from picomesh.engine.programs import Programs
from picomesh.engine.replay import replay
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.errors import MissingBlock
from picomesh.ledger.receipt import decode_core
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.store.opening import Stretch
from picomesh.store.store import Store, StoredReceipt

PAGE_RECEIPTS = 256
Item = TypeVar("Item")


class Source(Protocol):
    """Receipts and blocks. A block is checked against its name before it is given."""

    def picos(self) -> list[tuple[str, str]]: ...
    def head(self, pico: str) -> StoredReceipt | None: ...
    def receipt(self, pico: str, seq: int) -> StoredReceipt | None: ...
    def receipts(
        self, pico: str, first: int = 0, last: int | None = None
    ) -> list[StoredReceipt]: ...
    def block(self, cid: Cid) -> bytes: ...


def get_receipt(source: Source, pico: str, seq: int) -> StoredReceipt:
    """A receipt that must be there. Raises OperatorError."""
    row = source.receipt(pico, seq)
    if row is None:
        raise OperatorError(f"this pico has no receipt {seq}", "`picomesh log` lists them")
    return row


def each_receipt(
    source: Source, pico: str, first: int = 0, last: int | None = None
) -> Iterator[StoredReceipt]:
    """Receipts in order, some at a time, so that what lies beside them is still at hand."""
    return _page_by_page(source.receipts, pico, first, last)


def each_stretch(
    source: Source, pico: str, first: int, last: int | None
) -> Iterator[StoredReceipt | Stretch]:
    """The same, with those together that a home has together."""
    read = source.stretches if isinstance(source, Store) else source.receipts
    return _page_by_page(read, pico, first, last)


def _page_by_page(
    read: Callable[[str, int, int | None], Sequence[Item]], pico: str, first: int, last: int | None
) -> Iterator[Item]:
    at = first
    while True:
        end = at + PAGE_RECEIPTS - 1 if last is None else min(at + PAGE_RECEIPTS - 1, last)
        rows = read(pico, at, end)
        if not rows:
            break
        yield from rows
        at = end + 1
    yield from read(pico, at, last)  # there is something only behind a gap


def cid_of(row: StoredReceipt) -> Cid:
    """The name of a receipt."""
    return cid_of_block(row.core)


def has_state(source: Source, root: Cid) -> bool:
    """Whether a state can be read; a file may leave out all but the first."""
    if root == EMPTY_ROOT:
        return True
    try:
        source.block(root)
    except MissingBlock:
        return False
    return True


class Regrown:
    """A source with blocks that were made again by running transitions."""

    def __init__(self, source: Source, blocks: dict[Cid, bytes]) -> None:
        self._source = source
        self._blocks = blocks
        self.picos = source.picos
        self.head = source.head
        self.receipt = source.receipt
        self.receipts = source.receipts

    def block(self, cid: Cid) -> bytes:
        found = self._blocks.get(cid)
        return self._source.block(cid) if found is None else found


def with_state(source: Source, programs: Programs, pico: str, seq: int) -> Source:
    """The source, with the state before a receipt in it: replays up to there if it must.

    Raises OperatorError when the history does not replay so far.
    """
    row = get_receipt(source, pico, seq)
    if has_state(source, decode_core(row.core).pre):
        return source
    rows = [item for item in source.receipts(pico) if item.seq < seq]
    if not rows:
        raise MissingBlock(f"the state before receipt {seq} is not there")
    before = source.receipt(pico, rows[0].seq - 1) if rows[0].seq else None
    blocks: dict[Cid, bytes] = {}
    for item in replay(programs, source, rows, before, blocks):
        if item.divergence is not None:
            raise OperatorError(
                f"receipt {item.seq} does not replay: its {item.divergence.field} is another",
                "`picomesh replay` says more",
            )
    return Regrown(source, blocks)
