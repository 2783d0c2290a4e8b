"""Trees over receipts: each stands in its history, and a longer history begins with a shorter."""

from __future__ import annotations

import pytest

from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.codec import encode_block
from picomesh.ledger.merkle import (
    EMPTY,
    consistency_path,
    inclusion_path,
    is_continued,
    is_included,
    leaf_hash,
    root_of,
)

SIZE = 35
LEAVES = [leaf_hash(cid_of_block(encode_block(number))) for number in range(SIZE)]


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_receipt_stands_at_its_place_and_at_no_other(size: int) -> None:
    root = root_of(LEAVES[:size])
    for place in range(size):
        path = inclusion_path(LEAVES[:size], place)
        assert is_included(LEAVES[place], place, size, path, root)
        for other in range(-1, size + 1):
            assert is_included(LEAVES[place], other, size, path, root) == (other == place)
        assert not is_included(LEAVES[place], place, size, [*path, root], root)
        assert not is_included(LEAVES[place], place, size, path[:-1], root) or not path


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_every_history_begins_with_all_that_are_shorter(size: int) -> None:
    root = root_of(LEAVES[:size])
    for before in range(size + 1):
        path = consistency_path(LEAVES[:size], before)
        assert len(path) <= 2 * SIZE.bit_length()
        old = root_of(LEAVES[:before])
        assert is_continued(before, old, size, root, path)
        assert not is_continued(before, old, size, root, [*path, root])
        assert not is_continued(before, LEAVES[0][::-1], size, root, path)
        assert not path or not is_continued(before, old, size, root, path[:-1])
        assert not path or not is_continued(before, old, size, LEAVES[0], path)


def test_no_other_history_is_continued() -> None:
    """The seventh receipt is another one, so what has it in front is no beginning."""
    other = [*LEAVES[:6], LEAVES[9], *LEAVES[7:]]
    for before in range(1, SIZE):
        path = consistency_path(other, before)
        same = is_continued(before, root_of(LEAVES[:before]), SIZE, root_of(other), path)
        assert same == (before <= 6)


def test_a_history_is_not_continued_by_a_shorter_one() -> None:
    assert not is_continued(5, root_of(LEAVES[:5]), 3, root_of(LEAVES[:3]), [])
    assert not is_continued(-1, EMPTY, 3, root_of(LEAVES[:3]), [])
