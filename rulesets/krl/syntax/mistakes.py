"""What is made of text that is no token: a diagnostic, and the token its author likely meant."""

from __future__ import annotations

import re
import unicodedata

from krl.diagnostic import Diagnostics, Fix
from krl.syntax.tree import Span

_NAMES = {'"': "string", "re#": "regexp", "/*": "comment", "<<": "chevron"}
_CLOSES = {'"': '"', "re#": "#", "/*": "*/", "<<": ">>"}

_QUOTED = re.compile(r"'[^'\"\\\n\r]*'|[\u201c\u201d\u201e][^\u201c\u201d\"\\\n\r]*[\u201c\u201d]")
_WORD = re.compile(r"[^\W\d](?:\w|\$)*")

_INVISIBLE = "\u200b\u200c\u200d\u2060\u00ad"
_MEANT = {"!": "not", "&": "&&"}
_HINTS = {
    "?": "a choice is written condition => consequent | alternate",
    "#": "a regexp is written re#...#, a comment // ...",
    "`": "a string is written in double quotes, a text with #{...} in it as <<...>>",
    "'": "a string is written in double quotes",
    "\\": "a `\\` stands only in strings, chevrons and regexps",
}


# A pattern of the first engine, from its first slash on; `//` and `/*` begin comments.
SLASHED = re.compile(
    r"/(?P<pattern>(?![/*])(?:[^/\\\n\r]|\\[^\n\r])+)/(?P<flags>[gim]*)(?![\w$#/*])"
)
_VARIABLE_RE = re.compile(r"(?<![\w$])re(?![\w$#/])")


def has_variable_re(text: str) -> bool:
    """Whether anything may be called `re`; if nothing is, it divides nothing either."""
    return _VARIABLE_RE.search(text) is not None


def report_slashed(text: str, start: int, diagnostics: Diagnostics) -> tuple[int, str]:
    """Report a regexp in slashes; answers where it ends, and what is meant."""
    match = SLASHED.match(text, start + len("re"))
    assert match is not None, "the lexer has looked"
    pattern = match["pattern"].replace("\\/", "/").replace("\\#", "#").replace("#", "\\#")
    meant, span = f"re#{pattern}#{match['flags']}", Span(start, match.end())
    hint = "a regexp is written re#...#"
    diagnostics.error("regexp in slashes", span, "", hint, (Fix(span, meant),))
    return match.end(), meant


def report_unclosed(text: str, opening: str, start: int, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        f"unterminated {_NAMES[opening]}",
        Span(start, start + len(opening)),
        f"it starts here, and no `{_CLOSES[opening]}` closes it",
        f"add a `{_CLOSES[opening]}` where it ends",
    )


def report_illegal(text: str, start: int, diagnostics: Diagnostics) -> tuple[int, str, str]:
    """Report the character at `start` and those that belong to it.

    Answers where they end, and kind and text of the token to go on with; "" for none at all.
    """
    character = text[start]
    here = Span(start, start + 1)
    quoted = _QUOTED.match(text, start)
    if quoted:
        span, meant = Span(start, quoted.end()), f'"{quoted[0][1:-1]}"'
        title = "string in single quotes" if character == "'" else "string in curly quotes"
        diagnostics.error(title, span, "", "use straight double quotes", (Fix(span, meant),))
        return quoted.end(), "string", meant
    word = _WORD.match(text, start)
    if word:
        _report_letter(character, here, diagnostics)
        return word.end(), "symbol", word[0]
    if character in _MEANT:
        meant = _MEANT[character]
        fix = Fix(here, meant if character == "&" else "not ")
        title = f"`{character}` is no operator"
        diagnostics.error(title, here, "", f"write `{meant}`", (fix,))
        return start + 1, meant, meant
    name = character_name(character)
    if character in _INVISIBLE:
        text = f"this is {name}"
        diagnostics.error("invisible character", here, text, "remove it", (Fix(here, ""),))
        return start + 1, "", ""
    hint = _HINTS.get(character, "remove it, or put it into a string")
    diagnostics.error("unsupported character", here, f"this is {name}", hint)
    return start + 1, "illegal", character


def _report_letter(letter: str, span: Span, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        "unsupported letter in a name",
        span,
        f"this is {character_name(letter)}; names are made of A to Z, a to z, digits, `_` and `$`",
        "write the name with those, or put the text in double quotes",
    )


def character_name(character: str) -> str:
    """The character itself where it can be seen, its code, and its Unicode name."""
    name = unicodedata.name(character, "a control character").lower()
    shown = f"`{character}`, " if character.isprintable() else ""
    return f"{shown}U+{ord(character):04X} {name}"
