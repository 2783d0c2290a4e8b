"""Checks that a regexp is one: JavaScript's grammar of patterns, without the unicode flag.

A pattern the guest's engine would refuse at run time is the author's mistake, so it is told here.
The grammar is ECMA-262's with its annex B (as the reference's Node 20 has it), in which nearly
everything is a pattern; what is left to get wrong are groups, quantifiers, ranges and names. The
pattern is read as UTF-16 code units, since that is what it matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]+)(,?)([0-9]*)\}")
_NAME = re.compile(r"<([^>]*)>")
_ESCAPED_UNIT = re.compile(r"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")
_OCTAL = re.compile(r"[0-3][0-7]{0,2}|[4-7][0-7]?")
_CONTROLS = {"b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


class PatternError(Exception):
    """The pattern is none; the text says why."""


@dataclass(slots=True)
class _Reader:
    units: str  # every character below U+10000
    at: int = 0
    groups: list[str] = field(default_factory=list)  # how each open group began
    names: set[str] = field(default_factory=set)
    references: list[str | None] = field(default_factory=list)  # None: \k without a name


def check_pattern(source: str) -> None:
    """Raise PatternError unless `source` is a pattern."""
    reader = _Reader(_code_units(source))
    while reader.at < len(reader.units):
        if _read_term(reader):
            _read_quantifier(reader)
    if reader.groups:
        raise PatternError("a group is not closed by `)`")
    # Without named groups `\k` is just a k.
    if reader.names:
        for name in reader.references:
            if name not in reader.names:
                raise PatternError(f"no group has the name that `\\k{name or ''}` refers to")


def _code_units(text: str) -> str:
    if text.isascii():
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(units[i] | units[i + 1] << 8) for i in range(0, len(units), 2))


def _read_term(reader: _Reader) -> bool:
    """Step over one term; says whether a quantifier may follow it."""
    units, at = reader.units, reader.at
    reader.at += 1
    match units[at]:
        case "(":
            _read_group(reader)
            return False
        case ")":
            if not reader.groups:
                raise PatternError("a `)` closes no group")
            opening = reader.groups.pop()
            if opening == "look-behind" and _QUANTIFIER.match(units, reader.at):
                raise PatternError("a look-behind cannot be repeated")
            return True
        case "[":
            _read_class(reader)
            return True
        case "\\":
            return _read_escape(reader)
        case "|" | "^" | "$":
            return False
        case "*" | "+" | "?":
            raise PatternError(f"nothing is left of `{units[at]}` for it to repeat")
        case "{" if _QUANTIFIER.match(units, at):
            raise PatternError("nothing is left of `{` for it to repeat")
        case _:
            return True


def _read_quantifier(reader: _Reader) -> None:
    match = _QUANTIFIER.match(reader.units, reader.at)
    if match is None:
        return
    reader.at = match.end()
    low, comma, high = match.groups()
    if comma and high and _is_less(high, low):
        raise PatternError(f"the numbers of `{match[0]}` are out of order")
    if reader.units.startswith("?", reader.at):
        reader.at += 1


def _is_less(one: str, other: str) -> bool:
    one, other = one.lstrip("0"), other.lstrip("0")
    return (len(one), one) < (len(other), other)


def _read_group(reader: _Reader) -> None:
    """After a `(`."""
    units, at = reader.units, reader.at
    if not units.startswith("?", at):
        reader.groups.append("capture")
        return
    for opening, kind in (("?:", "plain"), ("?=", "look-ahead"), ("?!", "look-ahead"),
                          ("?<=", "look-behind"), ("?<!", "look-behind")):  # fmt: skip
        if units.startswith(opening, at):
            reader.at = at + len(opening)
            reader.groups.append(kind)
            return
    if not units.startswith("?<", at):
        raise PatternError("`(?` begins no kind of group")
    name = _read_name(units, at + 1)
    if name is None:
        raise PatternError("a group's name is a word in `<` and `>`")
    if name[0] in reader.names:
        raise PatternError(f"two groups have the name `{name[0]}`")
    reader.names.add(name[0])
    reader.groups.append("capture")
    reader.at = name[1]


def _read_name(units: str, at: int) -> tuple[str, int] | None:
    """The name in `<..>` and where it ends."""
    match = _NAME.match(units, at)
    if match is None:
        return None
    name = _ESCAPED_UNIT.sub(lambda unit: _unit(unit[1] or unit[2]), match[1])
    name = name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    word = name.replace("$", "_").replace("\u200c", "_").replace("\u200d", "_")
    return (name, match.end()) if word.isidentifier() else None


def _unit(digits: str) -> str:
    code = int(digits, 16)
    return chr(code) if code < 0x110000 else ""


def _read_escape(reader: _Reader) -> bool:
    """After a backslash outside of a class."""
    if reader.at >= len(reader.units):
        raise PatternError("a `\\` stands at the end")
    letter = reader.units[reader.at]
    reader.at += 1
    if letter == "k":
        name = _read_name(reader.units, reader.at)
        reader.references.append(name[0] if name else None)
        if name:
            reader.at = name[1]
    return letter not in "bB"


# ---- classes -----------------------------------------------------------------------------------


def _read_class(reader: _Reader) -> None:
    """After a `[`, up to and including the `]`."""
    units = reader.units
    if units.startswith("^", reader.at):
        reader.at += 1
    while True:
        if reader.at >= len(units):
            raise PatternError("a character class is not closed by `]`")
        if units[reader.at] == "]":
            reader.at += 1
            return
        first = _read_class_atom(reader)
        if units.startswith("-", reader.at) and units[reader.at + 1 : reader.at + 2] not in (
            "",
            "]",
        ):
            reader.at += 1
            last = _read_class_atom(reader)
            if first is not None and last is not None and first > last:
                raise PatternError("a range in a character class is out of order")


def _read_class_atom(reader: _Reader) -> int | None:
    """The code unit that the atom stands for; None for a set such as `\\d`."""
    units = reader.units
    unit = units[reader.at]
    reader.at += 1
    if unit != "\\":
        return ord(unit)
    if reader.at >= len(units):
        raise PatternError("a `\\` stands at the end")
    letter = units[reader.at]
    if letter in "dDsSwW":
        reader.at += 1
        return None
    if letter == "c":
        return _read_control(reader)
    hexadecimal = _HEX.match(units, reader.at)
    octal = _OCTAL.match(units, reader.at)
    if hexadecimal or octal:
        found = hexadecimal or octal
        assert found is not None
        reader.at = found.end()
        return int(found[1] or found[2], 16) if hexadecimal else int(found[0], 8)
    reader.at += 1
    return _CONTROLS.get(letter, ord(letter))


def _read_control(reader: _Reader) -> int:
    """`\\cX` in a class; where it is none the backslash stands for itself."""
    following = reader.units[reader.at + 1 : reader.at + 2]
    if following.isascii() and (following.isalnum() or following == "_") and following:
        reader.at += 2
        return ord(following) % 32
    return ord("\\")
