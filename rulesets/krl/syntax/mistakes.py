"""What an author is told about text that is no token: one wording for each kind of mistake."""

from __future__ import annotations

import re
import unicodedata

from krl.diagnostic import Diagnostics, Fix
from krl.syntax.tree import Span

_NAMES = {'"': "string", "re#": "regexp", "/*": "comment", "<<": "chevron"}
_CLOSES = {'"': '"', "re#": "#", "/*": "*/", "<<": ">>"}

_SINGLE_QUOTED = re.compile(r"'[^'\"\\\n\r]*'")
_ILLEGAL_WORD = re.compile(r"[^\W\d](?:\w|\$)*")

_HINTS = {
    "!": "write `not` before the operand",
    "&": "write `&&` for a logical and",
    "?": "write `condition => consequent | alternate`",
    "#": "a regexp is written `re#...#`, a comment `// ...`",
    "@": "",
    "\u201c": 'strings are written in straight double quotes: "..."',
    "\u201d": 'strings are written in straight double quotes: "..."',
    "`": "strings are written in double quotes, texts with #{...} in them as <<...>>",
    "'": 'strings are written in double quotes: "..."',
}


def report_unclosed(text: str, opening: str, start: int, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        f"unterminated {_NAMES[opening]}",
        Span(start, start + len(opening)),
        f"It starts here, and the file ends before a `{_CLOSES[opening]}` closes it.",
    )


def report_illegal(text: str, start: int, diagnostics: Diagnostics) -> int:
    """Report the character at `start` and those that belong to it; answers where they end."""
    quoted = _SINGLE_QUOTED.match(text, start)
    if quoted:
        span = Span(start, quoted.end())
        fix = Fix(span, f'"{quoted[0][1:-1]}"')
        diagnostics.error("single-quoted string", span, "", _HINTS["'"], (fix,))
        return quoted.end()
    word = _ILLEGAL_WORD.match(text, start)
    end = word.end() if word else start + 1
    span = Span(start, end)
    if word:
        diagnostics.error(
            "unsupported letters in a name",
            span,
            f"`{word[0]}` has the letter {_character_name(text[start])}; names are made of "
            "the letters a to z, digits, `_` and `$`.",
        )
    else:
        hint = _HINTS.get(text[start], "")
        name = _character_name(text[start])
        diagnostics.error("unsupported character", span, f"This is {name}.", hint)
    return end


def _character_name(character: str) -> str:
    name = unicodedata.name(character, "").lower()
    code = f"U+{ord(character):04X}"
    shown = f"`{character}` " if character.isprintable() else ""
    return f"{shown}({code} {name})" if name else f"{shown}({code})"
