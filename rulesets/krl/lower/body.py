"""The function under construction: its locals, and how it reads and sets variables."""

from __future__ import annotations

from krl.lower import ir
from krl.lower.captures import Captures
from krl.resolve import Resolution, Unit, Variable
from krl.syntax import tree


class Context:
    """What all functions of one program share while it is lowered."""

    def __init__(self, resolution: Resolution, rid: str) -> None:
        self.resolution = resolution
        self.captures = Captures(resolution)
        self.program = ir.Program(rid)
        self.function_numbers: dict[int, int] = {}
        self.global_numbers: dict[int, int] = {}
        self.use_configurations: dict[int, int] = {}
        self.late: dict[int, list[Variable]] = {}
        for variable in resolution.declared.values():
            if variable.late and variable.unit is not None:
                late = self.late.setdefault(id(variable.unit), [])
                if variable not in late:
                    late.append(variable)

    def add_function(self, function: ir.Function) -> int:
        self.program.functions.append(function)
        return len(self.program.functions) - 1

    def function_number(self, node: tree.Function | tree.Defaction) -> int:
        return self.function_numbers[id(node)]


class Body:
    """One function: `steps` is the list that the next step goes to."""

    def __init__(self, context: Context, unit: Unit | None, function: ir.Function) -> None:
        self.context = context
        self.unit = unit
        self.function = function
        self.steps: list[ir.Step] = []
        self.locals: dict[int, int] = {}

    # ---- locals ------------------------------------------------------------------------------

    def new_local(self, name: str) -> int:
        self.function.local_names.append(name)
        return len(self.function.local_names) - 1

    def new_flag(self, name: str) -> int:
        local = self.new_local(name)
        self.function.flags.add(local)
        return local

    def keep(self, value: ir.Value, name: str = "temporary") -> ir.Value:
        """Computes a value now, for use later and perhaps more than once."""
        local = self.new_local(name)
        self.steps.append(ir.SetLocal(local, value))
        return ir.ReadLocal(local)

    def block(self) -> list[ir.Step]:
        """Starts an inner list of steps; give the returned outer one to `end_block`."""
        outer, self.steps = self.steps, []
        return outer

    def end_block(self, outer: list[ir.Step]) -> tuple[ir.Step, ...]:
        inner, self.steps = self.steps, outer
        return tuple(inner)

    # ---- variables ---------------------------------------------------------------------------

    def local_of(self, variable: Variable) -> int:
        local = self.locals.get(id(variable))
        if local is None:
            local = self.new_local(variable.name)
            self.locals[id(variable)] = local
        return local

    def make_cells(self) -> None:
        """Cells for the variables of this unit that a closure may see before they are set."""
        for variable in self.context.late.get(id(self.unit), ()):
            if not self.context.captures.names_static(variable):
                self.steps.append(ir.SetLocal(self.local_of(variable), ir.NewCell()))

    def set(self, variable: Variable, value: ir.Value) -> None:
        local = self.local_of(variable)
        if variable.late:
            self.steps.append(ir.SetCell(ir.ReadLocal(local), value))
        else:
            self.steps.append(ir.SetLocal(local, value))

    def renew_cell(self, variable: Variable) -> None:
        """In the next round of a loop a closure must see the new variable, not the old one."""
        if variable.late and not self.context.captures.names_static(variable):
            self.steps.append(ir.SetLocal(self.local_of(variable), ir.NewCell()))

    def read(self, variable: Variable) -> ir.Value:
        """The variable's value, wherever it lives as seen from this function."""
        captures = self.context.captures
        node = variable.value
        if isinstance(node, tree.Function | tree.Defaction) and captures.names_static(variable):
            return ir.StaticFunction(self.context.function_number(node))
        if variable.unit is None:
            return ir.ReadGlobal(self.context.global_numbers[id(variable)])
        holder = self.hold(variable)
        if variable.late and not isinstance(holder, ir.ThisFunction):
            return ir.ReadCell(holder, variable.name)
        return holder

    def hold(self, variable: Variable) -> ir.Value:
        """The variable's value, or its cell if it is late: what a closure captures."""
        unit = self.unit
        assert unit is not None
        if variable.unit is unit:
            return ir.ReadLocal(self.local_of(variable))
        if unit.node is variable.value:
            return ir.ThisFunction()
        return ir.ReadCapture(self.context.captures.of(unit).index(variable))
