"""Writes the vectors of the formats again: `python -m vectors.make` in `tests/`.

What is accepted comes from the code; what is refused is broken here by hand, one class of mistake
in each file. The files are for other implementations as well (tests/vectors/README.md), so they
hold no Python and are read by nobody but tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lives import lived
from picomesh.engine import Engine
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.checkpoint import encode_checkpoint, sign_checkpoint
from picomesh.ledger.cid import DAG_CBOR, Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.merkle import consistency_path, inclusion_path, leaf_hash, root_of
from picomesh.ledger.partial import prove_entries
from picomesh.ledger.receipt import (
    Receipt,
    Sender,
    encode_envelope,
    envelope_message,
    seal_batch,
)
from picomesh.ledger.signature import Signer
from picomesh.ledger.tree import Tree
from picomesh.scenario.world import VirtualWorld
from vectors.files import evidence, histories, proofs
from vectors.inputs import inputs
from vectors.rows import LINK, Rows, broken, row, rows, write

SIGNER = Signer(b"v" * 32)


# -- blocks and their names


REFUSED_BLOCKS = {
    "number": rows(
        the_number_23_in_two_bytes="1817",
        the_number_255_in_three_bytes="1900ff",
        the_number_65535_in_five_bytes="1a0000ffff",
        the_number_1_in_nine_bytes="1b0000000000000001",
        minus_24_in_two_bytes="3817",
        a_big_number="c249010000000000000000",
    ),
    "length": rows(
        text_with_a_long_length="780161",
        bytes_longer_than_what_follows="4261",
        a_list_longer_than_what_follows="8201",
        a_list_of_2_to_the_64="9bffffffffffffffff",
        a_map_longer_than_what_follows="a2616101",
        indefinite_text="7f6161ff",
        an_indefinite_list="9f01ff",
        an_indefinite_map="bf616101ff",
    ),
    "map": rows(
        a_number_as_a_key="a10101",
        bytes_as_a_key="a1416101",
        keys_not_by_length="a262616101616202",
        keys_not_by_byte="a2616201616102",
        a_key_twice="a2616101616102",
    ),
    "type": rows(
        a_half_float="f93e00",
        a_float="fa3fc00000",
        a_double="fb3ff8000000000000",
        undefined="f7",
        simple_value_0="e0",
        simple_value_255="f8ff",
        false_in_two_bytes="f814",
        a_break="ff",
        a_tag_for_a_date="c01a514b67b0",
    ),
    "link": rows(
        a_link_without_its_zero="d82a582401711e20" + "bb" * 32,
        a_link_that_is_text="d82a6161",
        a_link_to_nothing="d82a40",
        a_link_by_sha256="d82a58250001711220" + "00" * 32,
        a_link_with_another_codec="d82a582500017012" + "20" + "00" * 32,
        a_link_by_a_shorter_hash="d82a58240001711e1f" + "00" * 31,
        a_link_of_version_0="d82a5823001220" + "00" * 32,
    ),
    "text": rows(
        a_continuation_byte_alone="6180",
        an_overlong_slash="62c0af",
        a_surrogate="63eda080",
        beyond_unicode="64f4908080",
        a_key_that_is_not_utf8="a161ff01",
    ),
    "end": rows(no_bytes="", a_byte_behind="f600", a_number_cut_off="19ff", a_map_cut_off="a16161"),
}


def blocks() -> None:
    link = cid_of_block(b"\x80")
    values: dict[str, Any] = {
        "null": None,
        "false": False,
        "true": True,
        "zero": 0,
        "the greatest one-byte number": 23,
        "the least two-byte number": 24,
        "2^64 - 1": 2**64 - 1,
        "-2^64": -(2**64),
        "2^53 + 1": 2**53 + 1,
        "text beyond the basic plane": "é😀",
        "bytes": b"\x00\xff",
        "an empty list": [],
        "an empty map": {},
        "keys by length, then by byte": {"b": 1, "aa": 2, "ab": 3},
        "a link": link,
        "128 levels": _nested(128),
    }
    accepted = [
        row(name, encode_block(value), cid=str(cid_of_block(encode_block(value))))
        for name, value in values.items()
    ]
    write("block", "accepted", accepted)
    for name, refused in REFUSED_BLOCKS.items():
        write("block", f"refused-{name}", refused)
    write("block", "refused-depth", [row("129 levels", b"\x81" * 129 + b"\x00")])


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def cids() -> None:
    block, data = cid_of_block(b"\x80"), cid_of_bytes(b"hello")
    accepted = [
        {"name": "a block", "text": str(block), "bytes": block.raw.hex(), "of": "80"},
        {"name": "raw bytes", "text": str(data), "bytes": data.raw.hex(), "of": b"hello".hex()},
    ]
    write("cid", "accepted", accepted)
    text = str(block)
    wrong = {
        "upper case": text[0] + text[1:].upper(),
        "base58": "z" + text[1:],
        "no multibase": text[1:],
        "a letter less": text[:-1],
        "a letter more": text + "a",
        "other low bits in the last letter": text[:-1] + chr(ord(text[-1]) + 1),
        "a letter that base32 has not": text[:-1] + "1",
        "padding": text + "======",
        "nothing": "",
    }
    write("cid", "refused-text", [{"name": name, "text": item} for name, item in wrong.items()])


# -- files


def car_rows(root: Cid, held: dict[Cid, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Class, name and bytes of files that are wrong."""
    good = encode_car(root, held)
    head = 1 + good[0]
    sections = [bytes([36 + len(held[cid])]) + cid.raw + held[cid] for cid in held]
    first, second, third = sorted(sections[1:], key=lambda item: item[1:37])[:3]
    start = good[:head] + sections[0]
    yield "header", "no root", b"\x0f\xa2\x65roots\x80\x67version\x01"
    yield "header", "version 2", good[: head - 1] + b"\x02" + good[head:]
    yield "header", "the fields in another order", _reordered(root)
    yield "header", "nothing", b""
    yield "header", "a header of no bytes", b"\x00" + good[head:]
    yield "length", "longer than needed", bytes([0x80 | sections[0][0], 0]) + sections[0][1:]
    yield (
        "length",
        "a block's length longer than needed",
        (good[:head] + bytes([0x80 | sections[0][0], 0]) + sections[0][1:]),
    )
    yield "length", "past the end", good[:-1]
    yield "length", "less than a CID", start + b"\x05hello"
    yield "length", "ten bytes", good[:head] + b"\xff" * 10
    yield "content", "another byte", good[:-1] + bytes([good[-1] ^ 1])
    yield "name", "another codec", start + first[:2] + b"\x70" + first[3:]
    yield "name", "another hash function", start + first[:3] + b"\x12" + first[4:]
    yield "order", "another block first", good[:head] + first + sections[0]
    yield "order", "the root again", start + first + sections[0]
    yield "order", "descending", start + second + first
    yield "order", "a block twice", start + first + first
    yield "order", "the last one first", start + third + first + second
    yield "order", "no block", good[:head]


