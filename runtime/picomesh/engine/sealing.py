"""From a performed transition to a signed receipt, and back from the store."""

from __future__ import annotations

import platform

import picomesh
from picomesh.engine.perform import Performed, Work
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.receipt import Receipt, Sender, envelope_message, seal_batch
from picomesh.ledger.signature import Signer
from picomesh.ledger.value import encode_value
from picomesh.sandbox.interface import Sandbox
from picomesh.store.packing import NewReceipt, StoredReceipt
from picomesh.transition import Transition

BATCH_MAX = 64  # an envelope carries the logarithm of it in hashes


class Sealer:
    """Signs what an engine performs; many transitions with one signature."""

    def __init__(self, signer: Signer, sandbox: Sandbox) -> None:
        self._signer = signer
        versions = {
            "picomesh": picomesh.__version__,
            "python": platform.python_version(),
            "wasmtime": sandbox.version,
        }
        self._sender = Sender.of(signer.public_key, sandbox.backend, versions)
        self._waiting: list[tuple[Receipt, tuple[bytes, bytes]]] = []

    def add(
        self, work: Work, performed: Performed, elapsed_us: int, name: str | None = None
    ) -> NewReceipt:
        """A receipt that the next `seal` signs; its logs, if it has some, are a block of it."""
        record = performed.record
        logs = None
        done = performed.transition
        if done.logs or done.message:
            block = encode_logs(done)
            cid = cid_of_block(block)
            record, logs = [*record, (cid, block)], cid.raw
        receipt = Receipt(performed.core_bytes)
        message = envelope_message(
            performed.cid.raw, self._sender, work.time_ms, max(elapsed_us, 0), logs
        )
        self._waiting.append((receipt, message))
        return NewReceipt(
            work.pico,
            work.seq,
            receipt,
            name,
            record,
            performed.values,
            performed.removed,
            performed.nodes,
            performed.replaced,
        )

    def seal(self) -> None:
        """Signs what was added since, with one signature."""
        waiting, self._waiting = self._waiting, []
        for at in range(0, len(waiting), BATCH_MAX):
            part = waiting[at : at + BATCH_MAX]
            messages = [message for _, message in part]
            envelopes = seal_batch(self._sender, messages, self._signer)
            for (receipt, _), envelope in zip(part, envelopes, strict=True):
                receipt.envelope_bytes = envelope

    def forget(self) -> None:
        """What was added did not happen."""
        self._waiting.clear()


def read_receipt(row: StoredReceipt) -> Receipt:
    """A stored receipt, decoded. Raises LedgerError."""
    receipt = Receipt(row.core, row.envelope)
    assert receipt.core and receipt.envelope, "what cannot be decoded raises"
    return receipt


def encode_logs(done: Transition) -> bytes:
    """The block of a run's logs and its error text, for people (receipt.md §8)."""
    lines: list[Block] = [
        [line.rid, line.rule, line.level, line.message, encode_value(line.value)]
        for line in done.logs
    ]
    return encode_block({"message": done.message, "lines": lines})
