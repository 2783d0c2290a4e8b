"""Which pico a person means: by id, by the first characters of an id, or by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from picomesh.engine.errors import OperatorError

# Every id begins with the same characters: multibase, version, codec and hash of a CID.
_COMMON_PREFIX = "bafyr4i"
_PREFIX_CHARACTERS_MIN = 4


def find_pico(picos: Sequence[tuple[str, str]], wanted: str) -> str:
    """The one pico that is meant. Raises OperatorError for none and for several."""
    for pico, name in picos:
        if wanted == pico or (name and wanted == name):
            return pico
    short = wanted.removeprefix(_COMMON_PREFIX)
    if len(short) >= _PREFIX_CHARACTERS_MIN:
        found = [pico for pico, _ in picos if pico.startswith(_COMMON_PREFIX + short)]
        if len(found) == 1:
            return found[0]
        if found:
            raise OperatorError(f"{len(found)} picos begin with {wanted}", "write more of the id")
    raise OperatorError(f"there is no pico {wanted}", _hint(picos, wanted))


def _hint(picos: Sequence[tuple[str, str]], wanted: str) -> str:
    near = difflib.get_close_matches(wanted, [name for _, name in picos if name], n=1)
    if near:
        return f"did you mean {near[0]}?"
    return "`picomesh list` shows the picos of this home" if picos else "`picomesh new` makes one"
