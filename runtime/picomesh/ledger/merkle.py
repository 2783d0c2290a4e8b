"""The Merkle tree over a pico's receipts: place and prefix in O(log n) hashes (checkpoint.md §3).

The tree of RFC 6962 with BLAKE3 in place of SHA-256: a leaf is hashed behind 00, a node behind 01,
and the left half of n leaves is the largest power of two below n. So the tree of a longer history
keeps the whole subtrees of a shorter one, and one can be shown to continue the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from picomesh.ledger.cid import Cid, digest_of

EMPTY = digest_of(b"")


def leaf_hash(receipt: Cid) -> bytes:
    """The leaf of a receipt: its name, which is the hash of its core."""
    return digest_of(b"\x00" + receipt.raw)


def _node(left: bytes, right: bytes) -> bytes:
    return digest_of(b"\x01" + left + right)


def left_size(count: int) -> int:
    """The largest power of two below `count`."""
    return int(1 << ((count - 1).bit_length() - 1))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    half = left_size(len(leaves))
    return _node(root_of(leaves[:half]), root_of(leaves[half:]))


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from a leaf to the root, lowest first."""
    if len(leaves) == 1:
        return []
    half = left_size(len(leaves))
    if index < half:
        return [*inclusion_path(leaves[:half], index), root_of(leaves[half:])]
    return [*inclusion_path(leaves[half:], index - half), root_of(leaves[:half])]


def root_and_ways(leaves: Sequence[bytes]) -> tuple[bytes, list[tuple[bytes, ...]]]:
    """The root, and the inclusion path of every leaf, with each node hashed once."""
    ways: list[list[bytes]] = [[] for _ in leaves]

    def join(first: int, end: int) -> bytes:
        if end - first == 1:
            return leaves[first]
        middle = first + left_size(end - first)
        left, right = join(first, middle), join(middle, end)
        for way in ways[first:middle]:
            way.append(right)
        for way in ways[middle:end]:
            way.append(left)
        return _node(left, right)

    return join(0, len(leaves)), [tuple(way) for way in ways]


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf stands at this place in the tree of this size and root."""
    return root_by_way(leaf, index, size, path) == root


def root_by_way(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf leads to from this place; None when the path has another length."""
    if not 0 <= index < size:
        return None
    turns: list[bool] = []  # from the root down: whether the leaf is on the right
    while size > 1:
        half = left_size(size)
        turns.append(index >= half)
        index, size = (index - half, size - half) if index >= half else (index, half)
    if len(path) != len(turns):
        return None
    for is_right, other in zip(reversed(turns), path, strict=True):
        leaf = _node(other, leaf) if is_right else _node(leaf, other)
    return leaf


def consistency_path(leaves: Sequence[bytes], before: int) -> list[bytes]:
    """The hashes that show that the first `before` leaves are the tree of a shorter history."""
    return _consistency(leaves, before, True) if 0 < before < len(leaves) else []


def _consistency(leaves: Sequence[bytes], before: int, is_whole: bool) -> list[bytes]:
    if before == len(leaves):
        return [] if is_whole else [root_of(leaves)]
    half = left_size(len(leaves))
    if before <= half:
        return [*_consistency(leaves[:half], before, is_whole), root_of(leaves[half:])]
    return [*_consistency(leaves[half:], before - half, False), root_of(leaves[:half])]


def is_continued(
    before: int, before_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the tree of `size` and `root` continues the one of `before` and `before_root`."""
    if before == size:
        return before_root == root and not path
    if not 0 <= before < size:
        return False
    if before == 0:
        return before_root == EMPTY and not path
    rest = list(reversed(path))
    try:
        old, new = _rebuild(before, size, True, before_root, rest)
    except IndexError:  # fewer hashes than the two sizes ask for
        return False
    return not rest and old == before_root and new == root


def _rebuild(
    before: int, size: int, is_whole: bool, before_root: bytes, rest: list[bytes]
) -> tuple[bytes, bytes]:
    """The roots of both trees over this part, from the hashes left in `rest`, last one first."""
    if before == size:
        only = before_root if is_whole else rest.pop()
        return only, only
    half = left_size(size)
    other = rest.pop(0)
    if before <= half:
        old, new = _rebuild(before, half, is_whole, before_root, rest)
        return old, _node(new, other)
    old, new = _rebuild(before - half, size - half, False, before_root, rest)
    return _node(other, old), _node(other, new)
