"""Which optional parts of the library a program carries, and that nothing else leads to them."""

from __future__ import annotations

from typing import Any

import pytest

from examples.cases import Bench
from krl.compiler import compile_source, guest_library
from krl.diagnostic import Source
from krl.emit import OPTIONAL_PARTS, emit
from krl.emit.needs import AGGREGATES, CASES, COMPILER, MATCHER, SHOWN
from krl.link import link
from krl.link.prune import reached
from pico_abi import wasm

GUEST = guest_library()
ALL = {CASES, COMPILER, MATCHER, SHOWN}
PROGRAM = """
ruleset r {{
  meta {{ shares f }}
  global {{ f = function(x) {{ {expression} }} }}
  rule a {{ select when a b {attributes} }}
}}
"""


def needs(expression: str, attributes: str = "") -> set[str]:
    text = PROGRAM.format(expression=expression, attributes=attributes)
    compilation = compile_source(Source("r.krl", text))
    assert compilation.program is not None, compilation.diagnostics
    return set(emit(compilation.program, GUEST).needs)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("1 + x", set()),
        ('x.split(",")', set()),
        ('x.replace("a", "b")', set()),
        ('x.as("Number")', set()),
        ("x.match(re#a#)", set()),
        ("x.extract(re#(a)#g)", set()),
        ("x.split(re#,#)", set()),
        ("x like re#a#", set()),
        ("re#a#", {SHOWN}),
        ("[re#a#].map(function(r) { x.match(r) })", ALL),
        ("x.replace(re#a#, re#b#)", {SHOWN}),
        ("x.match(re#a#i)", set()),
        (r"x.match(re#(a)\1#)", {MATCHER}),
        (r"x.extract(re#(a)\1#g)", {MATCHER}),
        (r"x.match(re#(a)\1#i)", {MATCHER, CASES}),
        ("x.match(re#é#i)", ALL),
        ("x.match(re#(?<n>a)#)", ALL),
        ('x.match("a")', ALL),
        ("x.match(x)", ALL),
        ("x like x", ALL),
        ('x.as("RegExp")', ALL),
        ("x.as(x)", ALL),
        ('x.replace("a", x)', ALL),
        ("x.extract(x)", ALL),
        ("[x].map(match)", ALL),
        ('math:hash("sha256", x)', {"rt_digest_sha256"}),
        ('math:hmac("RSA-SHA512/256", "key", x)', {"rt_digest_sha512"}),
        ('math:hash("md5-sha1", x)', {"rt_digest_md5", "rt_digest_sha1"}),
        ('math:hash("nothing", x)', set()),
        ("math:hash(x, x)", set(OPTIONAL_PARTS) - ALL - {AGGREGATES}),
    ],
)
def test_a_program_carries_what_it_can_come_to_use(expression: str, wanted: set[str]) -> None:
    assert needs(expression) == wanted


def test_every_hash_function_works_in_a_program_that_names_it() -> None:
    names = hash_names()
    calls = ", ".join(f'math:hash("{name}", "abc")' for name in names)
    named = PROGRAM.format(expression=f"[{calls}]", attributes="")
    unnamed = PROGRAM.format(expression="x.map(function(n) { math:hash(n, 'abc') })", attributes="")
    unnamed = unnamed.replace("'", '"')
    wanted = answer(unnamed, {"x": list(names)})
    assert answer(named, {}) == wanted
    for name, digest in zip(names, wanted, strict=True):
        alone = PROGRAM.format(expression=f'math:hash("{name}", "abc")', attributes="")
        carried = needs(f'math:hash("{name}", "abc")')
        assert 1 <= len(carried) <= 2, name
        if name in (names[0], "md5-sha1", "shake256", "sm3"):
            assert answer(alone, {}) == digest


def hash_names() -> list[str]:
    text = PROGRAM.format(expression="math:hashAlgorithms()", attributes="")
    return [str(name) for name in answer(text, {})]


def answer(text: str, arguments: dict[str, Any]) -> Any:
    bench = Bench.with_modules(wasm.encode_module(linked(text)))
    with bench.engine as engine:
        return engine.query(bench.pico, "r", "f", arguments)


def test_an_attribute_of_a_select_needs_the_matcher() -> None:
    assert needs("x", "c re#(.*)#") == set()
    assert needs("x", r"c re#(.)\1#") == {MATCHER}


def callers(name: str) -> set[str]:
    (called,) = (i for i, known in GUEST.function_names.items() if known.decode() == name)
    return {
        GUEST.function_names[index].decode()
        for index in range(GUEST.graph.imported, GUEST.function_count)
        if called in GUEST.graph.of_function(index).functions
    }


def test_an_event_expression_that_aggregates_carries_what_does_so() -> None:
    repeated = r"or repeat 2 (c d x re#(.)\1#)"
    assert needs("x", repeated) == {MATCHER}
    assert needs("x", f"{repeated} max(m)") == {MATCHER, AGGREGATES}


def test_only_what_makes_patterns_leads_to_their_compiler() -> None:
    """A new caller belongs into krl.emit.needs."""
    assert callers("regexp_new") == {"to_regexp", "lib_as"}
    assert callers("to_regexp") == {"lib_extract", "lib_match", "lib_replace", "rt_like"}


@pytest.mark.parametrize("part", OPTIONAL_PARTS)
def test_a_part_is_reached_through_its_pointer_alone(part: str) -> None:
    (pointer,) = GUEST.data_of((part,))
    everything = range(GUEST.graph.imported, GUEST.function_count)
    exported = [e.index for e in GUEST.module.exports if e.kind == wasm.KIND_FUNCTION]
    assert exported
    (target,) = GUEST.graph.data[pointer].references.slots
    assert target in GUEST.graph.reached(everything).functions
    assert target not in GUEST.graph.reached(exported, (), GUEST.data_of(OPTIONAL_PARTS)).functions


def test_patterns_made_at_run_time_work_in_a_program_that_makes_them() -> None:
    text = PROGRAM.format(
        expression='[x.match("^A"), x.match(re#^a#i), x.extract("(?<n>b)(.)".as("RegExp"))]',
        attributes="",
    )
    assert answer(text, {"x": "abc"}) == [False, True, ["b", "c"]]


def linked(text: str) -> wasm.Module:
    compilation = compile_source(Source("r.krl", text))
    assert compilation.program is not None, compilation.diagnostics
    return link(emit(compilation.program, GUEST), GUEST, text)


def test_a_program_without_entity_variables_carries_nothing_of_them() -> None:
    """The optimizer of the library knows all that a pointer can point to, and may call that."""
    plain, keeping = (
        {GUEST.function_names[i].decode() for i in live(text)}
        for text in (PROGRAM, PROGRAM.replace("{expression}", "ent:e"))
    )
    assert not any("spread" in name for name in plain)
    assert any("spread" in name for name in keeping)


def live(text: str) -> set[int]:
    compilation = compile_source(Source("r.krl", text.format(expression="1", attributes="")))
    assert compilation.program is not None, compilation.diagnostics
    found = reached(emit(compilation.program, GUEST), GUEST).functions
    return {index for index in found if index in GUEST.function_names}
