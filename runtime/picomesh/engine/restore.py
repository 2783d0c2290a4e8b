"""Exported histories back into a home: believed, run again, and only then stored.

A file is nobody's word. Each receipt must hold by the rules of belief and come out again when its
transition runs, which also makes every block that the home keeps. A home takes only what its own
engine signed: it could not go on with anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picomesh.channels import CHANNELS
from picomesh.engine.engine import Engine
from picomesh.engine.errors import OperatorError
from picomesh.engine.export import ExportedHistories, linked_blocks
from picomesh.engine.records import Layered, PicoState
from picomesh.engine.rerun import rerun
from picomesh.ledger.cid import Cid
from picomesh.ledger.receipt import Receipt, decode_core
from picomesh.store.packing import NewReceipt
from picomesh.store.store import Commit, StoredReceipt

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken from a file for one pico."""

    pico: str
    name: str
    receipts: int


def restore(engine: Engine, histories: ExportedHistories, progress: Progress) -> list[Restored]:
    """Takes every history of a file into a home. Raises OperatorError when one cannot be taken.

    A pico that is there already gets the receipts that it lacks.
    """
    if histories.engine != engine.public_key:
        raise OperatorError(
            f"these histories were signed by engine {histories.engine.hex()}, not by this home's",
            "put its engine.key into an empty home, or look at them with --history",
        )
    return [_restore(engine, histories, pico, name, progress) for pico, name in histories.picos()]


def _restore(
    engine: Engine, histories: ExportedHistories, pico: str, name: str, progress: Progress
) -> Restored:
    rows = histories.receipts(pico)
    known = _check_known(engine, pico, name, rows)
    new = [row for row in rows if row.seq >= known]
    if not new:
        return Restored(pico, name, 0)
    if new[0].seq != known:
        raise OperatorError(
            f"pico {pico}: the file begins with receipt {new[0].seq}, this home ends before",
            "export it from an earlier receipt on",
        )
    made: dict[Cid, bytes] = {}
    source = _Known(engine, histories)
    done = rerun(source, engine.public_key, engine.programs, pico, known, None, progress, made)
    wrong = done.problem or done.divergence
    if wrong is not None:
        raise OperatorError(
            f"pico {pico}: receipt {wrong.seq} cannot be believed: {wrong.field}",
            "`picomesh replay --history FILE` says more",
        )
    blocks = {**linked_blocks(histories, new), **made}
    _commit(engine, pico, name, new, blocks)
    return Restored(pico, name, len(new))


def _check_known(engine: Engine, pico: str, name: str, rows: list[StoredReceipt]) -> int:
    """How many receipts the home has of a pico; they must be those of the file."""
    others = [item for item, called in engine.store.every_pico() if called == name and name]
    if others not in ([], [pico]):
        raise OperatorError(f"there is a pico {name!r} already", "it is another one")
    head = engine.store.head(pico)
    for row in rows if head is not None else []:
        mine = engine.store.receipt(pico, row.seq)
        if mine is not None and mine.core != row.core:
            raise OperatorError(
                f"pico {pico}: receipt {row.seq} of this home is another one",
                "`picomesh bisect` says where they part, `picomesh evidence` proves it",
            )
    return 0 if head is None else head.seq + 1


def _commit(
    engine: Engine,
    pico: str,
    name: str,
    rows: list[StoredReceipt],
    blocks: dict[Cid, bytes],
) -> None:
    receipts = [
        NewReceipt(pico, row.seq, Receipt(row.core, row.envelope), name=None if row.seq else name)
        for row in rows
    ]
    layered = Layered(engine.store)
    layered.new.update(blocks)
    last = decode_core(rows[-1].core)
    state = PicoState(layered, last.post)
    ecis = {path[len(CHANNELS) :].decode() for path in state.paths(CHANNELS)}
    lost = {eci for eci, owner in engine.store.channels() if owner == pico} - ecis
    timed = any(path.endswith(b"/_schedule") for path in state.paths(b"ent/"))
    commit = Commit(
        receipts,
        blocks,
        channels=[*((eci, None) for eci in lost), *((eci, pico) for eci in sorted(ecis))],
        timed=[pico] if timed else [],
        gone=[pico] if last.kind == "delete" else [],
    )
    engine.store.commit(commit)
    engine.forget()


class _Known:
    """The file, and in front of it what the home has: states that the file left out."""

    def __init__(self, engine: Engine, histories: ExportedHistories) -> None:
        self._store = engine.store
        self._histories = histories
        self.picos = histories.picos
        self.head = histories.head
        self.receipts = histories.receipts

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        return self._histories.receipt(pico, seq) or self._store.receipt(pico, seq)

    def block(self, cid: Cid) -> bytes:
        if cid in self._histories:
            return self._histories.block(cid)
        return self._store.block(cid)
