"""Lowers rules: selecting, foreach loops, the prelude, the action block and the postlude.

A rule becomes one function that gives a flag: true if `last` ended the ruleset's part in the event.
"""

from __future__ import annotations

from krl.lower import calls, expressions, functions, ir, select
from krl.lower.body import Body, Context
from krl.resolve import Binding, LibraryName
from krl.syntax import tree


def lower_rule(context: Context, node: tree.Rule) -> ir.RuleEntry:
    unit = context.resolution.unit(node)
    function = ir.Function(f"rule {node.name}", "rule")
    number = context.add_function(function)
    body = Body(context, unit, function)
    body.make_cells()
    if node.block is not None:
        unset_settings(body, node.block)
    if node.postlude is not None:
        _unset_schedules(body, node.postlude)
    assert node.select is not None
    events = select.lower_select(body, node.select)
    body.steps.append(ir.DoRuntime(node.name_span.start, "rt_rule_begin", (ir.Text(node.name),)))
    run = _RuleRun(body, node)
    run.loops(0)
    body.steps.append(ir.RuleEnd(ir.ReadFlag(run.ever_fired)))
    body.steps.append(ir.ReturnFlag(ir.FlagConstant(False)))
    function.body = tuple(body.steps)
    return ir.RuleEntry(node.name, number, events)


