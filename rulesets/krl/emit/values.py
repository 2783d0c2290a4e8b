"""Emits IR values and flags. Arithmetic on numbers runs inline; all else calls the library.

A value that is not a number is a NaN when read as a double, so the result alone tells whether an
inline operation may stand: x + y is a NaN if either is no number. An infinity is no number to KRL
either, so the test is that the result is finite: that its bits, but for the sign, are below those
of infinity.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from krl.emit import data as layout_of
from krl.emit import needs, steps
from krl.emit.code import FLAG, VALUE
from krl.emit.constant import encoded
from krl.emit.function import FunctionCode
from krl.emit.machine import machine_data
from krl.lower import ir
from pico_abi.wasm import opcodes

# Three words are declared for each slot (krl/emit/emit.py); a function has at most 1,000 locals.
FRAME_SLOTS_MAX = 128

_FLOAT_OPERATIONS = {
    "add": opcodes.F64_ADD,
    "subtract": opcodes.F64_SUB,
    "multiply": opcodes.F64_MUL,
    "divide": opcodes.F64_DIV,
}
# The order that makes the comparison true, the one that makes it false, and how the library's
# three-way answer is tested where neither holds.
_ORDERS = {
    "<": (opcodes.F64_LT, opcodes.F64_GE, opcodes.I32_LT_S),
    "<=": (opcodes.F64_LE, opcodes.F64_GT, opcodes.I32_LE_S),
    ">": (opcodes.F64_GT, opcodes.F64_LE, opcodes.I32_GT_S),
    ">=": (opcodes.F64_GE, opcodes.F64_LT, opcodes.I32_GE_S),
}
_INFINITY_WITHOUT_SIGN = 0x7FF0_0000_0000_0000 << 1
_NOTHING = ir.Singleton("null")
_LOOKED_INTO_MAX = 6
_SINGLETONS = {
    "undefined": layout_of.UNDEFINED,
    "null": layout_of.NULL,
    "true": layout_of.TRUE,
    "false": layout_of.FALSE,
    "unset": layout_of.UNSET,
}


def value(f: FunctionCode, node: ir.Value) -> None:
    """Leaves the value on the stack, as an i64."""
    code, data = f.code, f.layout.data
    match node:
        case ir.Number(number):
            code.i64(layout_of.number_bits(number))
        case ir.Singleton(name):
            code.i64(_SINGLETONS[name])
        case ir.Text(text):
            code.i64(data.string(text))
        case ir.Pattern(source, flags):
            code.i64(f.layout.pattern(source, flags))
            if "g" in flags:
                code.call(f.layout.guest.function("rt_fresh_regexp"))
        case ir.ReadLocal(local):
            code.get(f.local(local))
        case ir.StaticFunction(function):
            code.i64(f.layout.static_function(function))
        case ir.LibraryValue(export, kind):
            f.layout.needs |= needs.of_value(export)
            code.i32(f.layout.table_index(f.layout.guest.function(export)))
            code.i32(layout_of.FUNCTION_KINDS[kind])
            code.call(f.layout.guest.function("rt_library_function"))
        case ir.Arithmetic():
            _arithmetic(f, node)
        case ir.FlagValue(inner):
            flag(f, inner)
            code.op(opcodes.I64_EXTEND_I32_U)
            code.i64(layout_of.FALSE)
            code.op(opcodes.I64_ADD)
        case ir.Either(test, yes, no):
            flag(f, test)
            with code.block(opcodes.IF, VALUE):
                value(f, yes)
                code.otherwise()
                value(f, no)
        case ir.Lazy():
            _lazy(f, node)
        case ir.Sequence(inner_steps, result):
            steps.emit_steps(f, inner_steps)
            value(f, result)
        case _:
            _memory_value(f, node)


def _memory_value(f: FunctionCode, node: ir.Value) -> None:
    code = f.code
    match node:
        case ir.ReadCell(cell, name):
            _read_cell(f, cell, name)
        case ir.ReadCapture(index):
            code.get(0)
            code.load(opcodes.I64_LOAD, _capture_offset(index))
        case ir.ThisFunction():
            code.get(0)
            code.op(opcodes.I64_EXTEND_I32_U)
            code.i64(layout_of.box(layout_of.TAG_FUNCTION, 0))
            code.op(opcodes.I64_OR)
        case ir.ReadGlobal(index):
            _read_global(f, index)
        case ir.MakeFunction(function, captures):
            _make_function(f, function, captures)
        case ir.NewCell():
            _new_cell(f)
        case ir.Constant(json):
            content = encoded(json)
            code.i32(f.layout.data.add(content))
            code.i32(len(content))
            code.call(f.layout.guest.function("rt_decoded"))
        case _:
            call_value(f, node)


def call_value(f: FunctionCode, node: ir.Value) -> None:
    """The values that come from calling something."""
    code, guest = f.code, f.layout.guest
    match node:
        case ir.Runtime(at, name, arguments):
            f.layout.patterns_seen -= needs.patterns_taken(name, arguments)
            _arguments(f, arguments)
            code.mark(at)
            code.call(guest.function(name))
        case ir.RuntimeInteger(at, name, arguments):
            _arguments(f, arguments)
            code.mark(at)
            code.call(guest.function(name))
            code.op(opcodes.F64_CONVERT_I32_S, opcodes.I64_REINTERPRET_F64)
        case ir.Captured(captures, index):
            value(f, captures)
            code.i32(index)
            code.call(guest.function("rt_capture"))
        case ir.RuntimeList(at, name, leading, items, counts):
            _arguments(f, leading)
            numbers = (len(items),) if counts is None else counts
            _list(f, at, guest.function(name), numbers, items)
        case ir.Library(at, export, arguments):
            f.layout.needs |= needs.of_call(export, arguments)
            f.layout.patterns_seen -= needs.patterns_taken(export, arguments)
            code.i32(0)
            _list(f, at, guest.function(export), (len(arguments),), arguments)
        case ir.Call(at, function, closure, arguments):
            if closure is not None:
                value(f, closure)
                code.op(opcodes.I32_WRAP_I64)
            _arguments(f, arguments)
            code.mark(at)
            code.call(f.layout.function_index(function))
        case _:
            raise AssertionError(node)


def _arguments(f: FunctionCode, arguments: tuple[ir.Value, ...]) -> None:
    for argument in arguments:
        value(f, argument)


def _list(
    f: FunctionCode,
    at: int,
    function: int,
    counts: tuple[int, ...],
    items: tuple[ir.Value, ...],
) -> None:
    """Stores the items in the frame, then passes the counts and their address.

    A list that would make the frame large goes to the arena, so that deep recursion always ends at
    the metered stack and never at the end of the one in memory.
    """
    code = f.code
    if f.slots_used + len(items) > FRAME_SLOTS_MAX:
        _long_list(f, at, function, counts, items)
        return
    with f.frame_slots(len(items)) as offset:
        for index, item in enumerate(items):
            code.get(f.frame)
            value(f, item)
            code.store(opcodes.I64_STORE, offset + index * layout_of.ITEM_BYTES)
        for count in counts:
            code.i32(count)
        if items:
            code.get(f.frame)
            code.i32(offset)
            code.op(opcodes.I32_ADD)
        else:
            code.i32(0)
        code.mark(at)
        code.call(function)


def _long_list(
    f: FunctionCode,
    at: int,
    function: int,
    counts: tuple[int, ...],
    items: tuple[ir.Value, ...],
) -> None:
    code = f.code
    with code.temporary(FLAG) as list_address:
        code.i32(len(items) * layout_of.ITEM_BYTES)
        code.call(f.layout.guest.function("rt_allocate"))
        code.set(list_address)
        for index, item in enumerate(items):
            code.get(list_address)
            value(f, item)
            code.store(opcodes.I64_STORE, index * layout_of.ITEM_BYTES)
        for count in counts:
            code.i32(count)
        code.get(list_address)
        code.mark(at)
        code.call(function)


# ---- closures, cells, globals ----------------------------------------------------------------


def _capture_offset(index: int) -> int:
    return layout_of.CAPTURES_OFFSET + index * layout_of.ITEM_BYTES


def _make_function(f: FunctionCode, function: int, captures: tuple[ir.Value, ...]) -> None:
    code, layout = f.code, f.layout
    code.i32(layout.table_index(layout.entry_index(function)))
    code.i32(layout.shape(function))
    code.i32(len(captures))
    code.call(layout.guest.function("rt_function"))
    with code.temporary(VALUE) as made:
        code.set(made)
        for index, capture in enumerate(captures):
            code.get(made)
            code.op(opcodes.I32_WRAP_I64)
            value(f, capture)
            code.store(opcodes.I64_STORE, _capture_offset(index))
        code.get(made)


def _new_cell(f: FunctionCode) -> None:
    code = f.code
    code.i32(layout_of.CELL_BYTES)
    code.call(f.layout.guest.function("rt_allocate"))
    with code.temporary(FLAG) as cell:
        code.tee(cell)
        code.i64(layout_of.UNSET)
        code.store(opcodes.I64_STORE, 0)
        code.get(cell)
        code.op(opcodes.I64_EXTEND_I32_U)


def _read_cell(f: FunctionCode, cell: ir.Value, name: str) -> None:
    code = f.code
    value(f, cell)
    code.op(opcodes.I32_WRAP_I64)
    code.load(opcodes.I64_LOAD, 0)
    with code.temporary(VALUE) as content:
        code.tee(content)
        code.i64(layout_of.UNSET)
        code.op(opcodes.I64_EQ)
        with code.block(opcodes.IF):
            _throw_unset(f, name)
        code.get(content)


def _throw_unset(f: FunctionCode, name: str) -> None:
    f.code.i64(layout_of.UNSET)
    f.code.i64(f.layout.data.string(name))
    f.code.call(f.layout.guest.function("rt_check_set"))
    f.code.op(opcodes.DROP)


def _read_global(f: FunctionCode, index: int) -> None:
    """The slot, or what computing it gives: unset and busy differ in the lowest bit only."""
    code = f.code
    code.i32(f.layout.slots[index])
    code.load(opcodes.I64_LOAD, 0)
    with code.temporary(VALUE) as content:
        code.tee(content)
        code.i64((1 << 64) - 2)
        code.op(opcodes.I64_AND)
        code.i64(layout_of.UNSET)
        code.op(opcodes.I64_EQ)
        with code.block(opcodes.IF, VALUE):
            code.call(f.layout.function_index(f.layout.program.global_functions[index]))
            code.otherwise()
            code.get(content)


def begin_global(f: FunctionCode, index: int, name: str) -> None:
    """A global that needs itself while it is computed has no value."""
    code, slot = f.code, f.layout.slots[index]
    code.i32(slot)
    code.load(opcodes.I64_LOAD, 0)
    code.i64(layout_of.BUSY)
    code.op(opcodes.I64_EQ)
    with code.block(opcodes.IF):
        _throw_unset(f, name)
    code.i32(slot)
    code.i64(layout_of.BUSY)
    code.store(opcodes.I64_STORE, 0)


# ---- arithmetic ------------------------------------------------------------------------------


class _Operand:
    """An operand that is used more than once: a constant, or a local that holds it."""

    def __init__(self, f: FunctionCode, number: float | None, local: int | None) -> None:
        self.code = f.code
        self.number = number
        self.local = local

    def double(self) -> None:
        if self.number is not None:
            self.code.f64(self.number)
        else:
            assert self.local is not None
            self.code.get(self.local)
            self.code.op(opcodes.F64_REINTERPRET_I64)

    def value(self) -> None:
        if self.number is not None:
            self.code.i64(layout_of.number_bits(self.number))
        else:
            assert self.local is not None
            self.code.get(self.local)


def _arithmetic(f: FunctionCode, node: ir.Arithmetic) -> None:
    """The left spine of a long chain is a loop, so that depth stays that of the source."""
    spine: list[ir.Arithmetic] = []
    left: ir.Value = node
    while isinstance(left, ir.Arithmetic):
        spine.append(left)
        left = left.left
    with _first_operand(f, left, spine[-1].right) as first:
        _operation(f, spine.pop(), first)
    for link in reversed(spine):
        with f.code.temporary(VALUE) as so_far:
            f.code.set(so_far)
            _operation(f, link, _Operand(f, None, so_far))


def _operation(f: FunctionCode, node: ir.Arithmetic, first: _Operand) -> None:
    """One operation, whose left operand is there already."""
    code = f.code
    with _second_operand(f, node.right) as second, code.temporary(VALUE) as result:
        first.double()
        second.double()
        code.op(_FLOAT_OPERATIONS[node.operator], opcodes.I64_REINTERPRET_F64)
        code.tee(result)
        code.i64(1)
        code.op(opcodes.I64_SHL)
        code.i64(_INFINITY_WITHOUT_SIGN)
        code.op(opcodes.I64_LT_U)
        if node.operator == "divide" and not second.number:
            second.double()
            code.f64(0.0)
            code.op(opcodes.F64_NE, opcodes.I32_AND)
        with code.block(opcodes.IF, VALUE):
            code.get(result)
            code.otherwise()
            first.value()
            second.value()
            code.mark(node.at)
            code.call(f.layout.guest.function(f"rt_{node.operator}"))


@contextmanager
def _first_operand(f: FunctionCode, node: ir.Value, behind: ir.Value) -> Iterator[_Operand]:
    """A variable is read where it is, unless what is computed behind it could set it."""
    if isinstance(node, ir.ReadLocal) and _sets_nothing(behind, _LOOKED_INTO_MAX):
        yield _Operand(f, None, f.local(node.local))
        return
    value(f, node)
    with f.code.temporary(VALUE) as local:
        f.code.set(local)
        yield _Operand(f, None, local)


@contextmanager
def _second_operand(f: FunctionCode, node: ir.Value) -> Iterator[_Operand]:
    if isinstance(node, ir.Number):
        yield _Operand(f, node.value, None)
        return
    with _first_operand(f, node, _NOTHING) as operand:
        yield operand


def _sets_nothing(node: ir.Value, depth: int) -> bool:
    """Whether a value is computed without steps, as far as it is looked into."""
    match node:
        case ir.Number() | ir.Text() | ir.Singleton() | ir.ReadLocal() | ir.ReadCapture():
            return True
        case ir.Arithmetic(_, _, left, right):
            parts: tuple[ir.Value, ...] = (left, right)
        case ir.Call(_, _, None, arguments) | ir.Runtime(_, _, arguments):
            parts = arguments
        case ir.Library(_, _, arguments):
            parts = arguments
        case _:
            return False
    return depth > 0 and all(_sets_nothing(part, depth - 1) for part in parts)


def _lazy(f: FunctionCode, node: ir.Lazy) -> None:
    code = f.code
    value(f, node.left)
    with code.temporary(VALUE) as left:
        code.tee(left)
        _truthy(f)
        with code.block(opcodes.IF, VALUE):
            if node.operator == "||":
                code.get(left)
                code.otherwise()
                value(f, node.right)
            else:
                value(f, node.right)
                code.otherwise()
                code.get(left)


# ---- flags -----------------------------------------------------------------------------------


def flag(f: FunctionCode, node: ir.Flag) -> None:
    """Leaves 0 or 1 on the stack, as an i32."""
    code = f.code
    match node:
        case ir.FlagConstant(constant):
            code.i32(int(constant))
        case ir.ReadFlag(local):
            code.get(f.local(local))
        case ir.Truthy(inner):
            value(f, inner)
            _truthy(f)
        case ir.Same(left, right):
            value(f, left)
            value(f, right)
            code.op(opcodes.I64_EQ)
        case ir.Not(inner_flag):
            flag(f, inner_flag)
            code.op(opcodes.I32_EQZ)
        case ir.Both(left_flag, right_flag):
            flag(f, left_flag)
            with code.block(opcodes.IF, FLAG):
                flag(f, right_flag)
                code.otherwise()
                code.i32(0)
        case ir.RuntimeFlag(at, name, arguments):
            f.layout.needs |= needs.of_call(name, arguments)
            f.layout.patterns_seen -= needs.patterns_taken(name, arguments)
            _arguments(f, arguments)
            code.mark(at)
            code.call(f.layout.guest.function(name))
        case ir.SelectStep(at, machine, within):
            code.i32(machine_data(f.layout, machine))
            value(f, within)
            code.mark(at)
            code.call(f.layout.guest.function("rt_select_step"))
        case ir.Equal():
            _equal(f, node)
        case ir.Order():
            _order(f, node)


def _truthy(f: FunctionCode) -> None:
    """Tests the value on the stack; true and false themselves need no call."""
    code = f.code
    with code.temporary(VALUE) as tested:
        code.tee(tested)
        code.i64(layout_of.TRUE)
        code.op(opcodes.I64_EQ)
        with code.block(opcodes.IF, FLAG):
            code.i32(1)
            code.otherwise()
            code.get(tested)
            code.i64(layout_of.FALSE)
            code.op(opcodes.I64_EQ)
            with code.block(opcodes.IF, FLAG):
                code.i32(0)
                code.otherwise()
                code.get(tested)
                code.call(f.layout.guest.function("rt_truthy"))


def _equal(f: FunctionCode, node: ir.Equal) -> None:
    """The same bits are equal (a NaN is canonical, and null equals null); two numbers that differ
    in their bits are equal only as 0 and -0. What is no number equals none."""
    code = f.code
    for number, other in ((node.right, node.left), (node.left, node.right)):
        if isinstance(number, ir.Number):
            value(f, other)
            code.op(opcodes.F64_REINTERPRET_I64)
            code.f64(number.value)
            code.op(opcodes.F64_EQ)
            return
    with (
        _first_operand(f, node.left, node.right) as first,
        _second_operand(f, node.right) as second,
    ):
        first.value()
        second.value()
        code.op(opcodes.I64_EQ)
        with code.block(opcodes.IF, FLAG):
            code.i32(1)
            code.otherwise()
            _are_numbers(f, first, second)
            with code.block(opcodes.IF, FLAG):
                first.double()
                second.double()
                code.op(opcodes.F64_EQ)
                code.otherwise()
                first.value()
                second.value()
                code.mark(node.at)
                code.call(f.layout.guest.function("rt_equal"))


def _are_numbers(f: FunctionCode, first: _Operand, second: _Operand) -> None:
    """Whether both are numbers and no NaN."""
    for operand in (first, second):
        operand.double()
        operand.double()
        f.code.op(opcodes.F64_EQ)
    f.code.op(opcodes.I32_AND)


def _order(f: FunctionCode, node: ir.Order) -> None:
    code = f.code
    holds, fails, test = _ORDERS[node.operator]
    with (
        _first_operand(f, node.left, node.right) as first,
        _second_operand(f, node.right) as second,
    ):
        first.double()
        second.double()
        code.op(holds)
        with code.block(opcodes.IF, FLAG):
            code.i32(1)
            code.otherwise()
            first.double()
            second.double()
            code.op(fails)
            with code.block(opcodes.IF, FLAG):
                code.i32(0)
                code.otherwise()
                first.value()
                second.value()
                code.mark(node.at)
                code.call(f.layout.guest.function("rt_order"))
                code.i32(0)
                code.op(test)
