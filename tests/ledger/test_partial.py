"""Partial trees: inclusion, absence, ranges and writes from a few blocks, as from all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.errors import CodecError, LedgerError, MissingBlock, TreeTooWide
from picomesh.ledger.partial import (
    PartialTree,
    apply_writes,
    prove_entries,
    prove_range,
    prove_writes,
)
from picomesh.ledger.tree import EMPTY_ROOT, LAYER_MAX, NODE_PATHS_MAX, Tree, layer_of


class Memory(dict[Cid, bytes]):
    """All blocks of a tree."""

    def block(self, cid: Cid) -> bytes:
        try:
            return self[cid]
        except KeyError as problem:
            raise MissingBlock(str(cid)) from problem


def build(paths: list[bytes]) -> tuple[Memory, Cid]:
    """A tree in which the value of each path is the path itself."""
    blocks = Memory()
    tree = Tree(blocks)
    for path in paths:
        blocks[cid_of_bytes(path)] = path
        tree.put(path, cid_of_bytes(path))
    root, nodes = tree.flush()
    blocks.update(nodes)
    return blocks, root


_path = st.binary(min_size=1, max_size=2)
_paths = st.lists(_path, max_size=60)


@given(_paths, st.lists(_path, max_size=5))
def test_a_proof_says_of_each_path_what_the_whole_tree_says(
    paths: list[bytes], asked: list[bytes]
) -> None:
    blocks, root = build(paths)
    partial = PartialTree(root, prove_entries(blocks, root, asked))
    for path in asked:
        assert partial.value(path) == (path if path in paths else None)


@given(_paths, _path, st.none() | _path)
def test_a_range_proof_gives_every_entry_of_the_range(
    paths: list[bytes], first: bytes, end: bytes | None
) -> None:
    blocks, root = build(paths)
    partial = PartialTree(root, prove_range(blocks, root, first, end))
    expected = sorted(path for path in set(paths) if path >= first and (end is None or path < end))
    assert [path for path, _ in partial.between(first, end)] == expected


@given(_paths, st.lists(st.tuples(_path, st.booleans()), max_size=10))
def test_writes_on_a_partial_tree_lead_to_the_root_of_the_whole_tree(
    paths: list[bytes], changes: list[tuple[bytes, bool]]
) -> None:
    blocks, root = build(paths)
    writes = [(path, cid_of_bytes(b"new") if kept else None) for path, kept in changes]
    proof = prove_writes(blocks, root, writes)
    whole = apply_writes(Tree(blocks, root), writes)
    assert apply_writes(PartialTree(root, proof).tree, writes) == whole


NAMES = [b"ent/rid/map/:user%d" % number for number in range(2000)]


@pytest.fixture(scope="module")
def large() -> tuple[Memory, Cid]:
    return build(NAMES)


def test_a_node_left_out_of_a_proof_is_missed_and_never_taken_for_an_absence(
    large: tuple[Memory, Cid],
) -> None:
    blocks, root = large
    for path in NAMES[::397]:
        proof = prove_entries(blocks, root, [path])
        for cid in proof:
            rest = {name: data for name, data in proof.items() if name != cid}
            with pytest.raises(LedgerError):
                PartialTree(root, rest).value(path)


def test_every_changed_bit_of_a_proof_is_refused(large: tuple[Memory, Cid]) -> None:
    blocks, root = large
    proof = prove_entries(blocks, root, [NAMES[7]])
    for cid, data in proof.items():
        for bit in range(0, 8 * len(data), 13):
            wrong = bytearray(data)
            wrong[bit // 8] ^= 1 << (bit % 8)
            with pytest.raises(CodecError):
                PartialTree(root, {**proof, cid: bytes(wrong)})


def test_a_block_of_another_tree_is_refused(large: tuple[Memory, Cid]) -> None:
    blocks, root = large
    proof = prove_entries(blocks, root, [NAMES[7]])
    for stranger in (b"\x80", b"hello"):
        with pytest.raises(CodecError, match="not part of this tree"):
            PartialTree(root, {**proof, cid_of_bytes(stranger): stranger})
    with pytest.raises(CodecError, match="not part of this tree"):
        PartialTree(EMPTY_ROOT, proof)


def test_the_proof_of_one_of_two_thousand_is_about_two_kilobytes(
    large: tuple[Memory, Cid],
) -> None:
    blocks, root = large
    sizes = [sum(map(len, prove_entries(blocks, root, [path]).values())) for path in NAMES[::101]]
    assert max(sizes) < 8 * 1024 and sum(sizes) / len(sizes) < 3 * 1024


# -- attacks on the shape of the tree


def node(first: Cid | None, *entries: tuple[bytes, Cid | None]) -> bytes:
    """A node as a hostile engine would write it: no rule is kept but the shortening of paths."""
    rows: list[object] = [first]
    before = b""
    for path, child in entries:
        shared = next(
            (at for at, (a, b) in enumerate(zip(before, path, strict=False)) if a != b),
            min(len(before), len(path)),
        )
        rows.append([shared, path[shared:], cid_of_bytes(b""), child])
        before = path
    return encode_block(rows)  # type: ignore[arg-type] # a list of rows is a block


def of_layer(layer: int, count: int, prefix: bytes = b"") -> list[bytes]:
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        path = prefix + b"%06d" % number
        if layer_of(path) == layer:
            found.append(path)
        number += 1
    return found


LOW = of_layer(0, 4)
HIGH = of_layer(1, 2)


def chained(length: int) -> dict[Cid, bytes]:
    """A tree that is a chain: every node as high as the one above it."""
    blocks: dict[Cid, bytes] = {}
    below: Cid | None = None
    for path in of_layer(0, length):
        data = node(below, (path, None))
        below = cid_of_block(data)
        blocks[below] = data
    assert below is not None
    blocks[below] = blocks.pop(below)  # the root is last
    return blocks


def with_child(parent: bytes, child_path: bytes, before: bool) -> dict[Cid, bytes]:
    child = node(None, (child_path, None))
    link = cid_of_block(child)
    root = node(link, (parent, None)) if before else node(None, (parent, link))
    return {link: child, cid_of_block(root): root}


SHAPES: dict[str, Callable[[], dict[Cid, bytes]]] = {
    "a chain of nodes of one layer": lambda: chained(3000),
    "a child as high as its parent": lambda: with_child(LOW[1], LOW[0], True),
    "a child higher than its parent": lambda: with_child(max(LOW), HIGH[0], True),
    "a child behind its gap": lambda: with_child(HIGH[0], of_layer(0, 1, b"1")[0], True),
    "a child before its gap": lambda: with_child(HIGH[1], LOW[0], False),
    "the path of the parent again": lambda: with_child(HIGH[0], HIGH[0], True),
    "a node wider than the limit": lambda: _one(
        node(None, *[(path, None) for path in of_layer(0, NODE_PATHS_MAX + 1)])
    ),
    "a path longer than the limit": lambda: _one(node(None, (b"x" * 4097, None))),
    "an empty path": lambda: _one(node(None, (b"", None))),
    "the empty tree's node, which nobody stores": lambda: _one(b"\x81\xf6"),
}


def _one(data: bytes) -> dict[Cid, bytes]:
    return {cid_of_block(data): data}


@pytest.mark.parametrize("name", SHAPES)
def test_a_tree_of_a_shape_that_no_paths_have_is_refused(name: str) -> None:
    blocks = SHAPES[name]()
    with pytest.raises(CodecError):
        PartialTree(list(blocks)[-1], blocks)


def test_paths_ground_for_high_layers_do_not_deepen_the_tree_beyond_its_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hashes of all zeros but the end, which nobody can find, stand for a grinder without end."""
    numbers = {b"%04d" % number: number for number in range(256)}

    def ground(data: bytes) -> bytes:
        bit = numbers.get(data)
        return bytes(32) if bit is None else (1 << (255 - bit)).to_bytes(32, "big")

    monkeypatch.setattr("picomesh.ledger.tree.digest_of", ground)
    assert {layer_of(path) for path in numbers} == set(range(LAYER_MAX + 1))
    blocks = Memory()
    tree = Tree(blocks)
    for path in numbers:
        tree.put(path, cid_of_bytes(path))
    root, nodes = tree.flush()
    blocks.update(nodes)
    for path in numbers:
        read = prove_entries(Memory({**blocks, cid_of_bytes(path): b""}), root, [path])
        assert len(read) <= LAYER_MAX + 2  # the value is one of them


