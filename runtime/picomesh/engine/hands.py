"""One worker process as the engine sees it: orders in, results out, in the same order."""

from __future__ import annotations

import contextlib
import marshal
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import IO

from picomesh.engine.working import LENGTH_BYTES, Row

_CODE = "import sys; from picomesh.engine.working import main; sys.exit(main(sys.argv[1:]))"
COMMAND = (sys.executable, "-c", _CODE)
STOP_S = 5.0
PATIENCE_S = 120.0  # for one result; the fuel limit ends a transition long before


class Hand:
    """A process, and a thread that takes what it says as soon as it says it.

    So the process never waits for the engine. Results have numbers, from 0 on; which of them are
    not wanted any more is said by `drop`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        command: Sequence[str] = COMMAND,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C at a terminal is for the engine
        )
        assert self._process.stdin is not None and self._process.stdout is not None, "pipes"
        self._orders: IO[bytes] = self._process.stdin
        self._results: SimpleQueue[bytes | None] = SimpleQueue()
        self._early: dict[int, bytes] = {}
        self._dropped: set[int] = set()
        self._read = 0
        self.ordered = 0
        self.is_dead = False
        listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        listener.start()

    @property
    def waiting(self) -> int:
        """How many results are still to come, about."""
        return self.ordered - self._read - self._results.qsize()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _listen(self, results: IO[bytes]) -> None:
        """Until the process ends, by whatever."""
        with results:
            while len(head := results.read(LENGTH_BYTES)) == LENGTH_BYTES:
                count = int.from_bytes(head, "little")
                data = results.read(count)
                if len(data) < count:
                    break
                self._results.put(data)
        self._results.put(None)

    def order(self, rows: list[Row]) -> None:
        """Has events run; each has the next number."""
        data = marshal.dumps(rows)
        self.ordered += len(rows)
        try:
            self._orders.write(len(data).to_bytes(LENGTH_BYTES, "little") + data)
            self._orders.flush()
        except OSError:
            self.is_dead = True

    def result(self, number: int) -> bytes:
        """A result, waited for; empty when there is none."""
        early = self._early.pop(number, None)
        if early is not None:
            return early
        while not self.is_dead:
            try:
                data = self._results.get(timeout=self._patience_s)
            except Empty:  # it hangs: the engine goes on without it
                self._process.kill()
                data = None
            if data is None:
                self.is_dead = True
                break
            at, self._read = self._read, self._read + 1
            if at == number:
                return data
            if at in self._dropped:
                self._dropped.discard(at)
            else:
                self._early[at] = data
        return b""

    def drop(self, number: int) -> None:
        """Nobody will ask for this result."""
        if self._early.pop(number, None) is None and number >= self._read:
            self._dropped.add(number)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._orders.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
