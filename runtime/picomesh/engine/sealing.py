"""From a performed transition to a signed receipt, and back from the store."""

from __future__ import annotations

import platform

import picomesh
from picomesh.engine.perform import Performed
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.receipt import (
    Envelope,
    Receipt,
    encode_core,
    seal,
)
from picomesh.ledger.signature import Signer
from picomesh.ledger.value import encode_value
from picomesh.sandbox.interface import Sandbox
from picomesh.store.store import StoredReceipt
from picomesh.transition import Transition


def seal_performed(
    performed: Performed, signer: Signer, sandbox: Sandbox, elapsed_us: int
) -> tuple[Receipt, dict[Cid, bytes]]:
    """Signs a transition; returns the receipt and the block of its logs, if it has some."""
    logs = encode_logs(performed.transition)
    blocks = {} if logs is None else {cid_of_block(logs): logs}
    core_bytes = encode_core(performed.core)
    envelope = Envelope(
        core=cid_of_block(core_bytes),
        engine=signer.public_key,
        backend=sandbox.backend,
        versions={
            "picomesh": picomesh.__version__,
            "python": platform.python_version(),
            "wasmtime": sandbox.version,
        },
        received_ms=performed.core.time,
        elapsed_us=max(elapsed_us, 0),
        logs=None if logs is None else cid_of_block(logs),
    )
    return seal(core_bytes, envelope, signer), blocks


def read_receipt(row: StoredReceipt) -> Receipt:
    """A stored receipt, decoded. Raises LedgerError."""
    receipt = Receipt(row.core, row.envelope)
    assert receipt.core and receipt.envelope, "what cannot be decoded raises"
    return receipt


def encode_logs(done: Transition) -> bytes | None:
    """The block of a run's logs and its error text, for people (receipt.md §8)."""
    if not done.logs and not done.message:
        return None
    lines: list[Block] = [
        [line.rid, line.rule, line.level, line.message, encode_value(line.value)]
        for line in done.logs
    ]
    return encode_block({"message": done.message, "lines": lines})
