"""Transitions of one pico behind each other, of which nothing follows but their receipts.

The kernel leaves them as packets in one piece, and the store keeps them so. What somebody looks at
is made then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from picomesh.engine.model import Response
from picomesh.engine.packets import FromKernel
from picomesh.engine.performed import Head
from picomesh.kernel.group import NO_LOGS, pack_row
from picomesh.kernel.packet import Packet, core_digest_at, flags_at
from picomesh.kernel.parts import WORD_BYTES, as_parts, places_of
from picomesh.ledger.receipt import Receipt
from picomesh.store.packing import NewReceipt


class Drawn(NamedTuple):
    """What is its own of an event among others of its kind."""

    eid: str
    attrs: bytes
    time_ms: int
    seed: bytes


class PlainRun:
    """A run of at least one; `store.packing.NewRun` says what the store wants of it."""

    __slots__ = (
        "_envelopes",
        "_given",
        "_places",
        "_receipts",
        "_rids",
        "count",
        "packets",
        "pico",
        "seq",
    )

    def __init__(
        self, pico: str, seq: int, given: Sequence[Drawn], packets: bytes, rids: Sequence[str]
    ) -> None:
        """`seq` is that of the first, `packets` as the kernel left them, as many as `given`."""
        self.pico = pico
        self.seq = seq
        self.packets = packets
        self._envelopes: Sequence[bytes] = ()  # once they are signed
        self._places = places_of(packets)
        self.count = len(self._places)
        self._given = given
        self._rids = rids
        self._receipts: dict[int, Receipt] = {}  # that somebody has looked at

    def pieces(self) -> Iterator[PlainRun | int]:
        """Runs of what is plain and has no logs, and between them the places of the others."""
        starts = [start for start, _ in self._places]
        is_other = [flags_at(self.packets, start) != 0 for start in starts]
        if not any(is_other):
            yield self
            return
        for other, some in groupby(range(self.count), is_other.__getitem__):
            places = list(some)
            if other:
                yield from places
            else:
                yield self._part(places[0], places[-1])

    def _part(self, first: int, last: int) -> PlainRun:
        start, end = self._places[first][0] - WORD_BYTES, self._places[last][1]
        packets, given = self.packets[start:end], self._given[first : last + 1]
        return PlainRun(self.pico, self.seq + first, given, packets, self._rids)

    def performed(self, at: int) -> FromKernel:
        start, end = self._places[at]
        return FromKernel(Packet(self.packets[start:end]), self._rids, self._given[at].eid)

    def receipt(self, at: int) -> Receipt:
        """One of the receipts, always the same object; signed when the others are."""
        found = self._receipts.get(at)
        if found is None:
            found = self._receipts[at] = Receipt(self.performed(at).core_bytes)
            if self._envelopes:
                found.envelope_bytes = self._envelopes[at]
        return found

    @property
    def envelopes(self) -> bytes:
        return as_parts(self._envelopes)

    def head(self) -> Head:
        """The pico's newest receipt behind the run."""
        last = self.performed(self.count - 1)
        return Head(self.seq + self.count - 1, last.cid, last.post)

    def rows(self, elapsed_us: int) -> list[bytes]:
        """What each envelope is made of (`kernel.group.pack_row`)."""
        packets = self.packets
        return [
            pack_row(core_digest_at(packets, place[0]), one.time_ms, elapsed_us, NO_LOGS)
            for place, one in zip(self._places, self._given, strict=False)
        ]

    def sign(self, envelopes: Sequence[bytes]) -> None:
        """Sets the envelopes, one for each."""
        self._envelopes = envelopes
        for at, receipt in self._receipts.items():
            receipt.envelope_bytes = envelopes[at]

    def receipts(self) -> list[NewReceipt]:
        """The same one by one."""
        return [
            NewReceipt(self.pico, self.seq + at, self.receipt(at), self.performed(at))
            for at in range(self.count)
        ]

    def responses(self) -> list[Response]:
        """What became of each of the events."""
        return [_InRun(self, at) for at in range(self.count)]

    def eid(self, at: int) -> str:
        return self._given[at].eid


class _InRun(Response):
    """A response that is made when somebody looks at it."""

    __slots__ = ("_at", "_run")

    def __init__(self, run: PlainRun, at: int) -> None:
        self._run = run
        self._at = at

    def __getattr__(self, name: str) -> object:
        run, at = self._run, self._at
        match name:
            case "pico":
                self.pico = run.pico
            case "eid":
                self.eid = run.eid(at)
            case "receipt":
                self.receipt = run.receipt(at)
            case "performed":
                self.performed = run.performed(at)
            case _:
                raise AttributeError(name)
        return object.__getattribute__(self, name)
