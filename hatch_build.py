"""Hatch's build hook: makes sure that rulesets/krl/guest/guest.wasm is there to be packed.

Wheels and source distributions carry the built library, so only a bare checkout asks for a C
compiler, and only when the library is missing or stale.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GuestLibraryHook(BuildHookInterface[Any]):
    """Named by [tool.hatch.build.hooks.custom] in pyproject.toml."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the frontend installs for this build: nothing, if the library is fresh."""
        builder = self._builder()
        return [] if builder.is_fresh() else list(builder.BUILD_REQUIREMENTS)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before the files of a wheel or a source distribution are gathered."""
        self._builder().ensure_guest()

    def _builder(self) -> ModuleType:
        """krl.guest.build of this checkout; it and pico_abi need the standard library only."""
        import_roots = [str(Path(self.root) / folder) for folder in ("rulesets", "host_api")]
        sys.path[:0] = import_roots
        try:
            return importlib.import_module("krl.guest.build")
        finally:
            for import_root in import_roots:
                sys.path.remove(import_root)
