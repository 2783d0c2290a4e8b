"""Checks every stored byte of a home's histories, and says where the first wrong one is.

A receipt is believed by the rules of ledger.verify; then everything it links to must be there and
hash to its name; then no row of any table may be left that nothing accounts for
(docs/formats/history.md §3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picomesh.engine.inputs import Create, Install, decode_input
from picomesh.engine.makers import check_maker
from picomesh.engine.records import PicoState
from picomesh.engine.replay import CheckedBlocks, decode_outbox, decode_tape
from picomesh.engine.sealing import read_receipt
from picomesh.engine.sources import Source, has_state
from picomesh.ledger.cid import Cid
from picomesh.ledger.codec import decode_block
from picomesh.ledger.errors import BrokenHistory, CodecError, LedgerError
from picomesh.ledger.receipt import Code, Receipt, decode_core
from picomesh.ledger.tree import Blocks, Tree
from picomesh.ledger.verify import Chain
from picomesh.store.errors import DamagedStore
from picomesh.store.store import Store


@dataclass(frozen=True, slots=True)
class Problem:
    """Something stored that cannot be believed, and its place."""

    place: str
    text: str
    fault: str = ""  # by whose fault, when that can be told


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of a home came to."""

    picos: int
    receipts: int
    blocks: int
    problems: tuple[Problem, ...]


def verify_home(store: Store, engine: bytes) -> Verified:
    """Checks everything in a store. Reports at most one problem for each pico and each table."""
    store.past.forget()
    problems: list[Problem] = list(_check_database(store))
    picos = [pico for pico, _ in store.every_pico()]
    receipts = 0
    for pico, name in store.every_pico():
        try:
            receipts += verify_pico(store, engine, pico, name)
        except BrokenHistory as problem:
            place = f"pico {pico}, receipt {problem.seq}, {problem.field}"
            problems.append(Problem(place, problem.text, problem.fault))
        except DamagedStore as problem:
            problems.append(Problem(f"pico {pico}", str(problem)))
    problems += [Problem(f"pack {pack}", text) for pack, text in store.past.problems()]
    problems += _check_orphans(store, picos)
    problems += [] if problems else _check_indices(store, picos)
    blocks, damaged = _check_blocks(store)
    return Verified(len(picos), receipts, blocks, (*problems, *damaged))


def verify_pico(store: Store, engine: bytes, pico: str, name: str | None = None) -> int:
    """Checks one pico; returns the number of its receipts. Raises BrokenHistory."""
    chain = Chain(pico, engine)
    blocks = CheckedBlocks(_Fresh(store))
    known: set[Cid] = set()
    rows = store.receipts(pico)
    if not rows:
        raise BrokenHistory(0, "seq", "the pico has no receipts")
    for row in rows:
        if row.seq != chain.seq:
            raise BrokenHistory(chain.seq, "seq", f"it is not there; the next one is {row.seq}")
        if not isinstance(row.core, bytes) or not isinstance(row.envelope, bytes):
            raise BrokenHistory(row.seq, "core", "it is not bytes")
        receipt = chain.accept(row.core, row.envelope)
        try:
            _check_links(blocks, receipt, name)
            _check_state(blocks, receipt, known)
        except BrokenHistory:
            raise
        except LedgerError as problem:
            raise BrokenHistory(row.seq, "blocks", str(problem)) from problem
    if store.recorded_head(pico) != len(rows) - 1:
        text = f"the last one recorded is {store.recorded_head(pico)}"
        raise BrokenHistory(len(rows), "seq", text)
    return len(rows)


def verify_run(source: Source, engine: bytes, pico: str, name: str) -> int:
    """Checks the receipts of a pico that a file or another engine has, and what they lead to.

    States are checked where the source has them; by the writes alone every root is. Returns the
    number of receipts. Raises BrokenHistory.
    """
    rows, known = source.receipts(pico), set[Cid]()
    if not rows:
        raise BrokenHistory(0, "seq", "the pico has no receipts")
    first = rows[0].seq
    before = source.receipt(pico, first - 1) if first else None
    check_maker(source, pico, engine, first)
    at = max(first - 1, 0)
    try:
        chain = Chain(pico, engine, None if before is None else read_receipt(before), source)
        for row in rows:
            at = row.seq
            receipt = chain.accept(row.core, row.envelope)
            is_whole = has_state(source, receipt.core.post)
            _check_links(source, receipt, name, is_whole)
            if is_whole:
                _check_state(source, receipt, known)
    except BrokenHistory:
        raise
    except LedgerError as problem:
        raise BrokenHistory(at, "blocks", str(problem)) from problem
    return len(rows)


