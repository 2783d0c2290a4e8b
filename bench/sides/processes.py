"""The processes of a bench: picomesh with a home on disk, in memory, and the reference's core.

Each is pinned to the same core, and only one of them works at a time: what a neighbour or the
temperature does to the machine, it does to all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sides.given import Given
from sides.worker import Worker

HERE = Path(__file__).resolve().parent
PEER_FOLDER = HERE.parent / "peer"
OURS, IN_MEMORY, PEER = "picomesh", "picomesh in memory", "reference"
VARIABLE = "PICOMESH_REFERENCE"
HOW = (
    "copy bench/peer/package.json to a folder outside of the repository, run"
    f" `npm install` there, and name that folder in {VARIABLE}"
)


class SideFailed(RuntimeError):
    """A side answered that it could not do what the bench asked."""


class Side:
    """A process that answers requests, one line each."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, what: str, **given: Any) -> dict[str, Any]:
        """One request and its answer. Raises SideFailed."""
        sending, answers = self._process.stdin, self._process.stdout
        assert sending is not None and answers is not None, "made with pipes"
        sending.write(json.dumps({"do": what, **given}) + "\n")
        sending.flush()
        line = answers.readline()
        if not line:
            raise SideFailed(f"{self.name} ended while it should {what}")
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise SideFailed(f"{self.name} could not {what}: {answer['problem']}")
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Here:
    """The same in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._worker = Worker()

    def ask(self, what: str, **given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._worker, what)(**given)
        return answer

    def close(self) -> None:
        self._worker.quit()


def missing_peer() -> str | None:
    """Why the reference cannot be measured here, if it cannot."""
    if shutil.which("node") is None:
        return "there is no Node.js on the path"
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"{VARIABLE} is not set; {HOW}"
    if not (Path(folder) / "node_modules" / "pico-engine-core").is_dir():
        return f"{folder} has no node_modules/pico-engine-core; {HOW}"
    return None


def pin() -> None:
    """This process and all that it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def ours_command() -> list[str]:
    return [sys.executable, str(HERE / "worker.py")]


def ours_environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def peer_command(program: str = "runner.js") -> list[str]:
    return ["node", "--expose-gc", str(PEER_FOLDER / program)]


@contextmanager
def opened(name: str, is_here: bool = False) -> Iterator[Side | Here]:
    """One side with an engine, in a process of its own, or in this one where speed is no matter."""
    with ExitStack() as stack:
        side: Side | Here
        if name == PEER:
            side = Side(name, peer_command(), {})
        else:
            side = Here(name) if is_here else Side(name, ours_command(), ours_environment())
        stack.callback(side.close)
        if name == OURS:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            side.ask("open", folder=str(Path(folder) / "home"))
            stack.callback(side.ask, "quit")
        else:
            side.ask("open", **({} if name == PEER else {"folder": None}))
        yield side


@contextmanager
def all_sides(given: Given, has_peer: bool = True) -> Iterator[list[Side | Here]]:
    """What is compared: everything on, then without the disk, then the reference if it is here."""
    names = [OURS, IN_MEMORY, *([PEER] if given.has_peer and has_peer else [])]
    with ExitStack() as stack:
        yield [stack.enter_context(opened(name, given.small)) for name in names]
