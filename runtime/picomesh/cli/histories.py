"""Where commands take histories from: a home, an exported file, or an engine that runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from picomesh.cli.arguments import utf8
from picomesh.cli.homes import open_engine
from picomesh.cli.problems import Answered, fail, say_error

if TYPE_CHECKING:
    from picomesh.engine import Engine
    from picomesh.engine.export import ExportedHistories
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
    known: list[tuple[str, str]]  # (id, name), with those that were deleted: their past stays

    def find(self, pico: str) -> str:
        """The pico that is meant by an id, the beginning of one, or a name."""
        from picomesh.engine.picos import find_pico

        return find_pico(self.known, utf8(pico, "the pico"))

    def picos(self, pico: str | None) -> list[tuple[str, str]]:
        """The one that is meant, or all; (id, name) each."""
        if pico is None:
            return self.known
        found = self.find(pico)
        return [(found, dict(self.known)[found])]


def history_option(command: _Command) -> _Command:
    """--history: something else than a home."""
    return click.option(
        "--history",
        metavar="FILE|URL",
        help="A file that `picomesh export` wrote, or a running engine, instead of a home.",
    )(command)


@contextmanager
def open_histories(
    home: Path | None, history: str | None, backend: str = "cranelift"
) -> Iterator[Histories]:
    """The histories of a home, or of what --history names."""
    if history is None:
        with open_engine(home, backend) as engine:
            yield _of_home(engine)
        return
    if home is not None:
        raise fail("--home and --history are two places", "name one of them")
    from picomesh.cli.cache import cache_folder
    from picomesh.engine import Options
    from picomesh.engine.remote import SCHEMES, RemoteHistories

    programs = Options(backend=backend).programs(cache_folder())
    if not history.startswith(SCHEMES):
        exported = read_histories(Path(history))
        yield Histories(exported, exported.engine, programs, None, exported.picos())
        return
    remote = RemoteHistories(history, os.environ.get("PICOMESH_TOKEN", ""))
    try:
        yield Histories(remote, remote.engine, programs, None, remote.picos())
    finally:
        remote.close()


@contextmanager
def open_place(place: str, backend: str = "cranelift") -> Iterator[Histories]:
    """The histories of a folder, a file or a URL."""
    is_home = Path(place).is_dir()
    with open_histories(
        Path(place) if is_home else None, None if is_home else place, backend
    ) as it:
        yield it


def _of_home(engine: Engine) -> Histories:
    """A name is that of the living pico before that of a deleted one."""
    living = engine.store.picos()
    gone = [item for item in engine.store.every_pico() if item not in living]
    known = [*living, *gone]
    return Histories(engine.store, engine.public_key, engine.programs, engine.signer, known)


def read_histories(path: Path) -> ExportedHistories:
    """A file of histories; for one that is not, says so and ends the command."""
    from picomesh.engine.export import ExportedHistories
    from picomesh.ledger.errors import LedgerError

    try:
        return ExportedHistories(path.read_bytes())
    except LedgerError as problem:
        say_error(
            f"{path} is not a whole file of histories: {problem}", "`picomesh export` writes them"
        )
        raise Answered from problem
