"""Trees and tokens as text, for golden tests and for people who look into the compiler.

A node is `(Class field field ..)` in the order of its fields without the spans; what does not fit
one line is laid out with one field a line.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass

from krl.syntax.lexer import Tokens

_COLUMNS_MAX = 88
_BARE = re.compile(r"[A-Za-z_$][\w$.:-]*")
_SPANS = ("span", "name_span", "rid_span")


def print_tree(node: object) -> str:
    """The tree under `node`, without a newline last."""
    return _print(node, 0)


def _print(node: object, indent: int) -> str:
    flat = _print_flat(node)
    if len(flat) + indent <= _COLUMNS_MAX:
        return flat
    if isinstance(node, tuple):
        opening, closing, parts = "[", "]", list(node)
    elif is_dataclass(node):
        opening, closing, parts = f"({type(node).__name__}", ")", _field_values(node)
    else:
        return flat
    lead = " " * (indent + 2)
    # Short leading fields stay with the class's name.
    while parts and opening != "[" and not isinstance(parts[0], tuple):
        if is_dataclass(parts[0]):
            break
        opening += " " + _print_flat(parts.pop(0))
    return opening + "".join(f"\n{lead}{_print(part, indent + 2)}" for part in parts) + closing


def _print_flat(node: object) -> str:
    match node:
        case None:
            return "-"
        case bool():
            return "true" if node else "false"
        case str():
            return node if _BARE.fullmatch(node) else json.dumps(node, ensure_ascii=False)
        case float():
            return str(int(node)) if node.is_integer() and abs(node) < 1e15 else repr(node)
        case tuple():
            return "[" + " ".join(_print_flat(item) for item in node) + "]"
        case _ if is_dataclass(node):
            parts = [type(node).__name__, *(_print_flat(part) for part in _field_values(node))]
            return "(" + " ".join(parts) + ")"
        case _:
            return str(node)


def _field_values(node: object) -> list[object]:
    assert is_dataclass(node)
    return [getattr(node, field.name) for field in fields(node) if field.name not in _SPANS]


def print_tokens(tokens: Tokens) -> str:
    """One token a line: its range, its kind, and its text where the kind does not say it."""
    lines: list[str] = []
    for kind, text, start, end in zip(
        tokens.kinds, tokens.texts, tokens.starts, tokens.ends, strict=True
    ):
        lines.append(f"{start}..{end} {kind}" + (f" {json.dumps(text)}" if text != kind else ""))
        if kind == "end":
            break
    return "\n".join(lines)
