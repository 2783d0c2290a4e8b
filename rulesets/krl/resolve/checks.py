"""The rules a ruleset can break although every name is known: one small function for each."""

from __future__ import annotations

from math import factorial, perm

from krl import library
from krl.diagnostic import Diagnostics, Fix, nearest
from krl.library import LibraryFunction
from krl.resolve.bindings import (
    Binding,
    CallableKind,
    LibraryName,
    Resolution,
    Scope,
    UnknownMember,
    VariableName,
)
from krl.syntax import tree
from krl.syntax.tree import Span

# `and` and `any` follow every order of their operands, so their machines grow with a factorial.
TRANSITIONS_MAX = 20_000

_LIBRARY_KINDS: dict[str, CallableKind | None] = {
    "function": "Function",
    "action": "Action",
    "both": "ActionFunction",
    "property": "Function",
    "postlude": None,
}


def callable_kind(binding: Binding) -> CallableKind | None:
    """What kind of thing a name is known to stand for; None where only running tells.

    Members of modules are such: a wrong use of one compiles, and throws when it is reached.
    """
    match binding:
        case LibraryName(function):
            return _LIBRARY_KINDS[function.kind] if function.domain is None else None
        case VariableName(variable):
            return variable.callable
    return None


def is_action_member(binding: Binding) -> bool:
    """Whether this is a function of a built-in module that may only stand in an action block."""
    return (
        isinstance(binding, LibraryName)
        and binding.function.domain is not None
        and binding.function.kind == "action"
    )


def check_call(node: tree.Call, resolution: Resolution, diagnostics: Diagnostics) -> None:
    """A call in an expression must not be of something known to be an action."""
    callee = node.callee
    if isinstance(callee, tree.Member) and callee.method == "dot":
        callee = callee.property
    if not isinstance(callee, tree.Identifier | tree.DomainIdentifier):
        return
    binding = resolution.bindings.get(id(callee))
    if binding is None:
        return
    if is_action_member(binding):
        diagnostics.warning(
            "an action where a value is wanted",
            callee.span,
            "it throws when it is reached",
            "move the call into the rule's action block",
        )
    if callable_kind(binding) == "Action":
        diagnostics.error(
            "not a function: Action",
            Span(start_of(node), callee.span.end),
            "an action does something, so it may stand only in an action block",
            "move the call into the rule's action block, or make it a function",
        )
    if isinstance(binding, LibraryName):
        _check_event_call(node, binding.function, diagnostics)


def _check_event_call(node: tree.Call, function: LibraryFunction, diagnostics: Diagnostics) -> None:
    if function.full_name == "event:attrs":
        argument = '{"name"}' if node.positional else ""
        diagnostics.warning(
            "event:attrs is a map, not a function",
            node.span,
            "the parentheses are from an older KRL",
            f"write event:attrs{argument}",
            _without_parentheses(node),
        )


def _without_parentheses(node: tree.Call) -> tuple[Fix, ...]:
    """`event:attrs()` as `event:attrs`, and `event:attrs(name)` as `event:attrs{name}`."""
    if not isinstance(node.callee, tree.DomainIdentifier) or node.named:
        return ()
    start, end = node.callee.span.end, node.span.end
    match node.positional:
        case ():
            return (Fix(Span(start, end), ""),)
        case (name,):
            return (Fix(Span(start, name.span.start), "{"), Fix(Span(name.span.end, end), "}"))
    return ()


def check_action_kind(node: tree.Action, resolution: Resolution, diagnostics: Diagnostics) -> None:
    """What is only a function later, when its block is complete, throws when it is reached."""
    binding = resolution.bindings[id(node.action)]
    if callable_kind(binding) != "Function":
        if _is_function(binding):
            diagnostics.warning(
                "a function where an action is wanted",
                node.action.span,
                "it throws when it is reached",
                "call it in `pre`",
            )
    else:
        diagnostics.error(
            "not an action: Function",
            node.action.span,
            "an action block runs actions; a function only computes a value",
            "call it in `pre`, or write it as a defaction",
        )


def _is_function(binding: Binding) -> bool:
    match binding:
        case LibraryName(function):
            return function.kind in ("function", "property")
        case VariableName(variable):
            return isinstance(variable.value, tree.Function)
    return False


def check_action_shape(
    node: tree.Action, block: tree.ActionBlock, diagnostics: Diagnostics
) -> None:
    if block.kind == "choose" and node.label is None:
        diagnostics.error(
            "action without a label in a choose",
            node.span,
            "`choose` picks the action whose label equals its value",
            "write `label => action(...)`",
        )
    if len(node.setting) > 1:
        diagnostics.error(
            "an action gives one value",
            node.setting[1].span,
            "`setting` after an action takes one name",
            "take one name, and read its parts from there",
        )


def check_event_operator(node: tree.EventOperator, diagnostics: Diagnostics) -> None:
    if node.operator == "any" and not 0 < (node.count or 0) < len(node.operands):
        diagnostics.warning(
            f"any {node.count} of {len(node.operands)} events",
            node.span,
            "the number should be greater than 0 and less than the number of events",
            "for all of them in any order write and(..), for one of them or(..)",
        )


