"""Fetches the two files of QuickJS that the guest library is linked with, and their headers.

They come from a pinned source distribution, checked by hash, through pip, so that a configured
index, proxy or certificate is honoured. Nothing of the distribution runs: pip's own `download`
would run its setup to learn its dependencies, so only pip's finder and its session are used.
What KRL has no flag for is taken out of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

QUICKJS_NAME = "quickjs-ng"
QUICKJS_VERSION = "0.17.0.2"
QUICKJS_SHA256 = "43d2e48272208721a7aaea8e3f02d4b9318f12ef20cc4f5421b59d9a470706ef"

_FOLDER = f"quickjs_ng-{QUICKJS_VERSION}/upstream-quickjs"
_SOURCES = ("libregexp.c", "libunicode.c")
_HEADERS = (
    "cutils.h",
    "libregexp-opcode.h",
    "libregexp.h",
    "libunicode-table.h",
    "libunicode.h",
    "list.h",
)

# KRL has no flags u and v, so characters are code units and sets hold no strings. What only they
# lead to is folded away: a fifth of the code.
_FOLDED = {
    "libregexp.c": (
        (r"\bs->(is_unicode|unicode_sets)\b(?! *=[^=])", "false"),
        (r"(\bs->)?\bcbuf_type == 2\b", "false"),
        (r"\b\w+->n_strings != 0\b", "false"),
        (r"\b\w+->n_strings == 0\b", "true"),
    ),
    "libunicode.c": ((r"\bif \(is_unicode\)", "if (false)"), (r"\bis_unicode \?", "false ?")),
}

# Runs in a process of its own: pip is made to be run, not imported.
_FETCH = """
import sys
from pip._internal.commands import create_command

name, version, target = sys.argv[1:]
command = create_command("download")
with command.main_context():
    options, _ = command.parse_args(["--no-binary", ":all:", name])
    session = command.get_default_session(options)
    finder = command._build_package_finder(options, session)
    found = [c for c in finder.find_all_candidates(name) if str(c.version) == version]
    response = session.get(found[0].link.url_without_fragment)
    response.raise_for_status()
    with open(target, "wb") as out:
        out.write(response.content)
"""


class QuickjsError(Exception):
    """QuickJS's sources could not be had; the text says what to do."""


def unpack_quickjs(target: Path) -> list[Path]:
    """Puts sources and headers into `target`; returns the sources. Raises QuickjsError."""
    archive = _distribution()
    target.mkdir(parents=True)
    with tarfile.open(archive) as members:
        for name in _SOURCES + _HEADERS:
            member = members.extractfile(f"{_FOLDER}/{name}")
            assert member is not None, name
            (target / name).write_text(_folded(name, member.read().decode()))
    return [target / name for name in _SOURCES]


def _folded(name: str, source: str) -> str:
    for pattern, value in _FOLDED.get(name, ()):
        source, count = re.subn(pattern, value, source)
        if count == 0:
            raise QuickjsError(f"{name} is not the file it was: nothing matches {pattern}")
    return source


def _distribution() -> Path:
    """The source distribution, from the cache or the index."""
    cached = _cache_folder() / f"quickjs_ng-{QUICKJS_VERSION}.tar.gz"
    if not _is_pinned(cached):
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        _fetch(partial)
        if not _is_pinned(partial):
            partial.unlink()
            raise QuickjsError(f"{cached.name} from the index does not have its pinned hash")
        partial.replace(cached)
    return cached


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "picomesh"


def _is_pinned(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == QUICKJS_SHA256


def _fetch(target: Path) -> None:
    arguments = [QUICKJS_NAME, QUICKJS_VERSION, str(target)]
    done = subprocess.run(
        [sys.executable, "-c", _FETCH, *arguments], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise QuickjsError(
            f"{QUICKJS_NAME} {QUICKJS_VERSION} could not be fetched through pip:\n"
            f"{done.stderr.strip()}\n"
            f"Put its source distribution into {_cache_folder()} if this machine is offline."
        )
