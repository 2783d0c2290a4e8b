"""What an event of the counter consists of: its module, messages, hashes and bytes on disk."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pico_abi
from picomesh.engine import Engine, Options
from picomesh.engine.model import Sending
from picomesh.engine.programs import Programs
from picomesh.ledger import cid
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.sandbox.recording import RecordingSandbox
from sides.cases import source
from sides.worker import compiled

BATCH, BATCHES = 64, 40
TOTAL = b"ent/total"


@dataclass(frozen=True, slots=True)
class Work:
    """An event, taken apart."""

    metered: bytes
    clear: bytes  # the message of the event that sets the counter to 0
    count: bytes
    hashes: tuple[int, ...]  # the bytes of each
    append_bytes: int


@dataclass(frozen=True, slots=True)
class _Recording(Options):
    sandbox: RecordingSandbox | None = None

    def programs(self, cache: Path | None) -> Programs:
        assert self.sandbox is not None
        return Programs(self.sandbox, self.gate)


def find_work() -> Work:
    raw = compiled(source("counter"))
    clear, count = messages(raw)
    hashes, stored_bytes = recorded(raw)
    return Work(pico_abi.meter(raw), clear, count, hashes, stored_bytes)


def messages(raw: bytes) -> tuple[bytes, bytes]:
    """What the guest is told for either event."""
    sandbox = RecordingSandbox(WasmtimeSandbox(BackendOptions(plain=True)))
    found: list[bytes] = []
    with Engine.ephemeral(_Recording(plain=True, sandbox=sandbox)) as engine:
        pico = engine.create().pico
        engine.install_module(pico, raw)
        for name in ("clear", "count"):
            sandbox.machines.clear()
            engine.send(pico, "counter", name)
            (guest,) = sandbox.machines[-1]
            found += [item.message for item in guest.messages if item.export == "handle"]
    clear, count = found
    return clear, count


@contextmanager
def hashes_counted() -> Iterator[list[int]]:
    """The bytes of every hash that is taken inside."""
    sizes: list[int] = []
    module: Any = cid
    real = module.blake3

    def counting(data: bytes) -> Any:
        sizes.append(len(data))
        return real(data)

    module.blake3 = counting
    try:
        yield sizes
    finally:
        module.blake3 = real


def recorded(raw: bytes) -> tuple[tuple[int, ...], int]:
    """Hashes of an event, and the bytes that it leaves in a database, both on average."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "home"
        with Engine.open(folder, Options(kernel=False)) as engine:
            pico = engine.create().pico
            engine.install_module(pico, raw)
            engine.send(pico, "counter", "clear")
            batch = [Sending(pico, "counter", "count")] * BATCH
            engine.send_many(batch)
            before = _used_bytes(folder)
            with hashes_counted() as sizes:
                for _ in range(BATCHES):
                    engine.send_many(batch)
            stored = _used_bytes(folder) - before
    events = BATCH * BATCHES
    count = max(round(len(sizes) / events), 1)
    assert sizes, "the ledger hashes by this name"
    return (round(sum(sizes) / events / count),) * count, stored // events


def _used_bytes(folder: Path) -> int:
    database = sqlite3.connect(folder / "picomesh.sqlite3")
    try:
        ((pages,),) = database.execute("PRAGMA page_count")
        ((page_bytes,),) = database.execute("PRAGMA page_size")
        total: int = pages * page_bytes
        return total
    finally:
        database.close()
