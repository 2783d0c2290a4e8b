"""Compiled modules on disk, so that a ruleset is compiled once per machine and release.

A compiled module is native code: whoever can write the file runs as us. So the folder is private
to its owner, a folder or file that others may write is not used, and a hash in front of the code
catches a damaged file. Everything here is a convenience: what cannot be read is compiled again.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections import OrderedDict
from pathlib import Path

import wasmtime

from picomesh.ledger.cid import DIGEST_BYTES, digest_of
from picomesh.sandbox.backends import WASMTIME_VERSION, BackendOptions
from picomesh.sandbox.compiling import compile_apart
from picomesh.sandbox.interface import CompilerRefused

MODULES_IN_MEMORY_MAX = 256


class ModuleCache:
    """Modules compiled for one engine: some in memory, all of them in a private folder."""

    def __init__(
        self,
        engine: wasmtime.Engine,
        options: BackendOptions,
        folder: Path | None,
        variant: str = "",
    ) -> None:
        self._engine = engine
        self._options = options
        self._memory: OrderedDict[bytes, wasmtime.Module] = OrderedDict()
        epoch = "" if options.kill_after_ms is None else "-epoch"
        name = f"wasmtime-{WASMTIME_VERSION}-{options.backend}{epoch}{variant}"
        self._folder = None if folder is None else private_folder(folder / name)

    def load(self, metered: bytes) -> wasmtime.Module:
        key = digest_of(metered)
        module = self._memory.get(key) or self._from_disk(key) or self._compile(key, metered)
        self._memory[key] = module
        self._memory.move_to_end(key)
        if len(self._memory) > MODULES_IN_MEMORY_MAX:
            self._memory.popitem(last=False)
        return module

    def _compile(self, key: bytes, metered: bytes) -> wasmtime.Module:
        try:
            if self._options.compile_ms_max is None:
                module = wasmtime.Module(self._engine, metered)
            else:
                code = compile_apart(metered, self._options, self._options.compile_ms_max)
                module = wasmtime.Module.deserialize(self._engine, code)
        except wasmtime.WasmtimeError as problem:
            raise CompilerRefused(f"the compiler refused a module: {problem}") from problem
        if self._folder is not None:
            write_private(self._folder / f"{key.hex()}.cwasm", bytes(module.serialize()))
        return module

    def _from_disk(self, key: bytes) -> wasmtime.Module | None:
        if self._folder is None:
            return None
        code = read_private(self._folder / f"{key.hex()}.cwasm")
        if code is None:
            return None
        try:
            return wasmtime.Module.deserialize(self._engine, code)
        except wasmtime.WasmtimeError:
            return None


def _is_private(status: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):  # Windows: the folder inherits the user's own access list
        return True
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not writable_by_others


def private_folder(folder: Path) -> Path | None:
    """Makes a folder that only we may write to; None when it cannot be had."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except OSError:
        return None


def read_private(path: Path) -> bytes | None:
    """What was written there, if nobody else could have written it and it is not damaged."""
    try:
        with path.open("rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    code = content[DIGEST_BYTES:]
    return code if content[:DIGEST_BYTES] == digest_of(code) else None


def write_private(path: Path, code: bytes) -> None:
    """Complete or not at all: another process may read at the same time."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(digest_of(code) + code)
        Path(temporary).replace(path)
    except OSError:
        return
