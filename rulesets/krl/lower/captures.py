"""Which functions are static, and what the others carry along.

A function that captures nothing, or only names of static functions, needs no closure: it is one
constant, and calls of it are direct. The answer is a greatest fixpoint, because two functions
that only refer to each other are both static.
"""

from __future__ import annotations

from krl.resolve import Resolution, Unit, Variable
from krl.syntax import tree


class Captures:
    """Answers for every unit of one ruleset."""

    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution
        self._closures: set[int] = set()
        self._settle()

    def is_static(self, unit: Unit) -> bool:
        """Whether every closure of this function would be the same."""
        return id(unit) not in self._closures

    def of(self, unit: Unit) -> list[Variable]:
        """The variables a closure of this unit holds, in the order of their slots."""
        return [variable for variable in unit.captures if not self.names_static(variable)]

    def names_static(self, variable: Variable) -> bool:
        """Whether the variable can only be one static function."""
        match variable.value:
            case tree.Function() | tree.Defaction():
                return self.is_static(self._resolution.unit(variable.value))
        return False

    def _settle(self) -> None:
        changed = True
        while changed:
            changed = False
            for unit in self._resolution.units.values():
                if self.is_static(unit) and self.of(unit):
                    self._closures.add(id(unit))
                    changed = True
