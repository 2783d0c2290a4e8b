"""A module as data: what the codec reads and writes, the compiler emits and the linker extends.

Everything is a frozen dataclass of tuples and bytes, changed with `dataclasses.replace`. Function
bodies and constant expressions stay bytes (with their final `end`), so a linker copies them
verbatim. `offset` says where a piece began in the bytes it was read from; it never takes part in
comparison and is 0 for pieces made in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

I32 = 0x7F
I64 = 0x7E
F32 = 0x7D
F64 = 0x7C
FUNCREF = 0x70
VALUE_TYPES = (I32, I64, F32, F64)
TYPE_NAMES = {I32: "i32", I64: "i64", F32: "f32", F64: "f64", FUNCREF: "funcref"}

KIND_FUNCTION = 0
KIND_TABLE = 1
KIND_MEMORY = 2
KIND_GLOBAL = 3
KIND_NAMES = ("function", "table", "memory", "global")

MAGIC = b"\0asm\1\0\0\0"

CUSTOM, TYPES, IMPORTS, FUNCTIONS, TABLES, MEMORIES, GLOBALS = range(7)
EXPORTS, START, ELEMENTS, CODE, DATA, DATA_COUNT = range(7, 13)
# The order in a file. The data count was added later and stands before the code it informs.
SECTION_ORDER = (
    TYPES,
    IMPORTS,
    FUNCTIONS,
    TABLES,
    MEMORIES,
    GLOBALS,
    EXPORTS,
    START,
    ELEMENTS,
    DATA_COUNT,
    CODE,
    DATA,
)
SECTION_RANK = {section: rank for rank, section in enumerate(SECTION_ORDER, 1)}


@dataclass(frozen=True, slots=True)
class FunctionType:
    params: tuple[int, ...]
    results: tuple[int, ...]
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    minimum: int
    maximum: int | None
    element_type: int = FUNCREF
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Memory:
    """Sizes in pages of 64 KiB."""

    minimum: int
    maximum: int | None
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class GlobalType:
    value_type: int
    mutable: bool


@dataclass(frozen=True, slots=True)
class Import:
    """`description` is a type index for a function, else the imported thing's own type."""

    module: str
    name: str
    description: int | Table | Memory | GlobalType
    offset: int = field(default=0, compare=False, repr=False)

    @property
    def kind(self) -> int:
        match self.description:
            case int():
                return KIND_FUNCTION
            case Table():
                return KIND_TABLE
            case Memory():
                return KIND_MEMORY
            case GlobalType():
                return KIND_GLOBAL


@dataclass(frozen=True, slots=True)
class Global:
    value_type: int
    mutable: bool
    init: bytes
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Export:
    name: str
    kind: int
    index: int
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ElementSegment:
    """Active, table 0: the constant expression of its first slot, and function indices."""

    start: bytes
    function_indices: tuple[int, ...]
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Function:
    """`body` is the expression with its final `end`; `offset` is where the body begins."""

    type_index: int
    locals: tuple[tuple[int, int], ...]
    body: bytes
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DataSegment:
    """Active, memory 0: the constant expression of its first address, and its bytes."""

    start: bytes
    payload: bytes
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CustomSection:
    """`after` is the id of the last known section in front of it, 0 when there is none."""

    name: str
    payload: bytes
    after: int = DATA
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Module:
    types: tuple[FunctionType, ...] = ()
    imports: tuple[Import, ...] = ()
    functions: tuple[Function, ...] = ()
    tables: tuple[Table, ...] = ()
    memories: tuple[Memory, ...] = ()
    globals: tuple[Global, ...] = ()
    exports: tuple[Export, ...] = ()
    start: int | None = None
    elements: tuple[ElementSegment, ...] = ()
    data: tuple[DataSegment, ...] = ()
    data_count: int | None = None
    customs: tuple[CustomSection, ...] = ()
    # Ids of the sections that were present though empty: written again, so that bytes return.
    empty_sections: tuple[int, ...] = ()

    def custom(self, name: str) -> bytes | None:
        """The payload of the first custom section of that name."""
        for section in self.customs:
            if section.name == name:
                return section.payload
        return None

    def imported_functions(self) -> tuple[Import, ...]:
        return tuple(item for item in self.imports if item.kind == KIND_FUNCTION)
