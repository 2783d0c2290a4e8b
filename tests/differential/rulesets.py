"""Random rulesets with the events and queries that drive them.

What is left out is what picomesh answers otherwise on purpose (krl.md calls it defects of the
reference, tests/conformance/differences.json lists it): foreach over a variable that the select
sets, a declaration of one postlude block read in another, globals that read entity variables.
Rules on one domain raise events only of the next domain, and functions never call themselves, so
every case ends.
"""

from __future__ import annotations

from random import Random
from typing import Any

from differential import words
from differential.events import ATTRIBUTES, NAMES, START_MS, Selects, event_attributes
from differential.expressions import NAMES as NAMES_OF_VARIABLES
from differential.expressions import VALUE_KINDS, Expressions, Kind, Scope
from differential.words import chance, pick

DOMAINS = ("e", "f", "g")
ENTITIES = ("u", "v", "w")
_LEVELS = ("error", "warn", "info", "debug")
STATE = 'state = function(){ {"u": ent:u, "v": ent:v, "w": ent:w} }'
_ACTION_RESULT = "done"


class Rulesets:
    """Writes one case of several rulesets."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.writer = Expressions(random, stray=60)
        self.shared: dict[str, list[tuple[str, list[str]]]] = {}

    # ---- a ruleset ----------------------------------------------------------------------------

    def module(self) -> str:
        """A ruleset that others use: functions and an action that see a configured value."""
        scope = Scope()
        scope.declare("size", "number")
        scope.declare("label", "string")
        configure = 'configure using size = 1 + 1 label = "none"'
        scope.entities = ENTITIES
        functions = [self.function(name, scope) for name in ("mf", "mg")]
        act = self.defaction("act", scope)
        self.shared["lib"] = [("mf", []), ("mg", []), ("state", [])]
        return (
            f"ruleset lib {{\n meta {{ {configure} provides mf, mg, act shares mf, mg, state }}\n"
            f" global {{\n  {functions[0]}\n  {functions[1]}\n  {act}\n  {STATE}\n }}\n"
            f"{self.rule('keep', scope, 'e')}\n}}"
        )

    def ruleset(self, rid: str, uses: bool) -> str:
        random = self.random
        scope = Scope()
        use = ""
        if uses:
            alias = pick(random, ("", " alias mm"))
            given = f" with size = {random.randrange(9)}" if chance(random, 2) else ""
            given += ' label = "given"' if given and chance(random, 2) else ""
            use = f"use module lib{alias}{given}"
            scope.modules = ("mm" if alias else "lib",)
        lines = [self.writer.declarations(scope, 2, random.randrange(3))]
        scope.entities = ENTITIES
        self.shared[rid] = []
        for name in ("one", "two"):
            lines.append(self.function(name, scope, rid))
        lines.append(self.defaction("act", scope))
        lines.append(STATE)
        constants = [name for name, kind in scope.names.items() if kind in VALUE_KINDS]
        constants = [name for name in constants if name in NAMES_OF_VARIABLES][:2]
        self.shared[rid] += [("state", []), *((name, []) for name in constants)]
        names = ", ".join(name for name, _ in self.shared[rid])
        self.shared[rid] += [("__testing", []), ("absent", [])]
        rules = [
            self.rule(f"r{number}", scope, pick(random, (*DOMAINS, "e", "e", "e", "e")))
            for number in range(random.randrange(2, 6))
        ]
        declared = "\n  ".join(lines)
        return (
            f'ruleset {rid} {{\n meta {{ name "{rid}" {use} shares {names} }}\n'
            f" global {{\n  {declared}\n }}\n" + "\n".join(rules) + "\n}"
        )

    def function(self, name: str, scope: Scope, rid: str | None = None) -> str:
        count = self.random.randrange(3)
        kind = pick(self.random, VALUE_KINDS)
        made, parameters = self.writer.literal(kind, scope, 2, count, defaults=True)
        scope.declare(name, "function")
        scope.arity[name] = count
        if rid is not None:
            self.shared[rid].append((name, parameters))
        return f"{name} = {made}"

    def defaction(self, name: str, scope: Scope) -> str:
        random = self.random
        inside = Scope(scope)
        inside.declare("t", "string")
        inside.declare("o", "map")
        body = self.writer.declarations(inside, 2, random.randrange(2))
        block = self.block(inside, allowed=("send_directive", "noop"))
        returned = f"return {self.writer.any(inside, 2)}" if chance(random, 2) else ""
        default = pick(random, ("", " = {}", ' = {"k": t}'))
        return f"{name} = defaction(t, o{default}){{{body}\n    {block}\n    {returned}}}"

    # ---- a rule -------------------------------------------------------------------------------

    def rule(self, name: str, parent: Scope, domain: str) -> str:
        random = self.random
        scope = Scope(parent)
        scope.own = set()
        scope.in_event, scope.attributes = True, ATTRIBUTES
        before = Scope(scope)
        lines = [f"select {Selects(random, self.writer, domain).select(scope)}"]
        lines += self.loops(before, scope)
        if not chance(random, 3):
            made = self.writer.declarations(scope, 3, random.randrange(4))
            lines.append(f"pre {{ {made} }}")
        if not chance(random, 6):
            allowed = ("send_directive", "send_directive", "act", "noop", "module")
            lines.append(self.block(scope, allowed))
        if not chance(random, 3):
            lines.append(self.postlude(scope, domain))
        active = " is inactive" if chance(random, 25) else ""
        body = "\n  ".join(lines)
        return f" rule {name}{active} {{\n  {body}\n }}"

    def loops(self, before: Scope, scope: Scope) -> list[str]:
        """foreach lines; the collections do not see what the select sets (defect 3), nor names of
        the ruleset that `pre` may declare anew, which the reference mixes up."""
        random = self.random
        lines = []
        for _ in range(pick(random, (0, 0, 0, 1, 1, 2))):
            kind: Kind = pick(random, ("array", "array", "array", "map", "map", "string", "null"))
            names = pick(random, (("item",), ("item", "k"), ("v", "k"), ("n",)))
            names = tuple(name for name in names if name not in scope.own)
            hidden = [name for name in NAMES_OF_VARIABLES if name not in before.own]
            collection = self.writer.of(kind, Scope(before, without=(*names, *hidden)), 1)
            if names:
                lines.append(f"foreach {collection} setting({', '.join(names)})")
                for name in names:
                    before.declare(name, "string")
                    scope.declare(name, "string")
        return lines

    # ---- actions ------------------------------------------------------------------------------

    def block(self, scope: Scope, allowed: tuple[str, ...]) -> str:
        random = self.random
        condition = ""
        if chance(random, 4):
            condition = f"if {self.writer.of('boolean', scope, 2)} || {pick(random, '01')} then "
        match random.randrange(4):
            case 0:
                actions = " ".join(
                    self.action(scope, allowed, f"{pick(random, 'abc')} => ")
                    for _ in range(random.randrange(1, 4))
                )
                chosen = pick(random, ('"a"', '"a"', '"b"', "null", '("a" + "")'))
                return f"{condition}choose {chosen} {{ {actions} }}"
            case 1 | 2:
                return f"{condition}{self.action(scope, allowed)}"
        actions = " ".join(self.action(scope, allowed) for _ in range(random.randrange(1, 4)))
        return f"{condition}every {{ {actions} }}"

    def action(self, scope: Scope, allowed: tuple[str, ...], label: str = "") -> str:
        random = self.random
        kind = pick(random, allowed)
        if kind == "module" and not scope.modules:
            kind = "send_directive"
        name = words.quoted(pick(random, ("d", "other", "third")))
        options = ""
        if not chance(random, 4):
            options = f', {{"k": {self.writer.any(scope, 2)}, "l": {self.writer.any(scope, 1)}}}'
        match kind:
            case "noop":
                made = "noop()"
            case "act" | "module":
                prefix = f"{scope.modules[0]}:" if kind == "module" else ""
                made = f"{prefix}act({name}{options})"
                if chance(random, 3):
                    made = f"{prefix}act(o = {{}}, t = {name})"
            case _:
                made = f"send_directive({name}{options})"
        setting = ""
        if chance(random, 5) and _ACTION_RESULT not in scope.own:
            setting = f" setting({_ACTION_RESULT})"
            scope.declare(_ACTION_RESULT, "map")
        return f"{label}{made}{setting}{pick(random, ('', ';'))}"

    # ---- postludes ----------------------------------------------------------------------------

    def postlude(self, scope: Scope, domain: str) -> str:
        if chance(self.random, 3):
            return f"always {{ {self.statements(scope, domain)} }}"
        fired, other = ("fired", "notfired") if chance(self.random, 2) else ("notfired", "fired")
        made = f"fired {{ {self.statements(scope, domain)} }}"
        if fired == "notfired":
            made = "not" + made
        if chance(self.random, 2):
            made += f" else {{ {self.statements(scope, domain)} }}"
        if chance(self.random, 2):
            made += f" finally {{ {self.statements(scope, domain)} }}"
        assert other
        return made

    def statements(self, scope: Scope, domain: str) -> str:
        """The statements of one block, whose declarations end with it."""
        inside = Scope(scope)
        inside.own = set(scope.own)
        made = []
        for _ in range(self.random.randrange(1, 5)):
            made.append(self.statement(inside, domain))
        for name in inside.own - scope.own:
            scope.names.pop(name, None)  # what it means in a later block, the reference mixes up
        scope.own |= inside.own
        return "; ".join(made)

    def statement(self, scope: Scope, domain: str) -> str:
        random = self.random
        if chance(random, 6):
            return self.writer.declarations(scope, 1, 1).rstrip(";") or "log info 1"
        made = self.effect(scope, domain)
        match random.randrange(6):
            case 0:
                return f"{made} on final"
            case 1:
                return f"{made} if {self.writer.of('boolean', scope, 1)}"
        return made

    def effect(self, scope: Scope, domain: str) -> str:
        random = self.random
        entity = f"ent:{pick(random, ENTITIES)}"
        match random.randrange(14):
            case 0 | 1 | 2:
                return f"{entity} := {self.writer.any(scope, 2)}"
            case 3 | 4:
                return f"{entity}{{{self.writer.path()}}} := {self.writer.any(scope, 2)}"
            case 5:
                return f"clear {entity}"
            case 6:
                return f"clear {entity}{{{self.writer.path()}}}"
            case 7:
                return f"{entity} := {entity}.defaultsTo(0) + 1"
            case 8:
                return f"{entity} := {entity}.append({self.writer.any(scope, 1)})"
            case 9:
                return f"log {pick(random, _LEVELS)} {self.writer.any(scope, 1)}"
            case 10 if chance(random, 2):
                return "last"
            case 11 if chance(random, 3):
                return f"error {pick(random, _LEVELS)} {self.writer.any(scope, 1)}"
        return self.raised(scope, domain)

    def raised(self, scope: Scope, domain: str) -> str:
        random = self.random
        following = DOMAINS[min(DOMAINS.index(domain) + 1, len(DOMAINS) - 1)]
        if following == domain:
            return "log debug 0"
        name = pick(random, NAMES)
        pairs = ", ".join(f'"{key}": {self.writer.any(scope, 1)}' for key in ATTRIBUTES)
        attributes = pick(
            random, ("", f" attributes {{{pairs}}}", " attributes event:attrs", " attributes null")
        )
        if chance(random, 2):
            return f'raise {following} event "{name}"{attributes}'
        return f'raise event "{following}:{name}"{attributes}'


# ---- the steps ---------------------------------------------------------------------------------


def ruleset_case(random: Random) -> dict[str, Any]:
    """One to three rulesets, and up to twenty steps."""
    writer = Rulesets(random)
    uses = chance(random, 2)
    texts = [writer.module()] if uses else []
    texts += [writer.ruleset(rid, uses) for rid in ("A", "B")[: random.randrange(1, 3)]]
    steps: list[dict[str, Any]] = []
    now = START_MS
    for _ in range(random.randrange(4, 20)):
        step = _query(random, writer) if chance(random, 4) else _event(random)
        if chance(random, 5):
            now += pick(random, (1, 900, 1000, 3000, 61000, 3_600_000))
            step["time"] = now
        steps.append(step)
    for rid in writer.shared:
        steps.append({"query": {"rid": rid, "name": "state", "args": {}}})
    return {
        "rulesets": [{"krl": text} for text in texts],
        "steps": steps,
        "options": {"logs": True},
    }


def _event(random: Random) -> dict[str, Any]:
    domain = pick(random, ("e", "e", "e", "e", "e", "f"))
    name = pick(random, NAMES[:2] if chance(random, 2) else NAMES)
    return {"event": {"domain": domain, "name": name, "attrs": event_attributes(random)}}


def _query(random: Random, writer: Rulesets) -> dict[str, Any]:
    rid = pick(random, sorted(writer.shared))
    name, parameters = pick(random, writer.shared[rid])
    arguments = {name: words.json_value(random) for name in parameters if not chance(random, 3)}
    return {"query": {"rid": rid, "name": name, "args": arguments}}
