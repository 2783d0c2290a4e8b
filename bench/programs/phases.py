"""Sorts the samples of a profiler by what an event was busy with: for docs/performance.md.

Reads collapsed stacks (frames by semicolons, outermost first, then a count) of counting.py.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

# The first of these that a stack has, from its innermost frame on, is what it is counted for.
PHASES = {
    "garbage collector": r"gc_collect|gc_alloc",
    "disk: write and sync": r"pwrite|fdatasync|fsync|ftruncate",
    "SQLite": r"sqlite",
    "BLAKE3": r"blake3",
    "Ed25519": r"nacl|sodium|signature\.py",
    "wasmtime and the guest": r"_libwasmtime",
    "host functions": r"picomesh/sandbox/direct_calls|picomesh/transition/calls",
    "instances: start, enter, close": r"picomesh/sandbox/",
    "transition": r"picomesh/transition/",
    "ledger: values, tree, receipts": r"picomesh/ledger/",
    "store: SQLite and around it": r"picomesh/store/",
    "engine": r"picomesh/engine/",
}
WORK = re.compile(r"Worker\.run\b")


def phase_of(frames: list[str]) -> str:
    for frame in reversed(frames):
        for name, pattern in PHASES.items():
            if re.search(pattern, frame):
                return name
    return "the bench"


def phases(text: str) -> Counter[str]:
    """Samples by phase, of the part in which events run."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if WORK.search(stack):
            found[phase_of(stack.split(";"))] += int(count)
    return found


def main() -> None:
    found = phases(Path(sys.argv[1]).read_text("utf-8"))
    total = sum(found.values())
    for name, count in found.most_common():
        sys.stdout.write(f"| {name} | {100 * count / total:.0f} % |\n")


if __name__ == "__main__":
    main()
