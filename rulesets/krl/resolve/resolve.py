"""Resolves names: one walk over the tree, block by block, in source order.

A declaration sees the names above it, and so does a function literal inside of an expression. A
function that is the whole value of a declaration also sees the names below, because it is called
later: it is set aside while its block is walked, and resolved when the block is complete. What
such a body captures before it has a value becomes a `late` variable, which lowering keeps in a
cell. Where the reference is looser than this pass (an unknown domain), the program compiles here
too and throws when it gets there.
"""

from __future__ import annotations

from krl import library
from krl.diagnostic import Diagnostics, Fix, nearest
from krl.resolve import checks
from krl.resolve.bindings import (
    TESTING,
    Binding,
    CallableKind,
    EntityVariable,
    FunctionNode,
    LibraryName,
    ModuleMember,
    Resolution,
    Scope,
    TestingName,
    Unit,
    UnknownMember,
    Variable,
    VariableKind,
    VariableName,
)
from krl.syntax import tree
from krl.syntax.tree import Span


def resolve(ruleset: tree.Ruleset, diagnostics: Diagnostics) -> Resolution:
    """Binds every name of a ruleset; problems go to `diagnostics`."""
    resolver = _Resolver(Resolution(ruleset), diagnostics)
    resolver.ruleset(ruleset)
    return resolver.resolution


