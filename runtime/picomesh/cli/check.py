"""`picomesh check`: everything that is wrong in rulesets, for people, programs and editors."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import json_option
from picomesh.cli.output import print_json
from picomesh.cli.problems import Answered, fail
from picomesh.cli.rulesets import (
    NOT_UTF8,
    NOT_UTF8_HINT,
    is_wide,
    print_diagnostics,
    read_bytes,
    source_of,
    warn_of_bytes,
)

if TYPE_CHECKING:
    from krl.compiler import Compilation
    from krl.fix import Fixed

# Of a long rewrite only the first lines are shown.
DIFF_LINES_MAX = 60
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Make the mechanical fixes in the files.")
@json_option
def check(paths: tuple[Path, ...], fix: bool, as_json: bool) -> None:
    """Check rulesets without running them. Folders are searched for .krl files.

    Prints every error and warning with file, line, column and what to do; exits with 1 when
    there is an error. With --json, one line for each file:
    {"file": …, "ok": …, "diagnostics": […]}.

    With --fix, rewrites what has only one meaning, prints the lines that changed, and checks
    what came of it; with --json as "fixed". A ruleset that compiles still compiles then.
    """
    results = [_check(path, fix, as_json) for path in _files(paths)]
    if not as_json:
        bad = results.count(False)
        files = "1 file" if len(results) == 1 else f"{len(results)} files"
        click.echo(f"{files}, {bad or 'none'} with errors", err=True)
    if not all(results):
        raise Answered


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*.krl") if found.is_file())
        elif path.exists():
            yield path
        else:
            raise fail(f"{path} is not there")


def _check(path: Path, fix: bool, as_json: bool) -> bool:
    from krl.compiler import check_source
    from krl.diagnostic import Source
    from krl.fix import fix_source

    content = read_bytes(path)
    if is_wide(content):
        return _not_utf8(path, {"fixed": []} if fix else {}, as_json)
    # What is rewritten keeps the bytes that are no text; a check reads them as the compiler does.
    kept = Source(str(path), content.decode("utf-8-sig", "surrogateescape"))
    source = kept if fix else source_of(path, content)
    fixed = fix_source(source) if fix else None
    compilation = check_source(source) if fixed is None else fixed.compilation
    if fixed is not None and fixed.rewrites:
        mark = _BYTE_ORDER_MARK if content.startswith(_BYTE_ORDER_MARK) else b""
        text = compilation.source.text
        _replace(path, mark + text.encode("utf-8", "surrogateescape"))
    warn_of_bytes(content, compilation)
    if as_json:
        print_json(_as_json(path, compilation, fixed))
    else:
        if fixed is not None and fixed.rewrites:
            _print_rewrites(source.text, fixed)
        print_diagnostics(compilation)
    return compilation.ok


def _as_json(path: Path, compilation: Compilation, fixed: Fixed | None) -> dict[str, Any]:
    from krl.diagnostic import to_json

    rows = [to_json(item, compilation.source) for item in compilation.diagnostics]
    answer = {"file": str(path), "ok": compilation.ok, "diagnostics": rows}
    if fixed is not None:
        answer["fixed"] = [
            {"title": item.title, "line": item.line, "column": item.column}
            for item in fixed.rewrites
        ]
    return answer


def _print_rewrites(before: str, fixed: Fixed) -> None:
    """What was rewritten and how often, then the lines as they were and as they are."""
    from krl.diagnostic import printable

    source = fixed.compilation.source
    counts = Counter(item.title for item in fixed.rewrites)
    told = ", ".join(f"{title} ({count})" for title, count in counts.items())
    click.echo(f"{printable(source.name)}: rewritten: {told}")
    old, new = before.split("\n"), source.text.split("\n")
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    for line in lines[:DIFF_LINES_MAX]:
        click.echo(f"  {printable(line.rstrip())}")
    if len(lines) > DIFF_LINES_MAX:
        click.echo(f"  … {len(lines) - DIFF_LINES_MAX} lines more")


def _replace(path: Path, content: bytes) -> None:
    """The file has its old content or its new one, whenever the machine stops."""
    target = path.resolve()  # a link stays a link
    if not os.access(target, os.W_OK):
        raise fail(f"cannot write {path}: it is read-only")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.chmod(name, target.stat().st_mode)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as problem:
        raise fail(f"cannot write {path}: {problem.strerror}") from problem


def _not_utf8(path: Path, more: dict[str, Any], as_json: bool) -> bool:
    if as_json:
        row = {"severity": "error", "title": NOT_UTF8, "file": str(path), "line": 1, "column": 1}
        row |= {"end_line": 1, "end_column": 1, "text": "", "hint": NOT_UTF8_HINT}
        print_json({"file": str(path), "ok": False, "diagnostics": [row], **more})
    else:
        click.echo(f"error: {NOT_UTF8}\n --> {path}:1:1\n  = hint: {NOT_UTF8_HINT}\n", err=True)
    return False
