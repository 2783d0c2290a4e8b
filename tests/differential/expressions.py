"""Random well-formed expressions, mostly of a wanted kind so that they do not all throw at once.

One in `stray` is of another kind on purpose. Left out is what the reference is known to do wrong
(names that JavaScript objects inherit, replacing an empty match by a function's answer, a map key
that is computed) and what cannot be compared (random numbers).
"""

from __future__ import annotations

from random import Random
from string import Template
from typing import Literal

from differential import templates, words
from differential.words import chance, pick

Kind = Literal["number", "string", "boolean", "array", "map", "regexp", "function", "null"]
KINDS: tuple[Kind, ...] = (
    "number", "string", "boolean", "array", "map", "regexp", "function", "null",
)  # fmt: skip
VALUE_KINDS: tuple[Kind, ...] = ("number", "string", "boolean", "array", "map", "null")
NAMES = ("a", "b", "c", "d", "n", "s", "xs", "m", "f", "g", "k", "v", "item", "acc")
_LIBRARY = ("uc", "typeof", "isnull", "length", "head", "encode", "keys", "reverse")
_FORMS: dict[Kind, list[str]] = {
    "number": templates.NUMBER,
    "string": templates.STRING,
    "boolean": templates.BOOLEAN,
    "array": templates.ARRAY,
    "map": templates.MAP,
    "regexp": templates.REGEXP,
}
_LEAVES: dict[Kind, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "array": ("[]", "[1, 2, 3]", '["a", "b"]', "[3, 20, 100]", "[null]"),
    "map": ("{}", '{"a": 1, "b": 2}', '{"b": null, "2": 1, "1": 0}'),
    "function": _LIBRARY,
    "null": ("null", '{}{"q"}', "[].head()", '"null".decode()'),
}
_FUNCTION_SLOTS: dict[str, Kind | None] = {
    "test": "boolean", "fold": "number", "text": "string", "maker": None,
}  # fmt: skip


class Scope:
    """The names that may be read, with the kind each was made to have."""

    def __init__(self, parent: Scope | None = None, without: tuple[str, ...] = ()) -> None:
        self.names: dict[str, Kind] = dict(parent.names) if parent is not None else {}
        for name in without:
            self.names.pop(name, None)
        self.own: set[str] = set()
        self.arity: dict[str, int] = dict(parent.arity) if parent is not None else {}
        self.entities: tuple[str, ...] = parent.entities if parent is not None else ()
        self.in_event: bool = parent.in_event if parent is not None else False
        self.attributes: tuple[str, ...] = parent.attributes if parent is not None else ()
        self.modules: tuple[str, ...] = parent.modules if parent is not None else ()

    def declare(self, name: str, kind: Kind) -> None:
        self.names[name] = kind
        self.own.add(name)
        self.arity.pop(name, None)

    def of(self, kind: Kind) -> list[str]:
        return [name for name, found in self.names.items() if found == kind]


class Slots(dict[str, str]):
    """What the names of a template stand for, made each time they are asked for."""

    def __init__(self, writer: Expressions, scope: Scope, depth: int, made: str = "") -> None:
        super().__init__()
        self.writer, self.scope, self.depth, self.made = writer, scope, depth, made

    def __missing__(self, slot: str) -> str:
        writer, scope, depth = self.writer, self.scope, self.depth
        if slot == "made":
            return self.made
        if slot.isupper():
            return in_parentheses(self[slot.lower()])
        if slot == "any":
            return writer.any(scope, depth)
        if slot in _FUNCTION_SLOTS:
            kind = _FUNCTION_SLOTS[slot]
            answer = pick(writer.random, VALUE_KINDS) if kind is None else kind
            return writer.literal(answer, scope, depth, writer.random.randrange(4))[0]
        if slot in KINDS:
            return writer.of(slot, scope, depth)
        return self.word(slot)

    def word(self, slot: str) -> str:
        random = self.writer.random
        match slot:
            case "leaf":
                return self.writer.leaf(pick(random, KINDS), self.scope)
            case "key":
                return words.quoted(pick(random, words.KEYS))
            case "path":
                return self.writer.path()
            case "pattern":
                return words.pattern(random, repeatable=True)
            case "place":
                return str(random.randrange(-1, 5))
            case "few":
                return pick(random, words.FEW)
            case "time":
                return words.quoted(pick(random, words.TIMES))
            case "unit":
                return words.quoted(pick(random, words.UNITS))
            case "format":
                return words.quoted(pick(random, words.FORMATS))
            case "json":
                return words.json_literal(random)
        raise AssertionError(slot)


