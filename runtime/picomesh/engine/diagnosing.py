"""The compiler's word on a text, for programs that show it to the text's author."""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.engine.library import SOURCE_BYTES_MAX

DIAGNOSTICS_MAX = 200


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A module if there is one, and all that was found, in the order of the text."""

    module: bytes | None
    diagnostics: list[dict[str, str | int]]


def diagnose(text: str) -> Diagnosed:
    """Compiles a ruleset; every error and warning as plain data, lines and columns from 1."""
    from krl.compiler import compile_source
    from krl.diagnostic import Source, to_json

    if len(text.encode("utf-8", "replace")) > SOURCE_BYTES_MAX:
        problem = {"severity": "error", "title": f"longer than {SOURCE_BYTES_MAX:,} bytes"}
        return Diagnosed(None, [{**problem, "line": 1, "column": 1, "text": "", "hint": ""}])
    compilation = compile_source(Source("ruleset", text))
    found = [to_json(item, compilation.source) for item in compilation.diagnostics]
    for item in found:
        del item["file"]
    return Diagnosed(compilation.module, found[:DIAGNOSTICS_MAX])