def _reordered(root: Cid) -> bytes:
    link = b"\xd8\x2a\x58\x25\x00" + root.raw
    header = b"\xa2\x67version\x01\x65roots\x81" + link
    return bytes([len(header)]) + header


def cars() -> None:
    held = {cid_of_bytes(data): data for data in (b"a", b"b", b"c")}
    block = encode_block(list(held))
    root = cid_of_block(block)
    held = {root: block, **held}
    accepted = [
        _file("four blocks", encode_car(root, held)),
        _file("one block", encode_car(cid_of_block(b"\x80"), {cid_of_block(b"\x80"): b"\x80"})),
        _file("a raw root", encode_car(cid_of_bytes(b""), {cid_of_bytes(b""): b""})),
    ]
    write("car", "accepted", accepted)
    classes: dict[str, Rows] = {}
    for kind, name, data in car_rows(root, held):
        classes.setdefault(kind, []).append(row(name, data))
    for kind, found in classes.items():
        write("car", f"refused-{kind}", found)


def _file(name: str, data: bytes) -> dict[str, Any]:
    car = CarFile(data)
    return row(
        name, data, root=str(car.root), blocks={str(cid): car.block(cid).hex() for cid in car}
    )


# -- trees


class _Memory(dict[Cid, bytes]):
    def block(self, cid: Cid) -> bytes:
        return self[cid]


