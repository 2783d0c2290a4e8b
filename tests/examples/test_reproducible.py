"""The same source gives the same module: in another process, folder, and order of hashing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from blake3 import blake3

from examples.cases import NAMES, compiled, source_path

PROGRAM = """
import json, sys
from blake3 import blake3
from krl.compiler import compile_source
from krl.diagnostic import Source
hashes = {}
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        text = file.read()
    for path in (name, "another name.krl"):
        module = compile_source(Source(path, text)).module
        hashes.setdefault(name, []).append(blake3(module).hexdigest())
print(json.dumps(hashes))
"""


def hashes_of_another_process(folder: Path, hash_seed: str) -> dict[str, list[str]]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    paths = [str(source_path(name)) for name in NAMES]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    hashes: dict[str, list[str]] = json.loads(done.stdout)
    return hashes


def test_processes_that_differ_in_all_but_the_source_make_the_same_bytes(tmp_path: Path) -> None:
    here = {str(source_path(name)): [blake3(compiled(name)).hexdigest()] * 2 for name in NAMES}
    assert hashes_of_another_process(tmp_path, "1") == here
    assert hashes_of_another_process(Path.home(), "271828") == here
