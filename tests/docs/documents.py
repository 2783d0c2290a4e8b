"""The documents as data: their blocks of commands, the paths they name, and how a block is run.

In a ```console block a line that begins with `$ ` is a command, and the lines below it are what it
prints. `…` in such a line stands for any text, on a line of its own for any number of lines: for
what differs from run to run, or is too long to show. A quoted line can go on in the next (`> `).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ANYTHING = "…"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FIGURE = re.compile(r"\d[\d,]*")
_QUOTED = re.compile(r"`([^`\n]+)`")
# What looks like a path of the repository: parts of a name joined by slashes, or a known ending.
_PATH = re.compile(r"\.?[\w-]+(?:[./][\w.-]+)*/?")
_ENDINGS = (".py", ".c", ".h", ".md", ".wit", ".krl", ".json", ".toml", ".wasm", ".js", "/")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a document, and what the document says it prints."""

    line: str
    printed: str


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(text: str) -> list[Command]:
    """Every command of a document's console blocks, in order."""
    found: list[Command] = []
    for block in _BLOCK.findall(text):
        lines, printed = "", ""
        for line in [*block.splitlines(), "$ "]:
            if line.startswith("> ") and not printed:
                lines += "\n" + line[2:]
            elif line.startswith("$ "):
                if lines:
                    found.append(Command(lines, printed))
                lines, printed = line[2:], ""
            else:
                printed += line + "\n"
    return found


def matches(printed: str, actual: str) -> bool:
    """Whether a command printed what its document says."""
    return re.fullmatch(_pattern(printed, figures=False), actual) is not None


def refreshed(printed: str, actual: str) -> str:
    """What a document prints with the figures of now, if nothing else is different."""
    found = re.fullmatch(_pattern(printed, figures=True), actual)
    if found is None:
        return printed
    figures = iter(found.groups())
    return _FIGURE.sub(lambda _: next(figures), printed)


def _pattern(printed: str, figures: bool) -> str:
    """A regular expression for what a document prints; with figures, one group for each."""
    return "".join(map(partial(_line_pattern, figures), printed.splitlines()))


def _line_pattern(figures: bool, line: str) -> str:
    if line.strip() == ANYTHING:
        return r"(?:[^\n]*\n)*?"
    pattern = re.escape(line.rstrip()).replace(re.escape(ANYTHING), r"[^\n]*?")
    if figures:
        pattern = _FIGURE.sub(r"(\\d[\\d,]*)", pattern)
    return pattern + r"[ \t]*\n"


def run_shell(line: str, folder: Path, environment: dict[str, str]) -> str:
    """What a shell prints for a command, on both streams."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def shell_environment(folder: Path) -> dict[str, str]:
    """A home of its own, and a `picomesh` that is this working tree's, installed or not."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "picomesh"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m picomesh "$@"\n', "utf-8")
    script.chmod(0o755)
    return {
        **os.environ,
        "COLUMNS": "80",
        "HOME": str(folder),
        "NO_COLOR": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PICOMESH_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TZ": "UTC",
    }


def named_paths(text: str) -> list[str]:
    """The paths of this repository that a document names between backquotes."""
    quoted = (found.strip() for found in _QUOTED.findall(text))
    return sorted({name for name in quoted if _is_path(name)})


def _is_path(name: str) -> bool:
    return _PATH.fullmatch(name) is not None and name.endswith(_ENDINGS)


def links(text: str) -> list[str]:
    """The targets of a document's relative links."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [target for target in targets if "://" not in target]
