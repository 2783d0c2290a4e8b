"""What is wrong with a record: one root, so that a verifier can catch the party and not a list."""

from __future__ import annotations


class LedgerError(Exception):
    """A record cannot be believed."""


class CodecError(LedgerError):
    """Bytes are not the one canonical encoding of anything."""


class MissingBlock(LedgerError):
    """A block that the record links to is not there."""


class TreeTooWide(LedgerError):
    """Paths that were chosen so that one node of the state tree would hold too many of them."""


class BrokenHistory(LedgerError):
    """The first thing in a history that cannot be believed, with its place."""

    def __init__(self, seq: int, field: str, text: str) -> None:
        super().__init__(f"receipt {seq}, {field}: {text}")
        self.seq = seq
        self.field = field
        self.text = text
        self.fault = ""  # by whose fault, when that can be told
