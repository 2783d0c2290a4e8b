"""Pruning changes nothing but size: programs run the same with and without what it leaves out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance.recorded import load, run_scenario
from examples import cases
from krl.compiler import compile_source, guest_library
from krl.diagnostic import Source
from krl.emit import emit
from krl.guest.graph import Reached
from krl.link.prune import STUB
from krl.link.segments import segments
from pico_abi import validate, wasm
from pico_abi.limits import DATA_SEGMENTS_MAX
from picomesh.engine import Engine

GUEST = guest_library()
LINKER = importlib.import_module("krl.link.link")  # the package shows the function of that name
EVERYTHING = Reached(
    frozenset(range(GUEST.function_count)), frozenset(range(len(GUEST.graph.data)))
)
SCENARIOS = load("rules.json")["scenarios"]
EXPRESSIONS = """
[ "a,b".split(re#,#), [3, 1, 2].sort(), [3, 1, 2].sort("numeric"),
  {"b": {"c": 1}}.put(["b", "d"], 2),
  "Mesh".replace(re#(e)#i, "$1$1"), 255.as("String"), "0x1F".as("Number"), [1, 2].encode(),
  "[1,{}]".decode(), "%s of %d".sprintf("a"), "é€😀".uc(), [1, 2, 3].reduce(function(a, b) {a + b}),
  math:hash("sha256", "x"), math:base64encode("x"), random:word().length() > 0, 10 % 3, 1 / 3,
  time:add("2020-01-31T00:00:00Z", {"months": 1}), time:strftime("2020-01-31", "%c"),
  {"a": 1}.map(function(v, k) {k + v}), ["x", "y"].collect(function(v) {v}),
  "abc".extract(re#b(.)#),
  "x".ord(), [1, 2].intersection([2]), 5.range(8), "ABC".match(re#b#i), {"a": [1]}.filter(
  function(v) {v.length() > 0}), [[1]].typeof(), event:attr("a"), meta:rid ]
"""
PROGRAM = f"""
ruleset wide {{
  meta {{ shares all }}
  global {{ all = function(){{ {EXPRESSIONS} }} }}
  rule keep {{
    select when a b or repeat 2 (c d x re#(\\d+)#) max(m)
    foreach [1, 2] setting (i)
    send_directive("it", {{"all": all(), "i": i}})
    always {{ ent:kept{{["p", i]}} := all(); raise a event "x" attributes {{"i": i}}; log info i }}
  }}
}}
"""

Outcome = tuple[Any, list[Any]]


@pytest.fixture
def fuel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How each event ended, and the fuel it took."""
    ended: list[Any] = []
    send = Engine.send

    def sending(self: Engine, *arguments: Any, **named: Any) -> Any:
        response = send(self, *arguments, **named)
        ended.append((response.receipt.core.outcome, response.receipt.core.fuel))
        return response

    monkeypatch.setattr(Engine, "send", sending)
    return ended


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, fuel: list[Any]) -> Callable[..., Iterator[Outcome]]:
    """What a piece of work comes to with a pruned library, then with a whole one."""

    def run(work: Callable[..., Any], *arguments: Any) -> Iterator[Outcome]:
        for everything in (False, True):
            with monkeypatch.context() as patch:
                if everything:
                    patch.setattr(LINKER, "reached", lambda *_: EVERYTHING)
                    cases.compiled.cache_clear()
                result = work(*arguments)
            cases.compiled.cache_clear()
            yield result, list(fuel)
            fuel.clear()

    return run


def run_program(text: str) -> Any:
    bench = cases.Bench.with_modules(cases.compile_text(text))
    with bench.engine as engine:
        for domain, name in (("a", "b"), ("c", "d"), ("c", "d")):
            bench.world.clock_ms += 1000
            engine.send(bench.pico, domain, name, {"a": 1, "x": "12"})
        return engine.query(bench.pico, "wide", "all", {}), bench.entities("wide")


def run_example(name: str) -> Any:
    observed = cases.run_case(name, cases.read_case(name))
    return observed.steps, observed.state


@pytest.mark.parametrize("name", cases.NAMES)
def test_an_example_does_the_same_for_the_same_fuel(
    name: str, both: Callable[..., Iterator[Outcome]]
) -> None:
    pruned, whole = both(run_example, name)
    assert pruned == whole
    assert whole[1]


@pytest.mark.parametrize("scenario", SCENARIOS[::8], ids=lambda scenario: scenario["name"])
def test_a_recorded_scenario_does_the_same_for_the_same_fuel(
    scenario: dict[str, Any], both: Callable[..., Iterator[Outcome]]
) -> None:
    pruned, whole = both(run_scenario, scenario)
    assert pruned == whole


def test_a_program_of_many_operators_does_the_same_for_the_same_fuel(
    both: Callable[..., Iterator[Outcome]],
) -> None:
    pruned, whole = both(run_program, PROGRAM)
    assert pruned == whole
    assert [outcome for outcome, _ in whole[1]] == ["ok"] * 3
    assert len(whole[0][1]) > 0


def compiled(text: str) -> wasm.Module:
    compilation = compile_source(Source("test.krl", text))
    assert compilation.module is not None, compilation.diagnostics
    validate(compilation.module)
    return wasm.decode_module(compilation.module)


def alive(module: wasm.Module) -> set[str]:
    """The names of the library's functions that have a body."""
    own = module.functions[: len(GUEST.module.functions)]
    return {
        GUEST.function_names[index].decode()
        for index, function in enumerate(own, GUEST.graph.imported)
        if function.body != STUB
    }


def test_a_function_says_what_it_calls() -> None:
    compilation = compile_source(Source("test.krl", PROGRAM))
    assert compilation.program is not None
    for function in emit(compilation.program, GUEST).functions:
        called = {
            item.immediates[0]
            for item in wasm.instructions(function.body)
            if item.opcode == wasm.opcodes.CALL
        }
        assert function.calls == called, function.name


EMPTY = "ruleset empty { }"


def test_a_small_program_carries_little() -> None:
    module = compiled(EMPTY)
    assert not alive(module) & {"match_from", "lre_compile", "sha256_run", "by_text"}
    assert sum(len(segment.payload) for segment in module.data) < 4_000


def test_what_a_program_names_is_alive_and_what_that_needs() -> None:
    text = (
        'ruleset one { meta { shares f } global { f = function() { math:hash("sha256", "x") } } }'
    )
    module = compiled(text)
    assert alive(module) >= {"lib_math_hash", "sha256_run"}
    names = module.custom("name") or b""
    assert b"sha256_run" in names
    assert b"match_from" not in names


def test_a_program_is_smaller_than_one_that_does_more() -> None:
    small, large = (wasm.encode_module(compiled(text)) for text in (EMPTY, PROGRAM))
    assert len(small) < len(large) < len(GUEST.module.custom("name") or b"") + 200_000


def image(module: wasm.Module) -> bytes:
    memory = bytearray()
    for segment in module.data:
        start, _ = wasm.read_sleb(segment.start, 1, 32)
        memory += bytes(start - len(memory)) + segment.payload
    return bytes(memory)


def test_reached_data_is_where_it_was_and_everything_else_is_zero() -> None:
    memory = image(compiled(EMPTY))
    kept = 0
    for at, byte in enumerate(GUEST.data, GUEST.data_first):
        if memory[at] != byte:
            patched = [GUEST.address(name) for name in ("rt_arena_next", "rt_manifest")]
            assert memory[at] == 0 or any(0 <= at - first < 8 for first in patched)
        kept += memory[at] != 0
    assert kept > 300


@pytest.mark.parametrize(
    ("memory", "runs"),
    [
        (b"", []),
        (bytes(100), []),
        (b"abc", [(0, b"abc")]),
        (bytes(3) + b"abc" + bytes(5), [(3, b"abc")]),
        (b"a" + bytes(8) + b"\nb", [(0, b"a" + bytes(8) + b"\nb")]),
        (b"a" + bytes(9) + b"b", [(0, b"a"), (10, b"b")]),
    ],
)
def test_segments_hold_what_is_not_zero(memory: bytes, runs: list[tuple[int, bytes]]) -> None:
    found = segments(memory, 1000)
    starts = [wasm.read_sleb(segment.start, 1, 32)[0] - 1000 for segment in found]
    assert list(zip(starts, (segment.payload for segment in found), strict=True)) == runs


def test_a_memory_of_many_islands_stays_within_the_number_of_segments() -> None:
    memory = (b"a" + bytes(9)) * (2 * DATA_SEGMENTS_MAX) + b"a" + bytes(40) + b"b"
    found = segments(memory, 0)
    assert 1 < len(found) <= DATA_SEGMENTS_MAX
    assert image(wasm.Module(data=found)) == memory
