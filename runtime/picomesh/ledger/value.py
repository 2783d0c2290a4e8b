"""KRL values as bytes and back (docs/formats/value.md): what crosses between guest and host.

The host keeps values as opaque bytes; this module is for the edges where a person or JSON meets
them. Python's dict stands for a KRL map, and its order is KRL's order: array-index-like keys
ascending, then insertion order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from picomesh.ledger.codec import DEPTH_MAX, Reader
from picomesh.ledger.errors import CodecError

Value: TypeAlias = "bool | int | float | str | bytes | list[Value] | dict[str, Value] | None"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value that is encoded already; `encode_plain` puts it in as it is."""

    data: bytes


INTEGER_MAX = 2**53 - 1  # beyond it doubles are not all integers, §2
_INDEX_MAX = 4294967294  # the greatest array index of JavaScript
_INDEX_DIGITS_MAX = 10
_WRAPPER = "/"
_FLOAT64 = 27  # additional information of major type 7


def encode_value(value: Value) -> bytes:
    """The one encoding of a value. Raises CodecError when it is nested too deeply."""
    out = bytearray()
    _write(out, value, 0)
    return bytes(out)


def decode_value(data: bytes) -> Value:
    """Reads a value; refuses all bytes that `encode_value` would not have written."""
    reader = Reader(data)
    value = _read(reader, 0)
    reader.finish()
    return value


def encode_plain(entries: Mapping[str, Value | Encoded]) -> bytes:
    """A map that is an envelope of the host (event, query, effect): plain canonical CBOR, §4."""
    out = bytearray(_head(5, len(entries)))
    for key in sorted(entries, key=lambda key: (len(key), key)):
        out += _head(3, len(key)) + key.encode("ascii")
        value = entries[key]
        if isinstance(value, Encoded):
            out += value.data
        else:
            _write(out, value, 1)
    return bytes(out)


def decode_plain(data: bytes) -> dict[str, Value]:
    """The outer map of a message from a guest; its entries are values, §4."""
    reader = Reader(data)
    major, count = reader.head()
    if major != 5:
        raise CodecError("a message is not a map")
    entries = _read_entries(reader, count, 0)
    reader.finish()
    return entries


def is_index(key: str) -> bool:
    """Whether JavaScript would treat this key as an array index."""
    if not key.isascii() or not key.isdigit() or len(key) > _INDEX_DIGITS_MAX:
        return False
    return (key == "0" or key[0] != "0") and int(key) <= _INDEX_MAX


def in_krl_order(keys: list[str]) -> list[str]:
    """Array-index-like keys ascending, then the others as they came."""
    indexes = sorted((key for key in keys if is_index(key)), key=int)
    return indexes + [key for key in keys if not is_index(key)] if indexes else keys


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes(((major << 5) | argument,))
    for info, width in ((24, 1), (25, 2), (26, 4)):
        if argument < 1 << (8 * width):
            return bytes(((major << 5) | info,)) + argument.to_bytes(width, "big")
    return bytes(((major << 5) | 27,)) + argument.to_bytes(8, "big")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates become U+FFFD, §2
        units = text.encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "replace").encode("utf-8")