def trees() -> None:
    accepted: Rows = []
    for count in (0, 1, 5, 40):
        paths = [b"ent/a/%d" % number for number in range(count)]
        tree = Tree(_Memory())
        for path in paths:
            tree.put(path, cid_of_bytes(path))
        root, nodes = tree.flush()
        entries = {path.hex(): str(cid_of_bytes(path)) for path in paths}
        named = {str(cid): data.hex() for cid, data in nodes.items()}
        accepted.append(
            {"name": f"{count} paths", "entries": entries, "root": str(root), "nodes": named}
        )
    write("tree", "accepted", accepted)
    _partial_trees()
    write("tree", "refused-node", list(_bad_nodes()))


def _partial_trees() -> None:
    memory, tree = _Memory(), Tree(_Memory())
    paths = [b"ent/a/%d" % number for number in range(200)]
    for path in paths:
        memory[cid_of_bytes(path)] = path
        tree.put(path, cid_of_bytes(path))
    root, nodes = tree.flush()
    memory.update(nodes)
    found: Rows = []
    for path in (paths[3], paths[150], b"ent/a/none", b"a", b"z"):
        held = prove_entries(memory, root, [path])
        value = path.hex() if path in paths else None
        data = encode_car(root, held)
        found.append(row(f"path {path.decode()}", data, path=path.hex(), value=value))
    write("tree", "partial", found)
    _bad_partial_trees(memory, root, paths[150])


def _bad_partial_trees(memory: _Memory, root: Cid, path: bytes) -> None:
    """Files that are no part of a tree, or do not show what they are said to."""
    held = prove_entries(memory, root, [path])
    stranger = cid_of_bytes(b"stranger")
    nodes = [cid for cid in held if cid != root and cid.raw[1] == DAG_CBOR]
    files = {
        "a node left out": {cid: data for cid, data in held.items() if cid != nodes[-1]},
        "the value left out": {cid: data for cid, data in held.items() if data != path},
        "a block that belongs to nothing": {**held, stranger: b"stranger"},
    }
    refused = [
        row(name, encode_car(root, blocks), path=path.hex(), value=path.hex())
        for name, blocks in files.items()
    ]
    refused += [
        row(name, encode_car(top, blocks), path=b"ent/a/1".hex(), value=None)
        for name, top, blocks in _bad_shapes()
    ]
    write("tree", "refused-partial", refused)


def _bad_shapes() -> Iterator[tuple[str, Cid, dict[Cid, bytes]]]:
    """Two nodes that are good alone; `ent/a/1` has layer 1, the other paths have layer 0."""
    for name, above, below in (
        ("a subtree as high as what is above it", b"ent/a/2", b"ent/a/0"),
        ("a subtree higher than what is above it", b"ent/a/2", b"ent/a/1"),
        ("a subtree that reaches beyond its gap", b"ent/a/1", b"ent/a/2"),
    ):
        entry: list[Any] = [0, below, cid_of_bytes(below), None]
        child = encode_block([None, entry])
        top = encode_block([cid_of_block(child), [0, above, cid_of_bytes(above), None]])
        yield name, cid_of_block(top), {cid_of_block(top): top, cid_of_block(child): child}


def _bad_nodes() -> Iterator[dict[str, Any]]:
    from ledger.test_tree import BAD_NODES

    for name, node in BAD_NODES.items():
        block: Any = node
        yield row(name.replace("-", " "), encode_block(block))


# -- receipts and signatures


def receipts(engine: Engine) -> None:
    found = engine.log("me")
    accepted = [
        row(f"core {item.core.seq}", item.core_bytes, cid=str(item.cid)) for item in found[:6]
    ]
    write("receipt", "accepted-core", accepted)
    write(
        "receipt",
        "accepted-envelope",
        [row(f"envelope {item.core.seq}", item.envelope_bytes) for item in found[:4]]
        + [row(f"batched {at}", data) for at, data in enumerate(_batch(found[:5]))],
    )
    core: Any = decode_block(found[4].core_bytes)
    envelope: Any = decode_block(_batch(found[:5])[1])
    write("receipt", "refused-core", list(broken(core, CORE_CHANGES)))
    write("receipt", "refused-envelope", list(broken(envelope, ENVELOPE_CHANGES)))
    write("receipt", "refused-signature", list(_bad_signatures(found)))


