"""Picos whose last transition did not end well: what an operator looks at first.

Nothing is stored for it: the newest receipt says how it ended, and its logs say why.
"""

from __future__ import annotations

from dataclasses import dataclass

from picomesh.ledger.codec import decode_block
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.pieces import key, text
from picomesh.ledger.receipt import decode_core, decode_envelope
from picomesh.ledger.value import Value
from picomesh.store.store import Store, StoredReceipt

_OUTCOME = key("outcome")


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a pico's newest receipt ended, and why."""

    seq: int
    time_ms: int
    outcome: str
    message: str

    def as_value(self) -> dict[str, Value]:
        return {
            "seq": self.seq,
            "time": self.time_ms,
            "outcome": self.outcome,
            "message": self.message,
        }


def trouble_of(store: Store, pico: str) -> Trouble | None:
    """None when its newest transition ended well."""
    row = store.head(pico)
    if row is None or _ended_well(row.core):
        return None
    core = decode_core(row.core)
    if core.outcome == "ok":
        return None
    return Trouble(core.seq, core.time, core.outcome, _message(store, row))


def _ended_well(core: bytes) -> bool:
    """Without decoding it, for ten thousand of them; the field is there once, whatever else is."""
    return core.count(_OUTCOME) == 1 and _OUTCOME + text("ok") in core


def _message(store: Store, row: StoredReceipt) -> str:
    """The text of the error, from the logs; empty if they are not there any more."""
    try:
        logs = decode_envelope(row.envelope).logs
        block = None if logs is None else decode_block(store.block(logs))
    except LedgerError:
        return ""
    message = block.get("message") if isinstance(block, dict) else None
    return message if isinstance(message, str) else ""
