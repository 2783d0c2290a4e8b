"""Makes a case that differs smaller while it still differs.

Works on tokens, so it knows no more of KRL than where words end and which brackets belong
together: drop a run of tokens, drop what is between two brackets, drop the brackets, put `1` in
place of a bracketed group. What no longer compiles here is not even asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from krl.diagnostic import Diagnostics, Source
from krl.syntax.lexer import Tokens, read_tokens

_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}#", "<<": ">>"}
ROUNDS_MAX = 40

Judge = Callable[[list[str]], int | None]


def tokens_of(text: str) -> Tokens:
    return read_tokens(Source("case.krl", text), Diagnostics())


def reduce_text(text: str, judge: Judge, batch: int) -> str:
    """`judge` gives the index of the first text that is still good, or None."""
    for _ in range(ROUNDS_MAX):
        smaller = _one_round(text, judge, batch)
        if smaller is None:
            return text
        text = smaller
    return text


def _one_round(text: str, judge: Judge, batch: int) -> str | None:
    waiting: list[str] = []
    for candidate in dict.fromkeys(_candidates(text)):
        waiting.append(candidate)
        if len(waiting) == batch:
            found = judge(waiting)
            if found is not None:
                return waiting[found]
            waiting = []
    found = judge(waiting) if waiting else None
    return waiting[found] if found is not None else None


def _candidates(text: str) -> Iterator[str]:
    """Shorter texts, those that leave out most first."""
    tokens = tokens_of(text)
    spans = list(zip(tokens.starts, tokens.ends, strict=True))[:-3]
    groups = sorted(_groups(tokens), key=lambda group: group[0] - group[1])
    for first, last in groups:
        inside = text[spans[first][1] : spans[last][0]]
        for replacement in ("", " 1 ", f" {inside} "):
            yield _without(text, spans[first][0], spans[last][1], replacement)
        yield _without(text, spans[first][1], spans[last][0], "")
    count = len(spans)
    sizes = {count >> shift for shift in range(count.bit_length())} | set(range(1, min(count, 6)))
    for size in sorted(sizes, reverse=True):
        step = max(1, size // 2)
        for first in range(0, len(spans) - size + 1, step):
            yield _without(text, spans[first][0], spans[first + size - 1][1], " ")
    for start, end in spans:
        if text[start:end] not in ("1", "a"):
            yield _without(text, start, end, "1")
            yield _without(text, start, end, "null")


def _groups(tokens: Tokens) -> Iterator[tuple[int, int]]:
    opened: list[int] = []
    for index, kind in enumerate(tokens.kinds):
        if kind in _CLOSING:
            opened.append(index)
        elif opened and kind == _CLOSING[tokens.kinds[opened[-1]]]:
            yield opened.pop(), index


def _without(text: str, start: int, end: int, replacement: str) -> str:
    return text[:start] + replacement + text[end:]
