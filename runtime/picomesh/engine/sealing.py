"""From a performed transition to a signed receipt, and back from the store."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import picomesh
from picomesh.engine.perform import Performed, Work
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.receipt import Receipt, Sender, envelope_message, seal_batch
from picomesh.ledger.signature import Signer
from picomesh.ledger.value import encode_value
from picomesh.sandbox.interface import Sandbox
from picomesh.store.store import StoredReceipt
from picomesh.transition import Transition


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

    def seal(
        self, done: Sequence[tuple[Work, Performed, int]], blocks: dict[Cid, bytes]
    ) -> list[Receipt]:
        """The receipts of transitions (with what they took, in microseconds), signed together.

        The blocks of logs are added to `blocks`.
        """
        messages: list[tuple[bytes, bytes]] = []
        for work, performed, elapsed_us in done:
            logs = encode_logs(performed.transition)
            name: Cid | None = None
            if logs is not None:
                name = cid_of_block(logs)
                blocks[name] = logs
            messages.append(
                envelope_message(
                    performed.cid.raw,
                    self._sender,
                    work.time_ms,
                    max(elapsed_us, 0),
                    None if name is None else name.raw,
                )
            )
        envelopes = seal_batch(self._sender, messages, self._signer)
        return [
            Receipt(performed.core_bytes, envelope)
            for (_, performed, _), envelope in zip(done, envelopes, strict=True)
        ]


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
