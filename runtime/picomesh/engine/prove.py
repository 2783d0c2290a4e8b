"""Makes the proof of one transition: all that anybody needs to run it again, and nothing else.

The transition is run again here while every block that it reads is noted. What was noted is the
proof (docs/formats/proof.md §3); that it suffices needs no thought, for the auditor reads the same.
"""

from __future__ import annotations

from picomesh.engine.errors import OperatorError
from picomesh.engine.makers import makers_of
from picomesh.engine.moment import replaying
from picomesh.engine.programs import Programs
from picomesh.engine.records import PicoState
from picomesh.engine.replay import compare, perform_recorded, work_of
from picomesh.engine.sources import Source, cid_of, get_receipt, with_state
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.checkpoint import encode_checkpoint, sign_checkpoint
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.merkle import inclusion_path, leaf_hash, root_by_way
from picomesh.ledger.partial import Recorder
from picomesh.ledger.proof import Links, Position, Proof, decode_proof, encode_proof
from picomesh.ledger.receipt import Core, Receipt, decode_core
from picomesh.ledger.signature import Signer
from picomesh.store.store import StoredReceipt


def prove(
    source: Source,
    programs: Programs,
    pico: str,
    seq: int,
    signer: Signer | None = None,
    has_modules: bool = True,
) -> bytes:
    """The proof file of a receipt; with a signer, it says how long the history is.

    Raises OperatorError when the receipt cannot be proved, because it does not replay.
    """
    source = with_state(source, programs, pico, seq)
    row = get_receipt(source, pico, seq)
    core = decode_core(row.core)
    recorder = Recorder(source)
    modules = _run(source, recorder, programs, core)
    kept = _without_modules(core, recorder) if not has_modules else recorder.read
    blocks = {**kept, **_receipt_blocks(row)}
    blocks |= makers_of(source, pico)
    before = None
    if seq:
        row_before = get_receipt(source, pico, seq - 1)
        before = _links(row_before)
        blocks |= _receipt_blocks(row_before)
    position = _position(source, pico, seq, signer, blocks)
    root = encode_proof(Proof(_links(row), before, position, modules))
    blocks[cid_of_block(root)] = root
    return encode_car(cid_of_block(root), blocks)


def proved_receipt(data: bytes) -> tuple[Receipt, dict[Cid, bytes]] | None:
    """The receipt that a proof is of, and the inputs that made its pico; None if it is no proof.

    Whether the proof holds is not asked.
    """
    try:
        car = CarFile(data)
        proof = decode_proof(car.block(car.root))
        links = proof.receipt
        receipt = Receipt(car.block(links.core), car.block(links.envelope))
        return receipt, makers_of(car, receipt.core.pico)
    except LedgerError:
        return None


def _run(
    source: Source, recorder: Recorder, programs: Programs, core: Core
) -> tuple[tuple[Cid, Cid], ...]:
    """Runs the transition; the recorder then has read what it needs. Returns further modules."""
    fresh = Programs(programs.sandbox, programs.gate)  # one that remembers nothing reads all
    with replaying(core.seq):
        performed = perform_recorded(fresh, recorder, work_of(core, recorder))
    divergence = compare(core, performed.core)
    if divergence is not None:
        raise OperatorError(
            f"receipt {core.seq} cannot be proved: run again, its {divergence.field} is another",
            "`picomesh replay` says more",
        )
    for record in PicoState(recorder, core.pre).rulesets():
        recorder.block(record.raw)  # an auditor meters modules himself; one that has no
        recorder.block(record.metered)  # rewriter takes them as they are metered
    for code in core.code:
        made = performed.blocks.get(code.metered)
        recorder.read[code.metered] = source.block(code.metered) if made is None else made
    known = {code.raw for code in core.code}
    known |= {record.raw for record in PicoState(recorder, core.pre).rulesets()}
    further = {raw: data for raw, data in fresh.admitted().items() if raw not in known}
    recorder.read.update({cid_of_bytes(data): data for data in further.values()})
    return tuple((raw, cid_of_bytes(further[raw])) for raw in sorted(further))


def _without_modules(core: Core, recorder: Recorder) -> dict[Cid, bytes]:
    """All but the modules that were installed before, which an auditor may have."""
    modules: set[Cid] = set()
    for record in PicoState(recorder, core.pre).rulesets():
        modules |= {record.raw, record.metered}
    return {cid: data for cid, data in recorder.read.items() if cid not in modules}


def _links(row: StoredReceipt) -> Links:
    return Links(cid_of_block(row.core), cid_of_block(row.envelope))


def _receipt_blocks(row: StoredReceipt) -> dict[Cid, bytes]:
    return {cid_of_block(data): data for data in (row.core, row.envelope)}


def _position(
    source: Source, pico: str, seq: int, signer: Signer | None, blocks: dict[Cid, bytes]
) -> Position | None:
    """A fresh checkpoint over the whole history, dated by its newest receipt."""
    if signer is None:
        return None
    rows = source.receipts(pico)
    time_ms = decode_core(rows[-1].core).time
    receipts = [cid_of(row) for row in rows]
    leaves = [leaf_hash(cid) for cid in receipts]
    path = inclusion_path(leaves, seq)
    root = root_by_way(leaves[seq], seq, len(leaves), path)
    data = encode_checkpoint(sign_checkpoint(pico, receipts, time_ms, signer, root))
    blocks[cid_of_block(data)] = data
    return Position(cid_of_block(data), tuple(path))