def _check_links(
    blocks: Blocks, receipt: Receipt, name: str | None, has_effects: bool = True
) -> None:
    """Every block that a receipt links to is there and is what it must be."""
    core = receipt.core
    given = decode_input(blocks.block(core.event))
    if isinstance(given, Create) and name is not None and given.name != name:
        raise BrokenHistory(core.seq, "event", f"the pico is called {given.name!r}, not {name!r}")
    if isinstance(given, Create) and given.engine != receipt.envelope.engine:
        raise BrokenHistory(core.seq, "event", "another engine made this pico")
    if isinstance(given, Install):
        blocks.block(given.raw)
        if given.source is not None:
            blocks.block(given.source)
    decode_tape(blocks.block(core.tape))
    if has_effects:
        decode_outbox(blocks.block(core.outbox))
    if receipt.envelope.logs is not None:
        decode_block(blocks.block(receipt.envelope.logs))


def _check_state(blocks: Blocks, receipt: Receipt, known: set[Cid]) -> None:
    core = receipt.core
    Tree(blocks, core.post).check(known)
    state = PicoState(blocks, core.post)
    code = tuple(Code(item.rid, item.raw, item.metered) for item in state.rulesets())
    if code != core.code:
        raise BrokenHistory(core.seq, "code", "it is not what the state says is installed")
    for cid in (cid for item in code for cid in (item.raw, item.metered)):
        if cid not in known:
            blocks.block(cid)
            known.add(cid)


def _check_database(store: Store) -> Iterator[Problem]:
    for text in store.integrity_problems():
        yield Problem("database", text)
    try:
        known = {pico for pico, _ in store.every_pico()}
        arrivals = set()
        for accepted in store.waiting():
            arrivals.add(accepted.arrival)
            if accepted.pico not in known:
                yield Problem(f"inbox, arrival {accepted.arrival}", "its pico is not there")
            store.answers(accepted.arrival)
        for arrival in store.arrivals_with_answers() - arrivals:
            yield Problem(f"answer, arrival {arrival}", "no accepted event has this arrival")
    except DamagedStore as problem:
        yield Problem("inbox", str(problem))


def _check_orphans(store: Store, picos: list[str]) -> Iterator[Problem]:
    for pico in store.past.picos():
        if pico not in picos:
            yield Problem(f"receipt, pico {pico}", "there is no such pico in this home")


def _check_indices(store: Store, picos: list[str]) -> Iterator[Problem]:
    """What is kept beside the histories to find things faster says what they say."""
    channels: set[tuple[str, str]] = set()
    for pico in picos:
        head = store.head(pico)
        assert head is not None, "its history was checked"
        core = decode_core(head.core)
        if (core.kind == "delete") != store.is_gone(pico):
            yield Problem(f"gone, pico {pico}", f"its last receipt is {core.kind}")
        state = PicoState(store, core.post)
        channels |= {(str(item["id"]), pico) for item in state.channels()}
        timed = any(path.endswith(b"/_schedule") for path in state.paths(b"ent/"))
        if timed and pico not in store.timed_picos():
            yield Problem(f"timed, pico {pico}", "it has a schedule and is not there")
    for eci, pico in sorted(channels ^ store.channels()):
        yield Problem(f"channel {eci}", f"the state of pico {pico} says something else")


def _check_blocks(store: Store) -> tuple[int, list[Problem]]:
    """Every block hashes to its name, also those that nothing links to."""
    count = 0
    try:
        for raw, data in store.all_blocks():
            count += 1
            try:
                if not isinstance(raw, bytes) or not isinstance(data, bytes):
                    raise CodecError("it is not bytes")
                CheckedBlocks(_One(data)).block(Cid(raw))
            except CodecError as problem:
                shown = raw.hex() if isinstance(raw, bytes) else repr(raw)
                return count, [Problem(f"block {shown}", str(problem))]
    except DamagedStore:
        pass  # a pack: that is known by now
    return count, []


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Blocks from the database itself, not from what the store remembers."""

    store: Store

    def block(self, cid: Cid) -> bytes:
        return self.store.read_block(cid)


@dataclass(frozen=True, slots=True)
class _One:
    data: bytes

    def block(self, cid: Cid) -> bytes:
        return self.data
