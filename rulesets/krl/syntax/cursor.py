"""The parser's place in the tokens, and what happens when the next one is not what it should be.

A grammar function takes the cursor, moves it over what it recognises and answers a node. When it
cannot go on it calls `fail`, which records one diagnostic and raises `Stop`; the nearest list of
items (declarations, actions, statements, rules) catches it and skips to its next item, so that a
file tells all its mistakes at once and each only once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from krl.diagnostic import Diagnostics, Fix, Source
from krl.syntax.lexer import read_tokens
from krl.syntax.tree import Identifier, Span

# No tree gets deeper than this. Passes walk trees by recursion, and so does the parser, with at
# most four Python calls a level: both stay well inside the interpreter's default of a thousand.
DEPTH_MAX = 150


class Stop(Exception):
    """The construct at hand cannot be parsed; its diagnostic is recorded."""


class Cursor:
    __slots__ = (
        "at", "brackets", "depth", "diagnostics", "ends", "failed_at", "kinds", "source",
        "starts", "texts", "tokens",
    )  # fmt: skip

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        tokens = read_tokens(source, diagnostics)
        self.source = source
        self.diagnostics = diagnostics
        self.tokens = tokens
        self.kinds = tokens.kinds
        self.texts = tokens.texts
        self.starts = tokens.starts
        self.ends = tokens.ends
        self.at = 0
        self.depth = 0
        self.failed_at = -1
        self.brackets: list[int] | None = None

    # ---- looking ---------------------------------------------------------------------------

    def is_word(self, word: str) -> bool:
        return self.texts[self.at] == word and self.kinds[self.at] == "symbol"

    def next_kind(self) -> str:
        """The kind of the token after the present one."""
        return self.kinds[min(self.at + 1, len(self.kinds) - 1)]

    def at_declaration(self) -> bool:
        return self.kinds[self.at] == "symbol" and self.kinds[self.at + 1] == "="

    def span_here(self) -> Span:
        return Span(self.starts[self.at], self.ends[self.at])

    def span_from(self, start: int) -> Span:
        """From an offset up to the end of the last token taken."""
        return Span(start, self.ends[self.at - 1])

    # ---- taking ----------------------------------------------------------------------------

    def take(self, kind: str) -> bool:
        """Step over a token of this kind, if it is next."""
        if self.kinds[self.at] == kind:
            self.at += 1
            return True
        return False

    def take_word(self, word: str) -> bool:
        if self.texts[self.at] == word and self.kinds[self.at] == "symbol":
            self.at += 1
            return True
        return False

    def expect(self, kind: str) -> int:
        """Step over a token of this kind; answers its index."""
        at = self.at
        if self.kinds[at] != kind:
            self.fail_expected(f"`{kind}`")
        self.at = at + 1
        return at

    def expect_word(self, word: str) -> int:
        if not self.take_word(word):
            self.fail_expected(f"`{word}`")
        return self.at - 1

    def expect_name(self, what: str = "a name") -> Identifier:
        at = self.at
        if self.kinds[at] != "symbol":
            self.fail_expected(what)
        self.at = at + 1
        return Identifier(Span(self.starts[at], self.ends[at]), self.texts[at])

    # ---- failing ---------------------------------------------------------------------------

    def fail_expected(self, what: str, hint: str = "") -> NoReturn:
        self.fail(f"expected {what}", f"found {self.describe()}", hint)

    def fail(
        self,
        title: str,
        text: str = "",
        hint: str = "",
        span: Span | None = None,
        fixes: tuple[Fix, ...] = (),
    ) -> NoReturn:
        """Record one diagnostic, unless this place already has one, and give up the construct."""
        if not self._told_already():
            self.diagnostics.error(title, span or self.span_here(), text, hint, fixes)
        self.failed_at = self.at
        raise Stop

    def _told_already(self) -> bool:
        kind = self.kinds[self.at]
        if kind == "illegal" or (kind == "end" and self.tokens.cut_off):
            return True
        return self.at <= self.failed_at

    def describe(self) -> str:
        """The present token in words."""
        kind = self.kinds[self.at]
        match kind:
            case "end":
                return "the end of the file"
            case "string" | "number" | "regexp":
                return f"a {kind}"
            case "<<":
                return "a chevron"
            case "}#":
                return "`}`"
            case _:
                return f"`{self.texts[self.at]}`"

    # ---- depth -----------------------------------------------------------------------------

    def descend(self) -> None:
        """Go one level deeper in the tree; the caller takes the level back."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.fail_too_deep()

    def fail_too_deep(self) -> NoReturn:
        self.fail(
            "nested too deeply",
            f"An expression may be {DEPTH_MAX} levels deep.",
            "give inner parts names of their own",
        )

    # ---- recovering ------------------------------------------------------------------------

    def recover(self, first: int, is_start: Callable[[Cursor], bool]) -> bool:
        """Skip from a failure to the next item of a list; False when the list ends there.

        `first` is the token the failed item began with. The next item begins at the same bracket
        depth, or else at the head of a line that is indented no deeper: brackets may be what the
        author got wrong. A rule at the head of a line always ends the search.
        """
        brackets = self._bracket_depths()
        level = brackets[first]
        column = self._line_column(first)
        self.at = max(self.at, first + 1)
        while True:
            kind = self.kinds[self.at]
            depth = brackets[self.at]
            if kind == "end" or (depth <= level and kind == "}"):
                return False
            if depth == level and kind == ";":
                self.at += 1
                return self.kinds[self.at] not in ("}", "end")
            head = self._line_column(self.at)
            if self.at_rule() and head is not None:
                return is_start(self)
            if (depth <= level or (head is not None and head <= (column or 0))) and is_start(self):
                return True
            self.at += 1

    def at_rule(self) -> bool:
        """At `rule name {` or `rule name is`."""
        at = self.at
        return (
            self.texts[at] == "rule"
            and self.kinds[at] == "symbol"
            and self.kinds[at + 1] == "symbol"
            and (self.kinds[at + 2] == "{" or self.texts[at + 2] == "is")
        )

    def _line_column(self, index: int) -> int | None:
        """How far a token is indented, if it is the first of its line."""
        text = self.source.text
        start = self.starts[index]
        line = text.rfind("\n", 0, start) + 1
        return start - line if text[line:start].isspace() or line == start else None

    def _bracket_depths(self) -> list[int]:
        """For each token, how many brackets are open before it.

        A `}` closes what is open inside its `{`; a `)` or `]` without its opening closes nothing.
        """
        if self.brackets is None:
            self.brackets = bracket_depths(self.kinds)
        return self.brackets


_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}#", "<<": ">>"}
_STRENGTH = {")": 0, "]": 0, "}": 1, "}#": 2, ">>": 3}


def bracket_depths(kinds: list[str]) -> list[int]:
    depths: list[int] = []
    expected: list[str] = []
    for kind in kinds:
        strength = _STRENGTH.get(kind)
        if strength is not None:
            keep = len(expected)
            while keep and expected[keep - 1] != kind and _STRENGTH[expected[keep - 1]] <= strength:
                keep -= 1
            if keep and expected[keep - 1] == kind:
                # The closing bracket itself counts as inside, as its opening counts as outside.
                depths.append(keep)
                del expected[keep - 1 :]
                continue
        depths.append(len(expected))
        closing = _CLOSING.get(kind)
        if closing is not None:
            expected.append(closing)
    return depths
