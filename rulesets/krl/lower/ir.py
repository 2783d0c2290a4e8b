"""The intermediate language: a ruleset as functions of simple, typed steps.

Everything KRL leaves implicit is explicit here: captures and cells, which call goes where, when a
global is computed, what an action block does, how a foreach steps. There are two types: a value
(64 bits, any KRL value) and a flag (a WebAssembly i32, 0 or 1). Runtime functions are named as the
guest library exports them (guest/include/krl.h).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ArithmeticOperator = Literal["add", "subtract", "multiply", "divide"]
OrderOperator = Literal["<", "<=", ">", ">="]
SingletonName = Literal["undefined", "null", "true", "false", "unset"]
FunctionKind = Literal["function", "action", "rule", "global"]

# ---- values ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Singleton:
    name: SingletonName


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Pattern:
    source: str
    flags: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A collection that never changes, as JSON."""

    json: str


@dataclass(frozen=True, slots=True)
class ReadLocal:
    local: int


@dataclass(frozen=True, slots=True)
class ReadCell:
    """The content of a cell whose address a local or a capture holds; throws while unset."""

    cell: Value
    name: str


@dataclass(frozen=True, slots=True)
class ReadCapture:
    index: int


@dataclass(frozen=True, slots=True)
class ThisFunction:
    """The closure that is running."""


@dataclass(frozen=True, slots=True)
class StaticFunction:
    function: int


@dataclass(frozen=True, slots=True)
class LibraryValue:
    """A library function as a value."""

    export: str
    kind: Literal["function", "action", "both"]


@dataclass(frozen=True, slots=True)
class ReadGlobal:
    index: int


@dataclass(frozen=True, slots=True)
class MakeFunction:
    function: int
    captures: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class NewCell:
    """A new cell, unset."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    at: int
    operator: ArithmeticOperator
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class FlagValue:
    """A flag as the KRL value true or false."""

    flag: Flag


@dataclass(frozen=True, slots=True)
class Either:
    test: Flag
    yes: Value
    no: Value


@dataclass(frozen=True, slots=True)
class Lazy:
    """`left || right` and `left && right`: an operand, the right one only if it decides."""

    operator: Literal["||", "&&"]
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime function that takes values one by one and gives a value."""

    at: int
    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class RuntimeInteger:
    """A runtime function giving a small signed integer, as a KRL number."""

    at: int
    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class RuntimeList:
    """A runtime function that takes `leading` one by one, then a count and an array of items.

    `counts` are the numbers passed before the array; by default one, the number of items.
    """

    at: int
    name: str
    leading: tuple[Value, ...]
    items: tuple[Value, ...]
    counts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """What group `index` (from 0) of a select's attribute matches captured."""

    captures: Value
    index: int


@dataclass(frozen=True, slots=True)
class Library:
    """A call of a library function by its export."""

    at: int
    export: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A direct call; `closure` is None for a static function. One argument per parameter."""

    at: int
    function: int
    closure: Value | None
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Runs steps, then gives a value."""

    steps: tuple[Step, ...]
    value: Value


Value = (
    Number
    | Singleton
    | Text
    | Pattern
    | Constant
    | ReadLocal
    | ReadCell
    | ReadCapture
    | ThisFunction
    | StaticFunction
    | LibraryValue
    | ReadGlobal
    | MakeFunction
    | NewCell
    | Arithmetic
    | FlagValue
    | Either
    | Lazy
    | Runtime
    | RuntimeInteger
    | RuntimeList
    | Captured
    | Library
    | Call
    | Sequence
)

# ---- flags -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truthy:
    value: Value


@dataclass(frozen=True, slots=True)
class Same:
    """Whether two values are the same 64 bits."""

    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Equal:
    at: int
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Order:
    at: int
    operator: OrderOperator
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Not:
    flag: Flag


@dataclass(frozen=True, slots=True)
class Both:
    left: Flag
    right: Flag


