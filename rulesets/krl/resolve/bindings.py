"""What the resolver finds out, as side tables keyed by the identity of tree nodes.

The tree stays as the parser made it; lowering asks these tables. Nodes are looked up by `id`,
which is sound because the resolution holds on to the tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from krl.library import LibraryFunction
from krl.syntax import tree
from krl.syntax.tree import Span

FunctionNode = tree.Function | tree.Defaction
CallableKind = Literal["Function", "Action", "ActionFunction"]
VariableKind = Literal["global", "parameter", "declaration", "setting", "configured"]


@dataclass(eq=False, slots=True)
class Unit:
    """A piece of code that becomes one function: a function literal or a rule.

    `captures` are the variables of enclosing units that it or a function inside it reads; a unit
    without captures is one static function.
    """

    node: FunctionNode | tree.Rule | None
    parent: Unit | None
    captures: list[Variable] = field(default_factory=list)
    created_in: Scope | None = None
    created_at: int = 0


@dataclass(eq=False, slots=True)
class Variable:
    """A name that a ruleset declares.

    `late` says that a function captures it before it has its value, so it lives in a cell;
    `optional`, that it may be read although nothing has set it, and then is null. `callable` is
    what it is known to be where something is resolved.
    """

    name: str
    span: Span
    kind: VariableKind
    unit: Unit | None
    value: tree.Expression | None = None
    order: int = 0
    late: bool = False
    optional: bool = False
    used: bool = False
    callable: CallableKind | None = None

    def make_optional(self) -> None:
        """What may be null is not known to be its function either."""
        self.optional = True
        self.value = None
        self.callable = None


@dataclass(eq=False, slots=True)
class Scope:
    """The names of one block, inside the names of the blocks around it.

    `pending` are its functions that are set aside; while an action of the block is resolved,
    `seen` is how many of its names stand above the action.
    """

    parent: Scope | None
    unit: Unit | None
    names: dict[str, Variable] = field(default_factory=dict)
    pending: list[tuple[Variable, Unit]] = field(default_factory=list)
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class VariableName:
    variable: Variable


@dataclass(frozen=True, slots=True)
class LibraryName:
    """An operator (`map`) or a function of a built-in module (`math:abs`)."""

    function: LibraryFunction


@dataclass(frozen=True, slots=True)
class EntityVariable:
    """`ent:x`, or `app:x`, which picomesh keeps in the pico too (docs/language.md)."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleMember:
    """`alias:name` of a ruleset that `use module` names."""

    rid: str
    name: str
    use: int


@dataclass(frozen=True, slots=True)
class UnknownMember:
    """A domain or member nobody has: it compiles, as in the reference, and throws when reached."""

    message: str


TESTING = "__testing"


@dataclass(frozen=True, slots=True)
class TestingName:
    """`__testing` where the ruleset does not declare it: the description made for it."""


Binding = VariableName | LibraryName | EntityVariable | ModuleMember | UnknownMember | TestingName


@dataclass(slots=True)
class Resolution:
    """The tree with everything the resolver knows about it."""

    ruleset: tree.Ruleset
    bindings: dict[int, Binding] = field(default_factory=dict)
    declared: dict[int, Variable] = field(default_factory=dict)
    units: dict[int, Unit] = field(default_factory=dict)
    globals: list[Variable] = field(default_factory=list)
    uses: list[tree.MetaUse] = field(default_factory=list)

    def binding(self, node: tree.Identifier | tree.DomainIdentifier) -> Binding:
        return self.bindings[id(node)]

    def variable(self, node: tree.Declaration | tree.Parameter | tree.SettingName) -> Variable:
        return self.declared[id(node)]

    def unit(self, node: FunctionNode | tree.Rule) -> Unit:
        return self.units[id(node)]
