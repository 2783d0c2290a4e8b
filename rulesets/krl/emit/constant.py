"""Constants that are collections: bytes in the format of values, decoded where they are wanted.

The library has a decoder for that format in any case, and one for JSON only where a ruleset asks
for it (docs/formats/value.md).
"""

from __future__ import annotations

import json
from typing import Any

import cbor2

_ORDERED_KEY = "/"


def encoded(json_text: str) -> bytes:
    """The bytes of a constant without numbers that are not integers."""
    return cbor2.dumps(_ordered(json.loads(json_text)), canonical=True)


def _ordered(value: Any) -> Any:
    """Maps whose order is not that of their encoding say their order, as KRL's maps have one."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            if keys == list(value) and keys != [_ORDERED_KEY]:
                return {key: _ordered(value[key]) for key in keys}
            return {_ORDERED_KEY: [part for key in value for part in (key, _ordered(value[key]))]}
        case list():
            return [_ordered(item) for item in value]
    assert value is None or isinstance(value, bool | int | str), value
    return value
