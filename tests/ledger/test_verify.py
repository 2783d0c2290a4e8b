"""The rules of belief: every attack on a chain is found at its receipt and field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.errors import BrokenHistory
from picomesh.ledger.receipt import Core, Envelope, Receipt, Write, encode_core, seal
from picomesh.ledger.signature import Signer
from picomesh.ledger.tree import EMPTY_ROOT, Tree
from picomesh.ledger.verify import EMPTY_LIST, Chain

SIGNER = Signer(b"s" * 32)
GENESIS = cid_of_block(b"\xa0")
PICO = str(GENESIS)
LENGTH = 6


class NoBlocks:
    def block(self, cid: Cid) -> bytes:
        raise AssertionError("a tree in memory reads nothing")


def seal_core(core: Core, signer: Signer = SIGNER) -> Receipt:
    envelope = Envelope(
        core=cid_of_block(encode_core(core)),
        engine=SIGNER.public_key,
        backend="cranelift",
        versions={},
        received_ms=0,
        elapsed_us=0,
        logs=None,
    )
    return seal(encode_core(core), envelope, signer)


def history(length: int = LENGTH, pico: str = PICO, event: Cid = GENESIS) -> list[Receipt]:
    """A pico that sets one path in every transition, and removes one in every third."""
    receipts: list[Receipt] = []
    tree = Tree(NoBlocks())
    pre, prev = EMPTY_ROOT, None
    for seq in range(length):
        writes = [Write(b"ent/a/%d" % seq, cid_of_bytes(b"%d" % seq))]
        if seq % 3 == 2:
            writes.insert(0, Write(b"ent/a/%d" % (seq - 1), None))
        for write in writes:
            if write.value is None:
                tree.delete(write.path)
            else:
                tree.put(write.path, write.value)
        post, _ = tree.flush()
        core = Core(
            pico=pico,
            seq=seq,
            prev=prev,
            kind="event" if seq else "create",
            code=(),
            event=event if seq == 0 else cid_of_block(b"%d" % seq),
            time=seq,
            seed=bytes(32),
            fuel_limit=1000,
            pre=pre,
            post=post,
            writes=tuple(writes),
            tape=EMPTY_LIST,
            outbox=EMPTY_LIST,
            outcome="ok",
            fuel=seq,
        )
        receipts.append(seal_core(core))
        pre, prev = post, receipts[-1].cid
    return receipts


def believe(receipts: list[Receipt]) -> Chain:
    chain = Chain(PICO, SIGNER.public_key)
    for receipt in receipts:
        chain.accept(receipt.core_bytes, receipt.envelope_bytes)
    return chain


def changed(seq: int, **fields: object) -> list[Receipt]:
    """A history in which an engine lies in one receipt, and signs the lie."""
    receipts = history()
    receipts[seq] = seal_core(replace(receipts[seq].core, **fields))  # type: ignore[arg-type] # any
    return receipts


def test_a_good_history_is_believed() -> None:
    chain = believe(history())
    assert chain.seq == LENGTH
    assert chain.head is not None and chain.head.core.seq == LENGTH - 1


LIES: dict[str, tuple[int, str, Callable[[], list[Receipt]]]] = {
    "skipped": (3, "seq", lambda: [*history()[:3], *history()[4:]]),
    "reordered": (3, "seq", lambda: [*history()[:3], history()[4], history()[3]]),
    "repeated": (4, "seq", lambda: [*history()[:4], history()[3]]),
    "starts-late": (0, "seq", lambda: history()[1:]),
    "of-another-pico": (0, "pico", lambda: history(pico="bafyother")),
    "another-pico-in-the-middle": (2, "pico", lambda: changed(2, pico="bafyother")),
    "another-beginning": (0, "event", lambda: history(event=cid_of_block(b"x"))),
    "another-predecessor": (3, "prev", lambda: changed(3, prev=cid_of_block(b"x"))),
    "no-predecessor": (3, "prev", lambda: changed(3, prev=None)),
    "a-predecessor-for-the-first": (0, "prev", lambda: changed(0, prev=GENESIS)),
    "created-twice": (2, "kind", lambda: changed(2, kind="create")),
    "never-created": (0, "kind", lambda: changed(0, kind="event")),
    "another-state-before": (3, "pre", lambda: changed(3, pre=EMPTY_ROOT)),
    "another-state-after": (3, "post", lambda: changed(3, post=EMPTY_ROOT)),
    "a-write-left-out": (2, "post", lambda: changed(2, writes=())),
    "a-write-invented": (
        3,
        "post",
        lambda: changed(3, writes=(*history()[3].core.writes, Write(b"ent/b", cid_of_bytes(b"x")))),
    ),
    "a-failure-that-wrote": (3, "writes", lambda: changed(3, outcome="trap")),
    "a-failure-with-effects": (
        3,
        "outbox",
        lambda: changed(3, outcome="throw", writes=(), outbox=GENESIS),
    ),
    "more-fuel-than-there-was": (3, "fuel", lambda: changed(3, fuel=1001)),
    "a-past-that-was-rewritten": (3, "prev", lambda: changed(2, time=99)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_at_its_receipt_and_field(name: str) -> None:
    seq, field, receipts = LIES[name]
    with pytest.raises(BrokenHistory) as told:
        believe(receipts())
    assert (told.value.seq, told.value.field) == (seq, field)


def test_a_wrong_signature_is_found() -> None:
    receipts = history()
    receipts[2] = seal_core(receipts[2].core, Signer(b"t" * 32))
    with pytest.raises(BrokenHistory) as told:
        believe(receipts)
    assert (told.value.seq, told.value.field) == (2, "envelope signature")


def test_a_receipt_signed_by_another_engine_is_found() -> None:
    chain = Chain(PICO, Signer(b"t" * 32).public_key)
    receipt = history()[0]
    with pytest.raises(BrokenHistory, match="envelope engine"):
        chain.accept(receipt.core_bytes, receipt.envelope_bytes)


def test_the_envelope_of_another_core_is_found() -> None:
    receipts = history()
    chain = believe(receipts[:2])
    with pytest.raises(BrokenHistory, match="envelope core"):
        chain.accept(receipts[2].core_bytes, receipts[3].envelope_bytes)


def test_every_flipped_bit_of_a_receipt_is_found() -> None:
    receipts = history(2)
    for part in ("core_bytes", "envelope_bytes"):
        data = getattr(receipts[1], part)
        for bit in range(0, 8 * len(data), 5):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << (bit % 8)
            parts = {"core_bytes": receipts[1].core_bytes, part: bytes(flipped)}
            envelope_bytes = parts.get("envelope_bytes", receipts[1].envelope_bytes)
            wrong = Receipt(parts["core_bytes"], envelope_bytes)
            with pytest.raises(BrokenHistory) as told:
                believe([receipts[0], wrong])
            assert told.value.seq == 1


def test_what_was_believed_stays_when_the_next_one_is_refused() -> None:
    receipts = history()
    chain = believe(receipts[:3])
    lie = seal_core(replace(receipts[3].core, post=EMPTY_ROOT))
    for core, envelope in ((b"", b""), (lie.core_bytes, lie.envelope_bytes)):
        with pytest.raises(BrokenHistory):
            chain.accept(core, envelope)
    chain.accept(receipts[3].core_bytes, receipts[3].envelope_bytes)
    assert chain.seq == 4
