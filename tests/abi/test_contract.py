"""The contract as data says what wit/pico.wit says, and the profile cannot change unnoticed."""

from __future__ import annotations

import re
from pathlib import Path

from pico_abi import contract
from pico_abi.contract import HOST_FUNCTIONS, PACKAGE, REQUIRED_EXPORTS, HostFunction
from pico_abi.wasm import I32

ROOT = Path(__file__).parents[2]

# Fuel prices, limits, host functions and the stack model together. A new hash is a new profile:
# every engine that runs pico-1 must agree on it, so ask for a second pair of eyes.
PROFILE_HASH = "72f65b875d4a1d1ddc85346f9f05abfedce003c0e8632283d797f75fdb6db6d6"


def wit_text() -> str:
    return re.sub(r"//[^\n]*", "", (ROOT / "wit" / "pico.wit").read_text())


def functions(block: str) -> list[tuple[str, str]]:
    """(name, signature) of `name: func(...) -> ...;` lines."""
    found = re.findall(r"([a-z-]+)\s*:\s*(func\s*\([^;]*);", block)
    return [(name, " ".join(signature.split())) for name, signature in found]


def wit_imports() -> list[tuple[str, str, str]]:
    blocks = re.findall(r"interface\s+([a-z-]+)\s*\{([^}]*)\}", wit_text())
    return [(name, *item) for name, block in blocks for item in functions(block)]


def core_parameter_count(signature: str) -> int:
    """Canonical ABI: a list is two, a number one, a result that is not flat an address."""
    arguments, _, result = signature.partition("->")
    lists = len(re.findall(r"list<u8>", arguments))
    return 2 * lists + len(re.findall(r"\bu32\b", arguments)) + (1 if result.strip() else 0)


def test_the_table_of_host_functions_is_the_wit_file() -> None:
    assert [(item.interface, item.name, item.wit) for item in HOST_FUNCTIONS] == wit_imports()


def test_core_signatures_follow_the_canonical_abi() -> None:
    for item in HOST_FUNCTIONS:
        assert item.params == (I32,) * core_parameter_count(item.wit), item.name


def test_lengths_are_the_parameters_behind_a_pointer() -> None:
    for item in HOST_FUNCTIONS:
        lists = item.wit.partition("->")[0].count("list<u8>")
        assert item.lengths == tuple(range(1, 2 * lists, 2)), item.name


def test_the_exports_are_the_world_of_the_wit_file() -> None:
    world = re.search(r"world\s+ruleset\s*\{(.*)\}", wit_text(), re.DOTALL)
    assert world is not None
    imported = re.findall(r"import\s+([a-z-]+)\s*;", world[1])
    assert imported == list(dict.fromkeys(item.interface for item in HOST_FUNCTIONS))
    exported = functions(world[1].replace("export", ""))
    assert exported == [(item.name, item.wit) for item in REQUIRED_EXPORTS if item.wit]


def test_the_package_of_the_wit_file_is_in_the_import_names() -> None:
    assert re.findall(r"package\s+(\S+);", wit_text()) == [PACKAGE]
    assert HOST_FUNCTIONS[0].module == "picomesh:pico/state@1.0.0"


def test_only_put_and_delete_write() -> None:
    assert [item.name for item in HOST_FUNCTIONS if item.writes] == ["put", "delete"]


def test_every_host_call_costs_something_before_it_starts() -> None:
    def prices(item: HostFunction) -> tuple[int, int]:
        return item.price, item.argument_byte_price

    assert all(min(prices(item)) > 0 for item in HOST_FUNCTIONS)


def test_a_change_of_the_profile_does_not_go_unnoticed() -> None:
    assert contract.profile_hash() == PROFILE_HASH
