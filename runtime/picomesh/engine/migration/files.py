"""The rows of a home of the reference engine: from its LevelDB, or from a dump in JSON.

LevelDB has no way to look without touching: whoever opens a database takes its lock, replays its
log and writes new files. So a copy is opened, and the home stays as it is, byte for byte.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from picomesh.engine.errors import OperatorError
from picomesh.engine.migration.charwise import decode_key
from picomesh.ledger.value import INTEGER_MAX, Value, in_krl_order

DATABASES = ("db", "rulesets-db")
_NEED = "`pip install 'picomesh[import]'`, or make a dump: docs/migration.md has the lines"

Row = tuple[tuple[str, ...], Value]


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that could not be read, by its key as far as that is known."""

    key: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that a home holds: its picos, and its rulesets by URL."""

    picos: list[Row]
    rulesets: list[Row]
    unread: list[Unread]


def read_rows(path: Path) -> Rows:
    """The rows of a folder or of a dump. Raises OperatorError."""
    if not path.exists():
        raise OperatorError(f"there is nothing at {path}", "name a folder of the reference engine")
    return _read_folder(path) if path.is_dir() else _read_dump(path)


def decode_json(text: str | bytes) -> Value:
    """JSON as JavaScript reads it: numbers are doubles, maps in KRL's order. Raises ValueError."""
    try:
        value: Value = json.loads(
            text, parse_int=_number, parse_constant=_constant, object_pairs_hook=_map
        )
        return value
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem


def _number(digits: str) -> int | float:
    if digits == "-0":
        return 0
    number = int(digits) if len(digits) < 20 else float(digits)
    return number if isinstance(number, float) or abs(number) <= INTEGER_MAX else float(number)


def _constant(name: str) -> Value:
    raise ValueError(f"{name} is not JSON")


def _map(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    entries = dict(pairs)
    return {key: entries[key] for key in in_krl_order(list(entries))}


# -- LevelDB


def _read_folder(folder: Path) -> Rows:
    if (folder / "CURRENT").is_file() and folder.resolve().name == DATABASES[0]:
        folder = folder.resolve().parent  # the database itself was named
    if not (folder / DATABASES[0] / "CURRENT").is_file():
        raise OperatorError(
            f"{folder} has no LevelDB in {DATABASES[0]}/, as homes of the reference engine have",
            "name the folder that PICO_ENGINE_HOME named, by default ~/.pico-engine",
        )
    found: dict[str, list[Row]] = {}
    unread: list[Unread] = []
    for name in DATABASES:
        raw = _read_level(folder / name) if (folder / name / "CURRENT").is_file() else []
        found[name] = list(_decoded(raw, unread))
    return Rows(found["db"], found["rulesets-db"], unread)


def _decoded(raw: list[tuple[bytes, bytes]], unread: list[Unread]) -> Iterator[Row]:
    for key, data in raw:
        texts = decode_key(key)
        if texts is None:
            unread.append(Unread((key.decode("utf-8", "replace"),), "its key is not the engine's"))
            continue
        try:
            yield texts, None if data == b"" else decode_json(data)
        except ValueError as problem:
            unread.append(Unread(texts, f"its value is not JSON: {problem}"))


def _read_level(folder: Path) -> list[tuple[bytes, bytes]]:
    """Every key and value of a database, in order of the keys."""
    try:
        import plyvel  # type: ignore[import-not-found, import-untyped, unused-ignore]  # optional
    except ImportError as problem:
        raise OperatorError("reading LevelDB needs the package plyvel-ci", _NEED) from problem
    _check_unused(folder)
    with tempfile.TemporaryDirectory(prefix="picomesh-") as scratch:
        copy = Path(scratch) / "db"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("LOCK", "LOG*"))
        try:
            database = plyvel.DB(str(copy), create_if_missing=False)
            try:
                return [(bytes(key), bytes(value)) for key, value in database]
            finally:
                database.close()
        except plyvel.Error as problem:
            raise OperatorError(
                f"the LevelDB in {folder} cannot be read: {problem}",
                "start and stop the engine once, which repairs it, or use a backup",
            ) from problem


def _check_unused(folder: Path) -> None:
    """A copy taken while the engine writes could be half of something."""
    try:
        import fcntl
    except ImportError:  # Windows does not let an open file be copied
        return
    lock = folder / "LOCK"
    if not lock.is_file():
        return
    with lock.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as problem:
            raise OperatorError(f"an engine uses {folder}", "stop it first") from problem


# -- a dump


def _read_dump(path: Path) -> Rows:
    """`{"db": [[key, value], …], "rulesets-db": […]}`."""
    try:
        content = decode_json(path.read_bytes())
    except (ValueError, OSError) as problem:
        raise OperatorError(f"{path} is not a dump in JSON: {problem}") from problem
    if not isinstance(content, dict) or "db" not in content:
        raise OperatorError(f"{path} is not a dump of a home", "docs/migration.md says how to make")
    unread: list[Unread] = []
    found = [list(_rows(content.get(name, []), unread)) for name in DATABASES]
    return Rows(found[0], found[1], unread)


def _rows(rows: Value, unread: list[Unread]) -> Iterator[Row]:
    for row in rows if isinstance(rows, list) else []:
        match row:
            case [list(key), value] if all(isinstance(item, str) for item in key):
                yield tuple(str(item) for item in key), value
            case _:
                unread.append(Unread((), "a row of the dump is not [key, value]"))
