"""Lowers expressions: `value` to a KRL value, `flag` to a truth value that is never boxed."""

from __future__ import annotations

from krl.lower import calls, ir
from krl.lower.body import Body
from krl.lower.constants import constant
from krl.lower.testing import describe_for_testing
from krl.resolve import (
    Binding,
    EntityVariable,
    LibraryName,
    ModuleMember,
    TestingName,
    UnknownMember,
    VariableName,
)
from krl.syntax import tree

_ARITHMETIC: dict[str, ir.ArithmeticOperator] = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
}
_ORDERS: dict[str, ir.OrderOperator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}

UNDEFINED = ir.Singleton("undefined")


def value(body: Body, node: tree.Expression) -> ir.Value:
    """The steps that compute an expression, as one IR value."""
    match node:
        case tree.Number():
            return ir.Number(node.value)
        case tree.String():
            return ir.Text(node.value)
        case tree.Boolean():
            return ir.Singleton("true" if node.value else "false")
        case tree.Null():
            return UNDEFINED
        case tree.Regexp():
            return ir.Pattern(node.source, node.flags)
        case tree.Chevron():
            return _chevron(body, node)
        case tree.Array() | tree.Map() if (content := constant(node)) is not None:
            return ir.Constant(content)
        case tree.Array():
            items = tuple(value(body, item) for item in node.items)
            return ir.RuntimeList(node.span.start, "rt_array", (), items)
        case tree.Map():
            return _map(body, node)
        case tree.Identifier() | tree.DomainIdentifier():
            binding = body.context.resolution.binding(node)
            return read(body, binding, node.span.start)
        case _:
            return _compound(body, node)


def _compound(body: Body, node: tree.Expression) -> ir.Value:
    match node:
        case tree.Infix():
            return _infix(body, node)
        case tree.Unary():
            return _unary(body, node)
        case tree.Conditional():
            test = flag(body, node.test)
            return ir.Either(test, branch(body, node.consequent), branch(body, node.alternate))
        case tree.Member():
            return _member(body, node)
        case tree.Call():
            return calls.call(body, node)
        case tree.Function() | tree.Defaction():
            return make_function(body, node)
    raise AssertionError(node)


def branch(body: Body, node: tree.Expression) -> ir.Value:
    """An expression whose steps must run only if it is reached."""
    outer = body.block()
    result = value(body, node)
    steps = body.end_block(outer)
    return ir.Sequence(steps, result) if steps else result


def _chevron(body: Body, node: tree.Chevron) -> ir.Value:
    if not node.pieces:
        return ir.Text("")
    if len(node.pieces) == 1 and isinstance(node.pieces[0], tree.String):
        return ir.Text(node.pieces[0].value)
    pieces = tuple(value(body, piece) for piece in node.pieces)
    return ir.RuntimeList(node.span.start, "rt_chevron", (), pieces)


def _map(body: Body, node: tree.Map) -> ir.Value:
    items: list[ir.Value] = []
    for pair in node.pairs:
        items.append(value(body, pair.key))
        items.append(value(body, pair.value))
    return ir.RuntimeList(node.span.start, "rt_map", (), tuple(items), counts=(len(node.pairs),))


def make_function(body: Body, node: tree.Function | tree.Defaction) -> ir.Value:
    context = body.context
    number = context.function_number(node)
    unit = context.resolution.unit(node)
    context.program.functions[number].as_value = True
    if context.captures.is_static(unit):
        return ir.StaticFunction(number)
    return ir.MakeFunction(number, tuple(body.hold(v) for v in context.captures.of(unit)))


def read(body: Body, binding: Binding, at: int) -> ir.Value:
    """What a name stands for where it is not called."""
    match binding:
        case VariableName(variable):
            result = body.read(variable)
            if isinstance(result, ir.StaticFunction):
                body.context.program.functions[result.function].as_value = True
            return result
        case EntityVariable(name):
            return ir.Runtime(at, "rt_entity_get", (ir.Text(name),))
        case LibraryName(function) if function.domain is not None:
            return calls.library_call(function, at, [])
        case LibraryName(function):
            assert function.kind != "property" and function.kind != "postlude"
            return ir.LibraryValue(function.export, function.kind)
        case ModuleMember():
            return calls.module_call(body, binding, at, [], [])
        case TestingName():
            return ir.Constant(describe_for_testing(body.context.resolution.ruleset))
        case UnknownMember(message):
            return ir.Runtime(at, "rt_throw_value", (ir.Text(message),))


