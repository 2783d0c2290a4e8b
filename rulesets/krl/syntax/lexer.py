"""Cuts a ruleset's text into tokens: the first step of the first pass.

Tokens are four parallel lists, not objects: a ruleset has some thirteen tokens a line, and the
parser asks for little more than the kind of the next one. Whitespace and comments leave no token,
since newlines never mean anything in KRL. One compiled regular expression recognises everything
outside a chevron; inside `<<...>>` a second one takes over, and `#{` leads back to the first.

A lexical mistake becomes a diagnostic here and a token that lets the parser go on: text that
cannot be a token at all gets the kind "illegal", at which the parser stops without a second word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from krl.diagnostic import Diagnostics, Source
from krl.syntax import mistakes

# JavaScript's `\s`; Python's differs in six characters.
SPACE = "\\t\\n\\v\\f\\r \\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"

RESERVED = frozenset(("defaction", "function", "return", "not", "setting", "null", "true", "false"))

# Possessive quantifiers (`*+`) keep a missing close linear.
_TOKEN = re.compile(
    rf"[{SPACE}]*+(?:"
    r"(?P<symbol>(?!re#)[A-Za-z_$][A-Za-z0-9_$]*+)"
    r"|(?P<comment>//[^\n\r]*+)"
    r"|(?P<operator><=>|<=|<(?!<)|\|\||\||==|=>|=|:=|:|>=|><|>|&&|!=|[()\[\],\-%+;*]"
    r"|\.(?![0-9])|/(?!\*))"
    r"|(?P<curly>[{}])"
    r"|(?P<string>\"[^\"\\]*+(?:\\[\s\S][^\"\\]*+)*+\")"
    r"|(?P<number>[0-9]++(?:\.[0-9]++)?|\.[0-9]++)"
    r"|(?P<chevron><<)"
    r"|(?P<regexp>re#[^#\\]*+(?:\\[\s\S][^#\\]*+)*+#[gim]*+)"
    r"|(?P<block>/\*(?:[^*]|\*(?!/))*+\*/)"
    r"|(?P<end>\Z)"
    r"|(?P<unclosed>\"|re#|/\*)"
    r"|(?P<illegal>[\s\S]))"
)

# Text up to `>>`, `#{` or the end; a backslash protects the character after it.
_CHEVRON_TEXT = re.compile(r"[^\\>#]*+(?:(?:\\[\s\S]?|>(?!>)|#(?!\{))[^\\>#]*+)*+")


@dataclass(slots=True)
class Tokens:
    """Token i has kinds[i], texts[i] and the half-open range starts[i]..ends[i].

    Kinds: "symbol", "number", "string", "regexp", "text" (a piece of a chevron), "illegal",
    "end" (three times); a reserved word or an operator is its own kind, as are `<<`, `>>`, `#{`
    and "}#", the brace that closes a beesting. `cut_off`: the end came inside a token;
    `told`: starts of tokens that have a diagnostic already.
    """

    kinds: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    cut_off: bool = False
    told: set[int] = field(default_factory=set)

    def add(self, kind: str, text: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.texts.append(text)
        self.starts.append(start)
        self.ends.append(end)

    def cut(self, index: int) -> None:
        """Forget the token at the index and all after it."""
        for items in (self.kinds, self.texts):
            del items[index:]
        for offsets in (self.starts, self.ends):
            del offsets[index:]


def read_tokens(source: Source, diagnostics: Diagnostics) -> Tokens:
    """Every token of the source, the last ones of kind "end"."""
    return _Lexer(source.text, diagnostics).read()


class _Lexer:
    __slots__ = (
        "beestings",
        "chevrons",
        "diagnostics",
        "has_re",
        "illegal_ends",
        "text",
        "tokens",
        "unclosed_seen",
    )

    def __init__(self, text: str, diagnostics: Diagnostics) -> None:
        self.text = text
        self.diagnostics = diagnostics
        self.tokens = Tokens()
        self.chevrons: list[int] = []  # where each open `<<` stands
        self.beestings: list[int] = []  # curly brackets open in each open `#{`
        self.illegal_ends: dict[str, int] = {}
        self.unclosed_seen: set[str] = set()
        self.has_re: bool | None = None  # not looked for yet

    def read(self) -> Tokens:
        text = self.text
        match_token = _TOKEN.match
        add = self.tokens.add
        at = 0
        while True:
            match = match_token(text, at)
            assert match is not None  # the last alternatives take any character and the end
            at = match.end()
            kind = match.lastgroup
            if kind == "symbol":
                word = match["symbol"]
                if word == "re" and text.startswith("/", at) and self._is_slashed(at):
                    at = self._read_slashed(match.start(kind))
                    continue
                add(word if word in RESERVED else kind, word, match.start(kind), at)
            elif kind == "operator":
                word = match["operator"]
                add(word, word, match.start(kind), at)
            elif kind == "end":
                return self._finish(at)
            elif kind not in ("comment", "block"):
                assert kind is not None
                at = self._read_rarer(kind, match[kind], match.start(kind), at)

    def _read_rarer(self, kind: str, text: str, start: int, end: int) -> int:
        """Take a token that is no symbol and no operator; answers where to go on."""
        match kind:
            case "curly":
                return self._read_curly(text, start, end)
            case "chevron":
                self.tokens.add("<<", "<<", start, end)
                self.chevrons.append(start)
                return self._read_chevron(end)
            case "unclosed":
                return self._read_unclosed(text, start)
            case "illegal":
                return self._read_illegal(start)
            case _:
                self.tokens.add(kind, text, start, end)
        return end

    def _read_illegal(self, start: int) -> int:
        diagnostics = self.diagnostics
        character = self.text[start]
        # Of a character only the first on a line is told.
        if self.illegal_ends.get(character, -1) >= start:
            diagnostics = Diagnostics()
        end, kind, text = mistakes.report_illegal(self.text, start, diagnostics)
        line_end = self.text.find("\n", start)
        self.illegal_ends[character] = line_end if line_end >= 0 else len(self.text)
        tokens = self.tokens
        if kind == "symbol" and self._is_in_name(start):
            text = tokens.texts.pop() + text
            start = tokens.starts.pop()
            tokens.ends.pop()
            tokens.kinds.pop()
        if kind:
            tokens.add(kind, text, start, end)
            tokens.told.add(start)
        return end

    def _is_slashed(self, at: int) -> bool:
        """Is `re` the beginning of a regexp in slashes, and not a variable that is divided?"""
        if self.has_re is None:
            self.has_re = mistakes.has_variable_re(self.text)
        return not self.has_re and mistakes.SLASHED.match(self.text, at) is not None

    def _read_slashed(self, start: int) -> int:
        end, text = mistakes.report_slashed(self.text, start, self.diagnostics)
        self.tokens.add("regexp", text, start, end)
        self.tokens.told.add(start)
        return end

    def _is_in_name(self, start: int) -> bool:
        """Does a name end right where an unsupported letter stands?"""
        tokens = self.tokens
        if not tokens.ends or tokens.ends[-1] != start:
            return False
        return tokens.kinds[-1] == "symbol" or tokens.kinds[-1] in RESERVED

    def _read_curly(self, text: str, start: int, end: int) -> int:
        if self.beestings:
            if text == "{":
                self.beestings[-1] += 1
            elif self.beestings[-1] == 0:
                self.beestings.pop()
                self.tokens.add("}#", text, start, end)
                return self._read_chevron(end)
            else:
                self.beestings[-1] -= 1
        self.tokens.add(text, text, start, end)
        return end

    def _read_chevron(self, start: int) -> int:
        """From inside a chevron up to its end or to the inside of a beesting."""
        match = _CHEVRON_TEXT.match(self.text, start)
        assert match is not None
        end = match.end()
        if end > start:
            self.tokens.add("text", match[0], start, end)
        if self.text.startswith(">>", end):
            self.chevrons.pop()
            self.tokens.add(">>", ">>", end, end + 2)
        elif self.text.startswith("#{", end):
            self.beestings.append(0)
            self.tokens.add("#{", "#{", end, end + 2)
        else:
            return end
        return end + 2

    def _read_unclosed(self, opening: str, start: int) -> int:
        """A string, regexp or comment without a close is taken to end with its line.

        The second one of a kind takes all the rest, lest hostile input be read again and again.
        """
        first_time = opening not in self.unclosed_seen
        self.unclosed_seen.add(opening)
        if first_time and opening == '"':
            start = self._rewind(start)
        mistakes.report_unclosed(self.text, opening, start, self.diagnostics)
        end = self.text.find("\n", start)
        if end < 0 or not first_time:
            end = len(self.text)
            self.tokens.cut_off = True
        if opening == '"':
            self.tokens.add("string", self.text[start:end] + opening, start, end)
        elif opening == "re#":
            self.tokens.add("regexp", self.text[start:end] + "#", start, end)
        return end

    def _rewind(self, start: int) -> int:
        """Where the string that lacks its close likely began.

        A missing quote turns the file inside out: what was between strings becomes strings. The
        first of them that runs over a line's end into a word is taken for the culprit, and what
        was read after it is forgotten.
        """
        tokens = self.tokens
        chevrons = 0
        for index, kind in enumerate(tokens.kinds):
            chevrons += (kind == "<<") - (kind == ">>")
            if kind != "string" or chevrons or "\n" not in tokens.texts[index]:
                continue
            after = self.text[tokens.ends[index] : tokens.ends[index] + 1]
            if after.isalnum() or after == "_":
                start = tokens.starts[index]
                tokens.cut(index)
                self.diagnostics.items[:] = [
                    item for item in self.diagnostics.items if item.span.start < start
                ]
                self.chevrons.clear()
                self.beestings.clear()
                break
        return start

    def _finish(self, at: int) -> Tokens:
        if self.chevrons:
            mistakes.report_unclosed(self.text, "<<", self.chevrons[-1], self.diagnostics)
            self.tokens.cut_off = True
        # Three, so that the parser may look two tokens ahead anywhere.
        for _ in range(3):
            self.tokens.add("end", "", at, at)
        return self.tokens
