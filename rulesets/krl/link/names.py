"""The name section: function names for profilers, stack traces and `--emit wat`."""

from __future__ import annotations

from krl.emit import Emitted, Guest
from pico_abi.wasm import read_uleb32, uleb

_FUNCTION_NAMES = 1


def name_section(emitted: Emitted, guest: Guest) -> bytes:
    """The library's own names, where its build kept them, and the program's."""
    names = guest_names(guest)
    for index, function in enumerate(emitted.functions):
        names[guest.function_count + index] = function.name.encode()
    entries = [uleb(index) + uleb(len(name)) + name for index, name in sorted(names.items())]
    content = uleb(len(entries)) + b"".join(entries)
    return bytes((_FUNCTION_NAMES,)) + uleb(len(content)) + content


def guest_names(guest: Guest) -> dict[int, bytes]:
    section = guest.module.custom("name")
    if section is None:
        return {}
    at = 0
    while at < len(section):
        kind = section[at]
        size, at = read_uleb32(section, at + 1)
        if kind == _FUNCTION_NAMES:
            return _name_map(section, at)
        at += size
    return {}


def _name_map(section: bytes, at: int) -> dict[int, bytes]:
    names: dict[int, bytes] = {}
    count, at = read_uleb32(section, at)
    for _ in range(count):
        index, at = read_uleb32(section, at)
        size, at = read_uleb32(section, at)
        names[index] = section[at : at + size]
        at += size
    return names
