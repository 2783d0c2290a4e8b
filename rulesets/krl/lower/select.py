"""Lowers `select`: which events a rule looks at, and when it is selected."""

from __future__ import annotations

from krl.lower import expressions, ir
from krl.lower.body import Body
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
            _match(body, base)
            return ((base.domain, base.type),)
    raise AssertionError(node)


def _match(body: Body, node: tree.EventBase) -> None:
    if node.matches:
        captures = body.new_local("captures")
        body.steps.append(ir.SetLocal(captures, expressions.UNDEFINED))
        for item in node.matches:
            _attribute(body, item, captures)
        for index, name in enumerate(node.setting):
            variable = body.context.resolution.variable(name)
            body.set(variable, ir.Captured(ir.ReadLocal(captures), index))
    if node.where is not None:
        _leave_unless(body, expressions.flag(body, node.where))


def _attribute(body: Body, item: tree.AttributeMatch, captures: int) -> None:
    at = item.span.start
    attribute = ir.Text(item.name)
    pattern = ir.Pattern(item.pattern.source, item.pattern.flags)
    matched = ir.Runtime(
        at, "rt_attribute_match", (ir.ReadLocal(captures), attribute, pattern)
    )
    body.steps.append(ir.SetLocal(captures, matched))
    failed = ir.Same(ir.ReadLocal(captures), ir.Singleton("null"))
    _leave_unless(body, ir.Not(failed))


def _leave_unless(body: Body, test: ir.Flag) -> None:
    leave = (ir.ReturnFlag(ir.FlagConstant(False)),)
    body.steps.append(ir.If(ir.Not(test), leave, ()))
