"""Pass 2: names. Says what every identifier means, and what every function captures."""

from krl.resolve.bindings import (
    TESTING,
    Binding,
    EntityVariable,
    LibraryName,
    ModuleMember,
    Resolution,
    TestingName,
    Unit,
    UnknownMember,
    Variable,
    VariableName,
)
from krl.resolve.resolve import resolve

__all__ = [
    "TESTING",
    "Binding",
    "EntityVariable",
    "LibraryName",
    "ModuleMember",
    "Resolution",
    "TestingName",
    "Unit",
    "UnknownMember",
    "Variable",
    "VariableName",
    "resolve",
]
