"""The table the compiler reads and the library it links agree, in both directions."""

from __future__ import annotations

import pytest

from guest.library.machine import export_names
from krl import library

DOMAIN_SIZES = {
    **{"ctx": 26, "event": 8, "http": 6, "math": 11, "meta": 11, "random": 4},
    **{"schedule": 6, "time": 4, "ursa": 6, "dido": 20},
}


def test_every_function_of_the_table_is_an_export_and_every_export_is_in_the_table() -> None:
    exported = {name for name in export_names() if name.startswith("lib_")}
    assert {function.export for function in library.TABLE} == exported


def test_no_name_occurs_twice_in_a_domain() -> None:
    names = [(function.domain, function.name) for function in library.TABLE]
    assert len(names) == len(set(names))


def test_there_are_66_named_operators_and_they_are_the_domain_stdlib_too() -> None:
    assert len(library.names(None)) == 66
    assert library.names("stdlib") == library.names(None)
    assert library.find("stdlib", "map") is library.find(None, "map")


@pytest.mark.parametrize("domain", DOMAIN_SIZES)
def test_a_domain_has_all_functions_of_the_reference(domain: str) -> None:
    assert len(library.names(domain)) == DOMAIN_SIZES[domain]
    assert domain in library.domains()


def test_a_function_that_is_not_here_yet_is_in_the_table_and_marked() -> None:
    pack = library.find("dido", "pack")
    assert pack is not None
    assert (pack.available, pack.export, pack.full_name) == (False, "lib_unavailable", "dido:pack")


def test_parameters_of_a_function_have_different_names() -> None:
    for function in library.TABLE:
        assert len(function.parameters) == len(set(function.parameters)), function.full_name
