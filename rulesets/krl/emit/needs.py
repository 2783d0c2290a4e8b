"""Which optional parts of the guest library a program needs: docs/formats/guest.md §4.

Whether a pattern is made when a ruleset runs cannot be seen from what it calls: `match` takes a
pattern, or a text to make one of. So the calls that can make one are looked at here, by the
arguments that are written there.
"""

from __future__ import annotations

from krl.lower import ir

# As the library exports them: pointers that nothing else leads through.
COMPILER = "rt_pattern_compiler"
MATCHER = "rt_pattern_matcher"
CASES = "rt_case_folding"
OPTIONAL_PARTS = (COMPILER, MATCHER, CASES)

# The functions that make a pattern of whatever else their second operand is.
_MAKERS = ("lib_as", "lib_extract", "lib_match", "lib_replace", "rt_like")


def of_pattern(flags: str, code: bytes | None) -> set[str]:
    """What a literal needs; without code it is compiled when it is used."""
    if code is None:
        return set(OPTIONAL_PARTS)
    return {MATCHER, CASES} if "i" in flags else {MATCHER}


def of_call(function: str, arguments: tuple[ir.Value, ...]) -> set[str]:
    """What a call of a library function with these arguments needs."""
    if function not in _MAKERS:
        return set()
    match (function, *arguments[1:]):
        case (_, ir.Pattern(), *_) | ("lib_replace", ir.Text(), ir.Text()):
            return set()
        case ("lib_as", ir.Text(name)) if name != "RegExp":
            return set()
    return set(OPTIONAL_PARTS)


def of_value(function: str) -> set[str]:
    """What a library function that is passed around needs: anything can become its operand."""
    return set(OPTIONAL_PARTS) if function in _MAKERS else set()
