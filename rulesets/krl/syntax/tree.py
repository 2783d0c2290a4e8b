"""The syntax tree of KRL: what the parser makes and every later pass reads.

Nodes are frozen and carry the span of the text they came from, so that any pass can point at it.
There is one class for each construct a ruleset author can write; names follow the language's own
words. `match` over these classes is the only way passes look into a tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets in the source text."""

    start: int
    end: int


# ---- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    span: Span
    value: float


@dataclass(frozen=True, slots=True)
class Boolean:
    span: Span
    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    span: Span


@dataclass(frozen=True, slots=True)
class String:
    span: Span
    value: str


@dataclass(frozen=True, slots=True)
class Chevron:
    """`<<text #{expression} text>>`: String pieces and expressions, in order."""

    span: Span
    pieces: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Regexp:
    """`re#source#flags`; the source as JavaScript's RegExp takes it."""

    span: Span
    source: str
    flags: str


@dataclass(frozen=True, slots=True)
class Identifier:
    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class DomainIdentifier:
    """`domain:name`; `ent:x` is one too."""

    span: Span
    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Array:
    span: Span
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapPair:
    span: Span
    key: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class Map:
    span: Span
    pairs: tuple[MapPair, ...]


@dataclass(frozen=True, slots=True)
class Infix:
    """Any operator between two operands, `&&` and `||` included."""

    span: Span
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """`+`, `-` or `not` before an operand."""

    span: Span
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test => consequent | alternate`."""

    span: Span
    test: Expression
    consequent: Expression
    alternate: Expression


@dataclass(frozen=True, slots=True)
class Member:
    """`object[key]` ("index"), `object{key}` ("path"), `object.name` ("dot").

    After a dot the property is an Identifier or a DomainIdentifier.
    """

    span: Span
    object: Expression
    method: Literal["index", "path", "dot"]
    property: Expression


@dataclass(frozen=True, slots=True)
class NamedArgument:
    span: Span
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """`callee(positional, name = named)`. `x.f(a)` has the callee Member(x, "dot", f)."""

    span: Span
    callee: Expression
    positional: tuple[Expression, ...]
    named: tuple[NamedArgument, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    span: Span
    name: str
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Function:
    span: Span
    parameters: tuple[Parameter, ...]
    body: tuple[Declaration, ...]
    result: Expression


@dataclass(frozen=True, slots=True)
class Defaction:
    span: Span
    parameters: tuple[Parameter, ...]
    body: tuple[Declaration, ...]
    block: ActionBlock | None
    result: Expression | None


Expression = (
    Number
    | Boolean
    | Null
    | String
    | Chevron
    | Regexp
    | Identifier
    | DomainIdentifier
    | Array
    | Map
    | Infix
    | Unary
    | Conditional
    | Member
    | Call
    | Function
    | Defaction
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """`name = value`."""

    span: Span
    name: str
    name_span: Span
    value: Expression


# ---- event expressions -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttributeMatch:
    span: Span
    name: str
    pattern: Regexp


@dataclass(frozen=True, slots=True)
class SettingName:
    """A variable that `setting(...)` declares."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class EventBase:
    """`domain:type attribute re#..# where condition setting(a, b)`."""

    span: Span
    domain: str
    type: str
    matches: tuple[AttributeMatch, ...]
    where: Expression | None
    setting: tuple[SettingName, ...]


@dataclass(frozen=True, slots=True)
class EventOperator:
    """Operands in source order; for `a between(b, c)` they are a, b, c.

    `any` keeps its number in `count`; the others have None.
    """

    span: Span
    operator: Literal["or", "and", "before", "then", "after", "between", "not between", "any"]
    operands: tuple[EventExpression, ...]
    count: int | None = None


@dataclass(frozen=True, slots=True)
class EventAggregator:
    span: Span
    operator: Literal["max", "min", "sum", "avg", "push"]
    names: tuple[SettingName, ...]


@dataclass(frozen=True, slots=True)
class EventGroup:
    """`count N (base)` and `repeat N (base)`, with an optional aggregator."""

    span: Span
    operator: Literal["count", "repeat"]
    count: int
    operand: EventExpression
    aggregator: EventAggregator | None


