"""Code about code: the habits of this repository that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
LINE_COLUMNS_MAX = 100
# Put together here so that this file does not hold the words it forbids.
FORBIDDEN_MARKS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    paths = (ROOT / name for name in listed)
    return sorted(path for path in paths if path.suffix in suffixes and path.is_file())


PYTHON_FILES = tracked(".py")
CODE_FILES = tracked(".py", ".c", ".h", ".js", ".zig")


def identify(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", PYTHON_FILES, ids=identify)
def test_a_python_file_opens_with_a_docstring_and_keeps_its_functions_short(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "a module says what it is and why it stands here"
    for node in functions(tree):
        assert node.end_lineno is not None
        length = node.end_lineno - node.lineno + 1
        assert length <= FUNCTION_LINES_MAX, f"{node.name} at line {node.lineno}: {length} lines"


@pytest.mark.parametrize("path", CODE_FILES, ids=identify)
def test_a_code_file_is_short_narrow_and_finished(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= FILE_LINES_MAX
    for number, line in enumerate(lines, 1):
        assert len(line) <= LINE_COLUMNS_MAX, f"line {number} has {len(line)} columns"
        assert not any(mark in line for mark in FORBIDDEN_MARKS), f"line {number}: {line.strip()}"
        assert line == line.rstrip(), f"line {number} ends in white space"


@pytest.mark.parametrize("path", tracked(".c"), ids=identify)
def test_a_c_function_fits_a_screen(path: Path) -> None:
    start = 0
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if re.match(r"^[A-Za-z].*\)\s*\{$", line):
            start = number
        elif line == "}" and start:
            assert number - start < FUNCTION_LINES_MAX, f"function at line {start}"
            start = 0


@pytest.mark.parametrize("path", tracked(".zig"), ids=identify)
def test_a_zig_function_fits_a_screen(path: Path) -> None:
    start, margin = 0, ""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        opened = re.match(r"^( *)(pub |export )*fn ", line)
        if opened and not start:
            start, margin = number, opened.group(1)
        elif line == margin + "}" and start:
            assert number - start < FUNCTION_LINES_MAX, f"function at line {start}"
            start = 0


@pytest.mark.parametrize("path", PYTHON_FILES, ids=identify)
def test_an_ignored_type_error_names_its_code(path: Path) -> None:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        bare = "# type: ignore" in line and "# type: ignore[" not in line
        assert not bare or path == Path(__file__), f"line {number}: {line.strip()}"


def test_generated_binaries_are_not_committed() -> None:
    assert tracked(".wasm", ".so", ".o", ".a") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_the_checkers_are_content(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_imports_run_one_way() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
