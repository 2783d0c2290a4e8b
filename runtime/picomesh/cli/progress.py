"""A progress bar on standard error, for people who wait; programs and files see nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_SHOWN_FROM = 200  # receipts: fewer are done before anybody has read the line


@contextmanager
def progress_bar(
    total: int, label: str, quiet: bool, shown_from: int = _SHOWN_FROM
) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told of every step that is done."""
    if quiet or total < shown_from or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield bar.update