EventExpression = EventBase | EventOperator | EventGroup


@dataclass(frozen=True, slots=True)
class Within:
    """`within amount period`; the period is a singular English word, `minute` and so on."""

    span: Span
    amount: Expression
    period: str


@dataclass(frozen=True, slots=True)
class SelectWhen:
    span: Span
    event: EventExpression
    within: Within | None


@dataclass(frozen=True, slots=True)
class SelectWhere:
    span: Span
    condition: Expression


# ---- rules -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Foreach:
    span: Span
    collection: Expression
    setting: tuple[SettingName, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """`label => action(arguments) setting(name)`."""

    span: Span
    label: str | None
    action: Identifier | DomainIdentifier
    positional: tuple[Expression, ...]
    named: tuple[NamedArgument, ...]
    setting: tuple[SettingName, ...]


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """`if condition then every {..}`; a lone action is an `every` of one."""

    span: Span
    condition: Expression | None
    kind: Literal["every", "sample", "choose"]
    discriminant: Expression | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Assign:
    """`ent:name{path} := value`; the domain may be any word, later passes refuse most."""

    span: Span
    domain: str
    name: str
    name_span: Span
    path: Expression | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Clear:
    span: Span
    domain: str
    name: str
    name_span: Span
    path: Expression | None


@dataclass(frozen=True, slots=True)
class Raise:
    """`raise domain event type ..` has a domain; in `raise event expression ..` it is None."""

    span: Span
    domain: str | None
    event: Expression
    for_ruleset: Expression | None
    attributes: Expression | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`schedule domain event type at time` or `.. repeat timespec`; domain as in Raise."""

    span: Span
    domain: str | None
    event: Expression
    kind: Literal["at", "repeat"]
    timing: Expression
    attributes: Expression | None
    setting: SettingName | None


@dataclass(frozen=True, slots=True)
class Log:
    span: Span
    level: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Error:
    span: Span
    level: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Last:
    span: Span


@dataclass(frozen=True, slots=True)
class OnFinal:
    """The guard `on final`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Guarded:
    """`statement if condition` and `statement on final`."""

    span: Span
    condition: Expression | OnFinal
    statement: Statement


Statement = Declaration | Assign | Clear | Raise | Schedule | Log | Error | Last | Guarded


@dataclass(frozen=True, slots=True)
class Postlude:
    """None where a block is absent. `finally` is `always` under another name."""

    span: Span
    fired: tuple[Statement, ...] | None
    notfired: tuple[Statement, ...] | None
    always: tuple[Statement, ...] | None


@dataclass(frozen=True, slots=True)
class Rule:
    span: Span
    name: str
    name_span: Span
    active: bool
    select: SelectWhen | SelectWhere | None
    foreach: tuple[Foreach, ...]
    prelude: tuple[Declaration, ...]
    block: ActionBlock | None
    postlude: Postlude | None


# ---- the ruleset -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MetaText:
    """`name`, `description`, `author`, `version`: an expression."""

    span: Span
    key: str
    value: Expression


@dataclass(frozen=True, slots=True)
class MetaLogging:
    span: Span
    on: bool


@dataclass(frozen=True, slots=True)
class MetaUse:
    """`use module rid alias name with a = x and b = y`."""

    span: Span
    rid: str
    alias: str | None
    configuration: tuple[Declaration, ...]


@dataclass(frozen=True, slots=True)
class MetaConfigure:
    """`configure using a = x b = y`."""

    span: Span
    declarations: tuple[Declaration, ...]


@dataclass(frozen=True, slots=True)
class MetaNames:
    """`shares a, b` and `provides a, b`."""

    span: Span
    key: Literal["shares", "provides"]
    names: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class MetaUnsupported:
    """A property that parses and that no engine of this generation has: keys, errors, .."""

    span: Span
    key: str


MetaProperty = MetaText | MetaLogging | MetaUse | MetaConfigure | MetaNames | MetaUnsupported


@dataclass(frozen=True, slots=True)
class Meta:
    span: Span
    properties: tuple[MetaProperty, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    span: Span
    rid: str
    rid_span: Span
    version: String | None
    meta: Meta | None
    declarations: tuple[Declaration, ...]
    rules: tuple[Rule, ...]
