"""The parser's place in the tokens, and what happens when the next one is not what it should be.

A grammar function takes the cursor, moves it over what it recognises and answers a node. When it
cannot go on it calls `fail`, which records one diagnostic and raises `Stop`; the nearest list of
items (declarations, actions, statements, parts of a rule) catches it in `parse_items` and skips to
its next item, so that a file tells all its mistakes at once and each only once. Where the meaning
is clear all the same, `complain` and `warn` record a diagnostic and parsing goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from krl.diagnostic import Diagnostics, Fix, Source, nearest
from krl.syntax.hints import hint_for
from krl.syntax.layout import Layout, lay_out
from krl.syntax.lexer import RESERVED, read_tokens
from krl.syntax.tree import Identifier, Span

# How deeply expressions may nest. The parser recurses with some three Python calls a level, and
# the interpreter allows a thousand in all.
DEPTH_MAX = 200
# How high the tree of an expression may be. A chain of operators is parsed by a loop, but makes a
# tree as high as the chain is long, over which the passes after this one recurse.
HEIGHT_MAX = 1000

# What people who know other languages, or KRL's first engine, write.
_FOUND_HINTS = {
    "=": "`==` compares; `=` declares and stands behind a name",
    "|": "a logical or is written `||`",
    "and": "a logical and is written `&&`",
    "or": "a logical or is written `||`",
    "attrs": "the attributes of an event stand behind `attributes`",
    "eq": "equality is written `==`",
    "with": "arguments stand in the parentheses of the call: name = value",
    "neq": "inequality is written `!=`",
}


class Stop(Exception):
    """The construct at hand cannot be parsed; its diagnostic is recorded."""


class Cursor:
    """`height` is the height of the highest expression since it was last set to 0; `failures`
    counts what went wrong, told or not, and `stops` the items that were given up.
    """

    __slots__ = (
        "_layout", "at", "depth", "diagnostics", "ends", "failed_at", "failures", "height",
        "kinds", "source", "starts", "stops", "texts", "tokens", "too_deep",
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
        self.height = 0
        self.failed_at = -1
        self.too_deep = False
        self.failures = 0
        self.stops = 0
        self._layout: Layout | None = None

    # ---- looking ---------------------------------------------------------------------------

    def is_word(self, word: str) -> bool:
        return self.texts[self.at] == word and self.kinds[self.at] == "symbol"

    def is_any_word(self, ahead: int = 0) -> bool:
        """A symbol or a reserved word, so many tokens on."""
        kind = self.kinds[self.at + ahead]
        return kind == "symbol" or kind in RESERVED

    def is_words(self, first: str, second: str) -> bool:
        """A word and then a token with the given text."""
        return self.is_word(first) and self.texts[self.at + 1] == second

    def next_kind(self) -> str:
        """The kind of the token after the present one, which is not the end."""
        return self.kinds[self.at + 1]

    def at_declaration(self) -> bool:
        return self.kinds[self.at] == "symbol" and self.kinds[self.at + 1] == "="

    def begins_line(self) -> bool:
        """Is the present token the first of its line?"""
        before = self.ends[self.at - 1] if self.at else 0
        return "\n" in self.source.text[before : self.starts[self.at]]

    def begins_word(self) -> bool:
        """Is there something between the present token and the one before it?"""
        return self.starts[self.at] > self.ends[self.at - 1]

    def at_rule(self) -> bool:
        """At `rule name {` or `rule name is`."""
        at = self.at
        return (
            self.texts[at] == "rule"
            and self.kinds[at] == "symbol"
            and self.kinds[at + 1] == "symbol"
            and (self.kinds[at + 2] == "{" or self.texts[at + 2] == "is")
        )

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

    def expect_close(self, kind: str, opening: int, after_items: bool = False) -> None:
        """Step over the bracket that closes the one at the index `opening`."""
        if self.kinds[self.at] == kind:
            self.at += 1
            return
        line = self.line_of(opening)
        place = "" if line == self.line_of(self.at) else f" on line {line}"
        shown = f"`,` or `{kind}`" if after_items else f"`{kind.rstrip('#')}`"
        text = f"found {self.describe()}; the `{self.texts[opening]}`{place} is still open"
        self.fail(f"expected {shown}", text, self._hint_found())

    def expect_word(self, word: str) -> None:
        if not self.take_word(word):
            self.fail_expected(f"`{word}`", self.hint_spelling([word]))

    def expect_name(self, what: str = "a name") -> Identifier:
        at = self.at
        if self.kinds[at] != "symbol":
            self.check_reserved()
            self.fail_expected(what)
        self.at = at + 1
        return Identifier(Span(self.starts[at], self.ends[at]), self.texts[at])

    # ---- telling ---------------------------------------------------------------------------

    def fail_expected(self, what: str, hint: str = "") -> NoReturn:
        hint = hint or self._hint_found() or self._hint_quote()
        self.fail(f"expected {what}", f"found {self.describe()}", hint)

    def _hint_found(self) -> str:
        """A hint that only the token found gives."""
        return _FOUND_HINTS.get(self.texts[self.at], "")

    def _hint_quote(self) -> str:
        """After a string of several lines that runs into the present token."""
        before = self.at - 1
        if self.kinds[before] != "string" or self.ends[before] != self.starts[self.at]:
            return ""
        if "\n" not in self.texts[before]:
            return ""
        return f'the string before it began on line {self.line_of(before)}: is a `"` missing?'

    def fail(
        self,
        title: str,
        text: str = "",
        hint: str = "",
        span: Span | None = None,
        fixes: tuple[Fix, ...] = (),
    ) -> NoReturn:
        """Complain and give up the construct."""
        self.complain(title, text, hint, span, fixes)
        raise Stop

    def complain(
        self,
        title: str,
        text: str = "",
        hint: str = "",
        span: Span | None = None,
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        """Record an error about the present token, unless there is one about it already."""
        self.failures += 1
        kind = self.kinds[self.at]
        if kind == "end":
            told_already = self.tokens.cut_off
        else:
            told_already = kind == "illegal" or self.starts[self.at] in self.tokens.told
        if not told_already and self.at > self.failed_at:
            hint = hint or hint_for(title, kind, self.texts[self.at])
            self.diagnostics.error(title, span or self.span_here(), text, hint, fixes)
        self.failed_at = max(self.failed_at, self.at)

    def warn(
        self, title: str, span: Span, text: str = "", hint: str = "", fixes: tuple[Fix, ...] = ()
    ) -> None:
        self.diagnostics.warning(title, span, text, hint, fixes)

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
            case "text":
                return "the text of a chevron"
            case _:
                return f"`{self.texts[self.at]}`"

    def check_reserved(self) -> None:
        """Fail at a reserved word that stands where a name is declared or wanted."""
        word = self.texts[self.at]
        if word in RESERVED and self.kinds[self.at] == word:
            self.fail("reserved word as a name", f"`{word}` has a meaning of its own in KRL")

    def hint_spelling(self, words: Iterable[str]) -> str:
        """A hint when the present word is nearly one of these."""
        if self.kinds[self.at] != "symbol":
            return ""
        word = nearest(self.texts[self.at], words)
        return f"did you mean `{word}`?" if word else ""

    def line_of(self, index: int) -> int:
        return self.layout().lines[index]

    # ---- depth -----------------------------------------------------------------------------

    def descend(self, levels: int = 1) -> None:
        """Go down in the tree; the caller takes the levels back.

        A form whose parser takes more of the interpreter's stack counts for more than one.
        """
        self.depth += levels
        if self.depth > DEPTH_MAX:
            self.fail_too_deep()

    def fail_too_deep(self) -> NoReturn:
        if self.too_deep:  # once is enough: what is nested too deeply holds more of its like
            self.failed_at = max(self.failed_at, self.at)
        self.too_deep = True
        self.fail(
            "nested too deeply",
            f"an expression may nest {DEPTH_MAX} levels, a chain have {HEIGHT_MAX} operators",
            "give parts of it names of their own",
        )

    # ---- passing over ------------------------------------------------------------------------

    def skip_mistaken(self, kind: str, title: str) -> None:
        """Complain about a token that should not be here, and step over it."""
        if self.kinds[self.at] == kind:
            self.complain(title, "", "remove it", fixes=(Fix(self.span_here(), ""),))
            self.at += 1

    def skip_semicolons(self) -> None:
        """A `;` where nothing needs separating."""
        if self.kinds[self.at] != ";":
            return
        start = self.starts[self.at]
        while self.take(";"):
            pass
        span = self.span_from(start)
        self.warn("stray `;`", span, "", "remove it", (Fix(span, ""),))

    def layout(self) -> Layout:
        if self._layout is None:
            self._layout = lay_out(self.source.text, self.tokens)
        return self._layout
