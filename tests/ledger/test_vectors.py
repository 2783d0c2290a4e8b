"""The vectors of the format pages: what another implementation must come to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes, parse_cid
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.tree import EMPTY_ROOT, EMPTY_ROOT_BLOCK, Tree, layer_of
from picomesh.ledger.verify import EMPTY_LIST

FORMATS = Path(__file__).resolve().parents[2] / "docs" / "formats"


def vectors(page: str) -> list[tuple[bytes, str]]:
    """Bytes and name of each line of the page's vector blocks."""
    found = re.findall(r"```vectors\n(.*?)```", (FORMATS / page).read_text("utf-8"), re.DOTALL)
    lines = [line.split() for block in found for line in block.strip().splitlines()]
    return [(bytes.fromhex(data), name) for data, name in lines]


@pytest.mark.parametrize("page", ["block.md", "state.md"])
def test_each_vector_is_canonical_and_has_its_name(page: str) -> None:
    assert vectors(page)
    for data, name in vectors(page):
        assert encode_block(decode_block(data)) == data
        assert cid_of_block(data) == parse_cid(name)


def test_the_names_in_the_text_are_right() -> None:
    block = (FORMATS / "block.md").read_text("utf-8")
    assert str(cid_of_bytes(b"hello")) in block and str(EMPTY_LIST) in block
    state = (FORMATS / "state.md").read_text("utf-8")
    assert str(EMPTY_ROOT) in state and EMPTY_ROOT_BLOCK.hex() in state


def test_the_example_tree_has_these_nodes() -> None:
    class Nothing:
        def block(self, cid: Cid) -> bytes:
            raise AssertionError("the tree is in memory")

    tree = Tree(Nothing())
    for number in range(5):
        tree.put(b"ent/a/%d" % number, cid_of_bytes(b"\x00"))
    root, nodes = tree.flush()
    assert [(str(cid), data) for cid, data in nodes.items()] == [
        (name, data) for data, name in vectors("state.md")
    ]
    assert str(root) == vectors("state.md")[-1][1]
    assert [layer_of(b"ent/a/%d" % number) for number in range(5)] == [0, 1, 0, 0, 0]
