"""docs/cli.md has every command with its --help, word for word.

`pytest --update-golden` writes the blocks again; a new command needs its section by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from docs.documents import ROOT, read, run_shell, shell_environment
from picomesh.cli.commands import picomesh

DOCUMENT = ROOT / "docs" / "cli.md"
HELP_COLUMNS = 78  # what click makes of a terminal of 80 columns
_HELP = re.compile(r"^```console\n\$ (picomesh[^\n]*) --help\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A command's words, and those of all below it."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*words, name))


COMMANDS = list(walk(picomesh, ("picomesh",)))


def help_of(words: tuple[str, ...]) -> str:
    done = CliRunner().invoke(
        picomesh, [*words[1:], "--help"], prog_name="picomesh", terminal_width=HELP_COLUMNS
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_every_command_has_its_section_and_no_other_has_one() -> None:
    documented = [tuple(line.split()) for line, _ in _HELP.findall(read("docs/cli.md"))]
    assert documented == COMMANDS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_is_in_the_document(
    words: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    actual = help_of(words)
    if request.config.getoption("--update-golden"):
        update(words, actual)
    blocks = dict(_HELP.findall(read("docs/cli.md")))
    assert blocks[" ".join(words)] == actual


def test_the_program_itself_prints_this_help(tmp_path: Path) -> None:
    for line in ("picomesh --help", "picomesh send --help"):
        printed = run_shell(line, tmp_path, shell_environment(tmp_path))
        assert printed == help_of(tuple(line.split()[:-1]))


def update(words: tuple[str, ...], actual: str) -> None:
    def replaced(found: re.Match[str]) -> str:
        if found[1] != " ".join(words):
            return found[0]
        return f"```console\n$ {found[1]} --help\n{actual}```"

    DOCUMENT.write_text(_HELP.sub(replaced, read("docs/cli.md")), "utf-8")


def test_every_command_says_what_it_does_and_every_option_what_it_means() -> None:
    for words in COMMANDS:
        text = help_of(words)
        assert re.search(r"^  \S", text, re.MULTILINE), f"{' '.join(words)} says nothing"
        for option in re.findall(r"^  (--\S+|-\w, --\S+)$", text, re.MULTILINE):
            raise AssertionError(f"{' '.join(words)}: {option} has no help")
