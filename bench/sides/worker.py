"""picomesh's side of a bench: one JSON request a line in, one JSON answer a line out.

bench/peer/runner.js answers the same requests for the reference, in the same words. Events go in
as an application sends many, `Engine.send_many`: those of one call are durable together.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.model import Response, Sending
from picomesh.sandbox.backends import WASMTIME_VERSION

Call = list[Any]  # ["event", pico, domain, name, attrs] or ["query", pico, rid, name, args]
_SETUP_BATCH = 500


def compiled(source: str) -> bytes:
    module = compile_source(Source("bench.krl", source)).module
    assert module is not None, "the workloads compile"
    return module


def canonical(value: object) -> str:
    """JSON with sorted keys and without spaces: equal bytes for equal values, here and there."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def memory() -> dict[str, int]:
    """Resident memory of this process, and the part that is its own and not a file's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    kib = {name: int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon")}
    return {"resident_bytes": 1024 * kib["VmRSS"], "own_bytes": 1024 * kib["RssAnon"]}


def timed(work: Callable[[], object]) -> dict[str, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


class Worker:
    """One engine, and the picos that a bench made on it by number."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.picos: list[str] = []

    # -- requests

    def open(self, folder: str | None) -> dict[str, Any]:
        """In memory, or with everything on: a home on disk, synchronous=FULL."""
        engine = Engine.ephemeral(Options()) if folder is None else Engine.open(Path(folder))
        self.engine, self.picos = engine, []
        gc.collect()
        gc.freeze()  # what is loaded stays, as in the process of `picomesh engine`
        return {}

    def create(self, count: int) -> dict[str, Any]:
        return timed(lambda: self._create(count))

    def install(self, source: str, picos: list[int]) -> dict[str, Any]:
        return timed(lambda: self._install(compiled(source), picos))

    def run(self, calls: list[Call], ms: float, outstanding: int, start: int) -> dict[str, Any]:
        """Calls in turn, over and over, some of them outstanding at a time."""
        queries = calls[0][0] == "query"
        sendings = [] if queries else [self._sending(call) for call in calls]
        work = self._queries(calls) if queries else self._events(sendings, outstanding)
        done = 0
        cpu_s, begun = time.process_time(), time.perf_counter()
        end = begun + ms / 1000
        while True:
            done += work(start + done)
            now = time.perf_counter()
            if now >= end:
                break
        return {"done": done, "wall_s": now - begun, "cpu_s": time.process_time() - cpu_s}

    def check(self, calls: list[Call]) -> dict[str, Any]:
        digest = hashlib.sha256()
        cpu_s = time.process_time()
        for at in range(0, len(calls), _SETUP_BATCH):
            for answer in self._answers(calls[at : at + _SETUP_BATCH]):
                digest.update(f"{canonical(answer)}\n".encode())
        return {"hash": digest.hexdigest(), "cpu_s": time.process_time() - cpu_s}

    def compile(self, sources: list[str]) -> dict[str, Any]:
        return {"each_s": [timed(partial(compiled, text))["wall_s"] for text in sources]}

    def memory(self) -> dict[str, Any]:
        gc.collect()
        return dict(memory())

    def quit(self) -> dict[str, Any]:
        """Closes the home, so that its folder can go."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None
        return {}

    def versions(self) -> dict[str, Any]:
        return {"python": sys.version.split()[0], "wasmtime": WASMTIME_VERSION}

    # -- inside

    @property
    def _open(self) -> Engine:
        assert self.engine is not None, "the bench opens an engine first"
        return self.engine

    def _create(self, count: int) -> None:
        with self._open.together():
            self.picos += [self._open.create().pico for _ in range(count)]

    def _install(self, module: bytes, picos: list[int]) -> None:
        with self._open.together():
            for at in picos:
                done = self._open.install_module(self.picos[at], module)
                assert done.receipt.core.outcome == "ok", "installing a workload"

    def _sending(self, call: Call) -> Sending:
        _, pico, domain, name, attrs = call
        return Sending(self.picos[pico], domain, name, attrs)

    def _answers(self, calls: list[Call]) -> list[Any]:
        if calls[0][0] == "query":
            return [self._query(call) for call in calls]
        done = self._open.send_many([self._sending(call) for call in calls])
        return [_told(item) for item in done]

    def _query(self, call: Call) -> Any:
        _, pico, rid, name, args = call
        return self._open.query(self.picos[pico], rid, name, args)

    def _queries(self, calls: list[Call]) -> Callable[[int], int]:
        def work(at: int) -> int:
            self._query(calls[at % len(calls)])
            return 1

        return work

    def _events(self, sendings: list[Sending], outstanding: int) -> Callable[[int], int]:
        """Sends the next few together; one alone as an application sends one."""
        engine, count = self._open, len(sendings)

        def work(at: int) -> int:
            batch = [sendings[(at + step) % count] for step in range(outstanding)]
            for item in engine.send_many(batch):
                if isinstance(item, Exception):
                    raise item
            return outstanding

        def work_one(at: int) -> int:
            item = sendings[at % count]
            engine.send(item.pico, item.domain, item.name, item.attrs)
            return 1

        return work_one if outstanding == 1 else work


def _told(item: Response | Exception) -> list[list[object]]:
    if isinstance(item, Exception):
        raise item
    assert item.transition.outcome == "ok", item.transition.message
    return [[directive["name"], directive["options"]] for directive in item.directives]


def main() -> None:
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as problem:
            answer = {"problem": f"{type(problem).__name__}: {problem}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    worker.quit()


if __name__ == "__main__":
    main()
