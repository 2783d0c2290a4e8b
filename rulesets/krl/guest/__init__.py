"""The guest library: C linked into every compiled ruleset, built to guest.wasm by build.py.

The compiler asks here for the bytes; nothing else of this folder is Python.
"""

from __future__ import annotations

from importlib import resources


def guest_bytes() -> bytes:
    """The built library. A checkout that was not installed yet has none: see build.py."""
    return resources.files(__name__).joinpath("guest.wasm").read_bytes()
