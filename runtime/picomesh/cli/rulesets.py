"""Rulesets as files: reading, compiling, and saying what is wrong in them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.problems import Answered, fail, say_error

if TYPE_CHECKING:
    from krl.compiler import Compilation

WASM_MAGIC = b"\0asm"


@dataclass(frozen=True, slots=True)
class Module:
    """A raw module and where it came from."""

    raw: bytes
    source: str | None
    url: str


def read_bytes(path: Path) -> bytes:
    """A file's content; a missing file is a mistake in the command."""
    try:
        return path.read_bytes()
    except IsADirectoryError as problem:
        raise fail(f"{path} is a folder", "name a .krl file") from problem
    except OSError as problem:
        raise fail(f"cannot read {path}: {problem.strerror}") from problem


def read_source(path: Path) -> str:
    """A ruleset's text."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        say_error(f"{path}:{line}: the file is not UTF-8", "save it as UTF-8")
        raise Answered from problem


def compile_path(path: Path) -> Compilation:
    """Compiles a file; prints what is wrong. Raises Answered when there are errors."""
    from krl.compiler import compile_source
    from krl.diagnostic import Source

    compilation = compile_source(Source(str(path), read_source(path)))
    print_diagnostics(compilation)
    if compilation.module is None:
        raise Answered
    return compilation


def print_diagnostics(compilation: Compilation) -> None:
    """Errors and warnings on standard error."""
    from krl.diagnostic import render

    for diagnostic in compilation.diagnostics:
        click.echo(
            render(diagnostic, compilation.source, color=sys.stderr.isatty()) + "\n", err=True
        )


def load_module(path: Path) -> Module:
    """A module from a .krl file, or from a .wasm file as it is."""
    content = read_bytes(path)
    url = path.absolute().as_uri()
    if content.startswith(WASM_MAGIC):
        return Module(content, None, url)
    compilation = compile_path(path)
    assert compilation.module is not None, "compile_path raises when there is none"
    return Module(compilation.module, compilation.source.text, url)
