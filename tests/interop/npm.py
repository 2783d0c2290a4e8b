"""Packages from npm in a scratch folder, for tests with other people's code.

The folder is kept between runs under the versions it holds. Where npm or its registry cannot be
reached, the tests say so loudly.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

INSTALL_S = 180


def installed(*packages: str) -> Path:
    """A folder in which these packages (name@version) are installed; skips where it cannot be."""
    name = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"picomesh-npm-{name}"
    done = folder / "installed"
    if not done.exists():
        _install(folder, packages)
        done.write_text("\n".join(packages))
    return folder


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("NO NPM ON THIS MACHINE: NOT TRIED WITH OTHER IMPLEMENTATIONS")
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("NPM DOES NOT ANSWER: NOT TRIED WITH OTHER IMPLEMENTATIONS")
    if result.returncode:
        pytest.skip(f"NPM CANNOT INSTALL, NOT TRIED WITH OTHER IMPLEMENTATIONS: {result.stderr}")
