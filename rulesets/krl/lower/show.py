"""The intermediate language as text, for `picomesh compile --emit ir` and for golden tests.

One step on a line, values as nested parentheses. Every node prints as its name and its parts, so
a new kind of node needs nothing here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from krl.lower import ir

_HIDDEN = {"at"}


def show(program: ir.Program) -> str:
    """The whole program."""
    lines = [f"ruleset {program.rid}"]
    for number, name in enumerate(program.global_names):
        lines.append(f"global {number} {name} = function {program.global_functions[number]}")
    for number, function in enumerate(program.functions):
        lines += ["", *_function(program, number, function)]
    lines += ["", *(_rule(rule) for rule in program.rules)]
    for word, exposed in (("shares", program.shares), ("provides", program.provides)):
        lines += [f"{word} {share.name} = {_show(share.value, [])}" for share in exposed]
    return "\n".join(lines).rstrip() + "\n"


def _rule(rule: ir.RuleEntry) -> str:
    events = "*" if rule.events is None else " ".join(":".join(pair) for pair in rule.events)
    return f"rule {rule.name} = function {rule.function} on {events}"


def _function(program: ir.Program, number: int, function: ir.Function) -> list[str]:
    parameters = ", ".join(function.parameters)
    closure = " with closure" if function.has_closure else ""
    names = [f"{name}.{index}" for index, name in enumerate(function.local_names)]
    head = f"function {number} {function.kind} {function.name}({parameters}){closure}"
    return [head, *_steps(function.body, names, 1)]


def _steps(steps: tuple[ir.Step, ...], names: list[str], depth: int) -> list[str]:
    indent = "    " * depth
    lines: list[str] = []
    for step in steps:
        match step:
            case ir.If(test, yes, no):
                lines.append(f"{indent}if {_show(test, names)}")
                lines += _steps(yes, names, depth + 1)
                if no:
                    lines.append(f"{indent}else")
                    lines += _steps(no, names, depth + 1)
            case ir.Pick(branches=branches):
                lines.append(f"{indent}pick")
                for branch in branches:
                    lines += [f"{indent}  one of", *_steps(branch, names, depth + 1)]
            case ir.ForEach():
                targets = [names[step.value]] + ([] if step.key is None else [names[step.key]])
                collection = _show(step.collection, names)
                lines.append(f"{indent}for each {', '.join(targets)} in {collection}")
                lines += _steps(step.body, names, depth + 1)
            case ir.SetLocal(local, value):
                lines.append(f"{indent}{names[local]} = {_show(value, names)}")
            case ir.SetFlag(local, flag):
                lines.append(f"{indent}{names[local]} = {_show(flag, names)}")
            case _:
                lines.append(indent + _show(step, names))
    return lines


def _show(node: Any, names: list[str]) -> str:
    match node:
        case ir.ReadLocal(local) | ir.ReadFlag(local):
            return names[local]
        case ir.Number(value):
            return f"{value:.17g}"
        case ir.Singleton(name):
            return name
        case ir.Text(value):
            return f'"{value}"'
        case ir.Sequence(steps, value):
            inside = "; ".join(line.strip() for line in _steps(steps, names, 0))
            return f"(sequence {inside}; {_show(value, names)})"
        case tuple():
            return "[" + " ".join(_show(item, names) for item in node) + "]"
        case str() | int() | float() | None:
            return str(node)
    parts = [
        _show(getattr(node, item.name), names)
        for item in fields(node)
        if item.name not in _HIDDEN and getattr(node, item.name) is not None
    ]
    return "(" + " ".join([_words(type(node).__name__), *parts]) + ")"


def _words(name: str) -> str:
    """`RuntimeList` as `runtime-list`."""
    spelled = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return spelled.lstrip("-")