def check_machine_size(node: tree.EventExpression, diagnostics: Diagnostics) -> None:
    if transition_count(node) > TRANSITIONS_MAX:
        diagnostics.error(
            "event expression too large",
            node.span,
            f"its machine would have more than {TRANSITIONS_MAX:,} transitions",
            "`and` and `any` follow every order of their events: take fewer, or count in ent:",
        )


def transition_count(node: tree.EventExpression) -> int:
    """How many transitions lowering makes of an event expression, before it merges them."""
    match node:
        case tree.EventBase():
            return 1
        case tree.EventGroup():
            return node.count + (node.operator == "repeat")
    counts = [transition_count(operand) for operand in node.operands]
    match node.operator:
        case "and":
            return factorial(len(counts)) * sum(counts)
        case "any":
            number = node.count or 0
            return perm(len(counts) - 1, number - 1) * number * sum(counts) if number else 0
        case "then":
            return sum(counts) + len(counts) - 1
        case _:
            return sum(counts)


def check_guard(node: tree.Guarded, diagnostics: Diagnostics) -> None:
    if isinstance(node.statement, tree.Declaration):
        diagnostics.warning(
            "a declaration with a guard",
            node.span,
            f"where the guard does not hold, `{node.statement.name}` is null",
            "write `name = condition => value | other`",
        )


def check_parameters(parameters: tuple[tree.Parameter, ...], diagnostics: Diagnostics) -> None:
    seen: set[str] = set()
    defaulted = False
    for parameter in parameters:
        if parameter.name in seen:
            diagnostics.error(
                f"duplicate parameter: {parameter.name}",
                parameter.span,
                "two parameters of one function have this name",
                "rename one of them",
            )
        seen.add(parameter.name)
        if parameter.default is not None:
            defaulted = True
        elif defaulted:
            diagnostics.error(
                "parameter without a default after one with a default",
                parameter.span,
                "a call could never leave out the earlier one",
                "give it a default, or move it to the front",
            )


def check_entity_target(node: tree.Assign | tree.Clear, diagnostics: Diagnostics) -> None:
    if node.domain not in ("ent", "app"):
        diagnostics.error(
            f"cannot store into {node.domain}:{node.name}",
            node.name_span,
            "only entity variables keep a value",
            f"write ent:{node.name}",
        )


def warn_application_variable(
    span: Span, name: str, entities: set[str], diagnostics: Diagnostics
) -> None:
    """`entities` are the entity variables of the ruleset: no two may become one."""
    word = Span(span.start, span.start + len("app"))
    is_free = name not in entities
    diagnostics.warning(
        f"app:{name} is an application variable",
        span,
        "picos share nothing, so each pico keeps its own value of it",
        f"write ent:{name}" if is_free else f"ent:{name} is in use: find another name",
        (Fix(word, "ent"),) if is_free else (),
    )


def warn_deprecated(span: Span, function: LibraryFunction, diagnostics: Diagnostics) -> None:
    if function.deprecated is not None:
        diagnostics.warning(
            f"{function.full_name} is deprecated", span, "it still works", function.deprecated
        )


def hint_assignment(node: tree.Assign, diagnostics: Diagnostics) -> None:
    """`ent:x := ent:x.put(..)` writes the whole variable where one entry would do."""
    match node.value:
        case tree.Call(
            callee=tree.Member(
                object=tree.DomainIdentifier(domain="ent", name=name),
                method="dot",
                property=tree.Identifier(name="put"),
            )
        ) if (node.path, node.domain, node.name) == (None, "ent", name):
            diagnostics.warning(
                f"the whole of ent:{name} is stored for one change",
                Span(start_of(node.value), node.value.span.end),
                "an assignment by key stores only what lies under the key",
                f"write ent:{name}{{key}} := value",
            )


def start_of(node: tree.Expression) -> int:
    """Where an expression begins; parentheses around its left part do not count."""
    while True:
        match node:
            case tree.Member(object=left) | tree.Infix(left=left):
                node = left
            case tree.Call(callee=left) | tree.Conditional(test=left):
                node = left
            case _:
                return node.span.start


def warn_property(node: tree.Member, diagnostics: Diagnostics) -> None:
    if isinstance(node.property, tree.Identifier):
        diagnostics.warning(
            "reading a member with a dot",
            Span(start_of(node), node.span.end),
            "`.name` without a call is deprecated; it fails on null",
            f'write {{"{node.property.name}"}}',
        )


