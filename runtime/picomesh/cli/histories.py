"""Where commands take histories from: a home, or a file that somebody exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from picomesh.cli.arguments import utf8
from picomesh.cli.homes import open_engine
from picomesh.cli.problems import fail

if TYPE_CHECKING:
    from picomesh.engine.programs import Programs
    from picomesh.engine.sources import Source
    from picomesh.ledger.signature import Signer

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Histories:
    """An open source of histories, and what is needed to run them."""

    source: Source
    engine: bytes
    programs: Programs
    signer: Signer | None  # of a home: it can sign that a history is all of it
    is_home: bool

    def find(self, pico: str) -> str:
        """The pico that is meant by an id, the beginning of one, or a name."""
        from picomesh.engine.picos import find_pico

        return find_pico(self.source.picos(), utf8(pico, "the pico"))

    def picos(self, pico: str | None) -> list[tuple[str, str]]:
        """The one that is meant, or all; (id, name) each."""
        known = self.source.picos()
        if pico is None:
            return known
        found = self.find(pico)
        return [(found, dict(known)[found])]


def history_option(command: _Command) -> _Command:
    """--history: a file instead of a home."""
    return click.option(
        "--history",
        type=click.Path(path_type=Path),
        help="A file that `picomesh export` wrote, instead of a home.",
    )(command)


@contextmanager
def open_histories(
    home: Path | None, history: Path | None, backend: str = "cranelift"
) -> Iterator[Histories]:
    """The histories of a home or of a file."""
    if history is None:
        with open_engine(home, backend) as engine:
            yield Histories(
                engine.store, engine.public_key, engine.programs, engine.signer, is_home=True
            )
        return
    if home is not None:
        raise fail("--home and --history are two places", "name one of them")
    from picomesh.cli.cache import cache_folder
    from picomesh.engine import Options
    from picomesh.engine.export import ExportedHistories

    exported = ExportedHistories(history.read_bytes())
    programs = Options(backend=backend).programs(cache_folder())
    yield Histories(exported, exported.engine, programs, None, is_home=False)
