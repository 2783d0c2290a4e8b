"""Checks every stored byte of a home's histories, and says where the first wrong one is.

A receipt is believed by the rules of ledger.verify; then everything it links to must be there and
hash to its name; then no row of any table may be left that nothing accounts for
(docs/formats/history.md §3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from picomesh.engine.inputs import Create, Install, decode_input
from picomesh.engine.makers import check_maker
from picomesh.engine.records import RULESETS, PicoState
from picomesh.engine.replay import CheckedBlocks, decode_outbox, decode_tape
from picomesh.engine.sealing import read_receipt
from picomesh.engine.sources import Source, each_receipt, has_state
from picomesh.ledger.cid import Cid
from picomesh.ledger.codec import decode_block
from picomesh.ledger.errors import BrokenHistory, CodecError, LedgerError
from picomesh.ledger.receipt import Code, Core, Receipt, decode_core
from picomesh.ledger.tree import EMPTY_ROOT, Blocks, Tree
from picomesh.ledger.verify import EMPTY_LIST, Chain
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
    links = _Links(_Stored(store), name)
    count = 0
    for row in each_receipt(store, pico):
        count += 1
        if row.seq != chain.seq:
            raise BrokenHistory(chain.seq, "seq", f"it is not there; the next one is {row.seq}")
        if not isinstance(row.core, bytes) or not isinstance(row.envelope, bytes):
            raise BrokenHistory(row.seq, "core", "it is not bytes")
        receipt = chain.accept(row.core, row.envelope)
        try:
            links.check(receipt, chain.logs)
            links.check_state(receipt.core, chain.made)
        except BrokenHistory:
            raise
        except LedgerError as problem:
            raise BrokenHistory(row.seq, "blocks", str(problem)) from problem
    if count == 0:
        raise BrokenHistory(0, "seq", "the pico has no receipts")
    if store.recorded_head(pico) != count - 1:
        text = f"the last one recorded is {store.recorded_head(pico)}"
        raise BrokenHistory(count, "seq", text)
    return count


def verify_run(source: Source, engine: bytes, pico: str, name: str) -> int:
    """Checks the receipts of a pico that a file or another engine has, and what they lead to.

    States are checked where the source has them; by the writes alone every root is. Returns the
    number of receipts. Raises BrokenHistory.
    """
    rows = source.receipts(pico)
    if not rows:
        raise BrokenHistory(0, "seq", "the pico has no receipts")
    first = rows[0].seq
    before = source.receipt(pico, first - 1) if first else None
    check_maker(source, pico, engine, first)
    links = _Links(source, name)
    at = max(first - 1, 0)
    try:
        chain = Chain(pico, engine, None if before is None else read_receipt(before), source)
        for row in rows:
            at = row.seq
            receipt = chain.accept(row.core, row.envelope)
            is_whole = has_state(source, receipt.core.post)
            links.check(receipt, chain.logs, is_whole)
            if is_whole:
                links.check_state(receipt.core, chain.made)
    except BrokenHistory:
        raise
    except LedgerError as problem:
        raise BrokenHistory(at, "blocks", str(problem)) from problem
    return len(rows)


class _Links:
    """Whether every block that the receipts of a pico link to is there and is what it must be."""

    def __init__(self, blocks: Blocks, name: str | None) -> None:
        """`blocks` gives none whose hash is another; `name` is what its home calls the pico."""
        self._blocks = blocks
        self._name = name
        self._known: set[Cid] = set()
        self._has_empty_list = False
        self._root = EMPTY_ROOT  # of the last state of which all is known
        self._code: tuple[Code, ...] = ()  # of that state

    def check(self, receipt: Receipt, logs: Cid | None, has_effects: bool = True) -> None:
        """The input, the tape, the outbox if it has to be there, the logs."""
        core, blocks = receipt.core, self._blocks
        given = decode_input(blocks.block(core.event))
        if isinstance(given, Create):
            self._check_create(receipt, given)
        if isinstance(given, Install):
            blocks.block(given.raw)
            if given.source is not None:
                blocks.block(given.source)
        if not self._is_empty_list(core.tape):
            decode_tape(blocks.block(core.tape))
        if has_effects and not self._is_empty_list(core.outbox):
            decode_outbox(blocks.block(core.outbox))
        if logs is not None:
            decode_block(blocks.block(logs))

    def _check_create(self, receipt: Receipt, given: Create) -> None:
        seq, name = receipt.core.seq, self._name
        if name is not None and given.name != name:
            raise BrokenHistory(seq, "event", f"the pico is called {given.name!r}, not {name!r}")
        if given.engine != receipt.envelope.engine:
            raise BrokenHistory(seq, "event", "another engine made this pico")

    def _is_empty_list(self, cid: Cid) -> bool:
        """Most tapes are one; it is looked for once."""
        if cid != EMPTY_LIST:
            return False
        if not self._has_empty_list:
            self._blocks.block(cid)
            self._has_empty_list = True
        return True

    def check_state(self, core: Core, made: Mapping[Cid, bytes]) -> None:
        """The state behind a receipt, node by node and value by value, and what is installed.

        `made` are the nodes that the writes made of the state before. When all of that is known,
        these are what is new, and a block of their names has their bytes.
        """
        blocks, known = self._blocks, self._known
        is_next = core.pre == self._root
        if is_next:
            news = [*made, *(write.value for write in core.writes if write.value is not None)]
            for cid in news:
                if cid not in known:
                    blocks.block(cid)
                    known.add(cid)
        else:
            Tree(blocks, core.post).check(known)
        if not is_next or any(write.path.startswith(RULESETS) for write in core.writes):
            installed = PicoState(blocks, core.post).rulesets()
            self._code = tuple(Code(item.rid, item.raw, item.metered) for item in installed)
        self._root = core.post
        if self._code != core.code:
            raise BrokenHistory(core.seq, "code", "it is not what the state says is installed")
        for code in core.code:
            for cid in (code.raw, code.metered):
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


class _Stored:
    """Blocks from the database itself, not from what the store remembers, and each checked."""

    def __init__(self, store: Store) -> None:
        self._in_packs = store.past.open_block  # where a block has the name of its bytes
        self._elsewhere = CheckedBlocks(_Fresh(store))

    def block(self, cid: Cid) -> bytes:
        data = self._in_packs(cid.raw)
        return self._elsewhere.block(cid) if data is None else data


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
