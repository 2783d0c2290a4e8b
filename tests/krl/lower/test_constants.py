"""Tables of thousands of constants, as authors paste them into `global`, fit into a module."""

from __future__ import annotations

import json
from typing import Any

import pytest

import pico_abi
from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine

WORDS = [f'word {number} é😀 \\ "' for number in range(600)]
RECORDS = {
    **{
        str(key): {"at": key + 0.25, "on": True, "tags": [key, -key, ""]}
        for key in range(300, 0, -1)
    },
    "z": 1,
    "/": [],
    "a": {"/": {}},
}


def krl_of(value: Any) -> str:
    """A value as a literal of KRL, which knows two escapes."""
    match value:
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(map(krl_of, value))}]"
        case dict():
            return (
                "{"
                + ", ".join(f"{krl_of(key)}: {krl_of(item)}" for key, item in value.items())
                + "}"
            )
        case _:
            return json.dumps(value)


def in_javascript_order(value: dict[str, Any]) -> dict[str, Any]:
    indexes = sorted((key for key in value if key.isdigit()), key=int)
    return {key: value[key] for key in [*indexes, *value]}


def compiled(literal: str) -> bytes:
    source = (
        f"ruleset big {{ meta {{ shares all }} global {{ all = function() {{ {literal} }} }} }}"
    )
    module = compile_source(Source("big.krl", source)).module
    assert module is not None
    return module


@pytest.mark.parametrize("value", [WORDS, RECORDS], ids=["words", "records"])
def test_a_large_literal_is_the_value_that_is_written(value: Any) -> None:
    with Engine.ephemeral() as engine:
        engine.create("me")
        engine.install_module("me", compiled(krl_of(value)))
        found = engine.query("me", "big", "all")
    expected = in_javascript_order(value) if isinstance(value, dict) else value
    assert json.dumps(found) == json.dumps(expected)


def test_twenty_thousand_words_are_admitted_and_take_their_own_size() -> None:
    words = krl_of([f"word{number}" for number in range(20_000)])
    module = compiled(words)
    pico_abi.validate(module)
    assert len(module) - len(compiled("[]")) < len(words)


@pytest.mark.parametrize("last", ["null", "event:eid", "f()", "-0", '"\\n" + 1'])
def test_a_large_literal_with_a_part_that_is_computed_stays_code(last: str) -> None:
    literal = f"[{krl_of(WORDS)[1:-1]}, {last}]".replace("f()", "1.range(2)")
    with Engine.ephemeral() as engine:
        engine.create("me")
        engine.install_module("me", compiled(literal))
        found = engine.query("me", "big", "all")
    assert isinstance(found, list) and found[:-1] == WORDS


def test_a_ruleset_that_makes_too_large_a_module_is_told_so() -> None:
    names = "".join(f"x{at} = x{at - 1} + 1 " for at in range(1, 1_500))
    text = f"ruleset big {{ rule r {{ select when a b pre {{ x0 = 1 {names} }} noop() }} }}"
    compilation = compile_source(Source("big.krl", text))
    assert compilation.module is None
    (error,) = (item for item in compilation.diagnostics if item.severity == "error")
    assert error.title == "the ruleset is too large" and "locals" in error.text and error.hint
