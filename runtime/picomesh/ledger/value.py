"""KRL values as bytes and back (docs/formats/value.md): what crosses between guest and host.

The host keeps values as opaque bytes; this module is for the edges where a person or JSON meets
them. Python's dict stands for a KRL map, and its order is KRL's order: array-index-like keys
ascending, then insertion order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from picomesh.ledger.codec import CUT, DEPTH_MAX, check_count, read_argument
from picomesh.ledger.errors import CodecError
from picomesh.ledger.pieces import head

_Read = TypeVar("_Read")
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
    return _decode(data, _read)


def encode_plain(entries: Mapping[str, Value | Encoded]) -> bytes:
    """A map that is an envelope of the host (event, query, effect): plain canonical CBOR, §4."""
    out = bytearray(head(5, len(entries)))
    for key in sorted(entries, key=lambda key: (len(key), key)):
        out += head(3, len(key)) + key.encode("ascii")
        value = entries[key]
        if isinstance(value, Encoded):
            out += value.data
        else:
            _write(out, value, 1)
    return bytes(out)


def decode_plain(data: bytes) -> dict[str, Value]:
    """The outer map of a message from a guest; its entries are values, §4."""
    return _decode(data, _read_plain)


def is_index(key: str) -> bool:
    """Whether JavaScript would treat this key as an array index."""
    if not key.isascii() or not key.isdigit() or len(key) > _INDEX_DIGITS_MAX:
        return False
    return (key == "0" or key[0] != "0") and int(key) <= _INDEX_MAX


def in_krl_order(keys: list[str]) -> list[str]:
    """Array-index-like keys ascending, then the others as they came."""
    indexes = sorted((key for key in keys if is_index(key)), key=int)
    return indexes + [key for key in keys if not is_index(key)] if indexes else keys


def utf8(text: str) -> bytes:
    """A text as its bytes; every text has some."""
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
    kind = type(value)  # the exact types first: nearly all values are of them
    if kind is int and 0 <= value < 24:  # type: ignore[operator]  # it is an int
        out.append(value)  # type: ignore[arg-type]
    elif kind is str:
        data = utf8(value)  # type: ignore[arg-type]
        out += head(3, len(data))
        out += data
    elif kind is dict:
        _write_map(out, value, depth)  # type: ignore[arg-type]
    else:
        _write_other(out, value, depth)


def _write_other(out: bytearray, value: Value, depth: int) -> None:
    match value:
        case None | False | True:
            out.append({None: 0xF6, False: 0xF4, True: 0xF5}[value])
        case int() | float():
            _write_number(out, value)
        case str():
            data = utf8(value)
            out += head(3, len(data)) + data
        case bytes():
            out += head(2, len(value)) + value
        case list():
            out += head(4, len(value))
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
        out += head(0, number) if number >= 0 else head(1, -1 - number)
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
    keys = list(entries)
    if any("0" <= key[:1] <= "9" for key in keys):
        keys = in_krl_order(keys)
    encoded = [_key(key) for key in keys]
    if keys == [_WRAPPER] or encoded != sorted(encoded, key=_by_length):
        _write_wrapped(out, entries, keys, depth)
        return
    out += head(5, len(keys))
    for data, key in zip(encoded, keys, strict=True):
        out += head(3, len(data))
        out += data
        _write(out, entries[key], depth + 1)


def _by_length(key: bytes) -> tuple[int, bytes]:
    return len(key), key


def _write_wrapped(out: bytearray, entries: dict[str, Value], keys: list[str], depth: int) -> None:
    """A map whose order CBOR's would not say, §3."""
    out += b"\xa1\x61/" + head(4, 2 * len(keys))
    if depth + 2 > DEPTH_MAX:
        raise CodecError(f"a value is nested deeper than {DEPTH_MAX}")
    for key in keys:
        data = _key(key)
        out += head(3, len(data)) + data
        _write(out, entries[key], depth + 2)


