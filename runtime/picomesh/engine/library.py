"""Rulesets by URL: fetched, compiled and remembered until somebody flushes them.

All of this happens outside of transitions; what a pico gets is a module pinned by its hash.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from picomesh.engine.errors import OperatorError
from picomesh.engine.network import Network, NetworkError
from picomesh.engine.system import is_system, read_system

SOURCE_BYTES_MAX = 4 * 1024 * 1024
FOUND_MAX = 256  # rulesets that are remembered: a pico can ask for one after the other
MODULE_START = b"\0asm"

Compile = Callable[[str], bytes]
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """A module from a URL; `source` is None when it was compiled elsewhere."""

    raw: bytes
    source: bytes | None


class Library:
    """The rulesets of one engine by URL; those used longest ago are fetched again.

    Any thread may look for one.
    """

    def __init__(self, fetch: Fetch, compile_text: Compile | None) -> None:
        self._fetch = fetch
        self._compile = compile_text or compile_krl
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Found] = OrderedDict()

    def fetch(self, url: str) -> bytes:
        """What is behind a URL now, as it is. Raises OperatorError."""
        return self._fetch(url)

    def find(self, url: str, fresh: bool) -> Found:
        """What is behind a URL; fetched again when it must be fresh. Raises OperatorError."""
        known = self._known(url)
        if known is not None and not fresh:
            return known
        content = read_system(url) if is_system(url) else self._fetch(url)
        if known is not None and content == (known.source or known.raw):
            return known
        if content.startswith(MODULE_START):
            found = Found(content, None)
        else:
            found = Found(self._compile(_text(content, url)), content)
        with self._lock:
            self._found[url] = found
            if len(self._found) > FOUND_MAX:
                self._found.popitem(last=False)
        return found

    def _known(self, url: str) -> Found | None:
        with self._lock:
            if url in self._found:
                self._found.move_to_end(url)
            return self._found.get(url)


def _text(content: bytes, url: str) -> str:
    if len(content) > SOURCE_BYTES_MAX:
        raise OperatorError(f"{url} is longer than {SOURCE_BYTES_MAX} bytes")
    return content.decode("utf-8-sig", "replace")  # as the reference does, and `compile`


def compile_krl(text: str) -> bytes:
    """The compiler, brought in when the first ruleset is compiled. Raises OperatorError."""
    from krl.compiler import compile_source
    from krl.diagnostic import Source

    compilation = compile_source(Source("ruleset", text))
    if compilation.module is not None:
        return compilation.module
    first = next(item for item in compilation.diagnostics if item.severity == "error")
    line, column = compilation.source.position(first.span.start)
    raise OperatorError(f"CompileError: {first.title} [at line {line} col {column}]")


def fetch_from(network: Network, files: Path | None = None) -> Fetch:
    """Fetches http and https; `file:` only below the folder that the operator named."""

    def fetch(url: str) -> bytes:
        if url.lower().startswith("file:"):
            return _read_below(files, url)
        try:
            answer = network.request("GET", url, {}, None, True)
        except NetworkError as problem:
            raise OperatorError(str(problem)) from problem
        status = answer.get("status_code")
        if status != 200:
            raise OperatorError(f"Got a statusCode={status!r} for: {url}")
        content = answer.get("content")
        return content.encode("utf-8", "replace") if isinstance(content, str) else b""

    return fetch


def _read_below(files: Path | None, url: str) -> bytes:
    path = Path(unquote(urlsplit(url).path)).resolve()
    if files is None or not path.is_relative_to(files.resolve()):
        raise OperatorError(f"{url} is not in the folder of rulesets that this engine may read")
    try:
        return path.read_bytes()
    except OSError as problem:
        raise OperatorError(f"{url}: {problem.strerror}") from problem
