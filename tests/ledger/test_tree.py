"""The state tree: its root says the paths and values, and nothing about how they came to be."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.codec import encode_block
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.tree import EMPTY_ROOT, Tree, _decode_node, _read_node, decode_node, layer_of


class Memory(dict[Cid, bytes]):
    """A block store that counts what is read."""

    reads = 0

    def block(self, cid: Cid) -> bytes:
        self.reads += 1
        try:
            return self[cid]
        except KeyError as problem:
            raise MissingBlock(str(cid)) from problem


def value(number: int) -> Cid:
    return cid_of_bytes(b"%d" % number)


def build(blocks: Memory, paths: list[bytes]) -> Cid:
    """A tree with these paths, put in this order; the value is a hash of the path."""
    tree = Tree(blocks)
    for path in paths:
        tree.put(path, cid_of_bytes(path))
    root, new = tree.flush()
    blocks.update(new)
    return root


_paths = st.lists(st.binary(min_size=1, max_size=6), max_size=60)
_operations = st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.integers(0, 3)), max_size=80)


@given(_paths, st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_the_order_of_writes(
    paths: list[bytes], chance: random.Random
) -> None:
    blocks = Memory()
    root = build(blocks, paths)
    shuffled = list(paths)
    chance.shuffle(shuffled)
    assert build(blocks, shuffled) == root
    assert build(blocks, sorted(set(paths))) == root


@given(_operations)
def test_a_tree_is_what_a_map_would_be(operations: list[tuple[bytes, int]]) -> None:
    blocks, model = Memory(), dict[bytes, Cid]()
    root = EMPTY_ROOT
    for path, number in operations:
        tree = Tree(blocks, root)
        if number:
            tree.put(path, value(number))
            model[path] = value(number)
        else:
            tree.delete(path)
            model.pop(path, None)
        root, new = tree.flush()
        blocks.update(new)
    tree = Tree(blocks, root)
    assert list(tree.items()) == sorted(model.items())
    assert all(tree.get(path) == found for path, found in model.items())
    fresh = Tree(blocks)
    for path, found in model.items():
        fresh.put(path, found)
    assert fresh.flush()[0] == root
    tree.check(set(model.values()))


@given(_paths, st.binary(max_size=3), st.binary(max_size=3))
def test_a_scan_gives_what_has_the_prefix_and_is_greater(
    paths: list[bytes], prefix: bytes, after: bytes
) -> None:
    blocks = Memory()
    tree = Tree(blocks, build(blocks, paths))
    expected = sorted(path for path in set(paths) if path.startswith(prefix) and path > after)
    assert [path for path, _ in tree.items(after, prefix)] == expected


def test_one_path_of_ten_thousand_costs_a_few_small_blocks() -> None:
    blocks = Memory()
    root = build(blocks, [b"ent/rid/map/%d" % number for number in range(10_000)])
    worst_reads = worst_bytes = 0
    for number in range(0, 10_000, 97):
        blocks.reads = 0
        tree = Tree(blocks, root)
        tree.put(b"ent/rid/map/%d" % number, value(number))
        _, new = tree.flush()
        worst_reads = max(worst_reads, blocks.reads)
        worst_bytes = max(worst_bytes, sum(map(len, new.values())))
    assert worst_reads <= 12
    assert worst_bytes <= 16 * 1024


def test_deleting_everything_leads_back_to_the_empty_root() -> None:
    blocks = Memory()
    paths = [b"%d" % number for number in range(200)]
    tree = Tree(blocks, build(blocks, paths))
    for path in paths:
        tree.delete(path)
    assert tree.flush()[0] == EMPTY_ROOT


def test_deleting_what_is_not_there_changes_nothing() -> None:
    blocks = Memory()
    root = build(blocks, [b"a", b"b"])
    tree = Tree(blocks, root)
    tree.delete(b"c")
    assert tree.flush() == (root, {})


def test_a_node_that_is_missing_is_named() -> None:
    blocks = Memory()
    root = build(blocks, [b"%d" % number for number in range(50)])
    gone = next(cid for cid in blocks if cid not in (root, EMPTY_ROOT))
    del blocks[gone]
    with pytest.raises(MissingBlock, match=str(gone)):
        list(Tree(blocks, root).items())


def low_paths(count: int, layer: int = 0) -> list[bytes]:
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        path = b"%06d" % number
        if layer_of(path) == layer:
            found.append(path)
        number += 1
    return found


A, B, C = low_paths(3)
HIGH = low_paths(1, layer=1)[0]
V = cid_of_bytes(b"")

BAD_NODES = {
    "not-a-list": {},
    "an-empty-list": [],
    "a-first-tree-that-is-no-link": [1],
    "no-paths-but-a-child": [cid_of_block(b"")],
    "a-child-that-is-raw": [V, [0, A, V, None]],
    "an-entry-too-short": [None, [0, A, V]],
    "a-value-that-is-no-link": [None, [0, A, b"x", None]],
    "paths-out-of-order": [None, [0, B, V, None], [5, A[5:], V, None]],
    "a-path-twice": [None, [0, A, V, None], [6, b"", V, None]],
    "a-path-not-shortened": [None, [0, A, V, None], [0, B, V, None]],
    "a-path-shortened-by-more-than-there-is": [None, [3, A, V, None]],
    "a-path-shortened-by-less-than-nothing": [None, [0, A, V, None], [-1, B, V, None]],
    "two-layers": [None, [0, min(A, HIGH), V, None], [0, max(A, HIGH), V, None]],
}


@pytest.mark.parametrize("name", BAD_NODES)
def test_a_node_that_is_not_the_one_form_is_refused(name: str) -> None:
    with pytest.raises(CodecError):
        decode_node(encode_block(BAD_NODES[name]))  # type: ignore[arg-type] # a union of shapes


def stored(blocks: Memory, node: list[object]) -> Cid:
    data = encode_block(node)  # type: ignore[arg-type] # made of what a block is made of
    blocks[cid_of_block(data)] = data
    return cid_of_block(data)


def test_a_subtree_as_high_as_its_parent_is_refused() -> None:
    blocks = Memory()
    blocks[V] = b""
    below = stored(blocks, [None, [0, A, V, None]])
    root = stored(blocks, [below, [0, B, V, None]])
    with pytest.raises(CodecError, match="high"):
        Tree(blocks, root).check(set())


def test_a_subtree_outside_its_gap_is_refused() -> None:
    blocks = Memory()
    blocks[V] = b""
    behind = next(path for path in low_paths(2000) if path > HIGH)
    below = stored(blocks, [None, [0, behind, V, None]])
    root = stored(blocks, [below, [0, HIGH, V, None]])
    with pytest.raises(CodecError, match="gap"):
        Tree(blocks, root).check(set())


THOUSANDS = [b"ent/rid/map/:%d" % number for number in range(100_000)]


@pytest.fixture(scope="module")
def hundred_thousand() -> tuple[Memory, Cid]:
    blocks = Memory()
    return blocks, build(blocks, THOUSANDS)


def test_a_write_to_a_hundred_thousand_paths_makes_a_dozen_nodes(
    hundred_thousand: tuple[Memory, Cid],
) -> None:
    blocks, root = hundred_thousand
    counts: list[int] = []
    for number in range(0, 100_000, 1009):
        tree = Tree(blocks, root)
        tree.put(b"ent/rid/map/:%d" % number, value(number))
        _, new = tree.flush()
        counts.append(len(new))
    assert max(counts) <= 14, "log4 of 100,000 is 8.3"


def test_a_hundred_thousand_paths_have_one_root_however_they_came(
    hundred_thousand: tuple[Memory, Cid],
) -> None:
    """In another order, in two sittings, over other values, past paths that are gone again."""
    _, root = hundred_thousand
    shuffled = random.Random(7).sample(THOUSANDS, len(THOUSANDS))
    gone = {path + b"/gone" for path in THOUSANDS[::500]}
    blocks, tree = Memory(), Tree(Memory())
    for path in [*gone, *shuffled[:60_000]]:
        tree.put(path, value(1) if path in gone else cid_of_bytes(path))
    now, new = tree.flush()
    blocks.update(new)
    assert now != root
    tree = Tree(blocks, now)
    for path in shuffled[60_000:]:
        tree.put(path, cid_of_bytes(path))
    for path in gone:
        tree.delete(path)
    assert tree.flush()[0] == root


def test_the_quick_reader_reads_nothing_that_the_careful_one_refuses() -> None:
    """Every node of a tree, and each with one byte another."""
    tree = Tree(Memory())
    for number in range(300):
        tree.put(b"ent/t/%d" % (number * 7919), cid_of_bytes(b"%d" % number))
    read = 0
    for at, block in enumerate(tree.flush()[1].values()):
        careful = _decode_node(block)
        quick = _read_node(block)
        assert quick is None or (quick == careful and quick.parts is not None)
        read += quick is not None
        for place in range(at % 3, len(block), 3):
            changed = block[:place] + bytes([block[place] ^ (1 << at % 8)]) + block[place + 1 :]
            if _read_node(changed) is not None:
                assert _read_node(changed) == _decode_node(changed)
        for cut in (0, 1, len(block) // 2, len(block) - 1):
            assert _read_node(block[:cut]) is None
        assert _read_node(block + b"\x00") is None
    assert read > 60
