"""Files that say what did not happen: lies that an engine signs, and files put together wrongly.

Each names the check of docs/formats/proof.md §4 that finds it out. Both verifiers are tried with
them, and some are vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from picomesh.engine import Engine
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.checkpoint import encode_checkpoint, sign_checkpoint
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.proof import Links, Proof, decode_proof, encode_proof
from picomesh.ledger.receipt import Write, decode_core, decode_envelope, encode_core, seal
from picomesh.ledger.signature import Signer

STRANGER = Signer(b"x" * 32)


def blocks_of(data: bytes) -> dict[Cid, bytes]:
    car = CarFile(data)
    return {cid: car.block(cid) for cid in car}


def packed(blocks: dict[Cid, bytes], proof: Proof) -> bytes:
    root = encode_proof(proof)
    return encode_car(cid_of_block(root), {**blocks, cid_of_block(root): root})


def forged(data: bytes, signer: Signer, **fields: object) -> bytes:
    """The proof with other fields in its core, signed; all other blocks are kept."""
    blocks = blocks_of(data)
    root = CarFile(data).root
    proof = decode_proof(blocks.pop(root))
    core = decode_core(blocks.pop(proof.receipt.core))
    envelope = decode_envelope(blocks.pop(proof.receipt.envelope))
    core = replace(core, **fields)  # type: ignore[arg-type] # any field
    sealed = seal(
        encode_core(core),
        replace(envelope, core=cid_of_block(encode_core(core)), engine=signer.public_key),
        signer,
    )
    links = Links(sealed.cid, cid_of_block(sealed.envelope_bytes))
    blocks |= {links.core: sealed.core_bytes, links.envelope: sealed.envelope_bytes}
    if proof.position is not None:  # the lie is in no checkpoint
        del blocks[proof.position.checkpoint]
    return packed(blocks, replace(proof, receipt=links, position=None))


ROOT = cid_of_block(b"\x80")
VALUE = cid_of_bytes(b"\x07")
# What the engine that holds the key can say of receipt 4, and which check finds it out.
LIES: dict[str, tuple[str, dict[str, object]]] = {
    "less fuel": ("execution", {"fuel": 1}),
    "another outcome": ("execution", {"outcome": "throw"}),
    "another limit": ("execution", {"fuel_limit": 10_000}),
    "a state after it that no write leads to": ("execution", {"post": ROOT}),
    "no writes": ("execution", {"writes": ()}),
    "another value": ("execution", {"writes": (Write(b"ent/t/n", VALUE),)}),
    "effects that were not": ("execution", {"outbox": ROOT}),
    "other code": ("execution", {"code": ()}),
    "another seed": ("", {"seed": bytes(32)}),  # possible: this guest takes no chances
    "another kind": ("execution", {"kind": "install"}),
    "another profile limit": ("receipt", {"fuel_limit": 10**18}),
    "another place": ("position", {"seq": 7}),
    "another predecessor": ("position", {"prev": ROOT}),
    "another state before it": ("position", {"pre": ROOT}),
    "made by it": ("position", {"kind": "create"}),
    "the first": ("position", {"seq": 0}),
}


Change = Callable[[dict[Cid, bytes], Proof, Engine], Proof]


def _another_before(blocks: dict[Cid, bytes], proof: Proof, engine: Engine) -> Proof:
    receipt = engine.receipt("me", 2)
    assert proof.before is not None
    del blocks[proof.before.core], blocks[proof.before.envelope]
    links = Links(receipt.cid, cid_of_block(receipt.envelope_bytes))
    blocks |= {links.core: receipt.core_bytes, links.envelope: receipt.envelope_bytes}
    return replace(proof, before=links)


def _checkpoint(signer: Signer, pico: str | None = None) -> Change:
    def change(blocks: dict[Cid, bytes], proof: Proof, engine: Engine) -> Proof:
        assert proof.position is not None
        del blocks[proof.position.checkpoint]
        receipts = [receipt.cid for receipt in engine.log("me")]
        name = pico or engine.find("me")
        data = encode_checkpoint(sign_checkpoint(name, receipts, 0, signer))
        blocks[cid_of_block(data)] = data
        return replace(proof, position=replace(proof.position, checkpoint=cid_of_block(data)))

    return change


def _path(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    def changed(_: dict[Cid, bytes], proof: Proof, engine: Engine) -> Proof:
        assert proof.position is not None
        path = tuple(change(list(proof.position.path)))
        return replace(proof, position=replace(proof.position, path=path))

    return changed


def _more(data: bytes, cid: Cid) -> Change:
    def change(blocks: dict[Cid, bytes], proof: Proof, _: Engine) -> Proof:
        blocks[cid] = data
        return proof

    return change


def _module(blocks: dict[Cid, bytes], proof: Proof, engine: Engine) -> Proof:
    """Names a module that is there already."""
    code = engine.receipt("me", 4).core.code[0]
    return replace(proof, modules=((code.raw, code.metered),))


FILES: dict[str, tuple[str, Change]] = {
    "a module that the run does not need": ("execution", _module),
    "no receipt before it": ("position", lambda b, p, e: replace(p, before=None)),
    "another receipt before it": ("position", _another_before),
    "a checkpoint by another engine": ("position", _checkpoint(STRANGER)),
    "a checkpoint of another pico": ("position", _checkpoint(STRANGER, "bafyother")),
    "a way to the checkpoint without its last hash": ("position", _path(lambda p: p[:-1])),
    "a way to the checkpoint with a hash more": ("position", _path(lambda p: [*p, p[0]])),
    "a way to the checkpoint in another order": ("position", _path(lambda p: p[::-1])),
    "a block that nothing needs": ("execution", _more(b"\x05", cid_of_block(b"\x05"))),
    "bytes that nothing needs": ("execution", _more(b"hello", cid_of_bytes(b"hello"))),
}


def misfits(good: bytes, signer: Signer) -> dict[str, tuple[str, bytes]]:
    """Files of which a part is not what it must be, and the check that finds it out."""
    blocks = blocks_of(good)
    proof = decode_proof(blocks.pop(CarFile(good).root))
    core = decode_core(blocks[proof.receipt.core])
    module = core.code[0].raw
    without = {cid: data for cid, data in blocks.items() if cid != module}
    unmetered = {cid: data for cid, data in blocks.items() if cid != core.code[0].metered}
    node = {cid: data for cid, data in blocks.items() if cid != core.pre}
    return {
        "a signature by another key": ("signature", _signed_by_another(blocks, proof)),
        "no root of the state": ("execution", packed(node, proof)),
        "a state that is no tree": ("state", _other_state(blocks, proof, signer)),
        "no module": ("code", packed(without, proof)),
        "no metered module": ("code", packed(unmetered, proof)),
    }


def _signed_by_another(blocks: dict[Cid, bytes], proof: Proof) -> bytes:
    envelope = decode_envelope(blocks[proof.receipt.envelope])
    sealed = seal(blocks[proof.receipt.core], envelope, STRANGER)
    links = replace(proof.receipt, envelope=cid_of_block(sealed.envelope_bytes))
    rest = {cid: data for cid, data in blocks.items() if cid != proof.receipt.envelope}
    return packed({**rest, links.envelope: sealed.envelope_bytes}, replace(proof, receipt=links))


def _other_state(blocks: dict[Cid, bytes], proof: Proof, signer: Signer) -> bytes:
    """Both receipts say that the state is a block that is none, and the engine signs it."""
    assert proof.before is not None
    made, links = dict(blocks), proof
    before = decode_core(made.pop(proof.before.core))
    first = seal(
        encode_core(replace(before, post=ROOT)),
        replace(
            decode_envelope(made.pop(proof.before.envelope)),
            core=cid_of_block(encode_core(replace(before, post=ROOT))),
        ),
        signer,
    )
    core = replace(decode_core(made.pop(proof.receipt.core)), pre=ROOT, prev=first.cid)
    second = seal(
        encode_core(core),
        replace(
            decode_envelope(made.pop(proof.receipt.envelope)), core=cid_of_block(encode_core(core))
        ),
        signer,
    )
    for item in (first, second):
        made |= {item.cid: item.core_bytes, cid_of_block(item.envelope_bytes): item.envelope_bytes}
    if proof.position is not None:
        del made[proof.position.checkpoint]
    links = replace(
        proof,
        receipt=Links(second.cid, cid_of_block(second.envelope_bytes)),
        before=Links(first.cid, cid_of_block(first.envelope_bytes)),
        position=None,
    )
    return packed({**made, ROOT: b"\x80"}, links)


def repackaged(data: bytes, engine: Engine, change: Change) -> bytes:
    """The file with other blocks in it, and the root that goes with them."""
    blocks = blocks_of(data)
    proof = decode_proof(blocks.pop(CarFile(data).root))
    return packed(blocks, change(blocks, proof, engine))
