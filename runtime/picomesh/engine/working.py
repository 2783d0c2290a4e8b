"""A worker process: runs transitions of events ahead of the engine (`workers`).

It reads the engine's database and never writes to it, and has no clock, no randomness and no key:
all that decides a transition comes with the order. What it cannot run (a question without an
answer, a state that it cannot see yet) it says so of, and the engine runs that itself.
"""

from __future__ import annotations

import gc
import marshal
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from picomesh.engine.inputs import Event
from picomesh.engine.parcels import pack
from picomesh.engine.perform import perform
from picomesh.engine.performed import Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered
from picomesh.ledger.cid import Cid, trusted_cid
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from picomesh.store.store import Store

LENGTH_BYTES = 4
TOGETHER = 8  # results that are sent at once
_REMEMBERED_MAX = 100_000  # blocks that may not be durable yet
# The chain's number, where it begins if it does, the event, its bytes, time and seed.
Row: TypeAlias = "tuple[int, Start | None, tuple[Any, ...], bytes, int, bytes]"
Start: TypeAlias = "tuple[str, int, bytes, bytes, int]"  # pico, seq, prev, pre, fuel limit


@dataclass(slots=True)
class Chain:
    """Transitions of one pico that follow each other; `is_broken` when one could not be run."""

    pico: str
    seq: int
    prev: bytes
    pre: bytes
    fuel_limit: int
    is_broken: bool = False


class WorkerProcess:
    """Runs what it is ordered, one event after the other."""

    def __init__(self, store: Store, programs: Programs, out: BinaryIO) -> None:
        self._store = store
        self._programs = programs
        self._out = out
        self._chains: dict[str, tuple[int, Chain]] = {}
        self._numbers: dict[int, Chain] = {}
        self._made: dict[Cid, bytes] = {}

    def run(self, rows: list[Row]) -> None:
        """One result for each row, in order."""
        if len(self._made) > _REMEMBERED_MAX:
            self._made.clear()
        for count, (number, start, event, given_bytes, time_ms, seed) in enumerate(rows, 1):
            if start is not None:
                self._begin(number, Chain(*start))
            chain = self._numbers[number]
            result = self._perform(chain, event, given_bytes, time_ms, seed)
            self._out.write(len(result).to_bytes(LENGTH_BYTES, "little") + result)
            if count % TOGETHER == 0:
                self._out.flush()
        self._out.flush()

    def _begin(self, number: int, chain: Chain) -> None:
        """A pico has one chain at a time."""
        before = self._chains.get(chain.pico)
        if before is not None:
            del self._numbers[before[0]]
        self._chains[chain.pico] = number, chain
        self._numbers[number] = chain

    def _perform(
        self, chain: Chain, event: tuple[Any, ...], given_bytes: bytes, time_ms: int, seed: bytes
    ) -> bytes:
        """The transition as bytes; none when it could not be run."""
        if chain.is_broken:
            return b""
        prev, pre = trusted_cid(chain.prev), trusted_cid(chain.pre)
        given = Event(*event)
        work = Work(chain.pico, chain.seq, prev, given, time_ms, seed, chain.fuel_limit, pre)
        work.given_bytes = given_bytes
        blocks = Layered(self._store)
        blocks.new = self._made
        try:
            performed = perform(self._programs, blocks, work)
        except Exception:  # whatever it is: the engine meets it again, and knows what to do
            chain.is_broken = True
            return b""
        self._made.update(performed.blocks)
        chain.seq += 1
        chain.prev, chain.pre = performed.cid.raw, performed.post.raw
        return pack(performed)


def main(arguments: list[str]) -> int:
    """Orders from standard input, results to standard output, until the input ends."""
    database, cache, backend, way, kill_after_ms, compile_ms_max = arguments
    options = BackendOptions(
        backend,
        int(kill_after_ms) if kill_after_ms else None,
        way == "plain",
        int(compile_ms_max) if compile_ms_max else None,
    )
    programs = Programs(open_sandbox(options, Path(cache)), kernel=way == "kernel")
    with closing(Store.reader(Path(database))) as store:
        worker = WorkerProcess(store, programs, sys.stdout.buffer)
        source = sys.stdin.buffer
        gc.freeze()  # what is loaded stays
        while head := source.read(LENGTH_BYTES):
            data = source.read(int.from_bytes(head, "little"))
            worker.run(cast("list[Row]", marshal.loads(data)))
    return 0
