"""Patterns compiled together with the ruleset that holds them, so that it needs no compiler.

The guest library has a compiler of patterns, QuickJS's; with it a module is twice as large. What
this package makes of a literal is what that compiler would make of it, byte for byte. It knows the
syntax that rulesets use; whatever else there is, mistakes included, it leaves to the library.
"""

from __future__ import annotations

from krl.patterns.bytecode import encode
from krl.patterns.first import flat
from krl.patterns.syntax import Unit, Unsupported, parse


def compile_pattern(source: str, flags: str) -> bytes | None:
    """The matcher's code for a literal; None if only the library can tell."""
    try:
        return encode(parse(source, ignore_case="i" in flags), ignore_case="i" in flags)
    except Unsupported:
        return None


def literal_text(source: str, flags: str) -> str | None:
    """The one text that a pattern matches; None if there are others, or if it is empty."""
    try:
        items = flat(parse(source, ignore_case=False).body)
    except Unsupported:
        return None
    units = [chr(item.unit) for item in items if isinstance(item, Unit)]
    plain = "i" not in flags and len(units) == len(items) > 0
    return "".join(units) if plain else None


__all__ = ["compile_pattern", "literal_text"]
