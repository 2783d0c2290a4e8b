"""Lowers function literals: parameters and defaults, declarations, the result in tail position.

A call of the running function whose value is the result of this one becomes a restart, so that
recursion of that form runs in constant space; the reference reaches any depth there too.
"""

from __future__ import annotations

from krl.lower import calls, expressions, ir, rules
from krl.lower.body import Body, Context
from krl.resolve import VariableName
from krl.syntax import tree


def declare_functions(context: Context) -> None:
    """Numbers every function literal, so that bodies may refer to each other."""
    names = {
        id(variable.value): variable.name
        for variable in context.resolution.declared.values()
        if variable.value is not None
    }
    for unit in context.resolution.units.values():
        node = unit.node
        if isinstance(node, tree.Function | tree.Defaction):
            function = ir.Function(
                names.get(id(node), f"function at {node.span.start}"),
                "function" if isinstance(node, tree.Function) else "action",
                tuple(parameter.name for parameter in node.parameters),
                has_closure=not context.captures.is_static(unit),
            )
            context.function_numbers[id(node)] = context.add_function(function)


def lower_functions(context: Context) -> None:
    for unit in context.resolution.units.values():
        node = unit.node
        if isinstance(node, tree.Function | tree.Defaction):
            function = context.program.functions[context.function_number(node)]
            body = Body(context, unit, function)
            _lower_function(body, node)
            function.body = tuple(body.steps)


def _lower_function(body: Body, node: tree.Function | tree.Defaction) -> None:
    _parameters(body, node.parameters)
    body.make_cells()
    for parameter in node.parameters:
        variable = body.context.resolution.declared.get(id(parameter))
        if variable is not None and variable.late:
            given = body.function.parameters.index(parameter.name)
            body.steps.append(
                ir.SetCell(ir.ReadLocal(body.local_of(variable)), ir.ReadLocal(given))
            )
    declarations(body, node.body)
    match node:
        case tree.Function():
            _tail(body, node.result)
        case tree.Defaction():
            if node.block is not None:
                rules.unset_settings(body, node.block)
                rules.action_block(body, node.block)
            result = (
                expressions.UNDEFINED
                if node.result is None
                else expressions.value(body, node.result)
            )
            body.steps.append(ir.Return(result))


def _parameters(body: Body, parameters: tuple[tree.Parameter, ...]) -> None:
    """Parameters are the first locals. A default stands in for undefined, not for null."""
    for parameter in parameters:
        local = body.new_local(parameter.name)
        variable = body.context.resolution.declared.get(id(parameter))
        if variable is not None and not variable.late:
            body.locals[id(variable)] = local
    for local, parameter in enumerate(parameters):
        if parameter.default is not None:
            outer = body.block()
            default = expressions.value(body, parameter.default)
            body.steps.append(ir.SetLocal(local, default))
            missing = ir.Same(ir.ReadLocal(local), expressions.UNDEFINED)
            body.steps = [*outer, ir.If(missing, tuple(body.steps), ())]


def declarations(body: Body, nodes: tuple[tree.Declaration, ...]) -> None:
    for node in nodes:
        declaration(body, node)


def declaration(body: Body, node: tree.Declaration) -> None:
    variable = body.context.resolution.variable(node)
    if body.context.captures.names_static(variable):
        return
    body.set(variable, expressions.value(body, node.value))


def _tail(body: Body, node: tree.Expression) -> None:
    """The result of a function, as its last step."""
    match node:
        case tree.Conditional():
            test = expressions.flag(body, node.test)
            outer = body.block()
            _tail(body, node.consequent)
            yes = body.end_block(outer)
            outer = body.block()
            _tail(body, node.alternate)
            body.steps = [*outer, ir.If(test, yes, tuple(body.steps))]
        case tree.Call(callee=tree.Identifier() as name) if _is_running(body, name):
            _restart(body, node)
        case _:
            body.steps.append(ir.Return(expressions.value(body, node)))


def _is_running(body: Body, name: tree.Identifier) -> bool:
    binding = body.context.resolution.binding(name)
    return (
        isinstance(binding, VariableName)
        and body.unit is not None
        and binding.variable.value is body.unit.node
    )


def _restart(body: Body, node: tree.Call) -> None:
    positional, named = calls.arguments(body, node.positional, node.named)
    bound = calls.bind(body, body.function.parameters, positional, named)
    body.function.restarts = True
    body.steps.append(ir.Restart(node.span.start, tuple(bound)))
