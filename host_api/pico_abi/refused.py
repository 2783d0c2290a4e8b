"""The one exception a hostile module meets.

Every check of this package, from the first LEB128 to the last branch label, ends in
`ModuleRefused`; whoever admits modules catches exactly this class. Nothing else may escape.
"""

from __future__ import annotations


class ModuleRefused(Exception):
    """A module that profile pico-1 does not admit: where in its bytes, and why."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.offset = offset
        self.reason = reason
