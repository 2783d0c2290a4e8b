"""What rules logged, read back from the blocks that receipts' envelopes link to.

They are kept for transitions that failed as well, with the error's text (receipt.md §8).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.receipt import decode_core, decode_envelope
from picomesh.ledger.value import Value, decode_value, encode_value
from picomesh.store.store import Store, StoredReceipt
from picomesh.transition import Transition

LOGS_MS = 12 * 60 * 60 * 1000
QUERY_LINES_MAX = 200  # of one pico
QUERY_TEXT_MAX = 4_096
QUERIED_PICOS_MAX = 1_000
_PAGE = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a rule logged, or the error that ended a transition."""

    seq: int | None  # of the receipt; None: a query, which has none
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; the newest of them, and never more than this machine should look for."""

    since_ms: int = 0
    rid: str = ""
    rule: str = ""
    before: int | None = None  # a receipt
    lines_max: int | None = None
    receipts_max: int | None = None

    def has(self, line: Line) -> bool:
        return self.rid in ("", line.rid) and self.rule in ("", line.rule)


def logs_of(store: Store, pico: str, wanted: Wanted | None = None) -> list[Line]:
    """The lines of a pico, oldest first; reads its receipts from the newest back."""
    wanted = wanted or Wanted()
    found: list[list[Line]] = []
    count = 0
    for at, row in enumerate(_newest_first(store, pico, wanted.before)):
        if wanted.receipts_max is not None and at >= wanted.receipts_max:
            break
        core = decode_core(row.core)
        if core.time < wanted.since_ms:
            break
        logs = decode_envelope(row.envelope).logs
        if logs is None:
            continue
        block = decode_block(store.block(logs))
        lines = _lines(core.seq, core.time, core.outcome, block)
        found.append([line for line in lines if wanted.has(line)])
        count += len(found[-1])
        if wanted.lines_max is not None and count >= wanted.lines_max:
            break
    lines_found = [line for lines in reversed(found) for line in lines]
    return lines_found[-wanted.lines_max :] if wanted.lines_max else lines_found


def _newest_first(store: Store, pico: str, before: int | None) -> Iterator[StoredReceipt]:
    last = store.recorded_head(pico)
    if last is not None and before is not None:
        last = min(last, before - 1)
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


def merge_lines(lines: list[Line], more: list[Line]) -> list[Line]:
    """Both, in the order of their times."""
    return sorted([*lines, *more], key=lambda line: line.time_ms)


class QueryLines:
    """What queries logged lately. They leave no receipt, so it is in memory only."""

    def __init__(self) -> None:
        self._picos: OrderedDict[str, deque[Line]] = OrderedDict()

    def add(self, pico: str, time_ms: int, done: Transition) -> None:
        """The lines of a query, and the error that ended it."""
        if not done.logs and done.outcome == "ok":
            return
        lines = self._picos.setdefault(pico, deque(maxlen=QUERY_LINES_MAX))
        self._picos.move_to_end(pico)
        if len(self._picos) > QUERIED_PICOS_MAX:
            self._picos.popitem(last=False)
        for line in done.logs:
            text = line.message[:QUERY_TEXT_MAX]
            is_short = len(encode_value(line.value)) <= QUERY_TEXT_MAX
            value = line.value if is_short else None
            lines.append(Line(None, time_ms, line.rid, line.rule, line.level, text, value))
        if done.message:
            text = done.message[:QUERY_TEXT_MAX]
            lines.append(Line(None, time_ms, "", "", "error", text, done.outcome))

    def of(self, pico: str, wanted: Wanted) -> list[Line]:
        found = self._picos.get(pico, ())
        return [line for line in found if wanted.has(line) and line.time_ms >= wanted.since_ms]
