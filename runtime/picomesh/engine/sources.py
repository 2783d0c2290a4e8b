"""Where recorded histories come from: an engine's own store, or a file that somebody exported.

Proving, replaying, bisecting and forking read histories through this and nothing else, so each of
them works on a home and on a file alike.
"""

from __future__ import annotations

from typing import Protocol

from picomesh.engine.errors import OperatorError
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.store.store import StoredReceipt


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


def cid_of(row: StoredReceipt) -> Cid:
    """The name of a receipt."""
    return cid_of_block(row.core)