def unknown_member(
    node: tree.DomainIdentifier,
    aliases: dict[str, tuple[str, int]],
    diagnostics: Diagnostics,
) -> UnknownMember:
    """The reference accepts any domain and fails when it runs; so do we, with a warning."""
    known = library.names(node.domain)
    if known:
        close = nearest(node.name, known)
        text = f"the module {node.domain} has no member of that name"
        message = f"{node.domain}:{node.name} is not a function"
    else:
        close = nearest(node.domain, [*aliases, *library.domains(), "ent"])
        text = f"no module is known here as {node.domain}"
        message = f"no module {node.domain} is in use"
    hint = f"did you mean `{close}`?" if close else f"add `use module .. alias {node.domain}`"
    diagnostics.warning(f"unknown name: {node.domain}:{node.name}", node.span, text, hint)
    return UnknownMember(message)


def check_rule_names(node: tree.Ruleset, diagnostics: Diagnostics) -> None:
    seen: set[str] = set()
    for rule in node.rules:
        if rule.name in seen:
            diagnostics.error(
                f"duplicate rule name: {rule.name}",
                rule.name_span,
                "another rule of this ruleset has the same name",
                "rename one of them",
            )
        seen.add(rule.name)
        if not rule.active:
            diagnostics.warning(
                f"rule {rule.name} is inactive",
                rule_head(rule),
                "it is left out of the module",
                "delete it, or make it active",
            )


def rule_head(node: tree.Rule) -> Span:
    """`rule name`: where the reference's messages about a whole rule begin, too."""
    return Span(node.span.start, node.name_span.end)


def check_meta(node: tree.Ruleset, scope: Scope, diagnostics: Diagnostics) -> None:
    if node.meta is None:
        return
    seen: set[str] = set()
    for item in node.meta.properties:
        match item:
            case tree.MetaText(key=key):
                _check_literal(item, diagnostics)
                if key in seen:
                    _complain_twice(key, item.span, diagnostics)
                seen.add(key)
            case tree.MetaLogging():
                diagnostics.warning(
                    "meta logging is deprecated",
                    item.span,
                    "it has no effect; logs are always kept",
                    "delete the line",
                    (Fix(item.span, ""),),
                )
                if "logging" in seen:
                    _complain_twice("logging", item.span, diagnostics)
                seen.add("logging")
            case tree.MetaNames():
                _check_exposed(item, scope, diagnostics)


def _complain_twice(key: str, span: Span, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        f"only one meta {key} allowed",
        span,
        "the property stands twice in this meta block",
        "delete one of them",
    )


def _check_literal(item: tree.MetaText, diagnostics: Diagnostics) -> None:
    if not is_literal_text(item.value):
        diagnostics.warning(
            f"meta {item.key} is not a literal",
            item.value.span,
            "it describes the ruleset before anything runs, so what is computed is left out",
            "write a plain string",
        )


def is_literal_text(node: tree.Expression) -> bool:
    """Whether a meta property can be read without running anything."""
    match node:
        case tree.String() | tree.Number() | tree.Boolean():
            return True
        case tree.Chevron(pieces=pieces):
            return all(isinstance(piece, tree.String) for piece in pieces)
    return False


def _check_exposed(item: tree.MetaNames, scope: Scope, diagnostics: Diagnostics) -> None:
    verb = "share" if item.key == "shares" else "provide"
    for name in item.names:
        variable = scope.names.get(name.name)
        if variable is None:
            close = nearest(name.name, list(scope.names))
            if library.has_name(name.name):
                diagnostics.warning(
                    f"nothing to {verb}: {name.name}",
                    name.span,
                    "it is a function of the library, which nobody can ask for; this throws",
                    "declare one of your own in global, or leave it out",
                )
            elif name.name != "__testing":
                diagnostics.error(
                    f"nothing to {verb}: {name.name}",
                    name.span,
                    "it is not declared in the global block",
                    f"did you mean `{close}`?"
                    if close
                    else "declare it in global, or leave it out",
                )
        elif item.key == "shares" and isinstance(variable.value, tree.Defaction):
            diagnostics.error(
                f"an action cannot be shared: {name.name}",
                name.span,
                "a query never changes the pico, so it cannot run an action",
                "write it under `provides`, or make it a function",
            )
        else:
            variable.used = True


def names_in_rule(rule: tree.Rule) -> frozenset[str]:
    """All names that a rule declares, wherever it does."""
    names = {name.name for loop in rule.foreach for name in loop.setting}
    names |= {item.name for item in rule.prelude}
    for action in rule.block.actions if rule.block is not None else ():
        names |= {name.name for name in action.setting}
    postlude = rule.postlude
    blocks = () if postlude is None else (postlude.fired, postlude.notfired, postlude.always)
    for statement in (item for block in blocks for item in block or ()):
        inner = statement.statement if isinstance(statement, tree.Guarded) else statement
        match inner:
            case tree.Declaration(name=name):
                names.add(name)
            case tree.Schedule(setting=tree.SettingName(name=name)):
                names.add(name)
    return frozenset(names)


def warn_early(node: tree.Identifier, diagnostics: Diagnostics) -> None:
    diagnostics.warning(
        f"no value yet: {node.name}",
        node.span,
        "it is declared behind this place, so it has no value here; this throws",
        "compute it before: in global, or right here",
    )
