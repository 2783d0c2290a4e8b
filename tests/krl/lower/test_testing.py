"""`__testing` may be anything at all; developers write what they like into it."""

from __future__ import annotations

import pytest

import pico_abi
from krl.compiler import compile_source
from krl.diagnostic import Source


@pytest.mark.parametrize("shares", ["", "shares __testing", "shares f", "shares like, get"])
@pytest.mark.parametrize(
    "value",
    [
        "function() { 1 }",
        "defaction() { noop() }",
        "f",
        "null",
        '{"queries": []}',
        "[f]",
        "meta:rid",
        "time:now()",
        "ent:x",
    ],
)
def test_a_ruleset_compiles_whatever_its_testing_is(shares: str, value: str) -> None:
    if "shares __testing" in shares and "defaction" in value:
        return  # an action cannot be shared
    declared = f"f = function(x) {{ x }} __testing = {value}"
    text = f"ruleset a {{ meta {{ {shares} }} global {{ {declared} }} }}"
    module = compile_source(Source("a.krl", text)).module
    assert module is not None
    pico_abi.validate(module)
