"""`picomesh check`: everything that is wrong in rulesets, for people, programs and editors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from picomesh.cli.arguments import json_option
from picomesh.cli.output import print_json
from picomesh.cli.problems import Answered, fail
from picomesh.cli.rulesets import print_diagnostics, read_bytes


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Make the mechanical fixes in the files.")
@json_option
def check(paths: tuple[Path, ...], fix: bool, as_json: bool) -> None:
    """Check rulesets without running them. Folders are searched for .krl files.

    Prints every error and warning with file, line, column and what to do; exits with 1 when
    there is an error. With --json, one line for each file:
    {"file": …, "ok": …, "diagnostics": […]}.
    """
    results = [_check(path, fix, as_json) for path in _files(paths)]
    if not as_json:
        bad = results.count(False)
        click.echo(f"{len(results)} files, {bad or 'none'} with errors", err=True)
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
    from krl.compiler import Compilation, check_source
    from krl.diagnostic import Source, apply_fixes, to_json

    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        return _not_utf8(path, content.count(b"\n", 0, problem.start) + 1, as_json)
    compilation: Compilation = check_source(Source(str(path), text))
    if fix and any(item.fixes for item in compilation.diagnostics):
        fixed = apply_fixes(compilation.source, compilation.diagnostics)
        _replace(path, fixed)
        compilation = check_source(Source(str(path), fixed))
    if as_json:
        rows = [to_json(item, compilation.source) for item in compilation.diagnostics]
        print_json({"file": str(path), "ok": compilation.ok, "diagnostics": rows})
    else:
        print_diagnostics(compilation)
    return compilation.ok


def _replace(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as problem:
        raise fail(f"cannot write {path}: {problem.strerror}") from problem


def _not_utf8(path: Path, line: int, as_json: bool) -> bool:
    title, hint = "the file is not UTF-8", "save it as UTF-8"
    if as_json:
        row = {"severity": "error", "title": title, "file": str(path), "line": line, "column": 1}
        row |= {"end_line": line, "end_column": 1, "text": "", "hint": hint}
        print_json({"file": str(path), "ok": False, "diagnostics": [row]})
    else:
        click.echo(f"error: {title}\n --> {path}:{line}:1\n  = hint: {hint}\n", err=True)
    return False
