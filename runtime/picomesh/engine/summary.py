"""A receipt in one line: what a list or a stream of receipts says of each."""

from __future__ import annotations

from typing import Any

from picomesh.engine.inputs import (
    Adopt,
    Create,
    Event,
    Input,
    Install,
    Uninstall,
    decode_input,
)
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.tree import Blocks


def summary_of(blocks: Blocks, receipt: Receipt) -> dict[str, Any]:
    """Plain data; `title` says what was asked, `eid` and `eci` are those of an event."""
    core = receipt.core
    try:
        given: Input | None = decode_input(blocks.block(core.event))
    except LedgerError:
        given = None
    return {
        "pico": core.pico,
        "seq": core.seq,
        "cid": str(receipt.cid),
        "kind": core.kind,
        "title": "" if given is None else _title(given),
        "eid": given.eid if isinstance(given, Event) else None,
        "eci": given.eci if isinstance(given, Event) else None,
        "scheduled": isinstance(given, Event) and given.schedule is not None,
        "time": core.time,
        "outcome": core.outcome,
        "fuel": core.fuel,
        "writes": len(core.writes),
        "backend": receipt.envelope.backend,
    }


def _title(given: Input) -> str:
    match given:
        case Event(domain=domain, name=name):
            return f"{domain}:{name}"
        case Install(rid=rid) | Uninstall(rid=rid):
            return rid
        case Create(name=name):
            return name
        case Adopt(part=part):
            return part
        case _:
            return ""
