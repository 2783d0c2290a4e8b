"""The rules of belief: what must hold before a receipt is believed. No IO, no clock.

Read it next to docs/formats/history.md §1, whose numbers stand at the rules. A `Chain` is fed the
receipts of one pico in order and raises BrokenHistory at the first thing that does not hold. The
state root needs no blocks from anywhere: the chain keeps the tree that the writes themselves make.
"""

from __future__ import annotations

from picomesh.ledger.cid import Cid, cid_of_block, trusted_cid
from picomesh.ledger.codec import encode_block
from picomesh.ledger.errors import BrokenHistory, CodecError, MissingBlock, TreeTooWide
from picomesh.ledger.fields import FieldError
from picomesh.ledger.receipt import (
    Core,
    Envelope,
    Receipt,
    decode_core,
    decode_envelope,
    is_envelope_signed,
)
from picomesh.ledger.seals import Seals
from picomesh.ledger.tree import EMPTY_ROOT, Blocks, Tree

EMPTY_LIST = cid_of_block(encode_block([]))  # an empty tape, an empty outbox


CHANGED = "it is not what was signed: it was changed, or taken from elsewhere"


class _NoBlocks:
    def block(self, cid: Cid) -> bytes:
        raise MissingBlock(f"block {cid} is not there")


class Chain:
    """What is believed of one pico so far."""

    def __init__(
        self,
        pico: str,
        engine: bytes,
        head: Receipt | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        """With a head, a chain that goes on behind it: the state there comes from `blocks`."""
        self.pico = pico
        self.engine = engine
        self.head = head
        self.logs: Cid | None = None  # of the last receipt, as its envelope has it
        self.made: dict[Cid, bytes] = {}  # the nodes that its state has and the one before had not
        self._seals = Seals(engine)
        root = EMPTY_ROOT if head is None else head.core.post
        self._tree = Tree(blocks or _NoBlocks(), root)

    @property
    def seq(self) -> int:
        """The seq of the next receipt."""
        return 0 if self.head is None else self.head.core.seq + 1

    def accept(self, core_bytes: bytes, envelope_bytes: bytes) -> Receipt:
        """Believes the next receipt. Raises BrokenHistory, and says by whose fault."""
        try:
            return self._accept(core_bytes, envelope_bytes)
        except BrokenHistory as problem:
            problem.fault = self._fault(core_bytes, envelope_bytes)
            raise

    def _accept(self, core_bytes: bytes, envelope_bytes: bytes) -> Receipt:
        core = self._decode_core(core_bytes)
        self._check_place(core)
        self._check_failure(core)
        tree, made = self._check_state(core)
        receipt = Receipt(core_bytes, envelope_bytes, core)
        signed = self._seals.signed(envelope_bytes)
        if signed is not None and signed[0] == receipt.cid.raw:  # rules 1, 9, 10 and 11
            self.logs = None if signed[1] is None else trusted_cid(signed[1])
        else:
            envelope = self._decode_envelope(envelope_bytes)
            self._check_envelope(core_bytes, envelope)
            self.logs = envelope.logs
        self._tree, self.made = tree, made
        self.head = receipt
        return receipt

    def _fault(self, core_bytes: bytes, envelope_bytes: bytes) -> str:
        """Whoever signed just these bytes answers for them; for others, whoever kept them."""
        try:
            envelope = decode_envelope(envelope_bytes)
        except CodecError:
            return CHANGED
        if envelope.core != cid_of_block(core_bytes) or not is_envelope_signed(envelope):
            return CHANGED
        if envelope.engine != self.engine:
            return f"another engine signed it: {envelope.engine.hex()}"
        return "the engine signed it so"

    def _broken(self, field: str, text: str) -> BrokenHistory:
        return BrokenHistory(self.seq, field, text)

    def _decode_core(self, data: bytes) -> Core:
        try:
            return decode_core(data)  # rule 1
        except FieldError as problem:
            raise self._broken(problem.field, str(problem)) from problem
        except CodecError as problem:
            raise self._broken("core", str(problem)) from problem

    def _decode_envelope(self, data: bytes) -> Envelope:
        try:
            return decode_envelope(data)  # rule 1
        except FieldError as problem:
            raise self._broken(f"envelope {problem.field}", str(problem)) from problem
        except CodecError as problem:
            raise self._broken("envelope", str(problem)) from problem

    def _check_place(self, core: Core) -> None:
        if core.pico != self.pico:  # rule 2
            raise self._broken("pico", f"it is a receipt of {core.pico}")
        if core.seq != self.seq:  # rule 3
            raise self._broken("seq", f"it says {core.seq}")
        if core.prev != (None if self.head is None else self.head.cid):  # rule 4
            raise self._broken("prev", "it does not follow the receipt before it")
        if (core.kind == "create") != (core.seq == 0):  # rule 5
            raise self._broken("kind", f"{core.kind} at this place")
        if core.seq == 0 and str(core.event) != self.pico:
            raise self._broken("event", "it is not the event that made this pico")

    def _check_failure(self, core: Core) -> None:
        if core.fuel > core.fuel_limit:  # rule 6
            raise self._broken("fuel", f"{core.fuel} of at most {core.fuel_limit}")
        if core.outcome != "ok" and core.writes:
            raise self._broken("writes", f"the outcome is {core.outcome}, yet it wrote")
        if core.outcome != "ok" and core.outbox != EMPTY_LIST:
            raise self._broken("outbox", f"the outcome is {core.outcome}, yet it has effects")

    def _check_state(self, core: Core) -> tuple[Tree, dict[Cid, bytes]]:
        before = EMPTY_ROOT if self.head is None else self.head.core.post
        if core.pre != before:  # rule 7
            raise self._broken("pre", "it is not the state the receipt before it left")
        tree = self._tree.copy()
        for write in core.writes:  # rule 8
            if write.value is None:
                tree.delete(write.path)
            else:
                tree.put(write.path, write.value)
        try:
            root, made = tree.flush()
        except TreeTooWide as problem:
            raise self._broken("writes", str(problem)) from problem
        if core.post != root:
            raise self._broken("post", f"the writes lead to {root}")
        return tree, made

    def _check_envelope(self, core_bytes: bytes, envelope: Envelope) -> None:
        if envelope.core != cid_of_block(core_bytes):  # rule 9
            raise self._broken("envelope core", "it is the envelope of another core")
        if envelope.engine != self.engine:  # rule 10
            raise self._broken("envelope engine", f"signed by {envelope.engine.hex()}")
        if not is_envelope_signed(envelope):  # rule 11
            raise self._broken("envelope signature", "it does not hold")
