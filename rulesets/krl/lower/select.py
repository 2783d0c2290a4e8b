"""Lowers `select`: which events a rule looks at, and when it is selected."""

from __future__ import annotations

from krl.lower import expressions, ir
from krl.lower.body import Body
from krl.lower.machine import build_machine
from krl.syntax import tree

Events = tuple[tuple[str, str], ...] | None


def lower_select(body: Body, node: tree.SelectWhen | tree.SelectWhere) -> Events:
    """Adds the steps that leave the rule unless it is selected; gives the events it looks at."""
    match node:
        case tree.SelectWhere():
            condition = expressions.value(body, node.condition)
            _leave_unless(body, ir.Same(condition, ir.Singleton("true")))
            return None
        case tree.SelectWhen(event=tree.EventBase() as base):
            captures = body.new_local("captures")
            body.steps.append(ir.SetLocal(captures, expressions.UNDEFINED))
            _match(body, base, captures, _NOT_SELECTED)
            return ((base.domain, base.type),)
        case tree.SelectWhen():
            return _Expression(body).lower(node)


_NOT_SELECTED = (ir.ReturnFlag(ir.FlagConstant(False)),)


def _match(body: Body, node: tree.EventBase, captures: int, otherwise: tuple[ir.Step, ...]) -> None:
    """Sets the settings from the attributes; does `otherwise` where something does not match."""
    for item in node.matches:
        _attribute(body, item, captures, otherwise)
    for index, name in enumerate(node.setting):
        variable = body.context.resolution.variable(name)
        body.set(variable, ir.Captured(ir.ReadLocal(captures), index))
    if node.where is not None:
        test = expressions.flag(body, node.where)
        body.steps.append(ir.If(ir.Not(test), otherwise, ()))


class _Expression:
    """An event expression of more than one event: its machine, and a matcher for each event."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.bases: list[ir.Base] = []
        self.numbers: dict[object, int] = {}

    def lower(self, node: tree.SelectWhen) -> Events:
        body, at = self.body, node.span.start
        state_count, transitions = build_machine(node.event, self.number)
        rule = body.function.name.removeprefix("rule ")
        machine = ir.Machine(rule, state_count, tuple(self.bases), transitions)
        _leave_unless(body, ir.SelectStep(at, machine, _within(body, node.within)))
        for name in _setting_names(node.event):
            read = ir.Runtime(at, "rt_setting", (ir.Text(name.name),))
            body.set(body.context.resolution.variable(name), read)
        return tuple(dict.fromkeys((base.domain, base.name) for base in self.bases))

    def number(self, node: tree.EventBase, group: tree.EventGroup | None) -> int:
        """Events without conditions are the same wherever they stand."""
        plain = not node.matches and node.where is None and not node.setting
        aggregator = group.aggregator if group is not None else None
        key = (node.domain, node.type) if plain and aggregator is None else id(node)
        if key not in self.numbers:
            self.numbers[key] = len(self.bases)
            self.bases.append(
                ir.Base(
                    node.domain,
                    node.type,
                    None if plain and aggregator is None else self.matcher(node),
                    tuple(name.name for name in node.setting),
                    aggregator.operator if aggregator is not None else None,
                    tuple(name.name for name in aggregator.names) if aggregator else (),
                )
            )
        return self.numbers[key]

    def matcher(self, node: tree.EventBase) -> int:
        """A function of its own: it runs when the machine asks whether this event happened."""
        context = self.body.context
        function = ir.Function(
            f"{node.domain}:{node.type} in {self.body.function.name}", "function", as_value=True
        )
        matcher = Body(context, self.body.unit, function)
        matcher.make_cells()
        captures = matcher.new_local("captures")
        matcher.steps.append(ir.SetLocal(captures, ir.RuntimeList(0, "rt_array", (), ())))
        no = (ir.Return(ir.Singleton("null")),)
        _match(matcher, node, captures, no)
        matcher.steps.append(ir.Return(ir.ReadLocal(captures)))
        function.body = tuple(matcher.steps)
        return context.add_function(function)


PERIODS_MS = {
    "second": 1_000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
    "year": 365 * 86_400_000,
}


def _within(body: Body, node: tree.Within | None) -> ir.Value:
    if node is None:
        return expressions.UNDEFINED
    amount = expressions.value(body, node.amount)
    return ir.Arithmetic(
        node.span.start, "multiply", amount, ir.Number(float(PERIODS_MS[node.period]))
    )


def _setting_names(node: tree.EventExpression) -> list[tree.SettingName]:
    match node:
        case tree.EventBase():
            return list(node.setting)
        case tree.EventOperator():
            return [name for operand in node.operands for name in _setting_names(operand)]
        case tree.EventGroup():
            gathered = node.aggregator.names if node.aggregator is not None else ()
            return _setting_names(node.operand) + list(gathered)


def _attribute(
    body: Body, item: tree.AttributeMatch, captures: int, otherwise: tuple[ir.Step, ...]
) -> None:
    attribute = ir.Text(item.name)
    pattern = ir.Pattern(item.pattern.source, item.pattern.flags)
    matched = ir.Runtime(
        item.span.start, "rt_attribute_match", (ir.ReadLocal(captures), attribute, pattern)
    )
    body.steps.append(ir.SetLocal(captures, matched))
    failed = ir.Same(ir.ReadLocal(captures), ir.Singleton("null"))
    body.steps.append(ir.If(failed, otherwise, ()))


def _leave_unless(body: Body, test: ir.Flag) -> None:
    body.steps.append(ir.If(ir.Not(test), _NOT_SELECTED, ()))
