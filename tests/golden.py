"""Golden tests: files of `[case name]`, source, `[out]`, expected text, one file a subject.

A test module loads a file with `load`, parametrizes over its cases and hands each actual text to
the fixture `golden` of tests/conftest.py. `pytest --update-golden` writes what is actual into the
files instead of comparing; what changed is then for the eye and for the diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CASE = re.compile(r"(?ms)^\[case ([^\n]+)\]\n(.*?)^\[out\]\n(.*?)(?=^\[case |\Z)")


@dataclass(frozen=True, slots=True)
class Case:
    path: Path
    name: str
    source: str
    expected: str

    def __str__(self) -> str:
        return self.name


Golden = Callable[[Case, str], None]


def load(path: Path) -> list[Case]:
    """The cases of a file, in its order; source and expected text without their last newlines."""
    text = path.read_text(encoding="utf-8")
    cases = [
        Case(path, match[1], match[2].rstrip("\n"), match[3].rstrip("\n"))
        for match in _CASE.finditer(text)
    ]
    names = [case.name for case in cases]
    if len(set(names)) < len(names) or len(re.findall(r"^\[case ", text, re.M)) != len(names):
        raise ValueError(f"{path}: a case has no [out], or two have one name")
    return cases


def update(case: Case, actual: str) -> None:
    """Write `actual` into the case's file, leaving the other cases as they are."""
    text = case.path.read_text(encoding="utf-8")

    def rewrite(match: re.Match[str]) -> str:
        if match[1] != case.name:
            return match[0]
        blank = "\n" if match.end() < len(text) else ""
        return f"[case {match[1]}]\n{match[2]}[out]\n{actual}\n{blank}"

    case.path.write_text(_CASE.sub(rewrite, text), encoding="utf-8")
