"""What an engine is made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pico_abi import limits
from picomesh.engine.answers import Answerer
from picomesh.engine.library import Compile, Fetch, Library, fetch_from
from picomesh.engine.programs import Programs, admit_module
from picomesh.engine.world import RealWorld, World
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox

DEFAULT_HOST = "http://localhost:3000"


@dataclass(frozen=True, slots=True)
class Options:
    """What an engine is made with; the same for one in memory and one on disk."""

    backend: str = "cranelift"
    kill_after_ms: int | None = None
    plain: bool = False  # by wasmtime's own Python API: slower, same results
    kernel: bool = True  # most events in machine code, where there is a library for it: the same
    compile_ms_max: int | None = None  # compile in a process of its own, no longer than this
    workers: int = 0  # processes that run transitions of many picos side by side
    compile: Compile | None = None
    world: World = field(default_factory=RealWorld)
    answerer: Answerer = field(default_factory=Answerer)
    gate: Callable[[bytes], bytes] = admit_module
    fuel_limit: int = limits.FUEL_LIMIT_DEFAULT
    host: str = DEFAULT_HOST
    cache: Path | None = None
    fetch: Fetch | None = None  # instead of the network, for rulesets by URL
    files: Path | None = None  # the folder from which rulesets may be installed by `file:`

    def library(self) -> Library:
        fetch = self.fetch or fetch_from(self.answerer.network, self.files)
        return Library(fetch, self.compile)

    def programs(self, cache: Path | None) -> Programs:
        backend = BackendOptions(self.backend, self.kill_after_ms, self.plain, self.compile_ms_max)
        return Programs(open_sandbox(backend, cache), self.gate, kernel=self.kernel)
