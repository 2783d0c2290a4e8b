"""The frame of a bench: its arguments, the rows that it prints, the sides that it has.

A row is a line of JSON. The first says where and with what was measured; what is missing of the
comparison is said there and, aloud, on standard error.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from picomesh.cli.circumstances import circumstances
from sides.given import Effort, Given
from sides.processes import PEER, PEER_FOLDER, missing_peer, opened, pin
from sides.progress import done

Row = dict[str, Any]


def commit() -> str:
    """The commit of the tree that this bench stands in, with a + when files differ from it."""
    folder = PEER_FOLDER.parent.parent

    def git(*words: str) -> str:
        told = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        return told.stdout.strip() if told.returncode == 0 else ""

    name = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "runtime", "rulesets")
    return f"{name or 'unknown'}{'+' if changed else ''}"


def peer_versions() -> dict[str, str]:
    with opened(PEER) as side:
        return side.ask("versions")


def tell(row: Row) -> None:
    done()
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def run(
    name: str, doc: str | None, rows: Callable[[Given], Iterator[Row]], *, own: bool = False
) -> int:
    """Parses the arguments, prints the rows; `own` is a bench that needs no reference."""
    question = (doc or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--small", action="store_true", help="only: does it still run?")
    parser.add_argument("--no-reference", action="store_true", help="measure picomesh alone")
    parser.add_argument("--rounds", type=int, help="slices of each side")
    parser.add_argument("--only", action="append", default=[], help="rows whose label has this")
    options = parser.parse_args()
    pin()
    missing = "not asked for" if options.no_reference or own else missing_peer()
    if missing and not (options.no_reference or own):
        sys.stderr.write(f"{name}: the reference is NOT measured: {missing}\n")
    effort = Effort.of(options.small)
    if options.rounds:
        effort = Effort(options.rounds, effort.slice_ms, effort.warm_ms, effort.checked_max)
    head: Row = {"kind": "circumstances", "bench": name, "question": question, **circumstances()}
    head |= {"commit": commit(), "rounds": effort.rounds}
    head["reference"] = None if missing else peer_versions()
    tell(head)
    given = Given(options.small, missing is None, effort, tuple(options.only))
    for row in rows(given):
        tell(row)
    return 0


def main_of(path: str, doc: str | None, rows: Callable[[Given], Iterator[Row]]) -> None:
    raise SystemExit(run(Path(path).stem, doc, rows))


def main_of_own(path: str, doc: str | None, rows: Callable[[Given], Iterator[Row]]) -> None:
    """A bench whose peer is picomesh itself, or which has none."""
    raise SystemExit(run(Path(path).stem, doc, rows, own=True))
