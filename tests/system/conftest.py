"""A served engine for each test; what is compiled is compiled once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from system.served import Served


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def served(tmp_path: Path, cache: Path) -> Iterator[Served]:
    """When the test is done, all its histories are checked."""
    served = Served(tmp_path, cache)
    yield served
    served.check()
