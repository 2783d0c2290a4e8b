"""Running the second verifier in Node; where there is no Node, the tests say so loudly."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERIFIER = ROOT / "verifier"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(
    NODE is None, reason="NO NODE ON THIS MACHINE: THE SECOND VERIFIER WAS NOT TESTED"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the second verifier says of a file."""

    verdict: str
    check: str
    text: str


def run_node(*arguments: str, given: bytes = b"") -> str:
    """What a script prints; it must end well."""
    assert NODE is not None, "guarded by needs_node"
    done = subprocess.run([NODE, *arguments], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def audit_all(files: Iterable[bytes]) -> list[Verdict]:
    """Audits many files in one process."""
    frames = b"".join(len(data).to_bytes(4, "little") + data for data in files)
    script = str(Path(__file__).with_name("frames.mjs"))
    lines = run_node(script, given=frames).splitlines()
    return [Verdict(**json.loads(line)) for line in lines]
