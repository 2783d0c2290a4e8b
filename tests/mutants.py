"""Proofs and histories in which one thing is another: a byte, or a field, under good signatures."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import DAG_CBOR, Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.codec import Block, decode_block, encode_block
from picomesh.ledger.errors import CodecError, LedgerError, MissingBlock
from picomesh.ledger.export import (
    PAGE_RECEIPTS_MAX,
    ExportedPico,
    decode_export,
    decode_page,
    encode_export,
    encode_page,
)
from picomesh.ledger.proof import Links, decode_proof, encode_proof
from picomesh.ledger.receipt import decode_envelope, seal
from picomesh.ledger.signature import Signer


def changed_bytes(data: bytes, count: int, chance: random.Random) -> Iterator[bytes]:
    """The file with one bit of one byte another; every byte has its turn."""
    for number in range(count):
        wrong = bytearray(data)
        wrong[number % len(data)] ^= 1 << chance.randrange(8)
        yield bytes(wrong)


def changed_fields(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The file with one item of one block another, and every link led to what came of it."""
    car = CarFile(data)
    for root, made in changed(car.root, {cid: car.block(cid) for cid in car}, chance):
        yield encode_car(root, made)


def changed(
    root: Cid, blocks: dict[Cid, bytes], chance: random.Random
) -> Iterator[tuple[Cid, dict[Cid, bytes]]]:
    """Root and blocks, of which one is another, without end."""
    names = list(blocks)
    while True:
        cid = chance.choice(names)
        new = _changed_block(blocks[cid], chance)
        if new != blocks[cid]:
            yield _relinked(root, blocks, cid, new)


def _changed_block(data: bytes, chance: random.Random) -> bytes:
    try:
        block = decode_block(data)
    except CodecError:
        return data[:-1] + bytes([data[-1] ^ 1]) if data else b"\x00"
    places = list(_places(block, ()))
    place = chance.choice(places) if places else ()
    return encode_block(_replaced(block, place, chance))


def _places(block: Block, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    match block:
        case dict():
            for key, item in block.items():
                yield from _places(item, (*place, key))
        case list():
            for at, item in enumerate(block):
                yield from _places(item, (*place, at))
        case _:
            yield place


def _replaced(block: Block, place: tuple[str | int, ...], chance: random.Random) -> Block:
    if not place:
        return _another(block, chance)
    head, *rest = place
    if isinstance(block, dict) and isinstance(head, str):
        return {**block, head: _replaced(block[head], tuple(rest), chance)}
    assert isinstance(block, list) and isinstance(head, int), "places lead through blocks"
    return [*block[:head], _replaced(block[head], tuple(rest), chance), *block[head + 1 :]]


def _another(item: Block, chance: random.Random) -> Block:
    match item:
        case bool() | None:
            return 1
        case int():
            return max(0, item + chance.choice([-1, 1, 1000]))
        case str():
            return item + "x"
        case bytes():
            return bytes([item[0] ^ 1, *item[1:]]) if item else b"x"
        case Cid():
            return Cid(item.raw[:-1] + bytes([item.raw[-1] ^ 1]))
        case _:
            return [*item, 1] if isinstance(item, list) else {**item, "x": 1}


def _relinked(
    root: Cid, blocks: dict[Cid, bytes], cid: Cid, new: bytes
) -> tuple[Cid, dict[Cid, bytes]]:
    """The blocks with one replaced, and with it every block that leads to it."""
    made = {name: data for name, data in blocks.items() if name != cid}
    waiting = deque([(cid, _named(cid, new))])
    made[waiting[0][1]] = new
    while waiting:
        old, name = waiting.popleft()
        root = name if old == root else root
        for other, block in list(made.items()):
            if old.raw in block:
                del made[other]
                data = block.replace(old.raw, name.raw)
                made[_named(other, data)] = data
                waiting.append((other, _named(other, data)))
    return root, made


def _named(like: Cid, data: bytes) -> Cid:
    """The name of a block of the same codec."""
    return cid_of_block(data) if like.codec == DAG_CBOR else cid_of_bytes(data)


def signed_lies(data: bytes, signer: Signer, chance: random.Random) -> Iterator[bytes]:
    """Files with one item another, in which the engine signed what then stands there."""
    car = CarFile(data)
    blocks = {cid: car.block(cid) for cid in car}
    for root, made in changed(car.root, blocks, chance):
        try:
            yield signed_again(root, made, signer)
        except LedgerError:  # not even the form of a receipt is left to sign
            continue


def signed_again(root: Cid, blocks: dict[Cid, bytes], signer: Signer) -> bytes:
    """The file with both envelopes signed again. Raises LedgerError when there is none to sign."""
    made = dict(blocks)
    proof = decode_proof(_taken(made, root))
    receipt = _sealed_again(made, proof.receipt, signer)
    before = None if proof.before is None else _sealed_again(made, proof.before, signer)
    if proof.position is not None:  # a lie is in no checkpoint
        _taken(made, proof.position.checkpoint)
    data = encode_proof(replace(proof, receipt=receipt, before=before, position=None))
    return encode_car(cid_of_block(data), {**made, cid_of_block(data): data})


def changed_histories(data: bytes, signer: Signer, chance: random.Random) -> Iterator[bytes]:
    """Exported histories with one item another; the engine signed most of them again."""
    car = CarFile(data)
    for root, made in changed(car.root, {cid: car.block(cid) for cid in car}, chance):
        try:
            yield _history_signed_again(root, made, signer)
        except LedgerError:
            yield encode_car(root, made)


def _history_signed_again(root: Cid, blocks: dict[Cid, bytes], signer: Signer) -> bytes:
    made = dict(blocks)
    export = decode_export(_taken(made, root))
    picos: list[ExportedPico] = []
    for pico in export.picos:
        pages: list[Cid] = []
        for at, page in enumerate(pico.pages):
            count = min(PAGE_RECEIPTS_MAX, pico.count - at * PAGE_RECEIPTS_MAX)
            rows = decode_page(_taken(made, page), count)
            data = encode_page([_sealed_again(made, links, signer) for links in rows])
            pages.append(cid_of_block(data))
            made[pages[-1]] = data
        before = None if pico.before is None else _sealed_again(made, pico.before, signer)
        picos.append(replace(pico, pages=tuple(pages), before=before))
    data = encode_export(replace(export, picos=tuple(picos)))
    return encode_car(cid_of_block(data), {**made, cid_of_block(data): data})


def _sealed_again(made: dict[Cid, bytes], links: Links, signer: Signer) -> Links:
    envelope = decode_envelope(_taken(made, links.envelope))
    sealed = seal(_there(made, links.core), envelope, signer)
    made[cid_of_block(sealed.envelope_bytes)] = sealed.envelope_bytes
    return Links(links.core, cid_of_block(sealed.envelope_bytes))


def _there(blocks: dict[Cid, bytes], cid: Cid) -> bytes:
    if cid not in blocks:  # the link itself was changed
        raise MissingBlock(str(cid))
    return blocks[cid]


def _taken(blocks: dict[Cid, bytes], cid: Cid) -> bytes:
    data = _there(blocks, cid)
    del blocks[cid]
    return data
