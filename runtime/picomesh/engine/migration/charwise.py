"""Keys of the reference engine's database: lists of texts as npm's `charwise` encodes them.

A list is `K`, its items with `"` between them, and `!`; a text is `J` and itself. In an item `?`,
`!` and `"` are escaped. The reference has no other kinds of items in its keys.
"""

from __future__ import annotations

_ESCAPES = {"?@": "?", "??": "!", "?%": '"'}
_TEXT = "J"


def decode_key(data: bytes) -> tuple[str, ...] | None:
    """The texts of a key; None for a key that is not a list of texts."""
    try:
        key = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not key.startswith("K") or not key.endswith("!"):
        return None
    items = key[1:-1].split('"')
    if not all(item.startswith(_TEXT) for item in items):
        return None
    return tuple(_unescape(item[1:]) for item in items)


def _unescape(item: str) -> str:
    text, at = "", 0
    while at < len(item):
        pair = item[at : at + 2]
        text += _ESCAPES.get(pair, item[at])
        at += 2 if pair in _ESCAPES else 1
    return text
