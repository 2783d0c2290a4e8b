"""Whether an attribute matches a pattern of a select, asked of a ruleset that does nothing else.

Patterns are KRL's own, so no other engine of regular expressions may judge them. The ruleset runs
in an engine of its own that is gone with this object.
"""

from __future__ import annotations

from picomesh.engine.engine import Engine
from picomesh.engine.errors import QueryFailed
from picomesh.engine.library import compile_krl
from picomesh.engine.options import Options
from picomesh.ledger.value import Value

FUEL_LIMIT = 20_000_000  # a pattern that takes longer is not judged
KNOWN_MAX = 10_000
_RULESET = """ruleset picomesh.matching {
  meta { shares matches }
  global {
    matches = function(value, pattern) {
      value.as("String").match(pattern.as("RegExp"))
    }
  }
}
"""


class Matching:
    """Judges patterns; made in the thread that uses it, when it is first asked."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._engine: Engine | None = None
        self._known: dict[tuple[str, str], bool | None] = {}

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def matches(self, value: Value, pattern: str, flags: str) -> bool | None:
        """Whether it does; None when that cannot be told."""
        if flags or not isinstance(value, str | int | float | bool | None):
            return None
        key = (repr(value), pattern)
        if key not in self._known:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[key] = self._ask("" if value is None else value, pattern)
        return self._known[key]

    def _ask(self, value: Value, pattern: str) -> bool | None:
        if self._engine is None:
            options = Options(backend=self._backend, plain=True, fuel_limit=FUEL_LIMIT)
            self._engine = Engine.ephemeral(options)
            self._engine.create("judge")
            self._engine.install_module("judge", compile_krl(_RULESET))
        given: dict[str, Value] = {"value": value, "pattern": pattern}
        try:
            answer = self._engine.query("judge", "picomesh.matching", "matches", given)
        except QueryFailed:
            return None
        return answer if isinstance(answer, bool) else None
