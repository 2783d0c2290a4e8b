"""The compiler as a case uses it: a module, or an error in the shape of a recorded one.

Places are as the reference counts them: lines from 1, columns from 0, but from 1 where the text
cannot be parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from krl.compiler import Compilation, compile_source
from krl.diagnostic import Diagnostic, Source
from picomesh.engine.errors import OperatorError
from picomesh.manifest import read_manifest
from picomesh.scenario.values import error_of

VERSION_OUTSIDE = "`version` outside of `meta`"  # the reference shows it at the whole ruleset


class CompileError(Exception):
    """A ruleset that does not compile; `result` is what the case prints."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result["error"])
        self.result = result


@dataclass(frozen=True, slots=True)
class Compiled:
    raw: bytes
    rid: str
    warnings: list[dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """The result of a successful install or compile."""
        return {"rid": self.rid, **({"warnings": self.warnings} if self.warnings else {})}


@lru_cache(maxsize=64)
def compile_text(text: str, name: str) -> Compiled:
    """Compiles a ruleset. Raises CompileError."""
    compilation = compile_source(Source(name, text))
    if compilation.module is None:
        raise CompileError(_first_error(compilation))
    warnings = [_warning(compilation.source, item) for item in compilation.diagnostics]
    return Compiled(compilation.module, read_manifest(compilation.module).rid, warnings)


def compile_for_engine(text: str) -> bytes:
    """What a ruleset gets when it installs another one. Raises OperatorError."""
    try:
        return compile_text(text, "case.krl").raw
    except CompileError as problem:
        raise OperatorError(str(problem)) from problem


def _first_error(compilation: Compilation) -> dict[str, Any]:
    for item in compilation.diagnostics:
        if item.severity == "error":
            line, column = _place(compilation.source, item.span.start)
            column += 0 if compilation.parsed else 1
            return error_of(f"CompileError: {item.title}", "compile", line=line, col=column)
    raise AssertionError("a compilation without a module has an error")


def _warning(source: Source, item: Diagnostic) -> dict[str, Any]:
    offset = item.span.start if item.title != VERSION_OUTSIDE else source.text.find("ruleset")
    line, column = _place(source, offset)
    return {"message": item.title, "line": line, "col": column}


def _place(source: Source, offset: int) -> tuple[int, int]:
    """The line from 1, and the column from 0 in UTF-16 units."""
    line, column = source.position(offset)
    before = source.text[offset - (column - 1) : offset]
    return line, len(before.encode("utf-16-le", "surrogatepass")) // 2
