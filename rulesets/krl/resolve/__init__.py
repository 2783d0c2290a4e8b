"""Pass 2: names. Says what every identifier means, and what every function captures."""

from krl.resolve.bindings import (
    Binding,
    EntityVariable,
    LibraryName,
    ModuleMember,
    Resolution,
    Unit,
    UnknownMember,
    Variable,
    VariableName,
)
from krl.resolve.resolve import resolve

__all__ = [
    "Binding",
    "EntityVariable",
    "LibraryName",
    "ModuleMember",
    "Resolution",
    "Unit",
    "UnknownMember",
    "Variable",
    "VariableName",
    "resolve",
]
