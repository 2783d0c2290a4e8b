"""Entity variables as a person or a program wants them: whole (docs/formats/entity.md).

The guest library spreads large collections over many paths; here they are put together again, for
showing, and spread in the same way where a variable comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from picomesh.ledger.value import Value, decode_value

ENTITIES = b"ent/"
_MAP, _ARRAY = 1, 2
_INDEX_KEYS_END = 2**32 - 1
_SPREAD_ENTRIES_MIN = 64  # as in the guest library
_KEY_UNITS_MAX = 200


def read_entities(items: Iterable[tuple[bytes, bytes]]) -> dict[str, dict[str, Value]]:
    """All entity variables by ruleset and name, from the state's items below `ent/`."""
    stored: dict[str, dict[str, Value]] = {}
    for path, data in items:
        _, rid, name = path.decode("utf-8", "backslashreplace").split("/", 2)
        stored.setdefault(rid, {})[name] = decode_value(data)
    return {rid: _joined(variables) for rid, variables in stored.items()}


def spread(name: str, value: Value) -> list[tuple[str, Value]]:
    """The paths and values that a variable is kept as, entity.md §3; null is kept as nothing."""
    match value:
        case None:
            return []
        case list() if len(value) >= _SPREAD_ENTRIES_MIN and not name.startswith("_"):
            return _spread(name, _ARRAY, [(f"{at:010}", item) for at, item in enumerate(value)])
        case dict() if len(value) >= _SPREAD_ENTRIES_MIN and not name.startswith("_"):
            ordered = _in_map_order(value)
            if all(_fits(key) for key in ordered):
                return _spread(name, _MAP, list(ordered.items()))
    return [(name, value)]


def _spread(name: str, kind: int, rows: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    header: list[Value] = [kind, len(rows), len(rows)]
    entries = [(f"{name}/:{key}", [order, item]) for order, (key, item) in enumerate(rows)]
    return [(f"{name}/", header), *((path, [*row]) for path, row in entries)]


def _fits(key: str) -> bool:
    """Whether a key can be part of a path."""
    try:
        return len(key.encode("utf-16-le")) <= 2 * _KEY_UNITS_MAX
    except UnicodeEncodeError:  # a surrogate without its partner
        return False


def _joined(stored: dict[str, Value]) -> dict[str, Value]:
    """A ruleset's variables, with the spread ones put together."""
    entries: dict[str, list[tuple[int, str, Value]]] = {}
    found: dict[str, Value] = {}
    for path, value in stored.items():
        name, slash, key = path.partition("/")
        match value:
            case [int(), int(), int()] if slash and not key:
                entries.setdefault(name, [])
            case [int(order), item] if key.startswith(":"):
                entries.setdefault(name, []).append((order, key[1:], item))
            case _:
                found[path] = value
    for name, rows in entries.items():
        header = stored.get(f"{name}/")
        rows.sort(key=lambda row: row[0])
        if isinstance(header, list) and header[0] == _ARRAY:
            found[name] = [item for _, _, item in rows]
        else:
            found[name] = _in_map_order({key: item for _, key, item in rows})
    return found


def _in_map_order(entries: dict[str, Value]) -> dict[str, Value]:
    """Array-index-like keys first, ascending, as every KRL map has them."""
    indices = sorted((int(key), key) for key in entries if _is_index(key))
    ordered: dict[str, Value] = {key: entries[key] for _, key in indices}
    return {**ordered, **entries}


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < _INDEX_KEYS_END
