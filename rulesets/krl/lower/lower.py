"""Lowers a whole ruleset: functions and globals first, then rules, then what it offers."""

from __future__ import annotations

from krl.lower import expressions, functions, ir, rules
from krl.lower.body import Body, Context
from krl.lower.manifest import make_manifest
from krl.resolve import TESTING, Resolution, TestingName, Variable
from krl.syntax import tree


def lower(resolution: Resolution, source_hash: str) -> ir.Program:
    """The program of a ruleset that resolved without errors.

    `source_hash` is the BLAKE3 of the source text in hexadecimal; the manifest carries it.
    """
    ruleset = resolution.ruleset
    context = Context(resolution, ruleset.rid)
    functions.declare_functions(context)
    _declare_globals(context)
    functions.lower_functions(context)
    _lower_globals(context)
    program = context.program
    program.rules = tuple(rules.lower_rule(context, rule) for rule in ruleset.rules if rule.active)
    program.shares = _exposed(context, "shares")
    program.provides = _exposed(context, "provides")
    program.manifest = make_manifest(ruleset, resolution, program, source_hash)
    return program


def _declare_globals(context: Context) -> None:
    """Every global that is not simply a static function gets a slot and a first computation."""
    for variable in context.resolution.globals:
        if context.captures.names_static(variable):
            continue
        context.global_numbers[id(variable)] = _new_global(context, variable.name)
    for number, use in enumerate(context.resolution.uses):
        if use.configuration:
            name = f"configuration of {use.alias or use.rid}"
            context.use_configurations[number] = _new_global(context, name)


def _new_global(context: Context, name: str) -> int:
    program = context.program
    program.global_names.append(name)
    function = ir.Function(f"global {name}", "global")
    program.global_functions.append(context.add_function(function))
    return len(program.global_names) - 1


def _lower_globals(context: Context) -> None:
    for number, configuration in context.use_configurations.items():
        function = context.program.functions[context.program.global_functions[configuration]]
        body = Body(context, None, function)
        given = [
            part
            for item in context.resolution.uses[number].configuration
            for part in (ir.Text(item.name), expressions.value(body, item.value))
        ]
        at = context.resolution.uses[number].span.start
        made = ir.RuntimeList(at, "rt_map", (), tuple(given), counts=(len(given) // 2,))
        body.steps.append(ir.Return(made))
        function.body = tuple(body.steps)
    for variable in context.resolution.globals:
        slot = context.global_numbers.get(id(variable))
        if slot is not None:
            function = context.program.functions[context.program.global_functions[slot]]
            body = Body(context, None, function)
            _first_value(body, variable)
            function.body = tuple(body.steps)


def _first_value(body: Body, variable: Variable) -> None:
    assert variable.value is not None
    if variable.kind == "configured":
        at = variable.span.start
        given = body.keep(ir.Runtime(at, "rt_configured", (ir.Text(variable.name),)))
        missing = ir.Same(given, expressions.UNDEFINED)
        default = expressions.branch(body, variable.value)
        body.steps.append(ir.Return(ir.Either(missing, default, given)))
    else:
        body.steps.append(ir.Return(expressions.value(body, variable.value)))


def _exposed(context: Context, key: str) -> tuple[ir.Share, ...]:
    """What queries (shares) or other rulesets (provides) may ask for, each name once."""
    meta = context.resolution.ruleset.meta
    by_name = {variable.name: variable for variable in context.resolution.globals}
    body = Body(context, None, ir.Function("exposed", "global"))
    exposed: dict[str, ir.Share] = {}
    for item in meta.properties if meta is not None else ():
        if isinstance(item, tree.MetaNames) and item.key == key:
            for name in item.names:
                variable = by_name.get(name.name)
                if variable is not None:
                    exposed[name.name] = ir.Share(name.name, _as_value(body, variable))
    if key == "shares" and TESTING not in exposed:
        variable = by_name.get(TESTING)
        value = (
            expressions.read(body, TestingName(), 0)
            if variable is None
            else _as_value(body, variable)
        )
        exposed[TESTING] = ir.Share(TESTING, value)
    return tuple(exposed.values())


def _as_value(body: Body, variable: Variable) -> ir.Value:
    """What a variable is to whoever asks from outside: a function must be there as a value."""
    value = body.read(variable)
    if isinstance(value, ir.StaticFunction):
        body.context.program.functions[value.function].as_value = True
    return value