class _RuleRun:
    """One selected rule: the loops, and in the innermost what happens each time round."""

    def __init__(self, body: Body, node: tree.Rule) -> None:
        self.body = body
        self.node = node
        self.fired = body.new_flag("fired")
        self.ever_fired = body.new_flag("ever fired")
        self.lasts: list[int] = []

    def loops(self, depth: int) -> None:
        body = self.body
        if depth == len(self.node.foreach):
            self.once()
            return
        loop = self.node.foreach[depth]
        collection = expressions.value(body, loop.collection)
        last = body.new_flag("last round")
        self.lasts.append(last)
        item = body.new_local("item")
        key = body.new_local("key") if len(loop.setting) > 1 else None
        outer = body.block()
        for index, name in enumerate(loop.setting):
            variable = body.context.resolution.variable(name)
            sources: list[ir.Value] = [ir.ReadLocal(item)]
            if key is not None:
                sources.append(ir.ReadLocal(key))
            given = sources[index] if index < len(sources) else expressions.UNDEFINED
            body.renew_cell(variable)
            body.set(variable, given)
        self.loops(depth + 1)
        inside = body.end_block(outer)
        body.steps.append(ir.ForEach(loop.span.start, collection, item, key, last, inside))

    def once(self) -> None:
        body = self.body
        self.renew_cells(self.node.prelude)
        functions.declarations(body, self.node.prelude)
        body.steps.append(ir.SetFlag(self.fired, ir.FlagConstant(True)))
        if self.node.block is not None:
            action_block(body, self.node.block, self.fired)
        body.steps.append(
            ir.If(
                ir.ReadFlag(self.fired),
                (ir.SetFlag(self.ever_fired, ir.FlagConstant(True)),),
                (),
            )
        )
        if self.node.postlude is not None:
            self.postlude(self.node.postlude)

    def renew_cells(self, nodes: tuple[tree.Statement, ...]) -> None:
        """In a loop, what one turn declares is not what the next one does."""
        for node in nodes if self.lasts else ():
            if isinstance(node, tree.Declaration):
                variable = self.body.context.resolution.variable(node)
                if not variable.optional:
                    self.body.renew_cell(variable)

    # ---- postlude ----------------------------------------------------------------------------

    def postlude(self, node: tree.Postlude) -> None:
        declared = self.body.context.resolution.variable
        made = (item for item in _unguarded(node) if isinstance(item, tree.Declaration))
        for variable in dict.fromkeys(map(declared, made)):
            if variable.optional:
                self.body.renew_cell(variable)
                self.body.set(variable, expressions.UNDEFINED)
        fired = self.statements(node.fired or ())
        notfired = self.statements(node.notfired or ())
        if fired or notfired:
            self.body.steps.append(ir.If(ir.ReadFlag(self.fired), fired, notfired))
        self.body.steps.extend(self.statements(node.always or ()))

    def statements(self, nodes: tuple[tree.Statement, ...]) -> tuple[ir.Step, ...]:
        outer = self.body.block()
        self.renew_cells(nodes)
        for node in nodes:
            self.statement(node)
        return self.body.end_block(outer)

    def statement(self, node: tree.Statement) -> None:
        match node:
            case tree.Declaration():
                functions.declaration(self.body, node)
            case tree.Assign():
                self.assign(node)
            case tree.Clear():
                self.clear(node)
            case tree.Raise():
                self.raise_event(node)
            case tree.Schedule():
                self.schedule(node)
            case tree.Log():
                logged = expressions.value(self.body, node.value)
                self.do(node, "rt_log", ir.Text(node.level), logged)
            case tree.Error():
                self.error(node)
            case tree.Last():
                self.leave()
            case tree.Guarded():
                test = self.guard(node.condition)
                inside = self.statements((node.statement,))
                self.body.steps.append(ir.If(test, inside, ()))

    def do(self, node: tree.Statement, name: str, *arguments: ir.Value) -> None:
        self.body.steps.append(ir.DoRuntime(node.span.start, name, arguments))

    def guard(self, condition: tree.Expression | tree.OnFinal) -> ir.Flag:
        if not isinstance(condition, tree.OnFinal):
            return expressions.flag(self.body, condition)
        final: ir.Flag = ir.FlagConstant(True)
        for last in self.lasts:
            final = ir.Both(final, ir.ReadFlag(last))
        return final

    def assign(self, node: tree.Assign) -> None:
        name = ir.Text(_stored_name(node))
        if node.path is None:
            appended = self.appended(node)
            if appended is not None:
                added = tuple(expressions.value(self.body, item) for item in appended)
                at = node.span.start
                self.body.steps.append(
                    ir.Do(ir.RuntimeList(at, "rt_entity_append", (name,), added))
                )
            else:
                self.do(node, "rt_entity_put", name, expressions.value(self.body, node.value))
            return
        path = expressions.value(self.body, node.path)
        assigned = expressions.value(self.body, node.value)
        self.do(node, "rt_entity_put_path", name, path, assigned)

    def appended(self, node: tree.Assign) -> tuple[tree.Expression, ...] | None:
        """What `ent:x := ent:x.append(..)` appends, if the statement has that form."""
        match node.value:
            case tree.Call(
                callee=tree.Member(
                    object=tree.DomainIdentifier(domain=domain, name=name),
                    method="dot",
                    property=tree.Identifier(name="append") as operator,
                ),
                positional=positional,
                named=(),
            ) if (domain, name) == (node.domain, node.name):
                binding = self.body.context.resolution.binding(operator)
                return positional if isinstance(binding, LibraryName) else None
        return None

    def clear(self, node: tree.Clear) -> None:
        name = ir.Text(_stored_name(node))
        if node.path is None:
            self.do(node, "rt_entity_clear", name)
        else:
            path = expressions.value(self.body, node.path)
            self.do(node, "rt_entity_clear_path", name, path)

    def raise_event(self, node: tree.Raise) -> None:
        event = expressions.value(self.body, node.event)
        attributes = self.optional(node.attributes)
        if node.for_ruleset is not None:
            self.body.steps.append(ir.Do(expressions.value(self.body, node.for_ruleset)))
        if node.domain is None:
            self.do(node, "rt_raise_dynamic", event, attributes)
        else:
            self.do(node, "rt_raise", ir.Text(node.domain), event, attributes)

    def schedule(self, node: tree.Schedule) -> None:
        event = expressions.value(self.body, node.event)
        timing = expressions.value(self.body, node.timing)
        attributes = self.optional(node.attributes)
        at = node.span.start
        eci = ir.Library(at, "lib_meta_eci", ())
        # Without a domain the event is "domain:type", and the library takes it apart.
        named = (
            (event, expressions.UNDEFINED)
            if node.domain is None
            else (
                ir.Text(node.domain),
                event,
            )
        )
        scheduled = ir.Library(at, f"lib_schedule_{node.kind}", (timing, eci, *named, attributes))
        if node.setting is None:
            self.body.steps.append(ir.Do(scheduled))
        else:
            self.body.set(self.body.context.resolution.variable(node.setting), scheduled)

    def error(self, node: tree.Error) -> None:
        reported = expressions.value(self.body, node.value)
        self.do(node, "rt_error", ir.Text(node.level), reported)
        if node.level == "error":
            self.leave()

    def leave(self) -> None:
        self.body.steps.append(ir.RuleEnd(ir.ReadFlag(self.ever_fired)))
        self.body.steps.append(ir.ReturnFlag(ir.FlagConstant(True)))

    def optional(self, node: tree.Expression | None) -> ir.Value:
        return expressions.UNDEFINED if node is None else expressions.value(self.body, node)


