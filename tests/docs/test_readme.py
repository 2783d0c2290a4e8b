"""The README's session runs, in order, and prints what the README says it prints.

`pytest --update-golden` writes its figures again (fuel, bytes), and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.documents import (
    ROOT,
    Command,
    commands,
    matches,
    read,
    refreshed,
    run_shell,
    shell_environment,
)

LINES_MAX = 130
# A ruleset is told its URL, and each of its letters costs fuel.
FOLDER_LETTERS = 160
INSTALL = "pip install . && "
TESTS = "pip install -e '.[test]' && pytest"
# A block of KRL whose first line is a comment with the name of its file.
RULESETS = re.findall(
    r"^```krl\n(// (\S+\.krl)\n.*?)^```$", read("README.md"), re.DOTALL | re.MULTILINE
)
SESSION = [
    Command(command.line.removeprefix(INSTALL), command.printed)
    for command in commands(read("README.md"))
    if command.line != TESTS
]


@dataclass(frozen=True, slots=True)
class Shell:
    """A folder with the README's rulesets, and a home that only its session uses."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: Command) -> str:
        return run_shell(command.line, self.folder, self.environment)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("readme")
    folder /= "x" * (FOLDER_LETTERS - len(str(folder)) - 1)
    folder.mkdir()
    for source, name in RULESETS:
        (folder / name).write_text(source, "utf-8")
    yield Shell(folder, shell_environment(folder))


def test_the_readme_is_short_and_has_the_two_commands_that_install() -> None:
    text = read("README.md")
    assert len(text.splitlines()) < LINES_MAX
    assert f"$ {INSTALL}picomesh demo\n" in text
    assert f"$ {TESTS}\n" in text


def test_the_session_shows_the_whole_of_it() -> None:
    verbs = {word for command in SESSION for word in command.line.split()[1:2]}
    assert verbs >= {"compile", "run", "new", "install", "send", "query", "log", "replay", "demo"}


def test_every_command_of_the_readme_prints_what_it_says(
    shell: Shell, request: pytest.FixtureRequest
) -> None:
    for command in SESSION:
        actual = shell.run(command)
        printed = command.printed
        if request.config.getoption("--update-golden"):
            printed = refreshed(printed, actual)
            write_again(command, printed)
        assert matches(printed, actual), f"$ {command.line}\n{actual}"


def write_again(command: Command, printed: str) -> None:
    before, after = (f"{command.line}\n{text}" for text in (command.printed, printed))
    (ROOT / "README.md").write_text(read("README.md").replace(before, after), "utf-8")


def test_what_ci_runs_is_what_the_readme_says() -> None:
    assert TESTS in read(".ci/run")


def test_every_folder_on_the_map_exists() -> None:
    lines = read("README.md").partition("## The map\n\n```\n")[2].partition("```")[0].splitlines()
    assert len(lines) > 4
    for line in lines:
        folders = [word for word in line.split() if word.endswith("/")] or line.split()[:1]
        assert all((ROOT / folder).is_dir() for folder in folders), line
