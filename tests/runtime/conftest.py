"""The two ways into a guest, for tests that must hold on both."""

from __future__ import annotations

import pytest

from picomesh.sandbox import direct


@pytest.fixture(params=["direct", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes every engine of a test take this way."""
    name = str(request.param)
    if name == "plain":
        monkeypatch.setattr(direct, "find_library", lambda: None)
    return name
