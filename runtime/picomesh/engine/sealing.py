"""From a performed transition to a signed receipt, and back from the store."""

from __future__ import annotations

import platform
from collections.abc import Iterable

import picomesh
from picomesh.engine.performed import Performed, Work
from picomesh.engine.runs import PlainRun
from picomesh.kernel.group import BATCH_MAX, NO_LOGS, open_group, pack_row, unpack_row
from picomesh.kernel.parts import parts_of
from picomesh.ledger.cid import Cid, block_cid_of_digest, cid_of_block
from picomesh.ledger.codec import Block, encode_block
from picomesh.ledger.receipt import (
    BATCH_DOMAIN,
    DOMAIN,
    Receipt,
    Sender,
    envelope_message,
    seal_batch,
)
from picomesh.ledger.signature import Signer
from picomesh.ledger.value import encode_value
from picomesh.sandbox.interface import Sandbox
from picomesh.store.packing import LIMITS as PACK_LIMITS
from picomesh.store.packing import NewReceipt, StoredReceipt
from picomesh.transition import Transition


class Sealer:
    """Signs what an engine performs; many transitions with one signature."""

    def __init__(self, signer: Signer, sandbox: Sandbox, kernel: bool = True) -> None:
        """`kernel`: whether envelopes are made by it, if there is one for this system."""
        self._signer = signer
        versions = {
            "picomesh": picomesh.__version__,
            "python": platform.python_version(),
            "wasmtime": sandbox.version,
        }
        self._sender = Sender.of(signer.public_key, sandbox.backend, versions)
        self._group = open_group(PACK_LIMITS) if kernel else None
        if self._group is not None:
            self._group.set_sender(self._sender.before, self._sender.between)
        self._waiting: list[Receipt | PlainRun] = []
        self._rows: list[bytes] = []  # of all of their envelopes

    def add(
        self, work: Work, performed: Performed, elapsed_us: int, name: str | None = None
    ) -> NewReceipt:
        """A receipt that the next `seal` signs; its logs, if it has some, are a block of it."""
        logs: tuple[Cid, bytes] | None = None
        if performed.has_logs:
            block = encode_logs(performed.transition)
            logs = cid_of_block(block), block
        receipt = Receipt(performed.core_bytes)
        digest = NO_LOGS if logs is None else logs[0].digest
        row = pack_row(performed.cid.digest, work.time_ms, max(elapsed_us, 0), digest)
        self._waiting.append(receipt)
        self._rows.append(row)
        return NewReceipt(work.pico, work.seq, receipt, performed, name, logs)

    def add_run(self, run: PlainRun, elapsed_us: int) -> None:
        """The same for receipts that follow each other, each of which took so long."""
        self._waiting.append(run)
        self._rows += run.rows(max(elapsed_us, 0))

    def seal(self) -> None:
        """Signs what was added since, with one signature for BATCH_MAX."""
        waiting, self._waiting = self._waiting, []
        rows, self._rows = self._rows, []
        envelopes: list[bytes] = []
        for at in range(0, len(rows), BATCH_MAX):
            envelopes += self._envelopes(rows[at : at + BATCH_MAX])
        at = 0
        for item in waiting:
            if isinstance(item, Receipt):
                item.envelope_bytes = envelopes[at]
                at += 1
            else:
                item.sign(envelopes[at : at + item.count])
                at += item.count

    def _envelopes(self, rows: list[bytes]) -> Iterable[bytes]:
        domain = DOMAIN if len(rows) == 1 else BATCH_DOMAIN
        if self._group is not None:
            made = self._group.envelopes(rows, lambda data: self._signer.sign(domain, data))
            return parts_of(made)
        messages = [self._message(*unpack_row(row)) for row in rows]
        return seal_batch(self._sender, messages, self._signer)

    def _message(
        self, core: bytes, received_ms: int, elapsed_us: int, logs: bytes
    ) -> tuple[bytes, bytes]:
        logs_name = None if logs == NO_LOGS else block_cid_of_digest(logs).raw
        name = block_cid_of_digest(core).raw
        return envelope_message(name, self._sender, received_ms, elapsed_us, logs_name)

    def forget(self) -> None:
        """What was added did not happen."""
        self._waiting.clear()
        self._rows.clear()


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
