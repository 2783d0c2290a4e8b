"""Where a figure was measured: without that it says nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def describe_machine() -> str:
    """The processor by name where the system tells it, and how many of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {name}, {platform.system()} {platform.machine()}"


def circumstances() -> dict[str, str]:
    """The machine and the releases of what was measured on it."""
    import picomesh
    from pico_abi import contract
    from picomesh.sandbox.backends import WASMTIME_VERSION

    return {
        "machine": describe_machine(),
        "python": platform.python_version(),
        "wasmtime": WASMTIME_VERSION,
        "picomesh": picomesh.__version__,
        "profile": contract.profile_hash(),
    }


@contextmanager
def one_core() -> Iterator[None]:
    """A process that wanders from core to core measures its wandering."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
