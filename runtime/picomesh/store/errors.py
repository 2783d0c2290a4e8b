"""What an operator has to put right before the store can be used."""

from __future__ import annotations


class StoreError(Exception):
    """The home cannot be used as it is; `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class DamagedStore(StoreError):
    """The database does not hold what was written to it."""
