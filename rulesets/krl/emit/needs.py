"""Which optional parts of the guest library a program needs: docs/formats/guest.md §4.

What a program calls does not tell: `match` takes a pattern, or a text to make one of, and
`math:hash` the name of the function that is wanted. So these calls are looked at here, by the
arguments that are written there.
"""

from __future__ import annotations

from krl.lower import ir

# As the library exports them: pointers that nothing else leads through.
COMPILER = "rt_pattern_compiler"
MATCHER = "rt_pattern_matcher"
CASES = "rt_case_folding"
SHOWN = "rt_pattern_shown"
AGGREGATES = "rt_select_aggregates"
_PATTERNS = frozenset((COMPILER, MATCHER, CASES))
# What stands in the names of hash functions, the longer before what it contains.
_DIGESTS = {
    **{"md5-sha1": ("md5", "sha1"), "md5": ("md5",), "sha1": ("sha1",)},
    **{"sha512": ("sha512",), "sha384": ("sha512",), "sha3-": ("sha3",), "shake": ("shake",)},
    **{"sha224": ("sha256",), "sha256": ("sha256",), "blake2b": ("blake2b",)},
    **{"blake2s": ("blake2s",), "ripemd": ("ripemd160",), "rmd160": ("ripemd160",)},
    **{"sm3": ("sm3",)},
}
_ALL_DIGESTS = frozenset(f"rt_digest_{part}" for parts in _DIGESTS.values() for part in parts)
OPTIONAL_PARTS = (AGGREGATES, SHOWN, *sorted(_PATTERNS), *sorted(_ALL_DIGESTS))

# The functions that make a pattern of whatever else their second operand is.
_MAKERS = ("lib_as", "lib_extract", "lib_match", "lib_replace", "rt_like")
# Those that take a pattern and keep it to themselves, and which of their operands it is.
_TAKERS = {
    **{"lib_extract": 1, "lib_match": 1, "lib_replace": 1, "lib_split": 1, "rt_like": 1},
    "rt_attribute_match": 2,
}
_HASHES = ("lib_math_hash", "lib_math_hmac")


def of_pattern(flags: str, code: bytes | None) -> frozenset[str]:
    """What a literal needs; without code it is compiled when it is used."""
    if code is None:
        return _PATTERNS
    return frozenset((MATCHER, CASES) if "i" in flags else (MATCHER,))


def patterns_taken(function: str, arguments: tuple[ir.Value, ...]) -> int:
    """How many of the patterns that are written as arguments of a call nobody else gets to see."""
    place = _TAKERS.get(function)
    if place is None or place >= len(arguments):
        return 0
    return int(isinstance(arguments[place], ir.Pattern))


def of_call(function: str, arguments: tuple[ir.Value, ...]) -> frozenset[str]:
    """What a call of a library function with these arguments needs."""
    match (function, *arguments):
        case (("lib_math_hash" | "lib_math_hmac"), ir.Text(name), *_):
            return _of_digest(name)
        case (_, _, ir.Pattern(), *_) | ("lib_replace", _, ir.Text(), ir.Text()):
            return frozenset()
        case ("lib_as", _, ir.Text(name)) if name != "RegExp":
            return frozenset()
    return of_value(function)


def of_value(function: str) -> frozenset[str]:
    """What a library function that is passed around needs: anything can become its operand."""
    if function in _HASHES:
        return _ALL_DIGESTS
    return _PATTERNS if function in _MAKERS else frozenset()


def _of_digest(name: str) -> frozenset[str]:
    """By any of its names; a function that does not exist throws before it needs anything."""
    for word, parts in _DIGESTS.items():
        if word in name.lower():
            return frozenset(f"rt_digest_{part}" for part in parts)
    return frozenset()
