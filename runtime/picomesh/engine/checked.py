"""Modules that an auditor metered himself: raw bytes in, metered bytes out, nobody else believed.

Metering a module takes a second, and an auditor sees the same module again and again, so what was
metered and checked once is kept under the hash of the raw module. The folder is private like that
of compiled modules: whoever can write to it could as well change this program.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pico_abi
from pico_abi.contract import profile_hash
from picomesh import __version__
from picomesh.engine.programs import admit_module
from picomesh.ledger.cid import Cid, digest_of
from picomesh.sandbox.cache import private_folder, read_private, write_private


def meter_and_check(raw: bytes) -> bytes:
    """Meters a module, and asks the independent checker. Raises ModuleRefused."""
    metered = admit_module(raw)
    pico_abi.check(metered)
    return metered


class CheckedModules:
    """Raw modules and what they become."""

    def __init__(
        self, folder: Path | None = None, gate: Callable[[bytes], bytes] = meter_and_check
    ) -> None:
        self._gate = gate
        self._known: dict[bytes, bytes] = {}
        self._folder = None if folder is None else private_folder(folder / _folder_name())

    def metered(self, raw: bytes) -> bytes:
        """The metered form of a module. Raises ModuleRefused."""
        key = digest_of(raw)
        found = self._find(key)
        if found is None:
            found = self._known[key] = self._gate(raw)
            self._keep(key, found)
        return found

    def metered_of(self, raw: Cid) -> bytes | None:
        """The metered form of a module that was metered here before."""
        return self._find(raw.digest)

    def _find(self, key: bytes) -> bytes | None:
        found = self._known.get(key)
        if found is None and self._folder is not None:
            found = read_private(self._folder / f"{key.hex()}.metered")
            if found is not None:
                self._known[key] = found
        return found

    def _keep(self, key: bytes, metered: bytes) -> None:
        if self._folder is not None:
            write_private(self._folder / f"{key.hex()}.metered", metered)


def _folder_name() -> str:
    """Another profile or release of the meter starts afresh."""
    return f"metered-{__version__}-{profile_hash()[:16]}"
