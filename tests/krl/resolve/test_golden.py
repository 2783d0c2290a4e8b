"""What an author is told about names, and about rules that a ruleset can break with good names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from golden import Case, Golden, load
from krl.diagnostic import Diagnostics, Source, render
from krl.resolve import checks, resolve
from krl.syntax.parser import parse

CASES = Path(__file__).parent / "cases"
DIAGNOSTICS = [case for file in ("names", "rules", "meta") for case in load(CASES / f"{file}.test")]
PASS = Path(checks.__file__).parent


def told(text: str) -> str:
    source, diagnostics = Source("case.krl", text), Diagnostics()
    ruleset = parse(source, diagnostics)
    assert ruleset is not None and not diagnostics.items, "the mistake is not one of syntax"
    resolve(ruleset, diagnostics)
    return "\n".join(render(item, source) for item in diagnostics) or "nothing"


@pytest.mark.parametrize("case", DIAGNOSTICS, ids=str)
def test_an_author_is_told_as_recorded(case: Case, golden: Golden) -> None:
    golden(case, told(case.source))


@pytest.mark.parametrize("case", load(CASES / "accepted.test"), ids=str)
def test_what_is_right_is_told_nothing(case: Case, golden: Golden) -> None:
    assert told(case.source) == "nothing"
    golden(case, "nothing")


def titles() -> Iterator[str]:
    """The title of every diagnostic of the pass, as a regular expression."""
    for name in ("resolve.py", "checks.py"):
        for node in ast.walk(ast.parse((PASS / name).read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="error" | "warning" as kind), args=[title, *_]
                ):
                    yield f"{kind}: {pattern(title)}"


def pattern(title: ast.expr) -> str:
    match title:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=values):
            return "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
                for part in values
            )
    raise AssertionError(ast.dump(title))


@pytest.mark.parametrize("title", sorted(set(titles())))
def test_every_diagnostic_of_the_pass_has_a_case(title: str) -> None:
    lines = [line for case in DIAGNOSTICS for line in case.expected.splitlines()]
    assert any(re.fullmatch(title, line) for line in lines)


def test_the_titles_are_found() -> None:
    assert len(list(titles())) >= 25