@dataclass(frozen=True, slots=True)
class RuntimeFlag:
    at: int
    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FlagConstant:
    value: bool


@dataclass(frozen=True, slots=True)
class ReadFlag:
    """A flag that a local keeps."""

    local: int


@dataclass(frozen=True, slots=True)
class Base:
    """A base event. `matcher` is a function giving its captures, or null if it does not match."""

    domain: str
    name: str
    matcher: int | None
    settings: tuple[str, ...]
    aggregate: str | None
    aggregated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """Taken for an event that is one of `bases`; negated, for one that is not all of them."""

    source: int
    target: int
    negated: bool
    bases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """The state machine of an event expression: state 0 is its start, 1 its end."""

    rule: str
    state_count: int
    bases: tuple[Base, ...]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class SelectStep:
    """One step of a rule's machine; whether it selects the rule. `within` is in milliseconds."""

    at: int
    machine: Machine
    within: Value


Flag = (
    Truthy | Same | Equal | Order | Not | Both | RuntimeFlag | FlagConstant | ReadFlag | SelectStep
)

# ---- steps -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetLocal:
    local: int
    value: Value


@dataclass(frozen=True, slots=True)
class SetFlag:
    local: int
    flag: Flag


@dataclass(frozen=True, slots=True)
class SetCell:
    cell: Value
    value: Value


@dataclass(frozen=True, slots=True)
class Do:
    """Computes a value for what it does."""

    value: Value


@dataclass(frozen=True, slots=True)
class DoRuntime:
    """A runtime function without a result."""

    at: int
    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class RuleEnd:
    """Tells the runtime that a rule's run is over, and whether it fired."""

    fired: Flag


@dataclass(frozen=True, slots=True)
class If:
    test: Flag
    yes: tuple[Step, ...]
    no: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """`sample`: runs one of the branches, chosen at random."""

    at: int
    branches: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True)
class ForEach:
    """Runs the body for each item; `last` is a flag local that is true in the last round."""

    at: int
    collection: Value
    value: int
    key: int | None
    last: int
    body: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Return:
    value: Value


@dataclass(frozen=True, slots=True)
class ReturnFlag:
    """Ends a rule; true says that no later rule of this ruleset sees the event."""

    flag: Flag


@dataclass(frozen=True, slots=True)
class Restart:
    """A call of the running function in tail position: new parameters, same frame."""

    at: int
    arguments: tuple[Value, ...]


Step = (
    SetLocal
    | SetFlag
    | SetCell
    | Do
    | DoRuntime
    | RuleEnd
    | If
    | Pick
    | ForEach
    | Return
    | ReturnFlag
    | Restart
)

# ---- the program -----------------------------------------------------------------------------


@dataclass(slots=True)
class Function:
    """`parameters` of the first `len(parameters)` locals are values; `flags` are flag locals.

    Kind "rule" gives a flag and takes nothing; "global" computes a global's first value.
    `has_closure` says that it reads captures, so calls pass the closure along; `as_value` that it
    is called through a value somewhere, `called` that it is by its name.
    """

    name: str
    kind: FunctionKind
    parameters: tuple[str, ...] = ()
    local_names: list[str] = field(default_factory=list)
    flags: set[int] = field(default_factory=set)
    has_closure: bool = False
    as_value: bool = False
    called: bool = False
    restarts: bool = False
    body: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """`events` are domain and type pairs; None lets the rule see every event."""

    name: str
    function: int
    events: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    value: Value


@dataclass(slots=True)
class Program:
    """Globals are numbered; `global_functions[i]` computes global i when it is first read."""

    rid: str
    functions: list[Function] = field(default_factory=list)
    global_names: list[str] = field(default_factory=list)
    global_functions: list[int] = field(default_factory=list)
    rules: tuple[RuleEntry, ...] = ()
    shares: tuple[Share, ...] = ()
    provides: tuple[Share, ...] = ()
    manifest: bytes = b""
