"""What a bench is busy with, for people who wait: one line of a terminal, written over and over."""

from __future__ import annotations

import sys

_CLEAR = "\r\x1b[K"
_COLUMNS_MAX = 78


def busy_with(text: str) -> None:
    """Programs and files see nothing of it."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR + text[:_COLUMNS_MAX])
        sys.stderr.flush()


def done() -> None:
    busy_with("")
