"""Lowers calls: to a function of the program, of the library, of a module, or of a value."""

from __future__ import annotations

from collections.abc import Sequence

from krl.library import LibraryFunction
from krl.lower import expressions, ir
from krl.lower.body import Body
from krl.patterns import literal_text
from krl.resolve import LibraryName, ModuleMember, VariableName
from krl.syntax import tree

Named = tuple[str, ir.Value]

# What a call in an expression and one in an action block may reach.
_KINDS = {"rt_call": ("function", "both", "property"), "rt_act": ("action", "both")}

# `as` to a type that is written there needs nothing of the other types.
_CONVERSIONS = {"Boolean": "rt_as_boolean", "Number": "rt_as_number", "String": "rt_as_string"}


def call(body: Body, node: tree.Call) -> ir.Value:
    """A call in an expression. `x.f(a)` is `f(x, a)`.

    Binding named arguments takes steps, which must not run before what stands left of the call.
    """
    outer = body.block()
    result = _call(body, node)
    steps = body.end_block(outer)
    return ir.Sequence(steps, result) if steps else result


def _call(body: Body, node: tree.Call) -> ir.Value:
    at = node.span.start
    match node.callee:
        case (
            tree.Member(
                method="dot", property=(tree.Identifier() | tree.DomainIdentifier()) as name
            ) as member
        ):
            first = [expressions.value(body, member.object)]
            positional, named = arguments(body, node.positional, node.named)
            return call_name(body, name, first + positional, named, at)
        case (tree.Identifier() | tree.DomainIdentifier()) as name:
            positional, named = arguments(body, node.positional, node.named)
            return call_name(body, name, positional, named, at)
        case callee:
            target = expressions.value(body, callee)
            positional, named = arguments(body, node.positional, node.named)
            return call_value(target, positional, named, at, "rt_call")


def arguments(
    body: Body,
    positional: Sequence[tree.Expression],
    named: Sequence[tree.NamedArgument],
) -> tuple[list[ir.Value], list[Named]]:
    return (
        [expressions.value(body, argument) for argument in positional],
        [(argument.name, expressions.value(body, argument.value)) for argument in named],
    )


def call_name(
    body: Body,
    name: tree.Identifier | tree.DomainIdentifier,
    positional: list[ir.Value],
    named: list[Named],
    at: int,
    runtime: str = "rt_call",
) -> ir.Value:
    """A call by name; `runtime` says whether an unknown value is called or acted."""
    binding = body.context.resolution.binding(name)
    match binding:
        case LibraryName(function):
            if (function.domain, function.name) == ("event", "attrs") and positional:
                attributes = ir.Library(at, function.export, ())
                return ir.Runtime(at, "rt_path", (attributes, positional[0]))
            if function.domain is not None and function.kind not in _KINDS[runtime]:
                what = "a function" if runtime == "rt_call" else "an action"
                message = f"{function.full_name} is not {what}"
                return ir.Runtime(at, "rt_throw_value", (ir.Text(message),))
            bound = bind(body, function.parameters, positional, named, keep_extra=True)
            return library_call(function, at, bound)
        case VariableName(variable):
            known = variable.value
            if isinstance(known, tree.Defaction) or (
                isinstance(known, tree.Function) and runtime == "rt_call"
            ):
                return _call_known(body, known, body.read(variable), positional, named, at)
        case ModuleMember():
            return module_call(body, binding, at, positional, named, runtime)
    target = expressions.read(body, binding, at)
    return call_value(target, positional, named, at, runtime)


def library_call(function: LibraryFunction, at: int, arguments: list[ir.Value]) -> ir.Value:
    """A call of a library function; one that is not available throws, saying its name."""
    if not function.available:
        return ir.Library(at, function.export, (ir.Text(function.full_name),))
    match arguments:
        case [ir.Runtime(name="rt_entity_get", arguments=entity)] if function.name == "length":
            return ir.Runtime(at, "rt_entity_length", entity)
        case [text, ir.Pattern() as pattern] if function.export == "lib_match":
            return ir.FlagValue(ir.RuntimeFlag(at, "rt_like", (text, pattern)))
        case [text, ir.Pattern(source, flags)] if function.export == "lib_split":
            separator = literal_text(source, flags)
            if separator is not None:
                return ir.Library(at, function.export, (text, ir.Text(separator)))
        case [converted, ir.Text(name)] if function.export == "lib_as" and name in _CONVERSIONS:
            return ir.Runtime(at, _CONVERSIONS[name], (converted,))
    return ir.Library(at, function.export, tuple(arguments))


def _call_known(
    body: Body,
    node: tree.Function | tree.Defaction,
    target: ir.Value,
    positional: list[ir.Value],
    named: list[Named],
    at: int,
) -> ir.Value:
    names = [parameter.name for parameter in node.parameters]
    bound = bind(body, names, positional, named)
    closure = None if isinstance(target, ir.StaticFunction) else target
    number = body.context.function_number(node)
    body.context.program.functions[number].called = True
    return ir.Call(at, number, closure, tuple(bound))


def call_value(
    target: ir.Value, positional: list[ir.Value], named: list[Named], at: int, runtime: str
) -> ir.Value:
    if not named:
        return ir.RuntimeList(at, runtime, (target,), tuple(positional))
    items = (*positional, *_pairs(named))
    counts = (len(positional), len(named))
    return ir.RuntimeList(at, f"{runtime}_named", (target,), items, counts)


def module_call(
    body: Body,
    member: ModuleMember,
    at: int,
    positional: list[ir.Value],
    named: list[Named],
    runtime: str = "rt_call",
) -> ir.Value:
    """A function or action that another ruleset of the pico provides (pico.wit, rulesets.call)."""
    config = body.context.use_configurations.get(member.use)
    leading = (
        ir.Text(member.rid),
        ir.Text(member.name),
        ir.Number(member.use),
        expressions.UNDEFINED if config is None else ir.ReadGlobal(config),
    )
    items = (*positional, *_pairs(named))
    counts = (len(positional), len(named))
    name = "rt_module_call" if runtime == "rt_call" else "rt_module_act"
    return ir.RuntimeList(at, name, leading, items, counts)


def _pairs(named: list[Named]) -> list[ir.Value]:
    return [item for name, argument in named for item in (ir.Text(name), argument)]


def bind(
    body: Body,
    names: Sequence[str],
    positional: list[ir.Value],
    named: list[Named],
    keep_extra: bool = False,
) -> list[ir.Value]:
    """Arguments in parameter order: by name if given, else by position, else undefined.

    Arguments nobody takes are still computed, in the order they were written. A library function
    may take more arguments than it has names for, and must not see ones that were not passed.
    """
    if not named:
        if keep_extra or len(positional) == len(names):
            return positional
        if len(positional) < len(names):
            missing = len(names) - len(positional)
            return positional + [expressions.UNDEFINED] * missing
    kept = [body.keep(argument) for argument in positional]
    by_name = {name: body.keep(argument) for name, argument in named}
    bound: list[ir.Value] = []
    for index, name in enumerate(names):
        given = kept[index] if index < len(kept) else expressions.UNDEFINED
        bound.append(by_name.get(name, given))
    if keep_extra:
        while bound and bound[-1] is expressions.UNDEFINED:
            bound.pop()
        bound += kept[len(names) :]
    return bound