def test_paths_ground_for_one_layer_do_not_widen_a_node_beyond_its_bound() -> None:
    paths = of_layer(0, NODE_PATHS_MAX + 1)
    tree = Tree(Memory())
    for path in paths[:-1]:
        tree.put(path, cid_of_bytes(b""))
    root, nodes = tree.flush()
    assert list(map(len, map(decode_list, nodes.values()))) == [NODE_PATHS_MAX + 1]
    tree = Tree(Memory(nodes), root)
    tree.put(paths[-1], cid_of_bytes(b""))
    with pytest.raises(TreeTooWide):
        tree.flush()


def decode_list(data: bytes) -> list[object]:
    block = decode_block(data)
    assert isinstance(block, list)
    return list(block)


def test_a_join_of_two_wide_nodes_is_refused_and_the_whole_removal_is_not() -> None:
    """Whoever removes the path between two nodes is stopped; whoever removes all of it is not."""
    middle = HIGH[0]
    before = [path for path in of_layer(0, 4000, b"") if path < middle][: NODE_PATHS_MAX // 2]
    behind = of_layer(0, NODE_PATHS_MAX // 2 + 1, b"1")
    if len(before) < NODE_PATHS_MAX // 2:
        before += of_layer(0, NODE_PATHS_MAX // 2 - len(before), b"!")
    tree = Tree(Memory())
    for path in [middle, *before, *behind]:
        tree.put(path, cid_of_bytes(b""))
    root, nodes = tree.flush()
    joined = Tree(Memory(nodes), root)
    joined.delete(middle)
    with pytest.raises(TreeTooWide):
        joined.flush()
    for path in behind:
        joined.delete(path)
    joined.flush()
