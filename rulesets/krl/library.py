"""The one table of what KRL's library offers: operators, and the functions of built-in modules.

The resolver looks names up here, lowering takes parameter names and exports from here, and a test
compares the table with the exports of the guest library, so that neither can drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LibraryKind = Literal["function", "action", "both", "property"]


@dataclass(frozen=True, slots=True)
class LibraryFunction:
    """`domain` is None for operators; a property is read without a call (`event:attrs`).

    `parameters` are the names that named arguments use, in order. `export` names the function of
    the guest library that does the work.
    """

    domain: str | None
    name: str
    parameters: tuple[str, ...]
    kind: LibraryKind
    export: str


def _operator(name: str, *parameters: str, kind: LibraryKind = "function") -> LibraryFunction:
    return LibraryFunction(None, name, parameters, kind, f"lib_{name}")


def _member(
    domain: str, name: str, *parameters: str, kind: LibraryKind = "function"
) -> LibraryFunction:
    return LibraryFunction(domain, name, parameters, kind, f"lib_{domain}_{name}")


_TABLE = (
    _operator("send_directive", "name", "options", kind="action"),
    _operator("noop", kind="both"),
    _operator("as", "val", "type"),
    _operator("map", "val", "iter"),
    _operator("filter", "val", "iter"),
    _operator("reduce", "val", "iter", "default"),
    _operator("range", "val", "end"),
    _operator("put", "val", "path", "to_set"),
    _operator("length", "val"),
    _operator("keys", "val", "path"),
    _operator("uc", "val"),
    _member("event", "attr", "name"),
    _member("event", "attrs", kind="property"),
    _member("math", "abs", "number"),
)

_BY_NAME = {(function.domain, function.name): function for function in _TABLE}


def find(domain: str | None, name: str) -> LibraryFunction | None:
    """The function of that name, or None."""
    return _BY_NAME.get((domain, name))


def names(domain: str | None) -> list[str]:
    """All names of a domain (None: the operators), sorted; empty for an unknown domain."""
    return sorted(function.name for function in _TABLE if function.domain == domain)


def domains() -> list[str]:
    """The built-in domains, sorted."""
    return sorted({function.domain for function in _TABLE if function.domain is not None})
