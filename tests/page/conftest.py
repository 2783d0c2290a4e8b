"""One browser and one engine for all tests of the page; without a browser they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from page.browser import Browser, find_browser
from page.served import EXAMPLES, Served

PICTURES = Path(__file__).resolve().parents[2] / "build/page"  # the output of the tests


@pytest.fixture(scope="session")
def program() -> str:
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or set CHROMIUM to the program")
    return found


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("page") / "home", EXAMPLES)
    yield served
    served.stop()


@pytest.fixture(scope="session")
def chromium(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser, served: Served) -> Iterator[Browser]:
    """The page, opened with the token; a test must leave no error behind in it."""
    chromium.wrong.clear()
    chromium.requested.clear()
    chromium.size(1200, 900)
    chromium.scheme(dark=False)
    chromium.open(f"about:blank#{id(object())}")
    chromium.open(f"{served.base}/#token={served.token}")
    chromium.wait("document.querySelector('[role=treeitem]')")
    yield chromium
    refused = "Failed to load resource: the server responded with a status of 422"
    assert [text for text in chromium.wrong if not text.startswith(refused)] == []
    outside = {url for url in chromium.requested if not url.startswith((served.base, "about:"))}
    assert outside == set(), "the page speaks to nobody but its engine"
    assert not any(served.token in url for url in chromium.requested), "the token is in no URL"