class Expressions:
    """Writes expressions; what stands for a subexpression is drawn from a scope."""

    def __init__(self, random: Random, stray: int = 14) -> None:
        self.random = random
        self.stray = stray

    # ---- what of which kind -------------------------------------------------------------------

    def any(self, scope: Scope, depth: int) -> str:
        return self.of(pick(self.random, VALUE_KINDS), scope, depth)

    def of(self, kind: Kind, scope: Scope, depth: int) -> str:
        random = self.random
        if chance(random, self.stray):
            kind = pick(random, KINDS)
        if depth <= 0 or chance(random, 6):
            return self.leaf(kind, scope)
        match random.randrange(12):
            case 0:
                return self.called(kind, scope, depth - 1)
            case 1:
                return self.chain(scope, depth - 1)
            case 2 | 3:
                made = self.of(kind, scope, depth - 1)
                return self.filled(pick(random, templates.PICKED), scope, depth - 1, made)
        if kind == "function":
            return self.literal(pick(random, VALUE_KINDS), scope, depth - 1, 2, True)[0]
        if kind == "string" and chance(random, 6):
            return self.chevron(scope, depth - 1)
        if kind == "null":
            return self.leaf(kind, scope)
        return self.filled(pick(random, _FORMS[kind]), scope, depth - 1)

    def filled(self, template: str, scope: Scope, depth: int, made: str = "") -> str:
        return Template(template).substitute(Slots(self, scope, depth, made))

    def leaf(self, kind: Kind, scope: Scope) -> str:
        random = self.random
        known = scope.of(kind)
        if known and not chance(random, 3):
            return pick(random, known)
        if scope.in_event and chance(random, 8):
            return self.attribute(scope)
        if scope.entities and chance(random, 8):
            return f"ent:{pick(random, scope.entities)}"
        match kind:
            case "number":
                return words.number(random)
            case "string":
                return words.quoted(words.text(random))
            case "regexp":
                return words.pattern(random, repeatable=True)
        return pick(random, _LEAVES[kind])

    def attribute(self, scope: Scope) -> str:
        name = words.quoted(pick(self.random, (*scope.attributes, "q")))
        return pick(
            self.random,
            (
                f"event:attrs{{{name}}}", f"event:attr({name})", f"event:attrs.get({name})",
                f"event:attrs[{name}]", "event:attrs", "event:name", "event:domain",
                "event:attrs.keys()", "event:time", "meta:rid", "ctx:rid",
            ),
        )  # fmt: skip

    # ---- forms of every kind -------------------------------------------------------------------

    def chain(self, scope: Scope, depth: int) -> str:
        """Operators of all strengths side by side, for the parser to sort out."""
        random = self.random
        made = self.operand(scope, depth)
        for _ in range(random.randrange(1, 4)):
            made += f" {pick(random, templates.OPERATORS)} {self.operand(scope, depth)}"
        return pick(random, (f"({made})", f"[{made}][0]", f'{{"k": {made}}}{{"k"}}'))

    def operand(self, scope: Scope, depth: int) -> str:
        random = self.random
        made = self.leaf(pick(random, VALUE_KINDS), scope)
        if chance(random, 4):
            made += pick(random, (".length()", ".typeof()", '.as("String")', "[0]"))
        return pick(random, ("", "", "", "not ", "-", "+")) + made

    def chevron(self, scope: Scope, depth: int) -> str:
        random = self.random
        pieces: list[str] = []
        for _ in range(random.randrange(4)):
            pieces.append(pick(random, ("text ", "\\\\", "a\\>\\>b", "\\#{x}", '"', "// ", "é")))
            if chance(random, 2):
                pieces.append(f"#{{{self.any(scope, depth - 1)}}}")
        return f"<<{''.join(pieces)}>>"

    def path(self) -> str:
        random = self.random
        parts = []
        for _ in range(random.randrange(1, 4)):
            key = words.quoted(pick(random, words.KEYS))
            parts.append(pick(random, (key, str(random.randrange(4)), key)))
        return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"

    # ---- functions -----------------------------------------------------------------------------

    def called(self, kind: Kind, scope: Scope, depth: int) -> str:
        """A call of a function that is written on the spot or known by name."""
        random = self.random
        known = [name for name in scope.arity if scope.names.get(name) == "function"]
        if known and not chance(random, 3):
            name = pick(random, known)
            given = random.randrange(scope.arity[name] + 2)
            return f"{name}({', '.join(self.any(scope, depth - 1) for _ in range(given))})"
        count = random.randrange(3)
        literal, names = self.literal(kind, scope, depth, count, defaults=True)
        if names and chance(random, 3):
            named = [f"{name} = {self.any(scope, depth - 1)}" for name in reversed(names)]
            return f"({literal})({', '.join(named[: random.randrange(len(named) + 1)])})"
        given = random.randrange(count + 2)
        arguments = ", ".join(self.any(scope, depth - 1) for _ in range(given))
        return f"({literal})({arguments})"

    def literal(
        self, kind: Kind, scope: Scope, depth: int, count: int, defaults: bool = False
    ) -> tuple[str, list[str]]:
        """A function literal of so many parameters, and their names."""
        random = self.random
        inside = Scope(scope)
        names: list[str] = []
        written: list[str] = []
        defaulted = False
        for _ in range(count):
            name = pick(random, [name for name in NAMES if name not in names])
            defaulted = defaults and (defaulted or chance(random, 3))
            default = self.any(Scope(inside, without=(name,)), depth - 1)
            written.append(f"{name} = {default}" if defaulted else name)
            inside.declare(name, pick(random, VALUE_KINDS))
            names.append(name)
        body = self.declarations(inside, depth - 1, random.randrange(3) if depth > 0 else 0)
        result = self.of(kind, inside, depth)
        returned = pick(random, ("", "return "))
        return f"function({', '.join(written)}){{{body} {returned}{result}}}", names

    def declarations(self, scope: Scope, depth: int, count: int) -> str:
        """Declarations of a block, each seen by the next; some are functions."""
        random = self.random
        lines: list[str] = []
        for _ in range(count):
            free = [name for name in NAMES if name not in scope.own]
            if not free:
                break
            name = pick(random, free)
            if chance(random, 3):
                arity = random.randrange(3)
                inside = Scope(scope, without=(name,))
                made, _ = self.literal(pick(random, VALUE_KINDS), inside, depth, arity, True)
                scope.declare(name, "function")
                scope.arity[name] = arity
            else:
                kind = pick(random, VALUE_KINDS)
                made = self.of(kind, Scope(scope, without=(name,)), depth)
                scope.declare(name, kind)
            lines.append(f"{name} = {made};")
        return " ".join(lines)


def in_parentheses(made: str) -> str:
    """Unless it binds as tightly as a dot already."""
    plain = made.replace("_", "a").isalnum() and not made[0].isdigit()
    return made if plain or (made[0] == "[" and made.count("[") == 1) else f"({made})"


def expression_case(random: Random, count: int) -> list[dict[str, str]]:
    """Independent expressions, some with declarations before them."""
    made = []
    for _ in range(count):
        writer, scope = Expressions(random), Scope()
        before = writer.declarations(scope, 2, random.randrange(4))
        kind = pick(random, KINDS)
        made.append({"expr": writer.of(kind, scope, random.randrange(1, 5)), "pre": before})
    return made
