"""Random event expressions, and the events that may satisfy them."""

from __future__ import annotations

from random import Random
from typing import Any

from differential import words
from differential.compare import INDEPENDENT
from differential.expressions import Expressions, Scope
from differential.words import chance, pick

NAMES = ("a", "b", "c")
ATTRIBUTES = ("x", "y")
SETTINGS = ("p", "q", "r")
START_MS = 1767225600000
PERIODS = ("second", "seconds", "minutes", "minute", "hours", "day")
_INFIX = ("or", "and", "before", "then", "after")
_ATTRIBUTE_PATTERNS = (
    "re#(.*)#", "re#(.*)#", "re#(\\d+)#", "re#^(a)(b)?#i", "re#.#", "re#1#",
    "re#^([^,]*),?(.*)$#", "re#b|(c)#",
)  # fmt: skip


class Selects:
    """Writes what follows `select`; variables it sets are declared in `scope`."""

    def __init__(self, random: Random, writer: Expressions, domain: str) -> None:
        self.random = random
        self.writer = writer
        self.domain = domain
        self.outside = Scope()

    def select(self, scope: Scope) -> str:
        random = self.random
        self.outside = Scope(scope)  # a `where` sees no variables of other events
        match random.randrange(8):
            case 0:
                return f"where {self.condition(scope)}"
            case 1 | 2 | 3:
                return f"when {self.base(scope)}"
            case 4:
                within = f" within {pick(random, ('1', '3', '2.5'))} {pick(random, PERIODS)}"
                return f"when {self.expression(scope, 2)}{within}"
        return f"when {self.expression(scope, random.randrange(1, 4))}"

    def condition(self, scope: Scope) -> str:
        """A condition on the event itself, else it would hold for every event there is."""
        name = pick(self.random, NAMES)
        made = self.writer.of("boolean", scope, 1)
        return f'event:domain == "{self.domain}" && event:name == "{name}" && ({made} || true)'

    def expression(self, scope: Scope, depth: int) -> str:
        random = self.random
        if depth <= 0 or chance(random, 4):
            return self.base(scope) if chance(random, 2) else self.plain()
        match random.randrange(8):
            case 0:
                return self.between(scope, depth)
            case 1:
                count = random.randrange(2, 4)
                inner = [self.expression(scope, depth - 2) for _ in range(count)]
                return f"any {random.randrange(1, count)} ({', '.join(inner)})"
            case 2:
                return self.group(scope)
            case 3:
                operator = pick(random, _INFIX)
                count = random.randrange(2 if operator == "and" else 1, 4)
                inner = [self.expression(scope, depth - 2) for _ in range(count)]
                return f"{operator}({', '.join(inner)})"
        left, right = self.expression(scope, depth - 1), self.expression(scope, depth - 1)
        joined = f"{left} {pick(random, _INFIX)} {right}"
        return f"({joined})" if chance(random, 2) else joined

    def between(self, scope: Scope, depth: int) -> str:
        operator = pick(self.random, ("between", "not between"))
        middle, first, last = (self.expression(scope, depth - 2) for _ in range(3))
        return f"({middle}) {operator}({first}, {last})"

    def group(self, scope: Scope) -> str:
        random = self.random
        operator, count = pick(random, ("count", "repeat")), random.randrange(1, 4)
        if not chance(random, 2):
            return f"{operator} {count} ({self.plain()})"
        name = pick(random, SETTINGS)
        pattern = pick(random, ("re#(.*)#", "re#(\\d+)#"))
        base = f"{self.plain()} {pick(random, ATTRIBUTES)} {pattern}"
        aggregator = pick(random, ("max", "min", "sum", "avg", "push"))
        scope.declare(name, "number")
        return f"{operator} {count} ({base}) {aggregator}({name})"

    def plain(self) -> str:
        return f"{self.domain} {pick(self.random, NAMES)}"

    def base(self, scope: Scope) -> str:
        random = self.random
        made = self.plain()
        count = pick(random, (0, 0, 1, 1, 2))
        for _ in range(count):
            made += f" {pick(random, ATTRIBUTES)} {pick(random, _ATTRIBUTE_PATTERNS)}"
        inside = Scope(self.outside)
        if count and not chance(random, 3):
            names = list(dict.fromkeys(pick(random, SETTINGS) for _ in range(count)))
            where = self.where(inside, names) if chance(random, 4) else ""
            made += f" setting({', '.join(names)}){where}"
            for name in names:
                scope.declare(name, "string")
        elif chance(random, 4):
            made += self.where(inside, [])
        return made

    def where(self, scope: Scope, names: list[str]) -> str:
        for name in names:
            scope.declare(name, "string")
        return f" where {self.writer.of('boolean', scope, 1)}"


def select_case(random: Random, rules: int = 25, events: int = 20) -> dict[str, Any]:
    """Rules that share nothing, each with events for itself, and times for its `within`."""
    texts: list[str] = []
    steps: list[dict[str, Any]] = []
    now = START_MS
    for number in range(rules):
        domain, scope = f"e{number}", Scope()
        scope.in_event, scope.attributes = True, ATTRIBUTES
        selects = Selects(random, Expressions(random, stray=60), domain)
        selected = selects.expression(scope, random.randrange(1, 4))
        within = f" within {random.randrange(1, 5)} seconds" if chance(random, 3) else ""
        names = ", ".join(f'"{name}": {name}' for name in SETTINGS if name in scope.names)
        directive = f'send_directive("d", {{{names}}})'
        texts.append(f"rule r{number} {{ select when {selected}{within}\n{directive} }}")
        for _ in range(events):
            event = {"domain": domain, "name": pick(random, NAMES)}
            now += pick(random, (0, 500, 1000, 1000, 3000))
            steps.append({"event": {**event, "attrs": event_attributes(random)}, "time": now})
    krl = "ruleset A {\n" + "\n".join(texts) + "\n}"
    return {"name": INDEPENDENT, "rulesets": [{"krl": krl}], "steps": steps}


def event_attributes(random: Random) -> dict[str, object]:
    made: dict[str, object] = {}
    for name in ATTRIBUTES:
        if not chance(random, 4):
            simple = pick(random, ("1", "2", "ab", "a", "b,c", "", 1, 7, 2.5, True))
            made[name] = simple if chance(random, 2) else words.json_value(random)
    return made
