"""Golden files of the syntax pass: tokens, trees, and what an author is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden import Case, Golden, load
from krl.diagnostic import Diagnostics, Source, apply_fixes, render
from krl.syntax.lexer import read_tokens
from krl.syntax.parser import parse, parse_expression
from krl.syntax.printer import print_tokens, print_tree

CASES = Path(__file__).parent / "cases"


def rendered(diagnostics: Diagnostics, source: Source) -> str:
    return "\n".join(render(diagnostic, source) for diagnostic in diagnostics)


@pytest.mark.parametrize("case", load(CASES / "tokens.test"), ids=str)
def test_tokens_are_cut_as_recorded(case: Case, golden: Golden) -> None:
    source, diagnostics = Source("case.krl", case.source), Diagnostics()
    tokens = read_tokens(source, diagnostics)
    golden(case, print_tokens(tokens) + "\n" + rendered(diagnostics, source))


@pytest.mark.parametrize("case", load(CASES / "expressions.test"), ids=str)
def test_an_expression_becomes_the_recorded_tree(case: Case, golden: Golden) -> None:
    source, diagnostics = Source("case.krl", case.source), Diagnostics()
    expression = parse_expression(source, diagnostics)
    golden(case, print_tree(expression) if expression else rendered(diagnostics, source))


@pytest.mark.parametrize("case", load(CASES / "rulesets.test"), ids=str)
def test_a_ruleset_becomes_the_recorded_tree(case: Case, golden: Golden) -> None:
    source, diagnostics = Source("case.krl", case.source), Diagnostics()
    ruleset = parse(source, diagnostics)
    told = rendered(diagnostics, source)
    golden(case, (told + "\n" if told else "") + (print_tree(ruleset) if ruleset else ""))


@pytest.mark.parametrize("case", load(CASES / "mistakes.test"), ids=str)
def test_mistakes_are_told_as_recorded(case: Case, golden: Golden) -> None:
    source, diagnostics = Source("case.krl", case.source), Diagnostics()
    assert parse(source, diagnostics) is None
    golden(case, rendered(diagnostics, source))


@pytest.mark.parametrize("case", load(CASES / "dialect.test"), ids=str)
def test_the_old_dialect_is_told_and_rewritten_as_recorded(case: Case, golden: Golden) -> None:
    source, diagnostics = Source("case.krl", case.source), Diagnostics()
    parse(source, diagnostics)
    rewritten = apply_fixes(source, diagnostics)
    golden(case, f"{rendered(diagnostics, source)}\n---- rewritten\n{rewritten}")