class _Resolver:
    def __init__(self, resolution: Resolution, diagnostics: Diagnostics) -> None:
        self.resolution = resolution
        self.diagnostics = diagnostics
        self.aliases: dict[str, tuple[str, int]] = {}
        self.scope = Scope(None, None)
        self.where_attributes = False
        self.event_type: tree.Expression | None = None  # of the event raised at hand
        self.in_postlude = False
        self.earlier: dict[str, Variable] = {}
        self.instead: dict[str, Variable] = {}
        self.hidden: set[str] = set()
        self.later: frozenset[str] = frozenset()  # names that are declared behind this place
        self.entities: set[str] = set()
        self.applications: list[tuple[Span, str]] = []

    # ---- the ruleset -------------------------------------------------------------------------

    def ruleset(self, node: tree.Ruleset) -> None:
        if node.meta is not None:
            self.meta(node.meta)
        self.declarations(node.declarations, "global")
        checks.check_meta(node, self.scope, self.diagnostics)
        checks.check_rule_names(node, self.diagnostics)
        for rule in node.rules:
            if rule.active:
                self.rule(rule)
        for span, name in self.applications:
            checks.warn_application_variable(span, name, self.entities, self.diagnostics)

    def meta(self, node: tree.Meta) -> None:
        for item in node.properties:
            match item:
                case tree.MetaUse():
                    for given in item.configuration:
                        self.expression(given.value)
                    alias = item.alias or item.rid
                    self.aliases[alias] = (item.rid, len(self.resolution.uses))
                    self.resolution.uses.append(item)
                case tree.MetaConfigure():
                    for declaration in item.declarations:
                        self.declaration(declaration, "configured")
                case tree.MetaText():
                    self.expression(item.value)
                case _:
                    pass

    def rule(self, node: tree.Rule) -> None:
        unit = Unit(node, None)
        self.resolution.units[id(node)] = unit
        self.scope = Scope(self.scope, unit)
        if node.select is None:
            self.diagnostics.error(
                f"rule {node.name} has no select",
                checks.rule_head(node),
                "a rule reacts to the events its select names",
                "add a line such as `select when domain type`",
            )
        else:
            self.select(node.select)
        for loop in node.foreach:
            self.early(loop.collection, checks.names_in_rule(node))
            self.scope = Scope(self.scope, unit)
            for name in loop.setting:
                self.declare(name.name, name.span, "setting", name)
        self.declarations(node.prelude, "declaration")
        if node.block is not None:
            self.action_block(node.block)
        if node.postlude is not None:
            self.postlude(node.postlude)
        while self.scope.unit is unit:
            assert self.scope.parent is not None
            self.scope = self.scope.parent

    def select(self, node: tree.SelectWhen | tree.SelectWhere) -> None:
        match node:
            case tree.SelectWhere():
                self.expression(node.condition)
            case tree.SelectWhen():
                self.event(node.event)
                checks.check_machine_size(node.event, self.diagnostics)
                if node.within is not None:
                    self.expression(node.within.amount)

    def event(self, node: tree.EventExpression) -> None:
        match node:
            case tree.EventBase():
                for name in node.setting:
                    self.declare_setting(name)
                if node.where is not None:
                    self.where(node, node.where)
                if node.setting and not node.matches:
                    self.diagnostics.warning(
                        "setting without an attribute match",
                        node.span,
                        "there is nothing to capture, so these names are null",
                        "match an attribute first: `name re#(.*)# setting(name)`",
                    )
            case tree.EventOperator():
                checks.check_event_operator(node, self.diagnostics)
                for operand in node.operands:
                    self.event(operand)
            case tree.EventGroup():
                self.event(node.operand)
                if node.aggregator is not None:
                    for name in node.aggregator.names:
                        self.declare_setting(name)

    def where(self, node: tree.EventBase, condition: tree.Expression) -> None:
        """The condition of one event: of the variables of its select it sees its own."""
        outer = self.scope
        own = {name.name: outer.names[name.name] for name in node.setting}
        self.scope = Scope(outer.parent, outer.unit, own)
        self.hidden = outer.names.keys() - own.keys()
        self.where_attributes = True
        self.expression(condition)
        self.where_attributes = False
        self.hidden = set()
        self.scope = outer

    def declare_setting(self, name: tree.SettingName) -> None:
        """Several events or actions may set the same name: it is one variable."""
        known = self.scope.names.get(name.name)
        if known is not None and known.kind in ("setting", "parameter"):
            self.resolution.declared[id(name)] = known
        else:
            self.declare(name.name, name.span, "setting", name)

    # ---- actions and postludes ---------------------------------------------------------------

    def action_block(self, node: tree.ActionBlock) -> None:
        if node.condition is not None:
            self.expression(node.condition)
        if node.discriminant is not None:
            self.expression(node.discriminant)
        for action in node.actions:
            self.action(action, node)

    def action(self, node: tree.Action, block: tree.ActionBlock) -> None:
        checks.check_action_shape(node, block, self.diagnostics)
        self.name(node.action)
        self.arguments(node.positional, node.named)
        checks.check_action_kind(node, self.resolution, self.diagnostics)
        for name in node.setting:
            self.declare_setting(name)

    def postlude(self, node: tree.Postlude) -> None:
        """Each block has names of its own. Where nothing else has the name, `finally` sees what
        the block that ran declared; the reference compiles that too, but fails when it runs."""
        fired = self.postlude_block(node.fired, {})
        self.earlier = fired
        self.earlier = fired | self.postlude_block(node.notfired, fired)
        self.postlude_block(node.always, {})
        self.earlier = {}

    def postlude_block(
        self, block: tuple[tree.Statement, ...] | None, others: dict[str, Variable]
    ) -> dict[str, Variable]:
        """Of `others`, the names of a block that runs in its place, it sets the same variables."""
        outer = self.scope
        self.scope = Scope(outer, outer.unit)
        self.in_postlude = True
        self.instead = others
        for statement in block or ():
            self.statement(statement)
        self.instead = {}
        self.finish_block(of_statements=True)
        self.in_postlude = False
        names, self.scope = self.scope.names, outer
        return names

    def statement(self, node: tree.Statement) -> None:
        match node:
            case tree.Declaration(value=tree.Function() | tree.Defaction()):
                self.declare_function(node, "declaration")
            case tree.Declaration():
                self.declaration(node, "declaration")
            case tree.Assign():
                self.entity_target(node)
                self.expression(node.value)
                checks.hint_assignment(node, self.diagnostics)
            case tree.Clear():
                self.entity_target(node)
            case tree.Raise():
                self.raise_statement(node)
            case tree.Schedule():
                self.event_type = None if node.domain is None else node.event
                self.optional(node.event, node.timing, node.attributes)
                if node.setting is not None:
                    self.schedule_setting(node.setting)
            case tree.Log() | tree.Error():
                self.expression(node.value)
            case tree.Guarded():
                checks.check_guard(node, self.diagnostics)
                if not isinstance(node.condition, tree.OnFinal):
                    self.expression(node.condition)
                self.statement(node.statement)
                if isinstance(node.statement, tree.Declaration):
                    self.resolution.variable(node.statement).make_optional()
            case tree.Last():
                pass

    def schedule_setting(self, name: tree.SettingName) -> None:
        """Like that of an action it belongs to the rule, so that `finally` sees it."""
        block = self.scope
        assert block.parent is not None, "a postlude is in a rule"
        self.scope = block.parent
        self.declare_setting(name)
        self.scope = block

    def entity_target(self, node: tree.Assign | tree.Clear) -> None:
        checks.check_entity_target(node, self.diagnostics)
        self.mention(node.domain, node.name, node.name_span)
        self.optional(node.path)

    def mention(self, domain: str, name: str, span: Span) -> None:
        if domain == "ent":
            self.entities.add(name)
        elif domain == "app":
            self.applications.append((span, name))

    def raise_statement(self, node: tree.Raise) -> None:
        self.event_type = None if node.domain is None else node.event
        self.optional(node.event, node.for_ruleset, node.attributes)
        if node.for_ruleset is not None:
            self.diagnostics.warning(
                "raise .. for has no effect",
                node.for_ruleset.span,
                "the event reaches every ruleset of the pico, as in the reference engine",
                "leave `for` out, or test for the ruleset in the rule that reacts",
            )

    # ---- declarations ------------------------------------------------------------------------

    def declarations(self, nodes: tuple[tree.Declaration, ...], kind: VariableKind) -> None:
        """A block of declarations; a function that is the whole value of one sees all of them."""
        for node in nodes:
            if isinstance(node.value, FunctionNode):
                self.declare_function(node, kind)
            else:
                self.declaration(node, kind)
        self.finish_block()

    def declaration(self, node: tree.Declaration, kind: VariableKind) -> None:
        """The value sees the names above; the name itself is visible from the next one on."""
        self.expression(node.value)
        variable = self.declare(node.name, node.name_span, kind, node, node.value)
        if isinstance(node.value, tree.Identifier):
            variable.callable = checks.callable_kind(self.resolution.binding(node.value))

    def declare_function(self, node: tree.Declaration, kind: VariableKind) -> None:
        """Its body is set aside until the names of the block around it are all known."""
        assert isinstance(node.value, FunctionNode)
        variable = self.declare(node.name, node.name_span, kind, node, node.value)
        if isinstance(node.value, tree.Defaction):
            variable.callable = "Action"
        self.scope.pending.append((variable, self.new_unit(node.value)))

    def declare(
        self,
        name: str,
        span: Span,
        kind: VariableKind,
        node: tree.Declaration | tree.Parameter | tree.SettingName,
        value: tree.Expression | None = None,
    ) -> Variable:
        scope = self.scope
        known = scope.names.get(name)
        if known is not None and self.may_shadow(known, kind):
            self.diagnostics.warning(
                f"declared again: {name}",
                span,
                "from here on the name stands for the new value",
                "use another name",
            )
        elif known is not None:
            self.diagnostics.error(
                f"duplicate declaration: {name}",
                span,
                f"`{name}` already has a value in this block, and a value never changes",
                "use another name",
            )
        variable = Variable(name, span, kind, scope.unit, value, len(scope.names))
        if known is None and name in self.instead:
            variable = self.instead[name]
            variable.make_optional()
            variable.late = True  # whatever captures it, in one block or in the other
        scope.names[name] = variable
        self.resolution.declared[id(node)] = variable
        if kind in ("global", "configured"):
            self.resolution.globals.append(variable)
        return variable

    def may_shadow(self, known: Variable, kind: VariableKind) -> bool:
        """The reference compiles these, and then cannot load them; here the newer one counts."""
        plain = ("declaration", "global")
        return self.in_postlude or known.kind not in plain or kind not in plain

    # ---- functions ---------------------------------------------------------------------------

    def function(self, node: FunctionNode) -> None:
        """A function literal inside of an expression: it sees the names above."""
        self.resolve_function(self.new_unit(node))

    def new_unit(self, node: FunctionNode) -> Unit:
        unit = Unit(node, self.scope.unit, [], self.scope, len(self.scope.names))
        if node_is_value_of_newest(node, self.scope):
            unit.created_at -= 1
        self.resolution.units[id(node)] = unit
        return unit

    def finish_block(self, of_statements: bool = False) -> None:
        """Resolves the functions that were set aside. What the reference does not set aside, an
        action or a function of a postlude, sees the names above it first; there, no others."""
        scope = self.scope
        for variable, unit in sorted(scope.pending, key=lambda item: is_function(item[1])):
            if of_statements or not is_function(unit):
                scope.seen = unit.created_at
            self.resolve_function(unit)
            scope.seen = None
            if isinstance(unit.node, FunctionNode) and not variable.optional:
                variable.callable = kind_of(unit.node)
        scope.pending.clear()

    def resolve_function(self, unit: Unit) -> None:
        assert isinstance(unit.node, FunctionNode)
        outer = self.scope
        self.scope = Scope(outer, unit)
        self.function_body(unit.node)
        self.scope = outer

    def function_body(self, node: FunctionNode) -> None:
        checks.check_parameters(node.parameters, self.diagnostics)
        for parameter in node.parameters:
            if parameter.default is not None:
                self.early(parameter.default, frozenset((parameter.name,)))
            if parameter.name not in self.scope.names:
                self.declare(parameter.name, parameter.span, "parameter", parameter)
        self.declarations(node.body, "declaration")
        match node:
            case tree.Function():
                self.expression(node.result)
            case tree.Defaction():
                if node.block is not None:
                    self.action_block(node.block)
                if node.result is not None:
                    self.expression(node.result)

    # ---- expressions -------------------------------------------------------------------------

    def optional(self, *nodes: tree.Expression | None) -> None:
        for node in nodes:
            if node is not None:
                self.expression(node)

    def early(self, node: tree.Expression, later: frozenset[str]) -> None:
        """An expression that stands before what declares names that it may use all the same."""
        outer, self.later = self.later, self.later | later
        self.expression(node)
        self.later = outer

    def expression(self, node: tree.Expression) -> None:
        match node:
            case tree.Identifier() | tree.DomainIdentifier():
                self.name(node)
            case tree.Chevron():
                self.optional(*node.pieces)
            case tree.Array():
                self.optional(*node.items)
            case tree.Map():
                for pair in node.pairs:
                    self.optional(pair.key, pair.value)
            case tree.Infix():
                self.infix(node)
            case tree.Unary():
                self.expression(node.operand)
            case tree.Conditional():
                self.optional(node.test, node.consequent, node.alternate)
            case tree.Member():
                self.member(node)
            case tree.Call():
                self.call(node)
            case tree.Function() | tree.Defaction():
                self.function(node)
            case _:
                pass

    def infix(self, node: tree.Infix) -> None:
        """A chain of operators leans left and may be thousands long, so it is a loop."""
        chain: list[tree.Infix] = []
        left: tree.Expression = node
        while isinstance(left, tree.Infix):
            chain.append(left)
            left = left.left
        self.expression(left)
        for link in reversed(chain):
            self.expression(link.right)

    def member(self, node: tree.Member) -> None:
        self.expression(node.object)
        if node.method != "dot":
            self.expression(node.property)
            return
        if isinstance(node.property, tree.DomainIdentifier):
            self.name(node.property)
        checks.warn_property(node, self.diagnostics)

    def call(self, node: tree.Call) -> None:
        match node.callee:
            case tree.Member(method="dot", property=tree.Identifier() as name) as member:
                self.expression(member.object)
                self.name(name)
            case tree.Member(method="dot", property=tree.DomainIdentifier() as name) as member:
                self.expression(member.object)
                self.name(name)
            case callee:
                self.expression(callee)
        self.arguments(node.positional, node.named)
        checks.check_call(node, self.resolution, self.diagnostics)

    def arguments(
        self, positional: tuple[tree.Expression, ...], named: tuple[tree.NamedArgument, ...]
    ) -> None:
        self.optional(*positional)
        self.optional(*(argument.value for argument in named))

    # ---- names -------------------------------------------------------------------------------

    def name(self, node: tree.Identifier | tree.DomainIdentifier) -> None:
        match node:
            case tree.Identifier():
                self.resolution.bindings[id(node)] = self.plain_name(node)
            case tree.DomainIdentifier():
                self.resolution.bindings[id(node)] = self.domain_name(node)

    def plain_name(self, node: tree.Identifier) -> Binding:
        found = self.look_up(node.name)
        if found is not None:
            scope, variable = found
            variable.used = True
            self.capture(scope, variable)
            return VariableName(variable)
        function = library.find(None, node.name)
        if function is not None:
            return LibraryName(function)
        if node.name == TESTING:
            return TestingName()
        earlier = self.earlier.get(node.name)
        if earlier is not None:
            earlier.make_optional()
            return VariableName(earlier)
        self.undefined(node)
        return UnknownMember(f"{node.name} is not defined")

    def look_up(self, name: str) -> tuple[Scope, Variable] | None:
        scope: Scope | None = self.scope
        below: tuple[Scope, Variable] | None = None
        while scope is not None:
            variable = scope.names.get(name)
            if variable is not None:
                if scope.seen is None or variable.order < scope.seen:
                    return scope, variable
                below = below or (scope, variable)
            scope = scope.parent
        return below

    def undefined(self, node: tree.Identifier) -> None:
        if node.name in self.hidden:
            self.diagnostics.warning(
                f"setting of another event: {node.name}",
                node.span,
                "a `where` sees the attributes and the `setting` of its own event; this throws",
                "compare them in the rule: if condition then ...",
            )
            return
        if node.name in self.later:
            checks.warn_early(node, self.diagnostics)
            return
        if self.where_attributes:
            self.diagnostics.error(
                f"undefined id: {node.name}",
                node.span,
                "a bare name in `where` no longer means an attribute of the event",
                f'write event:attrs{{"{node.name}"}}',
                (Fix(node.span, f'event:attrs{{"{node.name}"}}'),),
            )
            return
        close = nearest(node.name, [*self.visible_names(), *library.names(None)])
        if not close and node is self.event_type:
            self.diagnostics.error(
                f"undefined id: {node.name}",
                node.span,
                "the type of an event is a string; a bare name is a value that stands above",
                f'write "{node.name}"',
                (Fix(node.span, f'"{node.name}"'),),
            )
            return
        hint = f"did you mean `{close}`?" if close else "declare it above, or correct the name"
        self.diagnostics.error(
            f"undefined id: {node.name}", node.span, "nothing of that name is visible here", hint
        )

    def visible_names(self) -> list[str]:
        names: list[str] = []
        scope: Scope | None = self.scope
        while scope is not None:
            names.extend(scope.names)
            scope = scope.parent
        return names

    def capture(self, scope: Scope, variable: Variable) -> None:
        """Adds the variable to every unit between its use and its owner."""
        if variable.unit is None:
            return
        unit = self.scope.unit
        outermost: Unit | None = None
        while unit is not None and unit is not variable.unit:
            if unit.node is variable.value:
                return
            if variable not in unit.captures:
                unit.captures.append(variable)
            outermost = unit
            unit = unit.parent
        if (
            outermost is not None
            and outermost.created_in is scope
            and variable.order >= outermost.created_at
        ):
            variable.late = True

    def domain_name(self, node: tree.DomainIdentifier) -> Binding:
        if node.domain in ("ent", "app"):
            self.mention(node.domain, node.name, node.span)
            return EntityVariable(node.name if node.domain == "ent" else f"app:{node.name}")
        if node.domain in self.aliases:
            rid, use = self.aliases[node.domain]
            return ModuleMember(rid, node.name, use)
        function = library.find(node.domain, node.name)
        if function is not None:
            checks.warn_deprecated(node.span, function, self.diagnostics)
            return LibraryName(function)
        return checks.unknown_member(node, self.aliases, self.diagnostics)


def is_function(unit: Unit) -> bool:
    return isinstance(unit.node, tree.Function)


def kind_of(node: FunctionNode) -> CallableKind:
    return "Function" if isinstance(node, tree.Function) else "Action"


def node_is_value_of_newest(node: FunctionNode, scope: Scope) -> bool:
    """Whether the block's newest variable was declared for this very function literal."""
    newest = next(reversed(scope.names.values()), None)
    return newest is not None and newest.value is node
