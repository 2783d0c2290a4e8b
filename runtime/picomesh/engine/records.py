"""The records that the host itself keeps in a pico's state (docs/formats/state.md §1).

Paths that begin with `pico/` are out of every guest's reach. Rulesets are kept in the order of
their first install, which is the order in which they see events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from picomesh.channels import CHANNELS
from picomesh.engine.family import CHILDREN, Siblings
from picomesh.engine.views import View, Views
from picomesh.ledger.cid import Cid
from picomesh.ledger.codec import encode_block
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.fields import Fields
from picomesh.ledger.receipt import Code, code_block
from picomesh.ledger.tree import Blocks, NodeCache, Tree
from picomesh.ledger.value import Value, decode_value

RULESETS = b"pico/rulesets/"


@dataclass(frozen=True, slots=True)
class RulesetRecord:
    """One installed ruleset. `position` is the seq of the receipt that first installed it."""

    rid: str
    position: int
    raw: Cid
    metered: Cid
    source: Cid | None
    url: str
    config: bytes


_RULESET_FIELDS = frozenset(["position", "raw", "metered", "source", "url", "config"])


def encode_ruleset(record: RulesetRecord) -> bytes:
    return encode_block(
        {
            "position": record.position,
            "raw": record.raw,
            "metered": record.metered,
            "source": record.source,
            "url": record.url,
            "config": record.config,
        }
    )


@lru_cache(maxsize=4096)  # the same few records are read with every event
def decode_ruleset(rid: str, data: bytes) -> RulesetRecord:
    fields = Fields(data, _RULESET_FIELDS)
    return RulesetRecord(
        rid,
        fields.natural("position"),
        fields.cid("raw"),
        fields.cid("metered"),
        fields.cid_or_none("source"),
        fields.text("url"),
        fields.octets("config"),
    )


def _rid(path: bytes) -> str:
    try:
        return path[len(RULESETS) :].decode("utf-8")
    except UnicodeDecodeError as problem:
        raise CodecError("the id of an installed ruleset is not UTF-8") from problem


class PicoState:
    """A pico's state at one root, read through the block store."""

    __slots__ = ("_blocks", "_tree", "_view", "root")

    def __init__(
        self,
        blocks: Blocks,
        root: Cid,
        cache: NodeCache | None = None,
        views: Views | None = None,
    ) -> None:
        self._blocks = blocks
        self._tree = Tree(blocks, root, cache)
        self._view = View(root.raw) if views is None else views.at(root)
        self.root = root

    @property
    def view(self) -> View:
        """What is remembered of this state. A view moves on with its pico, this state does not."""
        if self._view.root != self.root.raw:
            self._view = View(self.root.raw)
        return self._view

    def get(self, path: bytes) -> bytes | None:
        view = self._view
        if view.root != self.root.raw:
            view = self.view
        values = view.values
        if path in values:
            return values[path]
        cid = self._tree.get(path)
        value = None if cid is None else self._blocks.block(cid)
        view.remember(path, value)
        return value

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for path, cid in self._tree.items(after, prefix):
            if len(found) == limit:
                break
            found.append((path, self._blocks.block(cid)))
        return found

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for path, cid in self._tree.items(prefix=prefix):
            yield path, self._blocks.block(cid)

    def paths(self, prefix: bytes) -> list[bytes]:
        return [path for path, _ in self._tree.items(prefix=prefix)]

    def rulesets(self) -> list[RulesetRecord]:
        """The installed rulesets in the order in which they see events."""
        view = self.view
        if view.records is None:
            records = [decode_ruleset(_rid(path), data) for path, data in self.items(RULESETS)]
            view.records = tuple(sorted(records, key=lambda item: (item.position, item.rid)))
        return list(view.records)

    def siblings(self) -> Siblings:
        """The places of the children."""
        view = self.view
        if view.siblings is None:
            view.siblings = Siblings(self.items(CHILDREN))
        return view.siblings

    def code(self) -> bytes:
        """The field `code` of a core that leads to this state."""
        view = self.view
        if view.code is None:
            records = self.rulesets()
            view.code = code_block([Code(item.rid, item.raw, item.metered) for item in records])
        return view.code

    def channel(self, eci: str) -> dict[str, Value] | None:
        channels = self.view.channels
        if eci not in channels:
            data = self.get(CHANNELS + eci.encode())
            record = None if data is None else decode_value(data)
            channels[eci] = record if isinstance(record, dict) else None
        return channels[eci]

    def channels(self) -> list[dict[str, Value]]:
        decoded = [decode_value(data) for _, data in self.items(CHANNELS)]
        return [channel for channel in decoded if isinstance(channel, dict)]


class Layered:
    """New blocks in front of a store."""

    __slots__ = ("_behind", "new")

    def __init__(self, behind: Blocks) -> None:
        self._behind = behind
        self.new: dict[Cid, bytes] = {}

    def block(self, cid: Cid) -> bytes:
        found = self.new.get(cid)
        return self._behind.block(cid) if found is None else found


class NoBlocks:
    """A store with nothing in it."""

    def block(self, cid: Cid) -> bytes:
        raise MissingBlock(f"block {cid} is not there")
