"""The two engines that answer cases: the reference in a Node process, picomesh in this one.

The reference is a folder with `oracle.js` and the packages it needs installed beside it. It is
asked one case a line; what it does not answer in time is killed and started anew.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from picomesh.scenario import run_case

REFERENCE_VARIABLE = "PICOMESH_REFERENCE"
ANSWER_SECONDS_MAX = 60
# Winch compiles a module seven times as fast as Cranelift does, and a fuzzer mostly compiles.
BACKEND = "winch"


class Answers(Protocol):
    """Whatever answers cases."""

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]: ...


class Reference:
    """The reference engine; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers; {"error": ..} where it dies or never ends."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(case) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=ANSWER_SECONDS_MAX)
        except (queue.Empty, OSError):
            self._stop()
            return {"error": "no answer"}
        if not line:
            self._stop()
            return {"error": "it died"}
        answered: dict[str, Any] = json.loads(line)
        return answered

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["node", "oracle.js", "--stdin"],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
        self._process, self._lines = process, lines
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _read_lines(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.put(line)
    except ValueError:  # closed while it was read
        pass
    lines.put("")


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """What picomesh answers."""
    return run_case(case, backend=BACKEND)
