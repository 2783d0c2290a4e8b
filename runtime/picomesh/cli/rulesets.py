"""Rulesets as files: reading, compiling, and saying what is wrong in them."""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.problems import Answered, fail, say_error

if TYPE_CHECKING:
    from krl.compiler import Compilation
    from krl.diagnostic import Source

NOT_UTF8, NOT_UTF8_HINT = "the file is not UTF-8", "save it as UTF-8"
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


def source_of(path: Path, content: bytes) -> Source:
    """A ruleset's text; like the reference, with U+FFFD for bytes that are not UTF-8."""
    from krl.diagnostic import Source

    return Source(str(path), content.decode("utf-8-sig", "replace"))


def is_wide(content: bytes) -> bool:
    """Whether this is UTF-16, which is no text in UTF-8 at all."""
    return content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def warn_of_bytes(content: bytes, compilation: Compilation) -> None:
    """Adds a warning where a file is not UTF-8."""
    from krl.syntax.tree import Span

    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        at = len(content[: problem.start].decode("utf-8-sig"))
        compilation.diagnostics.warning(
            NOT_UTF8, Span(at, at + 1), "what cannot be read is U+FFFD instead", NOT_UTF8_HINT
        )


def compile_path(path: Path) -> Compilation:
    """Compiles a file; prints what is wrong. Raises Answered when there are errors."""
    from krl.compiler import compile_source

    content = read_bytes(path)
    if is_wide(content):
        say_error(f"{path}:1: {NOT_UTF8}", NOT_UTF8_HINT)
        raise Answered
    compilation = compile_source(source_of(path, content))
    warn_of_bytes(content, compilation)
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
    """A module from a .krl file, from a .wasm file as it is, or one of the system rulesets."""
    from picomesh.engine.library import compile_krl
    from picomesh.engine.system import is_system, read_system

    if is_system(str(path)):
        text = read_system(str(path)).decode()
        return Module(compile_krl(text), text, str(path))
    content = read_bytes(path)
    url = path.absolute().as_uri()
    if content.startswith(WASM_MAGIC):
        return Module(content, None, url)
    compilation = compile_path(path)
    assert compilation.module is not None, "compile_path raises when there is none"
    return Module(compilation.module, compilation.source.text, url)