def _stored_name(node: tree.Assign | tree.Clear) -> str:
    return node.name if node.domain == "ent" else f"app:{node.name}"


def _unset_schedules(body: Body, node: tree.Postlude) -> None:
    """What a statement that may not run would set is null until it does."""
    for statement in _unguarded(node):
        if isinstance(statement, tree.Schedule) and statement.setting is not None:
            body.set(body.context.resolution.variable(statement.setting), expressions.UNDEFINED)


def _unguarded(node: tree.Postlude) -> list[tree.Statement]:
    statements = (*(node.fired or ()), *(node.notfired or ()), *(node.always or ()))
    return [item.statement if isinstance(item, tree.Guarded) else item for item in statements]


# ---- action blocks ---------------------------------------------------------------------------


def unset_settings(body: Body, node: tree.ActionBlock) -> None:
    """What an action that may not run would set is null until one does."""
    if node.condition is None and node.kind == "every":
        return
    for action in node.actions:
        for name in action.setting:
            body.set(body.context.resolution.variable(name), expressions.UNDEFINED)


def action_block(body: Body, node: tree.ActionBlock, fired: int | None = None) -> None:
    """Runs the block's actions if its condition holds, and notes in `fired` whether it did."""
    if node.condition is None:
        _actions(body, node)
        return
    test = expressions.flag(body, node.condition)
    local = body.new_flag("condition") if fired is None else fired
    body.steps.append(ir.SetFlag(local, test))
    outer = body.block()
    _actions(body, node)
    body.steps = [*outer, ir.If(ir.ReadFlag(local), tuple(body.steps), ())]


def _actions(body: Body, node: tree.ActionBlock) -> None:
    match node.kind:
        case "every":
            for action in node.actions:
                _action(body, action)
        case "sample":
            branches = tuple(_separately(body, action) for action in node.actions)
            if branches:
                body.steps.append(ir.Pick(node.span.start, branches))
        case "choose":
            assert node.discriminant is not None
            chosen = body.keep(expressions.value(body, node.discriminant), "choice")
            steps: tuple[ir.Step, ...] = ()
            for action in reversed(node.actions):
                test = ir.Equal(action.span.start, chosen, ir.Text(action.label or ""))
                steps = (ir.If(test, _separately(body, action), steps),)
            body.steps.extend(steps)


def _separately(body: Body, action: tree.Action) -> tuple[ir.Step, ...]:
    outer = body.block()
    _action(body, action)
    return body.end_block(outer)


def _action(body: Body, node: tree.Action) -> None:
    positional, named = calls.arguments(body, node.positional, node.named)
    at = node.span.start
    binding = body.context.resolution.binding(node.action)
    if _sends_directive(binding) and not named and not node.setting:
        options = (*positional, expressions.UNDEFINED, expressions.UNDEFINED)[:2]
        body.steps.append(ir.DoRuntime(at, "rt_send_directive", options))
        return
    result = calls.call_name(body, node.action, positional, named, at, runtime="rt_act")
    if node.setting:
        body.set(body.context.resolution.variable(node.setting[0]), result)
    else:
        body.steps.append(ir.Do(result))


def _sends_directive(binding: Binding) -> bool:
    """The commonest action has a form without a result."""
    return isinstance(binding, LibraryName) and binding.function.full_name == "send_directive"
