"""What the documents name exists: files, links, sections of a decision."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.documents import ROOT, commands, links, matches, named_paths, read, refreshed

DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "bench/README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
# Made by the build, so not in a fresh clone.
BUILT = {"rulesets/krl/guest/guest.wasm", "guest.wasm"}


def exists(name: str, beside: Path) -> bool:
    """From the root of the repository, or from the folder of the document."""
    return (ROOT / name).exists() or (beside / name).exists()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    assert [link for link in links(read(name)) if not (folder / link).exists()] == []


@pytest.mark.parametrize(
    "name", ["README.md", "docs/ARCHITECTURE.md", *(str(p.relative_to(ROOT)) for p in DECISIONS)]
)
def test_every_path_that_is_named_exists(name: str) -> None:
    named = [path for path in named_paths(read(name)) if path not in BUILT]
    assert [path for path in named if not exists(path, (ROOT / name).parent)] == []


def test_the_architecture_names_every_package_of_the_house() -> None:
    text = read("docs/ARCHITECTURE.md")
    packages = [
        path.parent
        for folder in ("host_api/pico_abi", "rulesets/krl", "runtime/picomesh")
        for path in (ROOT / folder).rglob("__init__.py")
    ]
    for package in packages:
        parts = package.relative_to(ROOT).parts
        assert any(f"`{'/'.join(parts[:end])}" in text for end in range(2, len(parts) + 1)), parts


def test_the_architecture_is_one_page() -> None:
    assert len(read("docs/ARCHITECTURE.md").splitlines()) <= 110


def test_decisions_are_numbered_without_a_gap_and_have_their_three_parts() -> None:
    for number, path in enumerate(DECISIONS, 1):
        assert re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", path.name)
        text = path.read_text("utf-8")
        assert text.startswith(f"# {number:04}: ")
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], path.name


def test_a_console_block_is_commands_and_what_they_print() -> None:
    text = "```console\n$ echo 'a\n> b'\na\nb\n$ true\n```\n\n```\n$ not this\n```\n"
    assert [(command.line, command.printed) for command in commands(text)] == [
        ("echo 'a\nb'", "a\nb\n"),
        ("true", ""),
    ]


@pytest.mark.parametrize(
    ("printed", "actual", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a …\n", "a b c\n", True),
        ("a …\n", "a b\nc\n", False),
        ("a\n…\nz\n", "a\nz\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\n", False),
        ("", "anything\n", False),
        ("1 (…)\n", "1 (x)\n", True),
    ],
)
def test_an_ellipsis_stands_for_any_text_and_nothing_else_does(
    printed: str, actual: str, same: bool
) -> None:
    assert matches(printed, actual) is same


def test_figures_can_be_written_again_and_words_cannot() -> None:
    assert refreshed("fuel 1,203 of …\n…\n", "fuel 9 of 10\nrest\n") == "fuel 9 of …\n…\n"
    assert refreshed("fuel 1,203\n", "fool 9\n") == "fuel 1,203\n"
