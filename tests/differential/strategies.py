"""The cases as Hypothesis strategies: what the generators draw, Hypothesis decides and shrinks."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from differential import mutate
from differential.events import select_case
from differential.expressions import expression_case
from differential.rulesets import ruleset_case


def randoms() -> st.SearchStrategy[Random]:
    return st.randoms(use_true_random=False)


def expression_cases(count: int = 10) -> st.SearchStrategy[dict[str, Any]]:
    """A case of so many independent expressions."""
    return randoms().map(lambda random: {"exprs": expression_case(random, count)})


def ruleset_cases() -> st.SearchStrategy[dict[str, Any]]:
    """Rulesets with events and queries."""
    return randoms().map(ruleset_case)


def select_cases(rules: int = 4, events: int = 8) -> st.SearchStrategy[dict[str, Any]]:
    """Rules on domains of their own, each with events for its event expression."""
    return randoms().map(lambda random: select_case(random, rules, events))


def broken_texts() -> st.SearchStrategy[str]:
    """Texts that are almost rulesets."""
    return randoms().map(mutate.broken_text)
