"""How the tokens lie on the page: open brackets and indentation, which recovery goes by.

It is worked out when the first mistake is met; a file without mistakes never pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from krl.syntax.lexer import Tokens

_TAB_COLUMNS = 4
_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}#", "<<": ">>"}
_STRENGTH = {")": 0, "]": 0, "}": 1, "}#": 2, ">>": 3}


@dataclass(frozen=True, slots=True)
class Layout:
    """For each token: brackets open before it, its line and that line's indentation.

    Heads are the first tokens of their lines; `balanced` says that brackets can be trusted.
    """

    brackets: list[int]
    balanced: bool
    lines: list[int]
    indents: list[int]
    heads: list[bool]

    def is_indented(self, opening: int) -> bool:
        """Does what follows an opening bracket stand on a line of its own, further in?"""
        return self.heads[opening + 1] and self.indents[opening + 1] > self.indents[opening]


def lay_out(text: str, tokens: Tokens) -> Layout:
    lines: list[int] = []
    indents: list[int] = []
    heads: list[bool] = []
    number = 1
    indent = 0
    start_before = end_before = 0
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        line = text.rfind("\n", end_before, start) + 1
        is_head = line > 0 or not heads
        if is_head:
            before = text[line:start].expandtabs(_TAB_COLUMNS)
            indent = len(before) - len(before.lstrip())
        number += text.count("\n", start_before, start)
        lines.append(number)
        indents.append(indent)
        heads.append(is_head)
        start_before, end_before = start, end
    brackets, balanced = _open_brackets(tokens.kinds)
    return Layout(brackets, balanced, lines, indents, heads)


def _open_brackets(kinds: list[str]) -> tuple[list[int], bool]:
    """How many brackets are open before each token, and whether all are closed in order.

    A closing bracket still counts as inside. A `}` also closes what was left open inside its `{`;
    a `)` or `]` never closes a `{`.
    """
    depths: list[int] = []
    awaited: list[str] = []
    balanced = True
    for kind in kinds:
        strength = _STRENGTH.get(kind)
        if strength is not None:
            keep = len(awaited)
            while keep and awaited[keep - 1] != kind and _STRENGTH[awaited[keep - 1]] <= strength:
                keep -= 1
            balanced = balanced and keep == len(awaited) > 0 and awaited[-1] == kind
            if keep and awaited[keep - 1] == kind:
                depths.append(keep)
                del awaited[keep - 1 :]
                continue
        depths.append(len(awaited))
        closing = _CLOSING.get(kind)
        if closing is not None:
            awaited.append(closing)
    return depths, balanced and not awaited
