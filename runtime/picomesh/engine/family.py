"""Parents and children as a pico's own state has them (docs/formats/state.md §3).

A child is reached by a channel that only its parent may use, and reaches its parent by one that
only it may use. Each side holds the other one's record and its own channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from picomesh.channels import CHANNELS, family_channel
from picomesh.ledger.value import Value, decode_value, encode_value

PARENT = b"pico/parent"
CHILDREN = b"pico/children/"
_SCAN_ENTRIES = 256

Write = tuple[bytes, bytes | None]


class Readable(Protocol):
    """A pico's state, or the state with what a transition has written so far over it."""

    def get(self, path: bytes) -> bytes | None: ...
    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Relative:
    """A parent or a child: the channel to it, its id, and the channel it has to us."""

    eci: str
    pico: str
    their_eci: str
    position: int = 0  # of a child among its siblings


class Siblings:
    """The places of a pico's children, so that the next one's is known without a look at all."""

    __slots__ = ("_last", "_places")

    def __init__(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._places: dict[bytes, int] = {}
        self._last = -1
        for path, data in records:
            self.note(path, data)

    def note(self, path: bytes, data: bytes | None) -> None:
        """A record that was written, or removed."""
        before = self._places.pop(path, None)
        if data is not None:
            place = self._places[path] = _relative(data).position
            self._last = max(self._last, place)
        if before == self._last:
            self._last = max(self._places.values(), default=-1)

    def with_changes(self, written: Mapping[bytes, bytes | None]) -> tuple[int, int]:
        """How many there are, and the last one's place, after what was written by now."""
        changes = [(path, data) for path, data in written.items() if path.startswith(CHILDREN)]
        if any(data is None or path in self._places for path, data in changes):
            changed = Siblings(())
            changed._places, changed._last = dict(self._places), self._last
            for path, data in changes:
                changed.note(path, data)
            return len(changed._places), changed._last
        new = [_relative(data).position for path, data in changes if data is not None]
        return len(self._places) + len(new), max([self._last, *new])


def everything(state: Readable, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All entries below a prefix, in pieces."""
    after = b""
    while found := state.scan(prefix, after, _SCAN_ENTRIES):
        yield from found
        after = found[-1][0]


def channels_of(state: Readable, pico: str) -> list[dict[str, Value]]:
    """Every channel of a pico, its own one among them, sorted by identifier."""
    found = [_channel(data) for _, data in everything(state, CHANNELS)]
    return sorted([*found, family_channel(pico, "self", pico)], key=lambda item: str(item["id"]))


@lru_cache(maxsize=4096)  # the same records are read again and again, and never changed
def _channel(data: bytes) -> dict[str, Value]:
    channel = decode_value(data)
    assert isinstance(channel, dict), "the host writes these records"
    return channel


def encoded_channels_of(state: Readable, pico: str) -> list[bytes]:
    """The same as they are stored."""
    found = [(path[len(CHANNELS) :], data) for path, data in everything(state, CHANNELS)]
    own = encode_value(family_channel(pico, "self", pico))
    return [data for _, data in sorted([*found, (pico.encode(), own)])]


def parent_of(state: Readable) -> Relative | None:
    data = state.get(PARENT)
    return None if data is None else _relative(data)


def child_of(state: Readable, eci: str) -> Relative | None:
    """The child that a channel leads to."""
    data = state.get(CHILDREN + eci.encode())
    return None if data is None else _relative(data)


def children_of(state: Readable) -> list[Relative]:
    """The children in the order in which they came."""
    found = [_relative(data) for _, data in everything(state, CHILDREN)]
    return sorted(found, key=lambda child: (child.position, child.eci))


def child_joins(state: Readable, child: Relative) -> list[Write]:
    """What a parent writes when it gets a child."""
    position = 1 + max((item.position for item in children_of(state)), default=-1)
    return child_record(Relative(child.eci, child.pico, child.their_eci, position))


def child_record(child: Relative) -> list[Write]:
    """A child at its place among its siblings."""
    channel = family_channel(child.their_eci, "parent", child.pico)
    return [
        (CHANNELS + child.their_eci.encode(), encode_value(channel)),
        (CHILDREN + child.eci.encode(), _encode(child)),
    ]


def child_leaves(child: Relative) -> list[Write]:
    """What a parent writes when it loses a child."""
    return [(CHANNELS + child.their_eci.encode(), None), (CHILDREN + child.eci.encode(), None)]


def parent_is(state: Readable, parent: Relative) -> list[Write]:
    """What a child writes when it gets a parent, its first or another one."""
    old = parent_of(state)
    gone: list[Write] = [] if old is None else [(CHANNELS + old.their_eci.encode(), None)]
    channel = family_channel(parent.their_eci, "child", parent.pico)
    return [
        *gone,
        (CHANNELS + parent.their_eci.encode(), encode_value(channel)),
        (PARENT, _encode(parent)),
    ]


def _encode(relative: Relative) -> bytes:
    return encode_value(
        {
            "eci": relative.eci,
            "pico": relative.pico,
            "position": relative.position,
            "theirEci": relative.their_eci,
        }
    )


@lru_cache(maxsize=4096)
def _relative(data: bytes) -> Relative:
    match decode_value(data):
        case {
            "eci": str(eci),
            "pico": str(pico),
            "position": int(position),
            "theirEci": str(their),
        }:
            return Relative(str(eci), str(pico), str(their), int(position))
        case _:
            raise AssertionError("the host writes these records")
