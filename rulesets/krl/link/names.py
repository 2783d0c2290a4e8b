"""The name section: function names for profilers, stack traces and `--emit wat`."""

from __future__ import annotations

from krl.emit import Emitted, Guest
from krl.emit.guest import FUNCTION_NAMES
from krl.guest.graph import Reached
from pico_abi.wasm import uleb


def name_section(emitted: Emitted, guest: Guest, live: Reached) -> bytes:
    """The names of the library's functions that are alive, and of the program's."""
    names = {i: name for i, name in guest.function_names.items() if i in live.functions}
    for index, function in enumerate(emitted.functions):
        names[guest.function_count + index] = function.name.encode()
    entries = [uleb(index) + uleb(len(name)) + name for index, name in sorted(names.items())]
    content = uleb(len(entries)) + b"".join(entries)
    return bytes((FUNCTION_NAMES,)) + uleb(len(content)) + content
