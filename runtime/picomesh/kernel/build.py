"""Builds the kernel's library, one for each system that has one, with the guest's compiler.

    python runtime/picomesh/kernel/build.py

It is compiled across, so a wheel fits every system whatever it is built on. There is one for the
systems that the tests run on. Standard library only, and no import of picomesh: the build hook runs
this file before anything is installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

ZIG_REQUIREMENT = "ziglang==0.17.1"
HERE = Path(__file__).resolve().parent
# By what `platform` says: the C library is the oldest that wasmtime's own wheels run with.
TARGETS = {
    "linux-x86_64": ("x86_64-linux-gnu.2.17", "x86_64"),
}
# Bounds, overflows and casts stay checked: what a guest says comes in here.
_FLAGS = ("-dynamic", "-O", "ReleaseSafe", "-fstrip", "-lc")
_MARK = HERE / "kernel.sources"  # the sources that the libraries beside it were made from


class KernelBuildError(Exception):
    """The compiler did not make a library; the text is its own."""


def ensure_kernel() -> list[Path]:
    """Builds the libraries unless they are fresh. Raises KernelBuildError."""
    if not is_fresh():
        with tempfile.TemporaryDirectory(prefix="picomesh-kernel-") as scratch:
            built = {name: _build(name, Path(scratch)) for name in TARGETS}
        for name, data in built.items():
            # Not over the old one: a process that has it open would run what is half of each.
            fresh = library(name).with_suffix(".new")
            fresh.write_bytes(data)
            fresh.replace(library(name))
        _MARK.write_text(sources_hash())
    return [library(name) for name in TARGETS]


def is_fresh() -> bool:
    """Whether the libraries are what the sources here build."""
    libraries = [library(name) for name in TARGETS]
    if not _MARK.is_file() or not all(path.is_file() for path in libraries):
        return False
    return _MARK.read_text() == sources_hash()


def library(name: str) -> Path:
    return HERE / f"kernel-{name}.so"


def sources_hash() -> str:
    """One hash over everything that decides what is built."""
    digest = hashlib.sha256(repr((ZIG_REQUIREMENT, TARGETS, _FLAGS)).encode())
    for path in sorted(HERE.glob("*.zig")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def _build(name: str, scratch: Path) -> bytes:
    target, processor = TARGETS[name]
    out = scratch / f"{name}.so"
    words = [*_FLAGS, "-target", target, f"-mcpu={processor}", f"-femit-bin={out}"]
    command = [sys.executable, "-m", "ziglang", "build-lib", *words, str(HERE / "kernel.zig")]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KernelBuildError(f"zig build-lib failed for {name}:\n{done.stderr.strip()}")
    return out.read_bytes()


def main() -> int:
    """The command line; the exit code is 1 if a library could not be built."""
    try:
        paths = ensure_kernel()
    except KernelBuildError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path.name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
