"""The second verifier ships in the wheel, whole, and comes out of it as a folder or as one page."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from lives import lived
from picomesh.engine.prove import prove
from verifier.node import ROOT, VERIFIER, needs_node, run_node


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would install."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HATCH_BUILD_NO_HOOKS", "true")  # the guest library is not of interest here
        (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def picomesh(unpacked: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-m", "picomesh", *arguments]
    subprocess.run(command, env=environment, cwd=unpacked.parent, check=True, capture_output=True)


def test_every_file_of_the_second_verifier_is_in_the_wheel(unpacked: Path) -> None:
    installed = unpacked / "picomesh" / "verifier"
    names = {path.name for path in VERIFIER.iterdir()}
    assert {path.name for path in installed.iterdir()} == names
    assert all((installed / name).read_bytes() == (VERIFIER / name).read_bytes() for name in names)


@needs_node
def test_what_was_installed_writes_a_verifier_that_proves(unpacked: Path, tmp_path: Path) -> None:
    picomesh(unpacked, "verifier", "-o", str(tmp_path / "verifier"))
    with lived() as engine:
        data = prove(engine.store, engine.programs, engine.find("me"), 4, engine.signer)
    (tmp_path / "p.car").write_bytes(data)
    printed = run_node(str(tmp_path / "verifier" / "cli.js"), str(tmp_path / "p.car"))
    assert printed.splitlines()[-1].startswith("Proved: ")


def test_the_page_as_one_file_asks_for_no_other(unpacked: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    picomesh(unpacked, "verifier", "-o", str(page))
    text = page.read_text("utf-8")
    assert "src=" not in text and "href=" not in text and "'self'" not in text
    assert "default-src 'none'" in text
