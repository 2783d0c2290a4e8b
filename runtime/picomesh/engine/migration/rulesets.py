"""The rulesets of a home of the reference engine: their texts, compiled here.

The reference's own rulesets (wrangler and its like) lean on how it works inside; those that this
engine has itself take their places, with the entity variables that both know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from picomesh.engine.errors import OperatorError
from picomesh.engine.library import Fetch, compile_krl
from picomesh.engine.system import SYSTEM_RIDS, read_system, url_of

_REFERENCES_OWN = frozenset(
    f"io.picolabs.{name}" for name in ("pico-engine-ui", "wrangler", "subscription", "did-o", "pds")
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A ruleset that can be installed; `variables` are those it knows, None: any."""

    rid: str
    raw: bytes
    source: str
    uses: tuple[str, ...]
    url: str
    variables: frozenset[str] | None = None


class Library:
    """Compiles each text once. `fetch` finds what the home has no text of; None: nobody does."""

    def __init__(self, sources: dict[str, str], fetch: Fetch | None) -> None:
        self._sources = sources
        self._fetch = fetch
        self._found: dict[tuple[str, str], Compiled] = {}
        self._refused: dict[tuple[str, str], OperatorError] = {}

    def find(self, rid: str, url: str) -> Compiled:
        """The ruleset that was installed from a URL. Raises OperatorError."""
        if (rid, url) in self._refused:
            raise self._refused[rid, url]
        try:
            return self._find(rid, url)
        except OperatorError as problem:
            self._refused[rid, url] = problem
            raise

    def _find(self, rid: str, url: str) -> Compiled:
        if (rid, url) not in self._found:
            self._found[rid, url] = (
                self._system(rid) if rid in _REFERENCES_OWN else self._own(rid, url)
            )
        return self._found[rid, url]

    def _own(self, rid: str, url: str) -> Compiled:
        source = self._sources.get(url)
        if source is None:
            source = self._elsewhere(url)
        return _compiled(rid, source, url)

    def _elsewhere(self, url: str) -> str:
        """A file is read; the network is asked unless the operator wants none of it."""
        if url.lower().startswith("file:"):
            path = Path(unquote(urlsplit(url).path))
            try:
                return path.read_text("utf-8-sig")
            except (OSError, ValueError) as problem:
                raise OperatorError(f"its text is not in the home, and not at {url}") from problem
        if self._fetch is None:
            raise OperatorError(f"its text is not in the home, only at {url}")
        try:
            return self._fetch(url).decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            raise OperatorError(f"{url} is not UTF-8") from problem

    def _system(self, rid: str) -> Compiled:
        if rid not in SYSTEM_RIDS:
            raise OperatorError("it is part of the reference engine, and has no counterpart here")
        source = read_system(url_of(rid)).decode("utf-8")
        return _compiled(rid, source, url_of(rid), variables_of(source))


def _compiled(rid: str, source: str, url: str, variables: frozenset[str] | None = None) -> Compiled:
    from picomesh.manifest import read_manifest

    raw = compile_krl(source)
    manifest = read_manifest(raw)
    if manifest.rid != rid:
        raise OperatorError(f"what is at {url} is {manifest.rid} by now")
    return Compiled(rid, raw, source, manifest.uses, url, variables)


def variables_of(source: str) -> frozenset[str]:
    """The entity variables that a ruleset names."""
    from krl.diagnostic import Diagnostics, Source
    from krl.syntax.parser import parse_what_is_clear

    tree = parse_what_is_clear(Source("ruleset", source), Diagnostics())
    named = (node for node in _nodes(tree) if getattr(node, "domain", None) == "ent")
    return frozenset(str(node.name) for node in named if hasattr(node, "name"))


def _nodes(node: object) -> Iterator[object]:
    """All parts of a tree."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, tuple | list):
            waiting += item
        elif is_dataclass(item):
            waiting += [getattr(item, field.name) for field in fields(item)]
