"""docs/formats/pico-1.md and module.md say what the data says; their examples are real."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import pico_abi
from abi.samples import module, wat
from pico_abi import contract, limits, prices, stack_words
from pico_abi.contract import HOST_FUNCTIONS, REQUIRED_EXPORTS, Outcome
from pico_abi.wasm import decode_module
from pico_abi.wasm import opcodes as op

FORMATS = Path(__file__).parents[2] / "docs" / "formats"
PROFILE_PAGE = (FORMATS / "pico-1.md").read_text("utf-8")
MODULE_PAGE = (FORMATS / "module.md").read_text("utf-8")
VECTORS = json.loads((Path(__file__).parent / "vectors" / "metering.json").read_text("utf-8"))


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading row, without backquotes."""
    _, found, rest = page.partition(heading + "\n")
    assert found, heading
    lines = rest.split("\n")[1:]
    table = lines[: next(at for at, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in table]


def block(page: str, name: str) -> str:
    found = re.search(rf"```wat {name}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_names_the_hash_of_the_data() -> None:
    assert contract.profile_hash() in PROFILE_PAGE


def test_the_opcode_table_is_the_price_list() -> None:
    found = {
        name: (int(price), int(weight))
        for price, weight, names in rows(PROFILE_PAGE, "| price | half words | opcodes |")
        for name in names.split()
    }
    assert found == {
        op.text_name(code): (price, stack_words.VALUE_WEIGHTS[code])
        for code, price in prices.PRICES.items()
    }


def test_the_table_of_limits_is_the_file_of_limits() -> None:
    found = {
        name: int(value) for name, value, _ in rows(PROFILE_PAGE, "| limit | value | of what |")
    }
    wanted = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert found == {name: value for name, value in wanted.items() if name not in ("KIB", "MIB")}


def test_the_other_constants_are_on_the_page() -> None:
    found = {name: int(value) for name, value in rows(PROFILE_PAGE, "| constant | value |")}
    wanted = {**vars(prices), **vars(stack_words)}
    assert found == {
        name: value
        for name, value in wanted.items()
        if name.isupper() and type(value) is int and not name.startswith("PRICE_")
    }


def test_the_table_of_host_prices_is_the_contract() -> None:
    heading = (
        "| import | call | byte of an argument | byte of the result | entry of the result"
        " | in a query |"
    )
    found = [(row[0], *map(int, row[1:5]), row[5]) for row in rows(PROFILE_PAGE, heading)]
    assert found == [
        (
            f"{item.interface}.{item.name}",
            item.price,
            item.argument_byte_price,
            item.result_byte_price,
            item.result_entry_price,
            "refused" if item.writes else "allowed",
        )
        for item in HOST_FUNCTIONS
    ]


def test_the_outcomes_are_on_the_page() -> None:
    found = [
        (int(number), name) for number, name, _ in rows(PROFILE_PAGE, "| number | outcome | when |")
    ]
    assert found == [(item.value, item.name.lower().replace("_", "-")) for item in Outcome]


def test_the_imports_and_exports_are_on_the_page_of_the_module() -> None:
    imports = rows(MODULE_PAGE, "| module | name | core parameters | in WIT |")
    assert imports == [
        [item.module, item.name, f"{len(item.params)} i32", item.wit] for item in HOST_FUNCTIONS
    ]
    exports = rows(MODULE_PAGE, "| name | core type | in WIT |")
    assert [row[0] for row in exports] == ["memory", *[item.name for item in REQUIRED_EXPORTS]]
    for row, item in zip(exports[1:], REQUIRED_EXPORTS, strict=True):
        assert row[1] == f"({' '.join(['i32'] * len(item.type.params))}) → (i32)"
        assert not item.wit or row[2] == item.wit


def test_the_custom_sections_are_on_the_page_of_the_module() -> None:
    found = [row[0] for row in rows(MODULE_PAGE, "| name | content |")]
    assert found == [contract.MANIFEST_SECTION, contract.SOURCE_MAP_SECTION, "name"]


def test_the_smallest_module_is_admitted() -> None:
    pico_abi.check(pico_abi.meter(wat(block(MODULE_PAGE, "smallest"))))


def test_the_example_function_becomes_what_the_page_shows() -> None:
    counters = "(global (mut i64) (i64.const 0)) (global (mut i32) (i32.const 0))"
    shown = wat(f"(module {counters} {block(PROFILE_PAGE, 'metered')})")
    metered = pico_abi.meter(module(block(PROFILE_PAGE, "raw")))
    assert decode_module(metered).functions[0].body == decode_module(shown).functions[0].body


def test_every_section_that_code_refers_to_is_there() -> None:
    root = Path(__file__).parents[2] / "host_api" / "pico_abi"
    for path in root.rglob("*.py"):
        for number in re.findall(r"pico-1\.md §(\d+)", path.read_text("utf-8")):
            assert f"\n## {number}. " in PROFILE_PAGE, path.name


@pytest.mark.parametrize("name", VECTORS)
def test_a_recorded_raw_module_becomes_the_recorded_metered_module(name: str) -> None:
    """Never edited: other numbers here mean another profile."""
    raw, metered = (bytes.fromhex(VECTORS[name][key]) for key in ("raw", "metered"))
    assert pico_abi.meter(raw) == metered
    pico_abi.check(metered)
