"""The folder of an engine: the database, the engine's key, a lock, a cache.

One process uses a home at a time: SQLite before 3.51.3 can corrupt a database in WAL mode when
two connections write and checkpoint at once, so there is exactly one. Opening waits a while for
another process to finish.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from picomesh.ledger.signature import SEED_BYTES, Signer
from picomesh.store.errors import StoreError

LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.05


def default_home() -> Path:
    """PICOMESH_HOME, or ~/.picomesh."""
    chosen = os.environ.get("PICOMESH_HOME")
    return Path(chosen) if chosen else Path.home() / ".picomesh"


@dataclass(slots=True)
class Home:
    """An open home; `close` gives it to the next process."""

    folder: Path
    lock: IO[bytes]

    @property
    def database(self) -> Path:
        return self.folder / "picomesh.sqlite3"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def close(self) -> None:
        self.lock.close()


def open_home(folder: Path, wait_s: float = LOCK_WAIT_S) -> Home:
    """Makes the folder if it is not there, and takes its lock. Raises StoreError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileExistsError as problem:
        raise StoreError(f"{folder} is a file", "name a folder with --home") from problem
    except OSError as problem:
        raise StoreError(
            f"cannot write to the home {folder}: {problem.strerror}",
            "make it writable, or name another folder with --home or PICOMESH_HOME",
        ) from problem
    lock = os.fdopen(descriptor, "r+b")
    _take_lock(lock, folder, wait_s)
    return Home(folder, lock)


def _take_lock(lock: IO[bytes], folder: Path, wait_s: float) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: SQLite's own lock has to do
        return
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as problem:
            if time.monotonic() > deadline:
                lock.close()
                raise StoreError(
                    f"the home {folder} is used by another picomesh",
                    "wait until it is done, or use another home",
                ) from problem
        time.sleep(_LOCK_POLL_S)


def load_signer(home: Home, is_new: bool, seed: bytes) -> Signer:
    """The engine's key: a file of its own, readable only by its owner.

    A new home gets `seed`; a home that has receipts must still have its key.
    """
    path = home.folder / "engine.key"
    try:
        content = path.read_bytes()
        with contextlib.suppress(OSError):  # a backup that was brought back may be open to all
            path.chmod(0o600)
    except FileNotFoundError as problem:
        if not is_new:
            raise StoreError(
                f"the engine's key {path} is not there",
                "bring it back from a backup; without it no new receipt can be signed",
            ) from problem
        _write_key(path, seed)
        return Signer(seed)
    except OSError as problem:
        raise StoreError(f"the engine's key {path} cannot be read: {problem}") from problem
    if len(content) != SEED_BYTES:
        raise StoreError(
            f"the engine's key {path} has {len(content)} bytes, not {SEED_BYTES}",
            "bring it back from a backup",
        )
    return Signer(content)


def _write_key(path: Path, seed: bytes) -> None:
    """Complete and on disk before anything is signed with it."""
    temporary = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