def _key(text: str) -> bytes:
    """Two keys must not become one, so a lone surrogate is an error here, §2."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise CodecError("a map key has a surrogate without its partner") from problem


def _write(out: bytearray, value: Value, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise CodecError(f"a value is nested deeper than {DEPTH_MAX}")
    match value:
        case None | False | True:
            out.append({None: 0xF6, False: 0xF4, True: 0xF5}[value])
        case int():
            _write_number(out, value)
        case float():
            _write_number(out, value)
        case str():
            data = _utf8(value)
            out += _head(3, len(data)) + data
        case bytes():
            out += _head(2, len(value)) + value
        case list():
            out += _head(4, len(value))
            for item in value:
                _write(out, item, depth + 1)
        case dict():
            _write_map(out, value, depth)


def _write_number(out: bytearray, number: int | float) -> None:
    if isinstance(number, int) and abs(number) > INTEGER_MAX:
        number = _nearest_double(number)
    if isinstance(number, float) and number.is_integer() and abs(number) <= INTEGER_MAX:
        number = int(number)
    if isinstance(number, int):
        out += _head(0, number) if number >= 0 else _head(1, -1 - number)
    elif math.isfinite(number):
        out += b"\xfb" + struct.pack(">d", number)
    else:
        out.append(0xF6)


def _nearest_double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _write_map(out: bytearray, entries: dict[str, Value], depth: int) -> None:
    by_bytes = {_key(key): entries[key] for key in in_krl_order(list(entries))}
    keys = list(by_bytes)
    if keys != [b"/"] and keys == sorted(keys, key=lambda key: (len(key), key)):
        _write_plain_map(out, by_bytes, depth)
        return
    out += b"\xa1\x61/" + _head(4, 2 * len(keys))
    if depth + 2 > DEPTH_MAX:
        raise CodecError(f"a value is nested deeper than {DEPTH_MAX}")
    for key, item in by_bytes.items():
        out += _head(3, len(key)) + key
        _write(out, item, depth + 2)


def _write_plain_map(out: bytearray, by_bytes: dict[bytes, Value], depth: int) -> None:
    out += _head(5, len(by_bytes))
    for key in sorted(by_bytes, key=lambda key: (len(key), key)):
        out += _head(3, len(key)) + key
        _write(out, by_bytes[key], depth + 1)


def _read(reader: Reader, depth: int) -> Value:
    if depth > DEPTH_MAX:
        raise CodecError(f"a value is nested deeper than {DEPTH_MAX}")
    major, argument = reader.head()
    match major:
        case 0 | 1:
            return _integer(argument if major == 0 else -1 - argument)
        case 3:
            return reader.text(argument)
        case 4:
            return [_read(reader, depth + 1) for _ in range(reader.length(argument))]
        case 5:
            return _read_map(reader, argument, depth)
        case 7 if argument == _FLOAT64:
            return _float(reader)
        case 7:
            return reader.simple(argument)
        case _:
            raise CodecError("a value holds no byte strings and no tags")


def _integer(number: int) -> int:
    if abs(number) > INTEGER_MAX:
        raise CodecError("an integer beyond 2^53 - 1")
    return number


def _float(reader: Reader) -> float:
    (number,) = struct.unpack(">d", reader.take(8))
    if not math.isfinite(number):
        raise CodecError("a number that is not finite")
    if number.is_integer() and abs(number) <= INTEGER_MAX:
        raise CodecError("an integral number written as a float")
    return float(number)


def _read_entries(reader: Reader, argument: int, depth: int) -> dict[str, Value]:
    entries: dict[str, Value] = {}
    before: tuple[int, bytes] | None = None
    for _ in range(reader.length(argument, 2)):
        key, before = reader.key(before)
        entries[key] = _read(reader, depth + 1)
    return entries


def _read_map(reader: Reader, argument: int, depth: int) -> Value:
    entries = _read_entries(reader, argument, depth)
    keys = list(entries)
    if keys == [_WRAPPER]:
        return _unwrap(entries[_WRAPPER])
    if in_krl_order(keys) != keys:
        raise CodecError("a map in an order that KRL does not have")
    return entries


def _unwrap(pairs: Value) -> Value:
    """The map written as the one-key map `{"/": [k, v, ...]}`, §3."""
    if not isinstance(pairs, list) or len(pairs) % 2:
        raise CodecError('the list under "/" is not made of pairs')
    entries: dict[str, Value] = {}
    for key, item in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str) or key in entries:
            raise CodecError('a key under "/" is not text, or is there twice')
        entries[key] = item
    keys = list(entries)
    if in_krl_order(keys) != keys:
        raise CodecError("a map in an order that KRL does not have")
    if keys != [_WRAPPER] and keys == sorted(keys, key=lambda key: (len(key.encode()), key)):
        raise CodecError('a map in canonical order written under "/"')
    return entries
