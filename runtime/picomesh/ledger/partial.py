"""Partial trees: what proves an entry, an absence or a range of a state (docs/formats/state.md §5).

A partial tree is some of a tree's blocks. Whatever can be read of it is what the whole tree says;
what it does not hold is a MissingBlock. So a proof is a set of blocks and nothing more, and
reading, writing and re-execution use the same `Tree` on a partial tree as on a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from picomesh.ledger.cid import Cid, is_named
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.tree import EMPTY_ROOT, LAYER_MAX, Blocks, Tree, decode_node


class Recorder:
    """A block store that remembers what was read through it."""

    __slots__ = ("_behind", "read")

    def __init__(self, behind: Blocks) -> None:
        self._behind = behind
        self.read: dict[Cid, bytes] = {}

    def block(self, cid: Cid) -> bytes:
        found = self.read.get(cid)
        if found is None:
            found = self.read[cid] = self._behind.block(cid)
        return found


class Held:
    """Blocks in memory, each checked against its name."""

    __slots__ = ("_blocks",)

    def __init__(self, blocks: Mapping[Cid, bytes]) -> None:
        for cid, data in blocks.items():
            if not is_named(cid, data):
                raise CodecError(f"block {cid} does not have the bytes that its name says")
        self._blocks = blocks

    def block(self, cid: Cid) -> bytes:
        try:
            return self._blocks[cid]
        except KeyError as problem:
            raise MissingBlock(f"block {cid} is not there") from problem


@dataclass(slots=True)
class Reached:
    """What hangs from a root and is there: nodes, and the values of which paths."""

    nodes: set[Cid] = field(default_factory=set)
    values: dict[bytes, Cid] = field(default_factory=dict)

    def names(self) -> set[Cid]:
        return self.nodes | set(self.values.values())


def reach(root: Cid, blocks: Blocks) -> Reached:
    """The nodes and values of a partial tree, all checked by state.md §4. Raises CodecError.

    Layers get lower on every way down, so a hostile tree is not deeper than an honest one.
    """
    reached = Reached()
    if root == EMPTY_ROOT:
        return reached
    waiting: list[tuple[Cid, int, bytes, bytes | None]] = [(root, LAYER_MAX + 1, b"", None)]
    while waiting:
        cid, above, low, high = waiting.pop()
        data = _block_or_none(blocks, cid)
        if data is None:
            continue
        node = decode_node(data)
        if not node.paths:
            raise CodecError("an empty tree node inside a tree")
        if node.layer >= above:
            raise CodecError("a subtree stands as high as its parent")
        if node.paths[0] <= low or (high is not None and node.paths[-1] >= high):
            raise CodecError("a subtree reaches beyond its gap")
        reached.nodes.add(cid)
        for path, value in zip(node.paths, node.values, strict=True):
            if _block_or_none(blocks, value) is not None:
                reached.values[path] = value
        lows, highs = [low, *node.paths], [*node.paths, high]
        for child, start, end in zip(node.children, lows, highs, strict=True):
            if isinstance(child, Cid):
                waiting.append((child, node.layer, start, end))
    return reached


def _block_or_none(blocks: Blocks, cid: Cid) -> bytes | None:
    try:
        return blocks.block(cid)
    except MissingBlock:
        return None


class PartialTree:
    """A tree of which some blocks are there. Raises MissingBlock for what it does not hold."""

    __slots__ = ("_blocks", "root", "tree")

    def __init__(self, root: Cid, blocks: Mapping[Cid, bytes]) -> None:
        """Checks every block, and that it belongs to this tree. Raises CodecError."""
        self._blocks = Held(blocks)
        strangers = blocks.keys() - reach(root, self._blocks).names()
        if strangers:
            raise CodecError(f"{len(strangers)} blocks that are not part of this tree")
        self.root = root
        self.tree = Tree(self._blocks, root)

    def get(self, path: bytes) -> Cid | None:
        """The value's name at a path; None proves that there is none."""
        return self.tree.get(path)

    def value(self, path: bytes) -> bytes | None:
        """The value itself, if this tree holds it."""
        cid = self.tree.get(path)
        return None if cid is None else self._blocks.block(cid)

    def between(self, first: bytes, end: bytes | None) -> Iterator[tuple[bytes, Cid]]:
        """All entries from `first` on and before `end`; nothing in between is left out."""
        return self.tree.between(first, end)


def prove(blocks: Blocks, root: Cid, read: Callable[[Tree], object]) -> dict[Cid, bytes]:
    """The partial tree that is enough to do this reading again."""
    recorder = Recorder(blocks)
    read(Tree(recorder, root))
    return recorder.read


def prove_entries(blocks: Blocks, root: Cid, paths: Iterable[bytes]) -> dict[Cid, bytes]:
    """What proves the values, or the absence, of these paths; the values are part of it."""
    recorder = Recorder(blocks)
    tree = Tree(recorder, root)
    for path in paths:
        cid = tree.get(path)
        if cid is not None:
            recorder.block(cid)
    return recorder.read


def prove_range(blocks: Blocks, root: Cid, first: bytes, end: bytes | None) -> dict[Cid, bytes]:
    """What proves that these are all entries from `first` on and before `end`."""
    return prove(blocks, root, lambda tree: list(tree.between(first, end)))


def prove_writes(
    blocks: Blocks, root: Cid, writes: Iterable[tuple[bytes, Cid | None]]
) -> dict[Cid, bytes]:
    """What is enough to apply these writes and come to the new root."""
    return prove(blocks, root, lambda tree: apply_writes(tree, writes))


def apply_writes(tree: Tree, writes: Iterable[tuple[bytes, Cid | None]]) -> Cid:
    """Puts and removes paths; returns the root that comes of it."""
    for path, value in writes:
        if value is None:
            tree.delete(path)
        else:
            tree.put(path, value)
    return tree.flush()[0]
