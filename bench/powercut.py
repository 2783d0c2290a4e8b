"""Does a home survive a power cut, whatever of its last writes reached the disk?

An engine runs on a model of a disk: what was written since the last sync may be there after the
cut, or not, or be torn at a sector. At a random write or sync the power goes; the disk is then put
together by chance, opened by the ordinary store, and must hold a ledger that verifies and every
acknowledged event exactly once. SQLite runs through `apsw`, whose files are this model.

Goals: no problem in 400 cuts, at every kind of place.

Non-goals: disks that lie about a sync, damage to what was synced before, speed. The model keeps
SQLite's locking exclusive, for it has no shared memory; what is written and synced is the same.

    python bench/powercut.py              # 400 cuts, about a minute
    python bench/powercut.py --small      # twelve cuts (the test suite asks this)
    python bench/powercut.py --synchronous OFF    # must find problems: the model can tell
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

import picomesh
from picomesh.engine.history import verify_home
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.engine.programs import Programs
from picomesh.engine.service import Service
from picomesh.ledger.signature import SEED_BYTES, Signer
from picomesh.store.schema import prepare
from picomesh.store.store import Store

CUTS, CUTS_SMALL = 400, 12
SECTOR_BYTES = 512
EVENTS = 30
BURST = 20  # the last ones; more than PACK_RECEIPTS_MIN
NAME = "home.sqlite3"
RULESET = """
ruleset cut {
  meta { shares seen }
  global { seen = function() { ent:seen.defaultsTo({}) } }
  rule add { select when t add
    fired { ent:seen{event:attrs{"n"}} := ent:seen{event:attrs{"n"}}.defaultsTo(0) + 1;
      log info "added " + event:attrs{"n"} } }
}
"""


class PowerCut(Exception):
    """The power is gone."""


@dataclass(slots=True)
class Content:
    """One file: as the program sees it, as it surely is on disk, and what is between."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut off there


class Disk:
    """Files that lose power at the n-th write or sync."""

    def __init__(self, cut_at: int) -> None:
        self.files: dict[str, Content] = {}
        self.cut_at = cut_at
        self.count = 0
        self.is_dead = False  # whatever the program still does then has no effect

    def tick(self) -> None:
        self.count += 1
        if self.count >= self.cut_at:
            self.is_dead = True
            raise PowerCut

    def after_cut(self, chance: random.Random) -> dict[str, bytes]:
        """What is found when the power is back."""
        return {name: self._found(content, chance) for name, content in self.files.items()}

    def _found(self, content: Content, chance: random.Random) -> bytes:
        data = bytearray(content.durable)
        luck = chance.choice([0.0, 0.5, 0.9, 1.0])
        for offset, written in content.pending:
            if written is None:
                if chance.random() < luck:
                    del data[offset:]
                continue
            for start in range(0, len(written), SECTOR_BYTES):
                if chance.random() < luck:
                    _write(data, offset + start, written[start : start + SECTOR_BYTES])
        return bytes(data)


def _write(data: bytearray, offset: int, written: bytes) -> None:
    if len(data) < offset + len(written):
        data.extend(bytes(offset + len(written) - len(data)))
    data[offset : offset + len(written)] = written


