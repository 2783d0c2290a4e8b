"""The writes of a transition over the state before it, until it is known how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from pico_abi.limits import SCAN_BYTES_MAX
from picomesh.transition.model import State


@dataclass(slots=True)
class Overlay:
    """The writes so far over the state before, so that a rule reads what it wrote."""

    state: State
    written: dict[bytes, bytes | None] = field(default_factory=dict)

    def get(self, path: bytes) -> bytes | None:
        return self.written[path] if path in self.written else self.state.get(path)

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        # Every written path can hide one of the state's, so ask for that many more.
        found = dict(self.state.scan(prefix, after, limit + len(self.written)))
        for path, value in self.written.items():
            if path.startswith(prefix) and path > after:
                found.pop(path, None)
                if value is not None:
                    found[path] = value
        return _within_limits(sorted(found.items())[:limit])

    def changes(self) -> tuple[tuple[bytes, bytes | None], ...]:
        """What is different now, in order of the paths."""
        before = self.state.get
        changed = [item for item in self.written.items() if before(item[0]) != item[1]]
        if len(changed) > 1:
            changed.sort()  # paths are all different
        return tuple(changed)


def _within_limits(entries: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What of a scan fits into SCAN_BYTES_MAX; the first entry always does."""
    size = 0
    for count, (path, value) in enumerate(entries):
        size += len(path) + len(value)
        if size > SCAN_BYTES_MAX and count:
            return entries[:count]
    return entries
