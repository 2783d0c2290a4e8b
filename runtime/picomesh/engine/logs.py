"""What rules logged, read back from the blocks that receipts' envelopes link to.

They are kept for transitions that failed as well, with the error's text (receipt.md §8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.receipt import decode_core, decode_envelope
from picomesh.ledger.value import Value, decode_value
from picomesh.store.store import Store, StoredReceipt

LOGS_MS = 12 * 60 * 60 * 1000
_PAGE = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a rule logged, or the error that ended a transition."""

    seq: int
    time_ms: int
    rid: str
    rule: str
    level: str
    message: str
    value: Value

    def as_value(self) -> dict[str, Value]:
        return {
            "seq": self.seq,
            "time": self.time_ms,
            "rid": self.rid,
            "rule": self.rule,
            "level": self.level,
            "message": self.message,
            "value": self.value,
        }


def logs_of(store: Store, pico: str, since_ms: int = 0) -> list[Line]:
    """The lines of a pico, oldest first; reads its receipts from the newest back."""
    found: list[list[Line]] = []
    for row in _newest_first(store, pico):
        core = decode_core(row.core)
        if core.time < since_ms:
            break
        logs = decode_envelope(row.envelope).logs
        if logs is not None:
            block = decode_block(store.block(logs))
            found.append(list(_lines(core.seq, core.time, core.outcome, block)))
    return [line for lines in reversed(found) for line in lines]


def _newest_first(store: Store, pico: str) -> Iterator[StoredReceipt]:
    last = store.recorded_head(pico)
    while last is not None and last >= 0:
        first = max(0, last - _PAGE + 1)
        yield from reversed(store.receipts(pico, first, last))
        last = first - 1


def _lines(seq: int, time_ms: int, outcome: str, block: Block) -> Iterator[Line]:
    rows = block.get("lines") if isinstance(block, dict) else None
    for row in rows if isinstance(rows, list) else []:
        match row:
            case [str(rid), str(rule), str(level), str(text), bytes(value)]:
                yield Line(seq, time_ms, rid, rule, level, text, decode_value(value))
            case _:
                continue
    message = block.get("message") if isinstance(block, dict) else None
    if isinstance(message, str) and message:
        yield Line(seq, time_ms, "", "", "error", message, outcome)
