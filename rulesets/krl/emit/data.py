"""Static data: literals, function objects and global slots, laid out at compile time.

Layouts are those of guest/include/krl.h; literals cost nothing when a ruleset runs.
"""

from __future__ import annotations

import struct

TAG_CONSTANT = 0xFFF9
TAG_STRING = 0xFFFA
TAG_FUNCTION = 0xFFFD
TAG_REGEXP = 0xFFFE

UNDEFINED = TAG_CONSTANT << 48
NULL = UNDEFINED | 1
FALSE = UNDEFINED | 2
TRUE = UNDEFINED | 3
UNSET = UNDEFINED | 4
BUSY = UNDEFINED | 5

ITEM_BYTES = 8
ARRAY_ITEMS_OFFSET = 8
CAPTURES_OFFSET = 16
CELL_BYTES = 8
STRING_WIDE = 1
REGEXP_FLAGS = {"g": 1, "i": 2}
FUNCTION_KINDS = {"function": 0, "action": 1, "both": 2}


def box(tag: int, payload: int) -> int:
    return tag << 48 | payload


def number_bits(value: float) -> int:
    """The value of a number: its IEEE 754 bits."""
    return int.from_bytes(struct.pack("<d", value), "little")


class Data:
    """The compiler's part of linear memory, growing from `start`."""

    def __init__(self, start: int) -> None:
        self.start = -(-start // ITEM_BYTES) * ITEM_BYTES
        self.content = bytearray()
        self._strings: dict[str, int] = {}
        self._functions: dict[tuple[int, int], int] = {}

    @property
    def end(self) -> int:
        return self.start + len(self.content)

    def add(self, content: bytes) -> int:
        """The address of some bytes, aligned to 8."""
        self.content += bytes(-len(self.content) % ITEM_BYTES)
        address = self.end
        self.content += content
        return address

    def string(self, text: str) -> int:
        """The value of a string literal."""
        address = self._strings.get(text)
        if address is None:
            address = self._strings[text] = self.add(_string(text))
        return box(TAG_STRING, address)

    def string_address(self, text: str) -> int:
        return self.string(text) & 0xFFFFFFFF

    def pattern(self, source: str, flags: str, search: int, groups: int, code: bytes | None) -> int:
        """The value of a regexp literal: its function's place in the table, or the matcher's code
        of it, or nothing."""
        bits = sum(bit for flag, bit in REGEXP_FLAGS.items() if flag in flags)
        source_address = self.string_address(source)
        code_address = self.add(code) if code is not None else 0
        fields = (source_address, bits, 0, code_address, search, groups)
        return box(TAG_REGEXP, self.add(struct.pack("<6I", *fields)))

    def shape(self, kind: str, parameters: tuple[str, ...]) -> int:
        """The address of a FunctionShape."""
        names = [self.string_address(name) for name in parameters]
        header = struct.pack("<II", FUNCTION_KINDS[kind], len(names))
        return self.add(header + b"".join(struct.pack("<I", name) for name in names))

    def static_function(self, table_index: int, shape: int) -> int:
        """The value of a function without captures."""
        known = self._functions.get((table_index, shape))
        if known is None:
            known = self.add(struct.pack("<IIII", table_index, shape, 0, 0))
            self._functions[table_index, shape] = known
        return box(TAG_FUNCTION, known)

    def words(self, *words: int) -> int:
        """The address of some 32-bit words."""
        return self.add(struct.pack(f"<{len(words)}I", *words))

    def strings(self, texts: tuple[str, ...]) -> int:
        """The address of a list of string addresses."""
        return self.words(*(self.string_address(text) for text in texts)) if texts else 0

    def global_slot(self) -> int:
        return self.add(struct.pack("<Q", UNSET))


def _string(text: str) -> bytes:
    units = text.encode("utf-16-le", "surrogatepass")
    length = len(units) // 2
    if any(units[1::2]):
        return struct.pack("<II", length, STRING_WIDE) + units
    return struct.pack("<II", length, 0) + units[::2]