def _batch(found: list[Receipt]) -> list[bytes]:
    sender = Sender.of(SIGNER.public_key, "cranelift", {"picomesh": "0"})
    messages = [envelope_message(item.cid.raw, sender, 1, 2, None) for item in found]
    return seal_batch(sender, messages, SIGNER)


CORE_CHANGES: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "another profile": {"profile": "pico-2"},
    "another kind": {"kind": "query"},
    "another outcome": {"outcome": "fine"},
    "a field more": {"x": 1},
    "a seq below zero": {"seq": -1},
    "a seq that is text": {"seq": "4"},
    "a seq that is true": {"seq": True},
    "a prev that is text": {"prev": "x"},
    "a short seed": {"seed": b"s" * 31},
    "an event that is null": {"event": None},
    "fuel below zero": {"fuel": -1},
    "code that is a map": {"code": {}},
    "a row of code too long": {"code": [["t", LINK, LINK, LINK]]},
    "a rid that is bytes": {"code": [[b"t", LINK, LINK]]},
    "a path that is text": {"writes": [["ent/t/n", None]]},
    "an empty path": {"writes": [[b"", None]]},
    "a path that is too long": {"writes": [[b"x" * 4097, None]]},
    "paths out of order": {"writes": [[b"b", None], [b"a", None]]},
    "a path twice": {"writes": [[b"a", None], [b"a", None]]},
    "a value that is a block": {"writes": [[b"a", LINK]]},
}
ENVELOPE_CHANGES: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "a field more": {"x": 1},
    "a short key": {"engine": b"k" * 31},
    "a long signature": {"signature": b"s" * 65},
    "versions that are a list": {"versions": []},
    "a version that is a number": {"versions": {"picomesh": 1}},
    "time that went backwards": {"elapsed_us": -1},
    "logs that are text": {"logs": "x"},
    "a batch of one": {"batch": [0, 1, []]},
    "a place behind the batch": {"batch": [5, 5, []]},
    "a place below zero": {"batch": [-1, 5, []]},
    "a hash that is too short": {"batch": [1, 5, [b"h" * 31]]},
    "a batch that is too large": {"batch": [0, 65537, []]},
    "a batch of four items": {"batch": [0, 2, [], 1]},
}


def _bad_signatures(found: list[Receipt]) -> Iterator[dict[str, Any]]:
    envelope = found[4].envelope
    yield row("another time", encode_envelope(replace(envelope, received_ms=1)))
    yield row("another core", encode_envelope(replace(envelope, core=LINK)))
    stranger = replace(envelope, engine=Signer(b"x" * 32).public_key)
    yield row("another engine", encode_envelope(stranger))
    signature = envelope.signature
    order = 2**252 + 27742317777372353535851937790883648493
    larger = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    yield row(
        "s plus the order", encode_envelope(replace(envelope, signature=signature[:32] + larger))
    )
    for name, point in SMALL_POINTS.items():
        zero = replace(
            envelope, engine=bytes.fromhex(point), signature=bytes.fromhex(point) + bytes(32)
        )
        yield row(f"a key of small order: {name}", encode_envelope(zero))
    batched: Any = decode_block(_batch(found[:5])[1])
    index, size, way = batched["batch"]
    for name, batch in {
        "another place": [index + 1, size, way],
        "another size": [index, size + 1, way],
        "a hash less": [index, size, way[:-1]],
        "a hash more": [index, size, [*way, way[0]]],
        "alone": None,
    }.items():
        yield row(f"batched: {name}", encode_block({**batched, "batch": batch}))


SMALL_POINTS = {
    "one": "01" + "00" * 31,
    "zero": "00" * 32,
    "minus one": "ec" + "ff" * 30 + "7f",
    "an eighth": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "another eighth": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "p, which is zero": "ed" + "ff" * 30 + "7f",
    "p plus one": "ee" + "ff" * 30 + "7f",
    "one with a sign": "01" + "00" * 30 + "80",
}


# -- checkpoints


