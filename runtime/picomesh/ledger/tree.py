"""The state tree: an ordered map path -> CID whose root does not depend on its history.

A Merkle search tree (docs/formats/state.md). The layer of a path is the number of leading zero
bits of BLAKE3(path), in twos; a node holds the paths of the highest layer in its range, and the
gaps between them are smaller trees. So the set of paths alone decides the shape, and changing one
path of n touches O(log n) nodes. Nodes are read from a block store when they are needed and
written back by `flush`, all new ones at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeAlias

from picomesh.ledger import pieces
from picomesh.ledger.cid import CID_BYTES, DAG_CBOR, RAW, Cid, cid_of_block, digest_of, trusted_cid
from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.errors import CodecError, TreeTooWide
from picomesh.ledger.pieces import LINK

LAYER_BITS = 2  # a node has 4 entries on average
LAYER_MAX = 31  # so a tree is at most 32 nodes deep, whatever its paths hash to
# Chance alone never comes near (0.75 to the power of it). Whoever chooses paths by trial stops
# here, and a node stays far below the limit of a block.
NODE_PATHS_MAX = 2048
PATH_BYTES_MAX = 4096
_RAW_PREFIX = bytes((1, RAW, 0x1E, 0x20))
_NODE_LINK = LINK + bytes((1, DAG_CBOR, 0x1E, 0x20))


class Blocks(Protocol):
    """Where blocks come from. Raises MissingBlock for one that is not there."""

    def block(self, cid: Cid) -> bytes: ...


@dataclass(slots=True)
class Node:
    """Paths of one layer, ascending, and the trees before, between and behind them.

    Never changed once made; `cid` is remembered when it becomes known. `parts` are the pieces of
    its block: two, and then three for each path (`_parts`). A node that differs from another one
    in a value or a child takes over the pieces of the rest.
    """

    layer: int
    paths: list[bytes]
    values: list[Cid]
    children: list[Child]
    cid: Cid | None = field(default=None, compare=False)
    parts: list[bytes] | None = field(default=None, compare=False)


Child: TypeAlias = Node | Cid | None


@lru_cache(maxsize=16_384)  # the same few paths are asked for with every event
def layer_of(path: bytes) -> int:
    """How high a path stands: leading zero bits of its hash, in twos, up to LAYER_MAX."""
    digest = int.from_bytes(digest_of(path), "big")
    return min((256 - digest.bit_length()) // LAYER_BITS, LAYER_MAX)


def encode_node(node: Node, links: list[Cid | None]) -> bytes:
    """The block of a node: [first tree, [shared, rest, value, tree], ...], state.md §3.

    Raises TreeTooWide.
    """
    return b"".join(_parts(node, links))


def _parts(node: Node, links: Sequence[Cid | None]) -> list[bytes]:
    """The pieces of a node's block: its head and first tree, then stem, value and tree of each
    path; a stem is an entry up to the CID of its value."""
    if len(node.paths) > NODE_PATHS_MAX:
        raise TreeTooWide(f"a tree node of more than {NODE_PATHS_MAX} paths")
    parts = [pieces.head(4, len(node.paths) + 1), _link_part(links[0])]
    before = b""
    for path, value, link in zip(node.paths, node.values, links[1:], strict=True):
        shared = _shared_length(before, path)
        parts.append(b"\x84" + pieces.number(shared) + pieces.octets(path[shared:]) + LINK)
        parts += (value.raw, _link_part(link))
        before = path
    return parts


def _link_part(link: Cid | None) -> bytes:
    return pieces.NULL if link is None else LINK + link.raw


def decode_node(data: bytes) -> Node:
    """Reads one node; refuses paths out of order, of another layer, or badly shortened."""
    node = _read_node(data)
    return _decode_node(data) if node is None else node


def _read_node(data: bytes) -> Node | None:
    """A node that `encode_node` wrote, four times as fast; None says nothing.

    What was read is written again, so nothing is let in that is written in another way.
    """
    paths: list[bytes] = []
    values: list[Cid] = []
    count = data[0] - 0x80 if data else 0
    if not 1 < count < 24:
        return None
    child, at = _read_link(data, 1)
    children: list[Child] = [child]
    before = b""
    for _ in range(count - 1):
        shared, at = _read_number(data, at + 1)
        length, at = _read_number(data, at, 0x40)
        path = before[:shared] + data[at : at + length]
        at += length + 5
        raw = data[at : at + CID_BYTES]
        at += CID_BYTES
        child, at = _read_link(data, at)
        if path <= before or len(path) > PATH_BYTES_MAX or raw[:4] != _RAW_PREFIX:
            return None
        paths.append(path)
        values.append(trusted_cid(raw))
        children.append(child)
        before = path
    layer = layer_of(before)
    for path in paths:
        if layer_of(path) != layer:
            return None
    node = Node(layer, paths, values, children)
    node.parts = _parts(node, children)  # type: ignore[arg-type]  # only names were read
    return node if b"".join(node.parts) == data else None


def _read_link(data: bytes, at: int) -> tuple[Cid | None, int]:
    if data[at : at + 9] == _NODE_LINK:
        end = at + 5 + CID_BYTES
        raw = data[at + 5 : end]
        return (trusted_cid(raw) if len(raw) == CID_BYTES else None), end
    return None, at + 1


def _read_number(data: bytes, at: int, major: int = 0) -> tuple[int, int]:
    """A small number behind a major type; anything else comes out as something wrong."""
    first = data[at] - major if at < len(data) else 0
    if first == 24:
        return int.from_bytes(data[at + 1 : at + 2], "big"), at + 2
    if first == 25:
        return int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
    return max(first, 0), at + 1


def _decode_node(data: bytes) -> Node:
    block = decode_block(data)
    if not isinstance(block, list) or not 0 < len(block) <= NODE_PATHS_MAX + 1:
        raise CodecError(f"a tree node is not a list of at most {NODE_PATHS_MAX} paths")
    paths: list[bytes] = []
    values: list[Cid] = []
    children: list[Child] = [_link(block[0])]
    for entry in block[1:]:
        path, value, link = _decode_entry(entry, paths[-1] if paths else b"")
        if paths and path <= paths[-1]:
            raise CodecError("the paths of a tree node are not in order")
        paths.append(path)
        values.append(value)
        children.append(link)
    if not paths:
        if children != [None]:
            raise CodecError("a tree node without paths has a child")
        return Node(-1, paths, values, children)
    layer = layer_of(paths[0])
    if any(layer_of(path) != layer for path in paths):
        raise CodecError("the paths of a tree node have different layers")
    return Node(layer, paths, values, children)


def _decode_entry(entry: Block, before: bytes) -> tuple[bytes, Cid, Cid | None]:
    if not isinstance(entry, list) or len(entry) != 4:
        raise CodecError("an entry of a tree node is not 4 items")
    shared, rest, value, link = entry
    if not isinstance(shared, int) or not isinstance(rest, bytes) or not isinstance(value, Cid):
        raise CodecError("an entry of a tree node is not [shared, rest, value, tree]")
    if value.codec != RAW:
        raise CodecError("a value of a tree node is not raw bytes")
    path = before[:shared] + rest
    if shared != _shared_length(before, path) or len(path) != shared + len(rest):
        raise CodecError("a path of a tree node is not shortened as far as it can be")
    if not 0 < len(path) <= PATH_BYTES_MAX:
        raise CodecError(f"a path of a tree node is not 1 to {PATH_BYTES_MAX} bytes")
    return path, value, _link(link)


def _link(block: Block) -> Cid | None:
    if block is not None and not (isinstance(block, Cid) and block.codec == DAG_CBOR):
        raise CodecError("a subtree of a tree node is not a link")
    return block


def _shared_length(a: bytes, b: bytes) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


EMPTY_ROOT_BLOCK = encode_node(Node(-1, [], [], [None]), [None])
EMPTY_ROOT = cid_of_block(EMPTY_ROOT_BLOCK)


NODES_IN_MEMORY_MAX = 65_536
NodeCache: TypeAlias = dict[bytes, Node]  # by the 36 bytes of their names


class Tree:
    """A state tree that can be read and changed; nothing is stored before `flush`.

    Nodes never change, so trees may share a cache of those that were read and checked.
    """

    __slots__ = ("_blocks", "_cache", "_root", "replaced")

    def __init__(
        self, blocks: Blocks, root: Cid = EMPTY_ROOT, cache: NodeCache | None = None
    ) -> None:
        self._blocks = blocks
        self._cache = cache
        self.replaced: list[Cid] = []  # stored nodes in whose place others stand; some of them
        self._root: Child = None if root == EMPTY_ROOT else root

    def copy(self) -> Tree:
        """Another tree of the same content; nodes are never changed, so this costs nothing."""
        other = Tree(self._blocks, cache=self._cache)
        other._root = self._root
        return other

    def get(self, path: bytes) -> Cid | None:
        """The value's name at a path."""
        layer = layer_of(path)
        node = self._load(self._root)
        while node is not None and node.layer >= layer:
            at = bisect_left(node.paths, path)
            if at < len(node.paths) and node.paths[at] == path:
                return node.values[at]
            node = self._load(node.children[at])
        return None

    def put(self, path: bytes, value: Cid) -> None:
        """Sets a path."""
        layer = layer_of(path)
        way: list[tuple[Node, int]] = []
        node = self._load(self._root)
        while node is not None and node.layer > layer:
            at = bisect_left(node.paths, path)
            way.append((node, at))
            node = self._load(node.children[at])
        if node is not None and node.layer == layer:
            at = bisect_left(node.paths, path)
            if at < len(node.paths) and node.paths[at] == path:
                self._replace(way, node, at, value)
                return
        self._root = self._put(self._root, path, value, layer)

    def _replace(self, way: list[tuple[Node, int]], node: Node, at: int, value: Cid) -> None:
        """A new value at a path that is there: the shape of the tree stays as it is."""
        values = node.values.copy()
        values[at] = value
        parts = node.parts
        if parts is not None:
            parts = parts.copy()
            parts[3 * at + 3] = value.raw
        new = Node(node.layer, node.paths, values, node.children, None, parts)
        replaced = self.replaced
        if node.cid is not None:
            replaced.append(node.cid)
        for above, at in reversed(way):
            new = _with_child(above, at, new)
            if above.cid is not None:
                replaced.append(above.cid)
        self._root = new

    def delete(self, path: bytes) -> None:
        """Removes a path, if it is there."""
        if self.get(path) is not None:
            self._root = self._delete(self._root, path)

    def items(self, after: bytes = b"", prefix: bytes = b"") -> Iterator[tuple[bytes, Cid]]:
        """Entries whose path is greater than `after` and starts with `prefix`, in order."""
        for path, value in self._walk(self._root, max(after, prefix)):
            if path <= after and after:
                continue
            if not path.startswith(prefix):
                return
            yield path, value

    def between(self, first: bytes, end: bytes | None) -> Iterator[tuple[bytes, Cid]]:
        """Entries from `first` on and before `end` in order, without a look at what is behind."""
        yield from self._between(self._root, first, end)

    def flush(self) -> tuple[Cid, dict[Cid, bytes]]:
        """The root, and the blocks that this tree made and nobody stored yet."""
        new: dict[Cid, bytes] = {}
        if self._cache is not None:
            for cid in self.replaced:  # states of the past are seldom read
                self._cache.pop(cid.raw, None)
        if self._root is None:
            return EMPTY_ROOT, {}  # everybody knows this block
        root = self._store(self._root, new)
        assert root is not None
        return root, new

    def check(self, known: set[Cid]) -> None:
        """Reads every stored node and value, except below what is `known`, and adds them to it.

        Raises MissingBlock, and CodecError for nodes that do not make a tree (state.md §4).
        """
        if isinstance(self._root, Cid):
            self._check(self._root, known, None, b"", None)

    # -- reading

    def _load(self, child: Child) -> Node | None:
        if type(child) is not Cid:
            return child  # type: ignore[return-value]  # a node or None
        known = None if self._cache is None else self._cache.get(child.raw)
        if known is not None:
            return known
        node = decode_node(self._blocks.block(child))
        if not node.paths:
            raise CodecError("an empty tree node inside a tree")
        node.cid = child
        self._remember(node)
        return node

    def _remember(self, node: Node) -> None:
        if self._cache is not None and node.cid is not None:
            if len(self._cache) >= NODES_IN_MEMORY_MAX:
                self._cache.clear()
            self._cache[node.cid.raw] = node

    def _walk(self, child: Child, start: bytes) -> Iterator[tuple[bytes, Cid]]:
        node = self._load(child)
        if node is None:
            return
        first = bisect_left(node.paths, start)
        yield from self._walk(node.children[first], start)
        for at in range(first, len(node.paths)):
            yield node.paths[at], node.values[at]
            yield from self._walk(node.children[at + 1], start)

    def _between(
        self, child: Child, first: bytes, end: bytes | None
    ) -> Iterator[tuple[bytes, Cid]]:
        node = self._load(child)
        if node is None:
            return
        start = bisect_left(node.paths, first)
        stop = len(node.paths) if end is None else bisect_left(node.paths, end)
        for at in range(start, stop):
            if node.paths[at] != first:  # what is before it is not asked for
                yield from self._between(node.children[at], first, end)
            yield node.paths[at], node.values[at]
        yield from self._between(node.children[stop], first, end)

    def _check(
        self, cid: Cid, known: set[Cid], above: int | None, low: bytes, high: bytes | None
    ) -> None:
        if cid in known:
            return
        node = self._load(cid)
        assert node is not None, "a stored child is a node"
        if above is not None and node.layer >= above:
            raise CodecError("a subtree stands as high as its parent")
        if node.paths[0] <= low or (high is not None and node.paths[-1] >= high):
            raise CodecError("a subtree reaches beyond its gap")
        for value in node.values:
            if value not in known:
                self._blocks.block(value)
                known.add(value)
        bounds = [low, *node.paths]
        ends = [*node.paths, high]
        for child, start, end in zip(node.children, bounds, ends, strict=True):
            if isinstance(child, Cid):
                self._check(child, known, node.layer, start, end)
        known.add(cid)

    # -- changing: new nodes share what did not change

    def _put(self, child: Child, path: bytes, value: Cid, layer: int) -> Node:
        node = self._load(child)
        if node is None:
            return Node(layer, [path], [value], [None, None])
        if node.layer < layer:
            left, right = self._split(node, path)
            return Node(layer, [path], [value], [left, right])
        at = bisect_left(node.paths, path)
        if node.layer > layer:
            below = self._put(node.children[at], path, value, layer)
            return _with_child(node, at, below)
        if at < len(node.paths) and node.paths[at] == path:
            values = node.values.copy()
            values[at] = value
            return Node(layer, node.paths, values, node.children)
        left, right = self._split(node.children[at], path)
        return Node(
            layer,
            [*node.paths[:at], path, *node.paths[at:]],
            [*node.values[:at], value, *node.values[at:]],
            [*node.children[:at], left, right, *node.children[at + 1 :]],
        )

    def _split(self, child: Child, path: bytes) -> tuple[Child, Child]:
        """The parts of a tree before and behind a path that is not in it."""
        node = self._load(child)
        if node is None:
            return None, None
        at = bisect_right(node.paths, path)
        left, right = self._split(node.children[at], path)
        before = [*node.children[:at], left]
        behind = [right, *node.children[at + 1 :]]
        return (
            _node(node.layer, node.paths[:at], node.values[:at], before),
            _node(node.layer, node.paths[at:], node.values[at:], behind),
        )

    def _delete(self, child: Child, path: bytes) -> Child:
        node = self._load(child)
        assert node is not None, "delete is only called for a path that is there"
        at = bisect_left(node.paths, path)
        if at == len(node.paths) or node.paths[at] != path:
            return _with_child(node, at, self._delete(node.children[at], path))
        joined = self._join(node.children[at], node.children[at + 1])
        return _node(
            node.layer,
            [*node.paths[:at], *node.paths[at + 1 :]],
            [*node.values[:at], *node.values[at + 1 :]],
            [*node.children[:at], joined, *node.children[at + 2 :]],
        )

    def _join(self, before: Child, behind: Child) -> Child:
        """One tree from two, all of whose paths follow each other."""
        left, right = self._load(before), self._load(behind)
        if left is None or right is None:
            return before if right is None else behind
        if left.layer > right.layer:
            return _with_child(left, -1, self._join(left.children[-1], right))
        if left.layer < right.layer:
            return _with_child(right, 0, self._join(left, right.children[0]))
        middle = self._join(left.children[-1], right.children[0])
        return Node(
            left.layer,
            left.paths + right.paths,
            left.values + right.values,
            [*left.children[:-1], middle, *right.children[1:]],
        )

    def _store(self, child: Child, new: dict[Cid, bytes]) -> Cid | None:
        if type(child) is not Node:
            return child  # type: ignore[return-value]  # a name or None
        if child.cid is None:
            children, parts = child.children, child.parts
            links: list[Cid | None] = children  # type: ignore[assignment]  # when the loop is done
            for at, below in enumerate(children):
                if type(below) is Node:
                    if links is children:
                        links = children.copy()  # type: ignore[assignment]
                    cid = links[at] = self._store(below, new)
                    if parts is not None:
                        parts[3 * at + 1] = _link_part(cid)
            if parts is None:
                parts = child.parts = _parts(child, links)
            if self._cache is not None:  # the cache has them; a tree without one keeps them
                child.children = links  # type: ignore[assignment]
            block = b"".join(parts)
            child.cid = cid_of_block(block)
            new[child.cid] = block
            self._remember(child)
        return child.cid


def _with_child(node: Node, at: int, child: Child) -> Node:
    """The node with another tree at a place; what is stored writes its name into the pieces."""
    children = node.children.copy()
    children[at] = child
    parts = node.parts.copy() if node.parts and type(child) is Node else None
    return Node(node.layer, node.paths, node.values, children, None, parts)


def _node(layer: int, paths: list[bytes], values: list[Cid], children: list[Child]) -> Child:
    """A node, or the only child of one that lost all its paths."""
    return Node(layer, paths, values, children) if paths else children[0]
