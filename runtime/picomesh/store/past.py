"""Where receipts are found, and the blocks that no row of its own holds.

Receipts that came alone lie in rows, those that came together in packs (`packing`). A pack is read
whole and stays open for a while: who reads one receipt of it reads the next one, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from picomesh.ledger.cid import Cid
from picomesh.store.errors import DamagedStore
from picomesh.store.opening import Opened, Stretch, open_pack
from picomesh.store.packing import PACK_RECEIPTS_MAX, StoredReceipt, name_in_pack

OPEN_PACKS_MAX = 16
RECENT_PACKS_MAX = 16  # what came with their receipts is at hand
_SEQ_MAX = 2**62
_RECEIPTS = "SELECT pico, seq, core, envelope FROM receipt WHERE pico = ?"
_RUNS = "SELECT seq, count, pack FROM packed WHERE pico = ?"


class Past:
    """Reads receipts and packs; `rows` runs a statement."""

    def __init__(self, rows: Callable[..., list[tuple[Any, ...]]]) -> None:
        self._rows = rows
        self._open: OrderedDict[int, Opened] = OrderedDict()
        self._forget_recent()

    def forget(self) -> None:
        """Closes the packs; what is read next comes from the database."""
        self._open.clear()
        self._forget_recent()

    def _forget_recent(self) -> None:
        self._recent: tuple[Opened, ...] = ()

    # -- receipts

    def head(self, pico: str) -> StoredReceipt | None:
        """The newest receipt of a pico."""
        rows = self._rows(f"{_RECEIPTS} ORDER BY seq DESC LIMIT 1", pico)
        runs = self._rows(f"{_RUNS} ORDER BY seq DESC LIMIT 1", pico)
        if runs:
            first, count, pack = _run(runs[0])
            if not rows or first > rows[0][1]:
                return self._packed(pack, pico, first + count - 1)
        return StoredReceipt(*rows[0]) if rows else None

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        rows = self._rows(f"{_RECEIPTS} AND seq = ?", pico, seq)
        if rows:
            return StoredReceipt(*rows[0])
        runs = self._rows(f"{_RUNS} AND seq <= ? ORDER BY seq DESC LIMIT 1", pico, seq)
        if runs:
            first, count, pack = _run(runs[0])
            if seq < first + count:
                return self._packed(pack, pico, seq)
        return None

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        """The receipts of a pico from `first` to `last`, in order."""
        found: list[StoredReceipt] = []
        for item in self.stretches(pico, first, last):
            found += item.receipts() if isinstance(item, Stretch) else (item,)
        return found

    def stretches(self, pico: str, first: int, last: int | None) -> list[StoredReceipt | Stretch]:
        """The same, with those of a pack that the kernel has opened together."""
        until = _SEQ_MAX if last is None else last
        rows = self._rows(f"{_RECEIPTS} AND seq >= ? AND seq <= ? ORDER BY seq", pico, first, until)
        found: list[StoredReceipt | Stretch] = [StoredReceipt(*row) for row in rows]
        for begin, end, pack in self._runs(pico, first, until):
            opened = self._opened(pack)
            stretches = opened.stretches(pico, begin, end)
            if sum(it.count for it in stretches) == end - begin + 1:
                found += stretches
            else:
                found += [self._packed(pack, pico, seq) for seq in range(begin, end + 1)]
        found.sort(key=_seq_of)
        return found

    def _runs(self, pico: str, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """First and last seq of what lies in each pack, as far as wanted, and the pack."""
        low = first - PACK_RECEIPTS_MAX  # no run is longer, so no other one reaches to `first`
        statement = f"{_RUNS} AND seq > ? AND seq <= ? AND seq + count > ?"
        for begin, count, pack in map(_run, self._rows(statement, pico, low, last, first)):
            yield max(begin, first), min(begin + count - 1, last), pack

    def picos(self) -> list[str]:
        """Every pico that has receipts."""
        rows = self._rows("SELECT pico FROM receipt UNION SELECT pico FROM packed")
        return [str(row[0]) for row in rows]

    def _packed(self, pack: int, pico: str, seq: int) -> StoredReceipt:
        found = self._opened(pack).receipts.get((pico, seq))
        if found is None:
            raise DamagedStore(f"pack {pack} does not hold receipt {seq}", "bring the home back")
        return found

    # -- packs

    def near(self, name: bytes) -> bytes | None:
        """A block that came with one of the receipts that were read last, if it lies in a pack."""
        for opened in self._recent:
            data = opened.beside.get(name)
            if data is not None:
                return data
        return None

    def open_block(self, name: bytes) -> bytes | None:
        """A block that lies in one of the packs that were read last."""
        for opened in reversed(self._open.values()):
            data = opened.block(name)
            if data is not None:
                return data
        return None

    def block(self, cid: Cid) -> bytes | None:
        """A block that lies in a pack."""
        data = self.open_block(cid.raw)
        if data is not None:
            return data
        statement = "SELECT pack FROM pack WHERE instr(names, ?) > 0 ORDER BY pack DESC"
        for (pack,) in self._rows(statement, name_in_pack(cid)):
            data = self._opened(pack).block(cid.raw)
            if data is not None:
                return data
        return None

    def _opened(self, pack: int) -> Opened:
        opened = self._open.get(pack)
        if opened is None:
            rows = self._rows("SELECT data, nodes FROM pack WHERE pack = ?", pack)
            if not rows:
                raise DamagedStore(f"pack {pack} is not there", "bring the home back")
            opened = self._open[pack] = open_pack(pack, *rows[0])
            if len(self._open) > OPEN_PACKS_MAX:
                self._open.popitem(last=False)
            self._recent = (opened, *self._recent[: RECENT_PACKS_MAX - 1])
        else:
            self._open.move_to_end(pack)
        return opened

    def every_block(self) -> Iterator[tuple[bytes, bytes]]:
        """The blocks of all packs. Raises DamagedStore."""
        for (pack,) in self._rows("SELECT pack FROM pack ORDER BY pack"):
            yield from self._opened(pack).blocks.items()

    def problems(self) -> Iterator[tuple[int, str]]:
        """What is kept beside packs says what lies in them: each pack with what is wrong."""
        runs: set[tuple[Any, ...]] = set()
        for pack, names in self._rows("SELECT pack, names FROM pack ORDER BY pack"):
            try:
                opened = self._opened(pack)
            except DamagedStore as problem:
                yield pack, str(problem)
                return
            known = names if isinstance(names, bytes) else b""
            if sorted(known[at : at + 4] for at in range(0, len(known), 4)) != opened.names():
                yield pack, "its names are not those of its blocks"
            runs |= {(*run, pack) for run in opened.runs()}
        stored = {tuple(row) for row in self._rows("SELECT pico, seq, count, pack FROM packed")}
        for row in sorted(runs ^ stored, key=repr)[:1]:
            yield row[3], f"it is not where receipt {row[1]} of pico {row[0]} is looked for"


def _seq_of(item: StoredReceipt | Stretch) -> int:
    return item.seq


def _run(row: tuple[Any, ...]) -> tuple[int, int, int]:
    """A row of `packed`: first seq, number of receipts, pack."""
    match row:
        case (int(first), int(count), int(pack)) if 0 < count <= PACK_RECEIPTS_MAX:
            return first, count, pack
    raise DamagedStore("a row of packed is damaged", "bring the home back")
