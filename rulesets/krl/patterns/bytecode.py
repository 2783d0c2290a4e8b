"""The tree of a pattern as code for the matcher, byte for byte as QuickJS's compiler writes it.

Jumps are relative to the instruction behind them, so the code of a node can stand anywhere and is
put together from the code of its parts. Only the registers that count repetitions are given out at
the end, in the order of the code: a loop inside another needs one of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from krl.patterns.ranges import INFINITE, Ranges
from krl.patterns.syntax import (
    UNLIMITED,
    BackReference,
    Choice,
    Group,
    LookAhead,
    Node,
    OneOf,
    Pattern,
    Repeat,
    Sequence,
    Simple,
    Unit,
    Unsupported,
)

# In the order of their codes; some are only there for what is not supported here.
_SIZES = {
    **{"invalid": 1, "char": 3, "char_i": 3, "char32": 5, "char32_i": 5, "dot": 1, "any": 1},
    **{"space": 1, "not_space": 1, "line_start": 1, "line_start_m": 1, "line_end": 1},
    **{"line_end_m": 1, "goto": 5, "split_goto_first": 5, "split_next_first": 5, "match": 1},
    **{"lookahead_match": 1, "negative_lookahead_match": 1, "save_start": 2, "save_end": 2},
    **{"save_reset": 3, "loop": 6, "loop_split_goto_first": 10, "loop_split_next_first": 10},
    **{"loop_check_adv_split_goto_first": 10, "loop_check_adv_split_next_first": 10},
    **{"set_i32": 6, "word_boundary": 1, "word_boundary_i": 1, "not_word_boundary": 1},
    **{"not_word_boundary_i": 1, "back_reference": 2, "back_reference_i": 2},
    **{"backward_back_reference": 2, "backward_back_reference_i": 2, "range": 3, "range_i": 3},
    **{"range32": 3, "range32_i": 3, "lookahead": 5, "negative_lookahead": 5},
    **{"set_char_pos": 2, "check_advance": 2, "prev": 1},
}
_NAMES = tuple(_SIZES)
_CODES = {name: code for code, name in enumerate(_NAMES)}

_FLAG_IGNORE_CASE, _FLAG_STICKY = 0x02, 0x20
_REGISTERS_MAX = 255
_RANGES_MAX = 65_534
_LAST_UNIT = 0xFFFF  # which the matcher takes for everything above, too

_ADVANCING = ("char", "char_i", "char32", "range", "range_i", "dot", "space", "not_space")
_INDIFFERENT = (
    *("line_start", "line_end", "set_i32", "set_char_pos", "word_boundary", "not_word_boundary"),
    *("save_start", "save_end", "save_reset"),
)


def encode(pattern: Pattern, ignore_case: bool) -> bytes:
    """The code with its head. Raises Unsupported if it needs too much of anything."""
    body = _Encoder(ignore_case).node(pattern.body)
    code = bytearray(_op("save_start", 0) + body + _op("save_end", 0) + _op("match"))
    registers = _give_out_registers(code)
    flags = _FLAG_STICKY | (_FLAG_IGNORE_CASE if ignore_case else 0)
    return struct.pack("<HBBI", flags, pattern.group_count + 1, registers, len(code)) + code


def _op(name: str, *operands: int) -> bytes:
    """An instruction with operands of one byte."""
    return bytes((_CODES[name], *operands))


def _op_far(name: str, *operands: int) -> bytes:
    """An instruction whose last operands have four bytes: a count, a distance."""
    return bytes((_CODES[name],)) + struct.pack(f"<{len(operands)}i", *operands)


def _loop(name: str, *operands: int) -> bytes:
    """One with a register in front, which is not known yet."""
    return bytes((_CODES[name], 0)) + struct.pack(f"<{len(operands)}i", *operands)


class _Encoder:
    def __init__(self, ignore_case: bool) -> None:
        self.suffix = "_i" if ignore_case else ""

    def node(self, node: Node) -> bytes:
        match node:
            case Unit(unit):
                return _op(f"char{self.suffix}") + struct.pack("<H", unit)
            case Simple(name):
                return _op(name)
            case OneOf(ranges):
                return self.one_of(ranges)
            case Group(index, body):
                return _op("save_start", index) + self.node(body) + _op("save_end", index)
            case LookAhead(negative, body):
                name = "negative_lookahead" if negative else "lookahead"
                inside = self.node(body) + _op(f"{name}_match")
                return _op_far(name, len(inside)) + inside
            case BackReference(group):
                return _op(f"back_reference{self.suffix}", 1, group)
            case Sequence(items):
                return b"".join(map(self.node, items))
            case Choice(alternatives):
                return self.choice(alternatives)
            case Repeat():
                return self.repeat(node)

    def one_of(self, ranges: Ranges) -> bytes:
        if not ranges:
            return _op_far("char32", -1)
        if len(ranges) > _RANGES_MAX:
            raise Unsupported
        code = _op(f"range{self.suffix}") + struct.pack("<H", len(ranges))
        for start, end in ranges:
            code += struct.pack("<HH", start, _LAST_UNIT if end == INFINITE else end - 1)
        return code

    def choice(self, alternatives: tuple[Node, ...]) -> bytes:
        code = self.node(alternatives[0])
        for alternative in alternatives[1:]:
            other = self.node(alternative)
            code = _op_far("split_next_first", len(code) + 5) + code
            code += _op_far("goto", len(other)) + other
        return code

    def repeat(self, node: Repeat) -> bytes:
        atom = self.node(node.atom)
        must_advance, must_reset = _examine(atom)
        first, behind = node.groups
        reset = _op("save_reset", first, behind - 1) if behind > first else b""
        if must_reset:
            atom = reset + atom
        if node.minimum > 0:
            return _at_least_once(atom, node, must_advance)
        before = b"" if must_reset else reset
        return before + _perhaps(atom, node, must_advance)


def _at_least_once(atom: bytes, node: Repeat, must_advance: bool) -> bytes:
    """A loop that runs its body before it counts."""
    first = "goto_first" if node.greedy else "next_first"
    if node.minimum == 1 and node.maximum == UNLIMITED and not must_advance:
        return atom + _op_far(f"split_{first}", -(len(atom) + 5))
    count = _loop("set_i32", node.maximum)
    if node.minimum == node.maximum:
        return count + atom + _loop("loop", -(len(atom) + 6))
    more = node.maximum - node.minimum
    return count + _counted(atom, first, more, must_advance)


def _perhaps(atom: bytes, node: Repeat, must_advance: bool) -> bytes:
    """A body that may be passed by."""
    split = "split_next_first" if node.greedy else "split_goto_first"
    if node.maximum == 0:
        return b""
    if node.maximum in (1, UNLIMITED):
        mark, check = _op("set_char_pos", 0), _op("check_advance", 0)
        body = mark + atom + check if must_advance else atom
        if node.maximum == 1:
            return _op_far(split, len(body)) + body
        again = len(body) + 10
        return _op_far(split, len(body) + 5) + body + _op_far("goto", -again)
    first = "goto_first" if node.greedy else "next_first"
    counted = _counted(atom, first, node.maximum, must_advance)
    body = _loop("set_i32", node.maximum) + counted
    return _op_far(split, len(body)) + body


def _counted(atom: bytes, first: str, more: int, must_advance: bool) -> bytes:
    """A body and the instruction that decides whether it runs again."""
    body = _op("set_char_pos", 0) + atom if must_advance else atom
    name = f"loop_check_adv_split_{first}" if must_advance else f"loop_split_{first}"
    return body + _loop(name, more, -(len(body) + 10))


def _instructions(code: bytes | bytearray) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(code):
        name = _NAMES[code[at]]
        yield at, name
        if name.startswith("range"):
            at += 4 * (code[at + 1] | code[at + 2] << 8)
        elif name.startswith("back_reference"):
            at += code[at + 1]
        at += _SIZES[name]


def _examine(atom: bytes) -> tuple[bool, bool]:
    """Whether a round of a loop must be checked to have moved on, and its groups to be unset
    before it: as far as the matcher's compiler looks, which is up to the first jump."""
    must_advance, must_reset = True, False
    for _, name in _instructions(atom):
        if name in _ADVANCING:
            must_advance = False
        elif name.startswith("back_reference"):
            must_reset = True
        elif name not in _INDIFFERENT:
            return must_advance, True
    return must_advance, must_reset


def _give_out_registers(code: bytearray) -> int:
    """Loops nest, so registers are a stack; returns how many there are at most."""
    in_use = most = 0
    for at, name in _instructions(code):
        match name:
            case "set_i32" | "set_char_pos":
                code[at + 1] = in_use
                in_use += 1
                most = max(most, in_use)
            case "check_advance" | "loop" | "loop_split_goto_first" | "loop_split_next_first":
                in_use -= 1
                code[at + 1] = in_use
            case "loop_check_adv_split_goto_first" | "loop_check_adv_split_next_first":
                in_use -= 2
                code[at + 1] = in_use
    if most > _REGISTERS_MAX:
        raise Unsupported
    return most
