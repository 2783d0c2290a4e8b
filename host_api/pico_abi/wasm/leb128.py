"""LEB128 integers: minimal when written, bounded exactly as the Wasm specification when read.

Readers take bytes and a position and give the value with the position after it. Padded forms
within the type's width are read, because linkers leave room for relocations; anything longer,
and any set bit past the width, is refused.
"""

from __future__ import annotations

from pico_abi.refused import ModuleRefused


def uleb(value: int) -> bytes:
    """The shortest unsigned LEB128 of a value that is not negative."""
    assert value >= 0
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sleb(value: int) -> bytes:
    """The shortest signed LEB128."""
    if -0x40 <= value < 0x40:
        return bytes((value & 0x7F,))
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def read_uleb32(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned 32-bit integer."""
    start = position
    value = 0
    try:
        for shift in (0, 7, 14, 21):
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        byte = data[position]
    except IndexError:
        raise ModuleRefused(start, "integer runs past the end") from None
    if byte > 0x0F:
        raise ModuleRefused(start, "unsigned integer does not fit in 32 bits")
    return value | byte << 28, position + 1


def read_sleb(data: bytes, position: int, bits: int) -> tuple[int, int]:
    """A signed integer of the given width (32, 33 or 64)."""
    start = position
    value = 0
    shift = 0
    try:
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise ModuleRefused(start, f"signed integer is longer than {bits} bits allow")
    except IndexError:
        raise ModuleRefused(start, "integer runs past the end") from None
    if byte & 0x40:
        value -= 1 << shift
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ModuleRefused(start, f"signed integer does not fit in {bits} bits")
    return value, position