class DiskFile:
    """An open file, in the words of SQLite's interface."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._content = disk.files.setdefault(name, Content())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._content.live[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.is_dead:
            return
        self._content.pending.append((offset, bytes(data)))
        self._disk.tick()
        _write(self._content.live, offset, data)

    def xTruncate(self, size: int) -> None:
        if self._disk.is_dead:
            return
        self._content.pending.append((size, None))
        self._disk.tick()
        del self._content.live[size:]

    def xSync(self, flags: int) -> None:
        if self._disk.is_dead:
            return
        self._disk.tick()
        self._content.durable = bytearray(self._content.live)
        self._content.pending.clear()

    def xFileSize(self) -> int:
        return len(self._content.live)

    def xSectorSize(self) -> int:
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xLock(self, level: int) -> None: ...
    def xUnlock(self, level: int) -> None: ...
    def xClose(self) -> None: ...

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False


class DiskSystem(apsw.VFS):
    """The file system of one model disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("model", "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        plain = name.filename() if isinstance(name, apsw.URIFilename) else name
        return DiskFile(self._disk, Path(plain or "temporary").name)

    def xDelete(self, name: str, sync: bool) -> None:
        if not self._disk.is_dead:
            self._disk.files.pop(Path(name).name, None)

    def xAccess(self, name: str, flags: int) -> bool:
        return bool(Path(name).name in self._disk.files)

    def xFullPathname(self, name: str) -> str:
        return name

    def xRandomness(self, count: int) -> bytes:
        return bytes(count)

    def xCurrentTime(self) -> float:
        return 2460000.5

    def xSleep(self, microseconds: int) -> int:
        return microseconds

    def xGetLastError(self) -> tuple[int, str]:
        return 0, ""


class Rows:
    """A cursor as sqlite3 has it."""

    def __init__(self, cursor: Any, lastrowid: int) -> None:
        self._cursor = cursor
        self.lastrowid = lastrowid

    def fetchall(self) -> list[Any]:
        return list(self._cursor)

    def fetchone(self) -> Any:
        return next(iter(self._cursor), None)


class Database:
    """A connection of apsw, in the words of sqlite3 that the store uses."""

    def __init__(self, disk: Disk, synchronous: str) -> None:
        self._system = DiskSystem(disk)
        self._connection = apsw.Connection(f"/{NAME}", vfs="model")
        self.execute("PRAGMA locking_mode = EXCLUSIVE")
        assert self.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        self.execute(f"PRAGMA synchronous = {synchronous}")
        self.execute("PRAGMA wal_autocheckpoint = 20")  # so that cuts meet checkpoints as well

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def execute(self, statement: str, parameters: Any = ()) -> Rows:
        cursor = self._connection.execute(statement, tuple(parameters))
        return Rows(cursor, self._connection.last_insert_rowid())

    def executemany(self, statement: str, rows: Any) -> None:
        self._connection.executemany(statement, list(rows))

    def executescript(self, statements: str) -> None:
        self._connection.execute(statements)

    def close(self) -> None:
        self._connection.close(True)


@dataclass(slots=True)
class Found:
    """What all cuts came to."""

    cuts: int = 0
    acknowledged: int = 0
    problems: list[str] = field(default_factory=list)


class Bench:
    """What all cuts share: compiled modules, a key."""

    def __init__(self, seed: int, synchronous: str) -> None:
        self.synchronous = synchronous
        self.options = Options(backend="winch")
        self.programs: Programs = self.options.programs(None)
        self.module = compile_krl(RULESET)
        self.signer = Signer(bytes(SEED_BYTES))
        self.chance = random.Random(seed)

    def engine(self, store: Store) -> Service:
        return Service(store, self.signer, self.programs, self.options)

    def live(self, disk: Disk, acknowledged: list[str]) -> None:
        """Makes a pico and sends it events until the power goes, or all are sent."""
        database: Any = Database(disk, self.synchronous)
        prepare(database)
        engine = self.engine(Store(database))
        engine.create("me")
        engine.install_module("me", self.module)
        for number in range(EVENTS):
            engine.accept("me", "t", "add", {"n": f"n{number}"})
            if disk.is_dead:
                raise PowerCut
            acknowledged.append(f"n{number}")
            is_in_burst = number >= EVENTS - BURST  # run together, and kept as a pack
            if not is_in_burst and self.chance.random() < 0.6:
                engine.settle()
        engine.settle()
        database.close()

    def cut(self, cut_at: int, folder: Path, found: Found) -> None:
        disk, acknowledged = Disk(cut_at), list[str]()
        with _no_power():
            self.live(disk, acknowledged)
        for name, data in disk.after_cut(self.chance).items():
            (folder / name).write_bytes(data)
        found.cuts += 1
        found.acknowledged += len(acknowledged)
        try:
            found.problems += [f"cut {cut_at}: {text}" for text in self.check(folder, acknowledged)]
        except Exception as problem:  # whatever it is, the home is not good
            found.problems.append(f"cut {cut_at}: {type(problem).__name__}: {problem}")

    def check(self, folder: Path, acknowledged: list[str]) -> Iterator[str]:
        store = Store.at(folder / NAME)
        engine = self.engine(store)
        try:
            engine.settle()
            for problem in verify_home(store, engine.public_key).problems:
                yield f"{problem.place}: {problem.text}"
            if acknowledged:
                seen = engine.query("me", "cut", "seen")
                assert isinstance(seen, dict), "the ruleset shares a map"
                yield from (f"{name} is lost" for name in acknowledged if name not in seen)
                yield from (
                    f"{key} came {count!r} times" for key, count in seen.items() if count != 1
                )
        finally:
            store.close()


@contextmanager
def _no_power() -> Iterator[None]:
    """The cut ends the program; SQLite reports it as an error of the file or as it is."""
    try:
        yield
    except (PowerCut, apsw.Error):
        return


def run(cuts: int, seed: int, synchronous: str) -> Found:
    """Cuts the power at so many places."""
    sys.unraisablehook = lambda info: None  # a cut inside of a callback of SQLite's
    bench, found = Bench(seed, synchronous), Found()
    whole = Disk(2**60)
    bench.live(whole, [])
    for _ in range(cuts):
        with tempfile.TemporaryDirectory() as scratch:
            bench.cut(bench.chance.randint(1, whole.count), Path(scratch), found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=CUTS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous", choices=["FULL", "OFF"], default="FULL")
    given = parser.parse_args()
    found = run(CUTS_SMALL if given.small else given.cuts, given.seed, given.synchronous)
    result = {
        "bench": "powercut",
        "cuts": found.cuts,
        "acknowledged": found.acknowledged,
        "problem_count": len(found.problems),
        "problems": hashlib.sha256("\n".join(found.problems).encode()).hexdigest(),
        "seed": given.seed,
        "machine": platform.platform(),
        "sqlite": apsw.sqlite_lib_version(),
        "picomesh": picomesh.__version__,
    }
    print(json.dumps(result))
    for problem in found.problems[:20]:
        print(problem, file=sys.stderr)
    sys.exit(1 if found.problems else 0)


if __name__ == "__main__":
    main()
