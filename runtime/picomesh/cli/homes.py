"""Opening the engine of a home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picomesh.engine import Engine


def open_engine(home: Path | None, backend: str = "cranelift") -> Engine:
    """The engine of --home, or of the default home."""
    from picomesh.engine import Engine, Options
    from picomesh.store.home import default_home

    return Engine.open(home or default_home(), Options(backend=backend))