def _decode(data: bytes, read: Callable[[bytes, int, int], tuple[_Read, int]]) -> _Read:
    """One item that is all of the bytes."""
    try:
        value, at = read(data, 0, 0)
    except IndexError as problem:
        raise CodecError(CUT) from problem
    except UnicodeDecodeError as problem:
        raise CodecError("text is not UTF-8") from problem
    if at != len(data):
        raise CodecError(f"{len(data) - at} bytes after the end")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    """The value at a position, and the position behind it. Short forms first: most are."""
    first = data[at]
    at += 1
    if first < 0x18:
        return first, at
    if 0x60 <= first < 0x78:
        end = at + first - 0x60
        if end > len(data):
            raise CodecError(CUT)
        return data[at:end].decode(), end
    if first >= 0xE0:
        return _read_simple(data, at, first)
    argument, at = read_argument(data, at, first)
    major = first >> 5
    if major <= 1:
        return _integer(argument if major == 0 else -1 - argument), at
    if major == 3:
        end = at + argument
        if end > len(data):
            raise CodecError(CUT)
        return data[at:end].decode(), end
    if depth + (argument > 0) > DEPTH_MAX:
        raise CodecError(f"a value is nested deeper than {DEPTH_MAX}")
    if major == 4:
        return _read_list(data, at, argument, depth)
    if major == 5:
        return _read_map(data, at, argument, depth)
    raise CodecError("a value holds no byte strings and no tags")


def _read_simple(data: bytes, at: int, first: int) -> tuple[Value, int]:
    match first:
        case 0xF4:
            return False, at
        case 0xF5:
            return True, at
        case 0xF6:
            return None, at
        case 0xFB:
            if at + 8 > len(data):
                raise CodecError(CUT)
            return _float(data[at : at + 8]), at + 8
    raise CodecError("floats of other widths and other simple values have no place in a value")


def _integer(number: int) -> int:
    if abs(number) > INTEGER_MAX:
        raise CodecError("an integer beyond 2^53 - 1")
    return number


def _float(data: bytes) -> float:
    (number,) = struct.unpack(">d", data)
    if not math.isfinite(number):
        raise CodecError("a number that is not finite")
    if number.is_integer() and abs(number) <= INTEGER_MAX:
        raise CodecError("an integral number written as a float")
    return float(number)


def _read_list(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    check_count(data, at, count)
    items: list[Value] = []
    for _ in range(count):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def _read_entries(
    data: bytes, at: int, count: int, depth: int
) -> tuple[dict[str, Value], int, bool]:
    """A map, and whether a key of it may be an index, so that KRL's order is another one."""
    check_count(data, at, 2 * count)
    entries: dict[str, Value] = {}
    length_before, before = -1, b""
    has_digit = False
    for _ in range(count):
        first = data[at]
        if 0x60 <= first < 0x78:
            length, at = first - 0x60, at + 1
        elif first >> 5 == 3:
            length, at = read_argument(data, at + 1, first)
        else:
            raise CodecError("a map key is not text")
        end = at + length
        key = data[at:end]
        if end > len(data):
            raise CodecError(CUT)
        if length <= length_before and (length < length_before or key <= before):
            raise CodecError("map keys are not in order")
        length_before, before = length, key
        if b"0" <= key[:1] <= b"9":
            has_digit = True
        first = data[end]
        value: Value
        if first < 0x18:
            value, at = first, end + 1
        else:
            value, at = _read(data, end, depth + 1)
        entries[key.decode()] = value
    return entries, at, has_digit


def _read_map(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    entries, at, has_digit = _read_entries(data, at, count, depth)
    if count == 1 and _WRAPPER in entries:
        return _unwrap(entries[_WRAPPER]), at
    if has_digit:
        keys = list(entries)
        if in_krl_order(keys) != keys:
            raise CodecError("a map in an order that KRL does not have")
    return entries, at


def _read_plain(data: bytes, at: int, depth: int) -> tuple[dict[str, Value], int]:
    first = data[at]
    if first >> 5 != 5:
        raise CodecError("a message is not a map")
    count, at = read_argument(data, at + 1, first)
    entries, at, _ = _read_entries(data, at, count, depth)
    return entries, at


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
