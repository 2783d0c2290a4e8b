"""Hatch's build hook: makes sure that what is compiled is there to be packed.

That is the guest library (rulesets/krl/guest/guest.wasm) and the kernel's libraries
(runtime/picomesh/kernel). Wheels and source distributions carry them, so only a bare checkout asks
for a compiler, and only when something is missing or stale.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledHook(BuildHookInterface[Any]):
    """Named by [tool.hatch.build.hooks.custom] in pyproject.toml."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the frontend installs for this build: nothing, if all is fresh."""
        guest, kernel = self._guest(), self._kernel()
        needed = [] if guest.is_fresh() else list(guest.BUILD_REQUIREMENTS)
        return needed if kernel.is_fresh() else [*needed, kernel.ZIG_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before the files of a wheel or a source distribution are gathered."""
        self._guest().ensure_guest()
        self._kernel().ensure_kernel()

    def _guest(self) -> ModuleType:
        """krl.guest.build of this checkout; it and pico_abi need the standard library only."""
        import_roots = [str(Path(self.root) / folder) for folder in ("rulesets", "host_api")]
        sys.path[:0] = import_roots
        try:
            return importlib.import_module("krl.guest.build")
        finally:
            for import_root in import_roots:
                sys.path.remove(import_root)

    def _kernel(self) -> ModuleType:
        """picomesh.kernel.build by its file: picomesh's own imports are not installed here."""
        path = Path(self.root) / "runtime" / "picomesh" / "kernel" / "build.py"
        spec = importlib.util.spec_from_file_location("kernel_build", path)
        assert spec is not None and spec.loader is not None, "the file is a Python module"
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
