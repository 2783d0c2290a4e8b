"""What whoever operates an engine asked for and cannot have, with what to do instead."""

from __future__ import annotations


class OperatorError(Exception):
    """A request that cannot be served as it was made; `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class ModuleNotAdmitted(OperatorError):
    """A module that profile pico-1 refuses."""


class NotAllowed(OperatorError):
    """A channel that does not let something through."""


class NotFound(OperatorError):
    """A channel, a pico, a ruleset or a function that is not there."""


class Conflict(OperatorError):
    """What cannot be because of what is: a name that is taken, a ruleset that is in use."""


class Overloaded(OperatorError):
    """More than the engine takes now; the same request may be made again later."""


class QueryFailed(OperatorError):
    """A query that threw, trapped or ran out; `outcome` says which."""

    def __init__(self, outcome: str, text: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.outcome = outcome
