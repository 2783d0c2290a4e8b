"""Reading the fields of a decoded block: every mistake names the field."""

from __future__ import annotations

from picomesh.ledger.cid import Cid
from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.errors import CodecError


class FieldError(CodecError):
    """A field of a block is missing, too many, or of the wrong kind."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


class Fields:
    """The entries of one block, taken by name and kind."""

    __slots__ = ("_entries",)

    def __init__(self, data: bytes, names: frozenset[str], block: Block = None) -> None:
        """The block of these bytes; `block` is what they are decoded to, if that is known."""
        block = decode_block(data) if block is None else block
        if not isinstance(block, dict):
            raise CodecError("the block is not a map")
        for name in sorted(names.symmetric_difference(block)):
            raise FieldError(name, "missing" if name in names else "not a field of this block")
        self._entries = block

    def any(self, name: str) -> Block:
        return self._entries[name]

    def version(self, known: int) -> None:
        """The field `v`, which is the only version that this code reads."""
        value = self._entries["v"]
        if value != known or isinstance(value, bool):
            raise FieldError("v", f"version {value!r}, this code reads {known}")

    def text(self, name: str) -> str:
        value = self._entries[name]
        if not isinstance(value, str):
            raise FieldError(name, "not text")
        return value

    def natural(self, name: str) -> int:
        value = self._entries[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FieldError(name, "not a whole number from 0")
        return value

    def integer(self, name: str) -> int:
        value = self._entries[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise FieldError(name, "not a whole number")
        return value

    def octets(self, name: str, count: int | None = None) -> bytes:
        value = self._entries[name]
        if not isinstance(value, bytes) or (count is not None and len(value) != count):
            raise FieldError(name, "not bytes" if count is None else f"not {count} bytes")
        return value

    def cid(self, name: str) -> Cid:
        value = self._entries[name]
        if not isinstance(value, Cid):
            raise FieldError(name, "not a link")
        return value

    def cid_or_none(self, name: str) -> Cid | None:
        return None if self._entries[name] is None else self.cid(name)

    def rows(self, name: str, width: int) -> list[list[Block]]:
        """A list of lists of `width` items."""
        value = self._entries[name]
        if not isinstance(value, list):
            raise FieldError(name, "not a list")
        rows: list[list[Block]] = []
        for row in value:
            if not isinstance(row, list) or len(row) != width:
                raise FieldError(name, f"a row is not {width} items")
            rows.append(row)
        return rows
