"""The graph in guest.wasm knows every reference that can be seen in the library itself."""

from __future__ import annotations

import pytest

from krl.compiler import guest_library
from krl.guest.graph import (
    GRAPH_SECTION,
    Datum,
    Graph,
    Reached,
    References,
    decode_graph,
    encode_graph,
)
from pico_abi import wasm
from pico_abi.wasm import opcodes

GUEST = guest_library()
GRAPH = GUEST.graph
BODIES = [(index, function.body) for index, function in enumerate(GUEST.module.functions)]
LEAF = References()


def nearby(numbers: tuple[int, ...]) -> set[int]:
    """The addresses of data, and around each: loops end behind it, `table[n - 2]` is before it, and
    so is where a loop begins that adds a round's bytes first."""
    pieces = [GRAPH.data[number] for number in numbers]
    around = (range(item.address - 64, item.address + item.size + 16) for item in pieces)
    return {address for addresses in around for address in addresses}


def test_a_function_calls_in_the_graph_what_it_calls_in_its_body() -> None:
    for index, body in BODIES:
        called = {
            item.immediates[0] for item in wasm.instructions(body) if item.opcode == opcodes.CALL
        }
        assert GRAPH.functions[index].calls == tuple(sorted(called))


def test_every_number_in_a_body_that_looks_like_an_address_is_data_in_the_graph() -> None:
    end = GUEST.data_first + len(GUEST.data)
    seen = 0
    for index, body in BODIES:
        known = nearby(GRAPH.functions[index].data)
        for item in wasm.instructions(body):
            if item.opcode == opcodes.I32_CONST and GUEST.data_first <= item.immediates[0] < end:
                assert item.immediates[0] in known, (index, item)
                seen += 1
    assert seen > 100


def test_every_slot_of_the_table_is_named_by_a_function_or_by_data() -> None:
    named = {index for references in GRAPH.functions for index in references.slots}
    named |= {index for datum in GRAPH.data for index in datum.references.slots}
    slots = {index for item in GUEST.module.elements for index in item.function_indices}
    assert slots == named


def test_no_byte_of_data_is_without_an_owner() -> None:
    for at, byte in enumerate(GUEST.data, GUEST.data_first):
        assert not byte or GRAPH.data_at(at)


def test_the_numbers_of_the_library_are_as_short_as_they_can_be() -> None:
    for _, body in BODIES:
        for item in wasm.instructions(body):
            if item.opcode in (opcodes.CALL, opcodes.GLOBAL_GET, opcodes.I32_CONST):
                assert item.end - item.offset == len(
                    wasm.instruction(item.opcode, *item.immediates)
                )


def test_the_library_carries_names_and_the_graph_and_nothing_of_the_linker() -> None:
    assert [item.name for item in GUEST.module.customs] == ["name", GRAPH_SECTION]


SMALL = Graph(
    2,
    (References((0, 4), (3,), (1,)), LEAF, References((), (), (0, 1))),
    (Datum(1000, 4, LEAF), Datum(1002, 300, References((), (3,), (0,)))),
)


def test_a_graph_survives_encoding() -> None:
    assert decode_graph(encode_graph(SMALL)) == SMALL
    assert encode_graph(GRAPH) == GUEST.module.custom(GRAPH_SECTION)


@pytest.mark.parametrize(
    ("roots", "reached"),
    [
        ([], Reached(frozenset(), frozenset())),
        ([0], Reached(frozenset({0}), frozenset())),
        ([3], Reached(frozenset({3}), frozenset())),
        ([4], Reached(frozenset({3, 4}), frozenset({0, 1}))),
        ([2], Reached(frozenset({0, 2, 3, 4}), frozenset({0, 1}))),
    ],
)
def test_what_is_reached_goes_through_functions_slots_and_data(
    roots: list[int], reached: Reached
) -> None:
    assert SMALL.reached(roots) == reached


def test_a_table_of_functions_is_reached_through_the_data_that_holds_it() -> None:
    assert SMALL.reached((), [1]).functions == {3}
    assert SMALL.data_at(1003) == [0, 1]
    assert SMALL.data_at(1302) == []