def checkpoints() -> None:
    names = [cid_of_block(encode_block(number)) for number in range(22)]
    leaves = [leaf_hash(cid) for cid in names]
    accepted: Rows = []
    for size in (1, 2, 7, 22):
        data = encode_checkpoint(sign_checkpoint(str(LINK), names[:size], 5, SIGNER))
        ways = [
            {
                "seq": seq,
                "receipt": str(names[seq]),
                "way": [item.hex() for item in inclusion_path(leaves[:size], seq)],
            }
            for seq in {0, size // 2, size - 1}
        ]
        accepted.append(row(f"{size} receipts", data, root=root_of(leaves[:size]).hex(), ways=ways))
    write("checkpoint", "accepted", accepted)
    block: Any = decode_block(bytes.fromhex(accepted[2]["bytes"]))
    fields: dict[str, dict[str, Any]] = {
        "another version": {"v": 2},
        "no receipts": {"size": 0},
        "a size that is text": {"size": "7"},
        "a short root": {"root": bytes(31)},
        "a short signature": {"signature": bytes(63)},
        "a head that is bytes": {"head": names[0].raw},
        "a field more": {"x": 1},
    }
    write("checkpoint", "refused-fields", list(broken(block, fields)))
    unsigned: dict[str, dict[str, Any]] = {
        "another pico": {"pico": str(names[0])},
        "another size": {"size": 8},
        "another head": {"head": names[0]},
        "another root": {"root": bytes(32)},
        "another time": {"time": 6},
        "another engine": {"engine": Signer(b"x" * 32).public_key},
        "another signature": {"signature": bytes(64)},
    }
    rows = [row(name, encode_block({**block, **change})) for name, change in unsigned.items()]
    write("checkpoint", "refused-signature", rows)
    good = accepted[2]["ways"][1]
    way = good["way"]
    wrong = [
        {"name": "another place", **good, "seq": good["seq"] + 1},
        {"name": "behind the end", **good, "seq": 7},
        {"name": "a hash less", **good, "way": way[:-1]},
        {"name": "a hash more", **good, "way": [*way, way[0]]},
        {"name": "another order", **good, "way": way[::-1]},
        {"name": "another receipt", **good, "receipt": str(names[0])},
    ]
    _continuations(names)
    write("checkpoint", "refused-way", [{**item, "bytes": accepted[2]["bytes"]} for item in wrong])


def _continuations(names: list[Cid]) -> None:
    """That the tree of a later checkpoint begins with the one of an earlier."""
    leaves = [leaf_hash(cid) for cid in names]

    def item(name: str, before: int, size: int, way: list[bytes], **more: Any) -> dict[str, Any]:
        roots = {
            "before_root": root_of(leaves[:before]).hex(),
            "root": root_of(leaves[:size]).hex(),
        }
        steps = [step.hex() for step in way]
        return {"name": name, "before": before, "size": size, **roots, "way": steps, **more}

    pairs = [(0, 5), (1, 2), (1, 22), (3, 7), (4, 8), (6, 22), (16, 22), (21, 22), (22, 22)]
    accepted = [
        item(f"{before} to {size}", before, size, consistency_path(leaves[:size], before))
        for before, size in pairs
    ]
    write("checkpoint", "accepted-continuation", accepted)
    way = consistency_path(leaves, 6)
    other = root_of(leaves[1:7]).hex()
    refused = [
        item("a hash less", 6, 22, way[:-1]),
        item("a hash more", 6, 22, [*way, way[0]]),
        item("another order", 6, 22, way[::-1]),
        item("no way", 6, 22, []),
        item("a way between equal sizes", 22, 22, way),
        item("another history before", 6, 22, way, before_root=other),
        item("another history afterwards", 6, 22, way, root=other),
        item("another size before", 6, 22, way) | {"before": 7},
        item("back to fewer", 6, 22, way) | {"before": 22, "size": 6},
        item("from nothing that is not empty", 0, 5, [], before_root=other),
    ]
    write("checkpoint", "refused-continuation", refused)


def main() -> None:
    blocks()
    cids()
    cars()
    trees()
    checkpoints()
    inputs()
    with lived(VirtualWorld()) as engine:
        receipts(engine)
        proofs(engine)
        histories(engine)
        evidence(engine)


if __name__ == "__main__":
    main()
