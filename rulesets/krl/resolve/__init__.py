"""Pass 2: names. Says what every identifier means, and what every function captures."""

from krl.resolve.bindings import (
    Binding,
    DomainCall,
    EntityVariable,
    LibraryName,
    ModuleMember,
    Resolution,
    UnknownMember,
    Unit,
    Variable,
    VariableName,
)
from krl.resolve.resolve import resolve

__all__ = [
    "Binding",
    "DomainCall",
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
