"""Looks at recorded transitions by running them again, in a thread beside the engine's.

The engine goes on meanwhile: it only hands over receipts and blocks. One look at a time, so that
however many pages ask, the engine keeps its processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from picomesh.engine.errors import NotFound, Overloaded
from picomesh.engine.programs import Programs
from picomesh.engine.selects import selects_of
from picomesh.engine.service import Service
from picomesh.ledger.cid import Cid
from picomesh.ledger.receipt import decode_core
from picomesh.sandbox.backends import BACKENDS, BackendOptions
from picomesh.sandbox.interface import EngineFault
from picomesh.sandbox.machine import WasmtimeSandbox
from picomesh.server.given import BadRequest
from picomesh.server.worker import Worker
from picomesh.store.store import StoredReceipt

if TYPE_CHECKING:
    from picomesh.engine.rules import RuleTeller

BLOCK_BYTES_MAX = 64 * 1024 * 1024  # of blocks that are kept ready
KILL_AFTER_MS = 60_000
POLL_S = 0.5
QUICK_BACKEND = "winch"
_T = TypeVar("_T")


class StoreFromAfar:
    """An engine's histories, read from another thread than the engine's."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._blocks: OrderedDict[Cid, bytes] = OrderedDict()
        self._bytes = 0

    def _ask(self, work: Callable[[Service], _T]) -> _T:
        future = self._worker.call(work)
        while self._worker.is_alive:
            with contextlib.suppress(TimeoutError):
                return future.result(timeout=POLL_S)
        raise Overloaded("the engine has stopped")

    def picos(self) -> list[tuple[str, str]]:
        return self._ask(lambda engine: engine.store.picos())

    def head(self, pico: str) -> StoredReceipt | None:
        return self._ask(lambda engine: engine.store.head(pico))

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        return self._ask(lambda engine: engine.store.receipt(pico, seq))

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        return self._ask(lambda engine: engine.store.receipts(pico, first, last))

    def block(self, cid: Cid) -> bytes:
        """A block; what its name says never changes, so it is asked for once."""
        found = self._blocks.get(cid)
        if found is None:
            found = self._ask(lambda engine: engine.store.block(cid))
            self._blocks[cid] = found
            self._bytes += len(found)
            while self._bytes > BLOCK_BYTES_MAX:
                self._bytes -= len(self._blocks.popitem(last=False)[1])
        return found


class Looker:
    """Runs recorded transitions again, one after the other."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._source = StoreFromAfar(worker)
        self._pool = ThreadPoolExecutor(1, "picomesh look")
        self._programs: dict[str, Programs] = {}
        self._teller: RuleTeller | None = None

    def close(self) -> None:
        """Looks that wait find an engine that has stopped, and end."""
        self._pool.submit(self._end)
        self._pool.shutdown(wait=False)

    def _end(self) -> None:
        if self._teller is not None:
            self._teller.close()

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def replay(self, pico: str, seq: int, backend: str) -> dict[str, Any]:
        """Runs one receipt again and compares its core; checks its place and signature, too."""
        backend = backend or self._worker.engine.options.backend
        if backend not in BACKENDS:
            raise BadRequest(400, f"Error: a backend is one of {', '.join(BACKENDS)}")
        return await self._run(lambda: self._replay(pico, seq, backend))

    async def rules(self, pico: str, seq: int) -> dict[str, Any]:
        """What each rule had to do with a receipt."""
        return await self._run(lambda: self._rules(pico, seq))

    async def prove(self, pico: str, seq: int, has_modules: bool) -> bytes:
        """The proof of one receipt (docs/formats/proof.md)."""
        return await self._run(lambda: self._prove(pico, seq, has_modules))

    async def attributes(self, source: str) -> dict[str, list[str]]:
        """The names of event attributes that each rule of a ruleset looks at."""
        found = await self._run(lambda: selects_of(source))
        return {rule: list(select.attributes) for rule, select in found.items()}

    # -- in the looking thread

    def _made(self, backend: str) -> Programs:
        if backend not in self._programs:
            options = BackendOptions(backend, KILL_AFTER_MS, plain=True)
            gate = self._worker.engine.options.gate
            self._programs[backend] = Programs(WasmtimeSandbox(options), gate)
        return self._programs[backend]

    def _quick(self) -> Programs:
        """The backend that compiles soonest; what rules did is the same on every one."""
        try:
            return self._made(QUICK_BACKEND)
        except EngineFault:  # it does not know this processor
            return self._made(self._worker.engine.options.backend)

    # What only these need is imported here: an engine starts sooner without it.

    def _replay(self, pico: str, seq: int, backend: str) -> dict[str, Any]:
        from picomesh.engine.rerun import rerun

        self._receipt(pico, seq)
        programs, engine = self._made(backend), self._worker.engine
        started = time.perf_counter()
        done = rerun(self._source, engine.public_key, programs, pico, seq, seq)
        divergence, problem = done.divergence, done.problem
        return {
            "seq": seq,
            "agrees": divergence is None and problem is None,
            "differs": None
            if divergence is None
            else {
                "field": divergence.field,
                "recorded": divergence.recorded,
                "replayed": divergence.replayed,
            },
            "problem": None if problem is None else f"{problem.field}: {problem.text}",
            "fuel": done.fuel,
            "ms": round((time.perf_counter() - started) * 1000, 2),
            "backend": backend,
            "version": programs.sandbox.version,
        }

    def _prove(self, pico: str, seq: int, has_modules: bool) -> bytes:
        from picomesh.engine.prove import prove

        self._receipt(pico, seq)
        return prove(self._source, self._quick(), pico, seq, has_modules=has_modules)

    def _rules(self, pico: str, seq: int) -> dict[str, Any]:
        from picomesh.engine.rules import RuleTeller

        row = self._receipt(pico, seq)
        if self._teller is None:
            self._teller = RuleTeller(self._quick())
        return self._teller.tell(self._source, decode_core(row.core), row.core)

    def _receipt(self, pico: str, seq: int) -> StoredReceipt:
        row = None
        with contextlib.suppress(OverflowError):  # of a number that no column holds
            row = self._source.receipt(pico, seq)
        if row is None:
            raise NotFound(f"this pico has no receipt {seq}")
        return row
