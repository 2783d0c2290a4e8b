"""Constants that are collections: bytes in the format of values, decoded where they are wanted.

The library has a decoder for that format in any case, and one for JSON only where a ruleset asks
for it (docs/formats/value.md).
"""

from __future__ import annotations

import json
import struct
from typing import Any

_ORDERED_KEY = "/"
_SIMPLE: dict[bool | None, bytes] = {None: b"\xf6", False: b"\xf4", True: b"\xf5"}


def encoded(json_text: str) -> bytes:
    """The bytes of a constant; its maps are in KRL's order."""
    out = bytearray()
    _write(out, json.loads(json_text))
    return bytes(out)


def _write(out: bytearray, value: Any) -> None:
    match value:
        case None | bool():
            out += _SIMPLE[value]
        case int():
            out += _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            out += b"\xfb" + struct.pack(">d", value)
        case str():
            content = _utf8(value)
            out += _head(3, len(content)) + content
        case list():
            out += _head(4, len(value))
            for item in value:
                _write(out, item)
        case dict():
            _write_map(out, value)
        case _:
            raise AssertionError(value)


def _write_map(out: bytearray, value: dict[str, Any]) -> None:
    """A map whose order is not that of its encoding says its order, as KRL's maps have one."""
    keys = sorted(value, key=lambda key: (len(_utf8(key)), _utf8(key)))
    if keys != list(value) or keys == [_ORDERED_KEY]:
        out += _head(5, 1)
        _write(out, _ORDERED_KEY)
        _write(out, [part for key in value for part in (key, value[key])])
        return
    out += _head(5, len(value))
    for key in keys:
        _write(out, key)
        _write(out, value[key])


def _utf8(text: str) -> bytes:
    """A text as its bytes; half of a surrogate pair becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _head(major: int, argument: int) -> bytes:
    """A CBOR head in its shortest form."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise AssertionError(argument)
