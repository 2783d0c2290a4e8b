"""The compiler from end to end: text in, module out, diagnostics beside it.

Pure: the same text gives the same bytes on every machine. The passes stop at the first one that
found an error; each reports all it finds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from blake3 import blake3

from krl.diagnostic import Diagnostics, Source
from krl.emit import Guest, emit
from krl.link import link
from krl.lower import ir, lower
from krl.resolve import resolve
from krl.syntax.parser import parse_what_is_clear
from krl.syntax.tree import Ruleset, Span
from pico_abi import validate, wasm
from pico_abi.refused import ModuleRefused

# The parser bounds how deep a text may nest; the passes behind it recurse a few Python frames for
# each level, which are not C stack.
_RECURSION_LIMIT = 20_000
# A module up to this size, and functions of so many locals, meet every limit of an engine's.
MODULE_BYTES_SURE = 100_000
LOCALS_SURE = 500


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of one text. `module` is None if there are errors; it is *raw*, not metered.

    `parsed` says that it is a ruleset by its form, whatever its names mean.
    """

    source: Source
    diagnostics: Diagnostics
    program: ir.Program | None = None
    module: bytes | None = None
    parsed: bool = True

    @property
    def ok(self) -> bool:
        return not self.diagnostics.has_errors


@cache
def guest_library() -> Guest:
    """The built guest library, decoded once in a process."""
    return Guest(wasm.decode_module(files("krl.guest").joinpath("guest.wasm").read_bytes()))


def check_source(source: Source) -> Compilation:
    """Everything short of making code: all errors and warnings, and the program."""
    diagnostics = Diagnostics()
    with _deep_recursion():
        ruleset = parse_what_is_clear(source, diagnostics)
        if ruleset is None or diagnostics.has_errors:
            if ruleset is not None:
                _add_undefined_names(ruleset, source, diagnostics)
            return Compilation(source, diagnostics, parsed=False)
        resolution = resolve(ruleset, diagnostics)
        if diagnostics.has_errors:
            return Compilation(source, diagnostics)
        source_hash = blake3(source.text.encode("utf-8", "surrogatepass")).hexdigest()
        return Compilation(source, diagnostics, lower(resolution, source_hash))


def _add_undefined_names(ruleset: Ruleset, source: Source, diagnostics: Diagnostics) -> None:
    """In a text with errors of syntax, complains as well about names that nothing declares.

    What declares a name may be in what the parser could not read, so a name counts as undefined
    only if no text that looks like a declaration has it.
    """
    found = Diagnostics()
    resolve(ruleset, found)
    for item in found:
        name = source.text[item.span.start : item.span.end]
        declares = rf"\b{re.escape(name)}\s*=|\([^()]*\b{re.escape(name)}\b[^()]*\)\s*[{{,;\n]"
        if item.title == f"undefined id: {name}" and not re.search(declares, source.text):
            diagnostics.items.append(item)
    diagnostics.items.sort(key=lambda item: item.span.start)


def compile_source(source: Source) -> Compilation:
    """The raw module of a ruleset, or its errors."""
    checked = check_source(source)
    if checked.program is None:
        return checked
    with _deep_recursion():
        guest = guest_library()
        module = wasm.encode_module(link(emit(checked.program, guest), guest, source.text))
    is_large = len(module) > MODULE_BYTES_SURE or any(
        len(function.local_names) > LOCALS_SURE for function in checked.program.functions
    )
    if is_large and not _is_admitted(module, source, checked.diagnostics):
        return Compilation(source, checked.diagnostics, checked.program)
    return Compilation(source, checked.diagnostics, checked.program, module)


def _is_admitted(module: bytes, source: Source, diagnostics: Diagnostics) -> bool:
    """Whether engines will take the module; a limit is told here, where there is a source."""
    try:
        validate(module)
    except ModuleRefused as problem:
        at = max(0, source.text.find("ruleset"))
        diagnostics.error(
            "the ruleset is too large",
            Span(at, at + len("ruleset")),
            f"its module is over a limit of every engine: {problem}",
            "divide it, or the rule or function with the most parts, into two",
        )
        return False
    return True


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