# ---- operators -------------------------------------------------------------------------------


def _infix(body: Body, node: tree.Infix) -> ir.Value:
    """Chains lean left and may be long, so the left spine is a loop."""
    spine: list[tree.Infix] = []
    left: tree.Expression = node
    while isinstance(left, tree.Infix):
        spine.append(left)
        left = left.left
    result = value(body, left)
    for link in reversed(spine):
        result = _operation(body, link, result)
    return result


def _operation(body: Body, node: tree.Infix, left: ir.Value) -> ir.Value:
    at = node.span.start
    match node.operator:
        case "||":
            return ir.Lazy("||", left, branch(body, node.right))
        case "&&":
            return ir.Lazy("&&", left, branch(body, node.right))
    right = value(body, node.right)
    match node.operator:
        case "+" if _pieces(left) or _pieces(right):
            pieces = (*(_pieces(left) or (left,)), *(_pieces(right) or (right,)))
            return ir.RuntimeList(at, "rt_chevron", (), pieces)
        case "+" | "-" | "*" | "/":
            return ir.Arithmetic(at, _ARITHMETIC[node.operator], left, right)
        case "%":
            return ir.Runtime(at, "rt_modulo", (left, right))
        case "<=>":
            return ir.RuntimeInteger(at, "rt_order", (left, right))
        case "cmp":
            return ir.RuntimeInteger(at, "rt_compare", (left, right))
    return ir.FlagValue(_comparison(node, left, right))


def _pieces(value: ir.Value) -> tuple[ir.Value, ...]:
    """What a text is joined from; nothing if it may be no text."""
    match value:
        case ir.Text():
            return (value,)
        case ir.RuntimeList(name="rt_chevron", items=items):
            return items
    return ()


def _comparison(node: tree.Infix, left: ir.Value, right: ir.Value) -> ir.Flag:
    at = node.span.start
    match node.operator:
        case "==":
            return ir.Equal(at, left, right)
        case "!=":
            return ir.Not(ir.Equal(at, left, right))
        case "<" | "<=" | ">" | ">=":
            return ir.Order(at, _ORDERS[node.operator], left, right)
        case "like":
            return ir.RuntimeFlag(at, "rt_like", (left, right))
        case "><":
            return ir.RuntimeFlag(at, "rt_contains", (left, right))
    raise AssertionError(node.operator)


def flag(body: Body, node: tree.Expression) -> ir.Flag:
    """The truth of an expression, without making a value of it where that can be avoided."""
    match node:
        case tree.Boolean():
            return ir.FlagConstant(node.value)
        case tree.Unary(operator="not"):
            return ir.Not(flag(body, node.operand))
    result = value(body, node)
    return result.flag if isinstance(result, ir.FlagValue) else ir.Truthy(result)


def _unary(body: Body, node: tree.Unary) -> ir.Value:
    at = node.span.start
    match node.operator:
        case "not":
            return ir.FlagValue(ir.Not(flag(body, node.operand)))
        case "-":
            if isinstance(node.operand, tree.Number):
                return ir.Number(-node.operand.value)
            return ir.Runtime(at, "rt_negate", (value(body, node.operand),))
        case "+":
            return ir.Runtime(at, "rt_plus", (value(body, node.operand),))
    raise AssertionError(node.operator)


def _member(body: Body, node: tree.Member) -> ir.Value:
    at = node.span.start
    entity = _entity(body, node.object)
    if entity is not None and node.method != "dot":
        key = value(body, node.property)
        path = ir.RuntimeList(at, "rt_array", (), (key,)) if node.method == "index" else key
        return ir.Runtime(at, "rt_entity_path", (entity, path))
    target = value(body, node.object)
    match node.method, node.property:
        case "index", key_node:
            return ir.Runtime(at, "rt_index", (target, value(body, key_node)))
        case "path", path_node:
            return ir.Runtime(at, "rt_path", (target, value(body, path_node)))
        case "dot", tree.DomainIdentifier() as name:
            return calls.call_name(body, name, [target], [], at)
        case "dot", tree.Identifier() as name:
            return ir.Runtime(at, "rt_property", (target, ir.Text(name.name)))
    raise AssertionError(node)


def _entity(body: Body, node: tree.Expression) -> ir.Text | None:
    """The stored name of an entity variable: by key it is read without reading the whole."""
    if isinstance(node, tree.DomainIdentifier):
        binding = body.context.resolution.binding(node)
        if isinstance(binding, EntityVariable):
            return ir.Text(binding.name)
    return None
