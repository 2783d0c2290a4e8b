"""From the text of a literal to its value: KRL's few escapes, and nothing like C's."""

from __future__ import annotations

import re

_STRING_ESCAPE = re.compile(r'\\(["\\])')


def string_value(text: str) -> str:
    r"""Only `\"` and `\\` are escapes: "\n" is two characters."""
    inner = text[1:-1]
    return _STRING_ESCAPE.sub(r"\1", inner) if "\\" in inner else inner


def chevron_value(text: str) -> str:
    r"""`\>`, `\#{` and `\\`, replaced one after the other, as the language has it."""
    if "\\" not in text:
        return text
    return text.replace("\\>", ">").replace("\\#{", "#{").replace("\\\\", "\\")


def regexp_value(text: str) -> tuple[str, str]:
    r"""Source and flags of `re#source#flags`; `\#` stands for `#`."""
    close = text.rindex("#")
    return text[3:close].replace("\\#", "#"), text[close + 1 :]
