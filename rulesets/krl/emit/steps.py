"""Emits IR steps: assignments, branches, loops, and the ways out of a function."""

from __future__ import annotations

from krl.emit import data as layout_of
from krl.emit import values
from krl.emit.code import FLAG, VALUE
from krl.emit.function import FunctionCode
from krl.lower import ir
from pico_abi.wasm import opcodes


def emit_steps(f: FunctionCode, steps: tuple[ir.Step, ...]) -> None:
    for step in steps:
        _step(f, step)


def _step(f: FunctionCode, step: ir.Step) -> None:
    code = f.code
    match step:
        case ir.SetLocal(local, value):
            values.value(f, value)
            code.set(f.local(local))
        case ir.SetFlag(local, flag):
            values.flag(f, flag)
            code.set(f.local(local))
        case ir.SetCell(cell, value):
            values.value(f, cell)
            code.op(opcodes.I32_WRAP_I64)
            values.value(f, value)
            code.store(opcodes.I64_STORE, 0)
        case ir.Do(value):
            values.value(f, value)
            code.op(opcodes.DROP)
        case ir.DoRuntime(at, name, arguments):
            for argument in arguments:
                values.value(f, argument)
            code.mark(at)
            code.call(f.layout.guest.function(name))
        case ir.RuleEnd(fired):
            values.flag(f, fired)
            code.call(f.layout.guest.function("rt_rule_end"))
        case ir.If():
            _if(f, step)
        case ir.Pick():
            _pick(f, step)
        case ir.ForEach():
            _for_each(f, step)
        case _:
            _leave(f, step)


def _leave(f: FunctionCode, step: ir.Step) -> None:
    code = f.code
    match step:
        case ir.Return(value):
            values.value(f, value)
            code.branch(f.end_depth)
        case ir.ReturnFlag(flag):
            values.flag(f, flag)
            code.branch(f.end_depth)
        case ir.Restart(at, arguments):
            for argument in arguments:
                values.value(f, argument)
            for parameter in reversed(range(len(arguments))):
                code.set(f.local(parameter))
            code.mark(at)
            code.branch(f.restart_depth)
        case _:
            raise AssertionError(step)


def _if(f: FunctionCode, step: ir.If) -> None:
    values.flag(f, step.test)
    with f.code.block(opcodes.IF):
        emit_steps(f, step.yes)
        if step.no:
            f.code.otherwise()
            emit_steps(f, step.no)


def _pick(f: FunctionCode, step: ir.Pick) -> None:
    code = f.code
    with code.temporary(FLAG) as picked:
        code.i32(len(step.branches))
        code.mark(step.at)
        code.call(f.layout.guest.function("rt_sample"))
        code.set(picked)
        for index, branch in enumerate(step.branches):
            code.get(picked)
            code.i32(index)
            code.op(opcodes.I32_EQ)
            with code.block(opcodes.IF):
                emit_steps(f, branch)


def _for_each(f: FunctionCode, step: ir.ForEach) -> None:
    """Walks two arrays the library makes of any collection: its values and its keys."""
    code, guest = f.code, f.layout.guest
    with (
        code.temporary(VALUE) as collection,
        code.temporary(FLAG) as items,
        code.temporary(FLAG) as keys,
        code.temporary(FLAG) as index,
    ):
        values.value(f, step.collection)
        code.set(collection)
        code.mark(step.at)
        for name, local in (("rt_each_values", items), ("rt_each_keys", keys)):
            if local is items or step.key is not None:
                code.get(collection)
                code.call(guest.function(name))
                code.op(opcodes.I32_WRAP_I64)
                code.set(local)
        code.i32(0)
        code.set(index)
        with code.block() as done, code.block(opcodes.LOOP) as again:
            _round(f, step, items, keys, index, done)
            emit_steps(f, step.body)
            code.get(index)
            code.i32(1)
            code.op(opcodes.I32_ADD)
            code.set(index)
            code.branch(again)


def _round(f: FunctionCode, step: ir.ForEach, items: int, keys: int, index: int, done: int) -> None:
    """Leaves the loop at its end; else sets the item, the key and whether it is the last."""
    code = f.code
    code.get(index)
    code.get(items)
    code.load(opcodes.I32_LOAD, 0)
    code.op(opcodes.I32_GE_U)
    code.branch_if(done)
    code.get(index)
    code.i32(1)
    code.op(opcodes.I32_ADD)
    code.get(items)
    code.load(opcodes.I32_LOAD, 0)
    code.op(opcodes.I32_EQ)
    code.set(f.local(step.last))
    _item(f, items, index, step.value)
    if step.key is not None:
        _item(f, keys, index, step.key)


def _item(f: FunctionCode, array: int, index: int, target: int) -> None:
    code = f.code
    code.get(array)
    code.get(index)
    code.i32(3)
    code.op(opcodes.I32_SHL, opcodes.I32_ADD)
    code.load(opcodes.I64_LOAD, layout_of.ARRAY_ITEMS_OFFSET)
    code.set(f.local(target))
