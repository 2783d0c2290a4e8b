"""What tests of every layer share: the option and the fixture of golden files."""

from __future__ import annotations

import pytest
from hypothesis import settings

from golden import Case, Golden, update

# A busy machine is no mistake of the code's, and a test leaves nothing behind in the tree.
settings.register_profile("picomesh", deadline=None, database=None)
settings.load_profile("picomesh")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write actual texts into the golden files"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a case's expected text with the actual one, or update the file."""

    def check(case: Case, actual: str) -> None:
        actual = "\n".join(line.rstrip() for line in actual.rstrip("\n").split("\n"))
        if request.config.getoption("--update-golden"):
            if actual != case.expected:
                update(case, actual)
        else:
            assert actual == case.expected, f"{case.path.name}: {case.name}"

    return check
