"""Replay: runs a recorded history again and compares the cores, field by field.

Needs no network and no clock; any backend must come to the same cores. Blocks are checked against
their hashes as they are read, so that a damaged store is not taken for a wrong transition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from picomesh.engine.errors import ModuleNotAdmitted, OperatorError
from picomesh.engine.inputs import decode_input
from picomesh.engine.perform import perform
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered
from picomesh.ledger.cid import Cid, cid_of_block, is_named
from picomesh.ledger.codec import decode_block
from picomesh.ledger.errors import BrokenHistory, CodecError, LedgerError
from picomesh.ledger.receipt import Core, decode_core
from picomesh.ledger.shapes import span_at
from picomesh.ledger.tree import EMPTY_ROOT, Blocks
from picomesh.sandbox.interface import EngineFault
from picomesh.store.store import StoredReceipt
from picomesh.transition import Answer, NeedsAnswer, TapeDiverged


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first field in which a replayed core differs from the recorded one."""

    seq: int
    field: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One receipt that was run again; `divergence` is None when the cores are equal."""

    seq: int
    kind: str
    fuel: int
    divergence: Divergence | None


class CheckedBlocks:
    """A block store that believes no block before its hash is checked."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def block(self, cid: Cid) -> bytes:
        data = self._blocks.block(cid)
        if not is_named(cid, data):
            raise CodecError(f"block {cid} does not have the bytes that its name says")
        return data


def replay(
    programs: Programs,
    blocks: Blocks,
    receipts: list[StoredReceipt],
    before: StoredReceipt | None = None,
    made: dict[Cid, bytes] | None = None,
) -> Iterator[Replayed]:
    """Runs receipts again, in order; stops behind the first that differs.

    `before` is the receipt in front of the first one. What each transition makes goes into `made`,
    where the next one finds it, so `blocks` need hold no states. Raises BrokenHistory when a
    record that is needed to run is missing or damaged.
    """
    last = None if before is None else (_decode(before), _cid(before))
    known = Layered(CheckedBlocks(blocks))
    if made is not None:
        known.new = made

    def keep(done: Performed) -> None:
        if made is not None:
            made.update(done.blocks)

    replayer = Replayer(programs, known, last, keep)
    for row in receipts:
        replayed = replayer.run(_decode(row), row.core)
        yield replayed
        if replayed.divergence is not None:
            return


class Replayer:
    """Runs the receipts of one pico again, one behind the other."""

    def __init__(
        self,
        programs: Programs,
        known: Blocks,
        last: tuple[Core, Cid] | None,
        keep: Callable[[Performed], None],
    ) -> None:
        """`last` is the receipt in front of the first one, and its name.

        `keep` hears what each run made; `known` may have it from there on.
        """
        self._programs = programs
        self._known = known
        self._keep = keep
        self.last = last

    def run(self, core: Core, core_bytes: bytes) -> Replayed:
        """Runs the next receipt. Raises BrokenHistory."""
        seq, prev, pre = 0, None, EMPTY_ROOT
        if self.last is not None:
            seq, prev, pre = self.last[0].seq + 1, self.last[1], self.last[0].post
        divergence: Divergence | None = None
        try:
            work = work_of(core, self._known)
            if (work.seq, work.prev, work.pre) != (seq, prev, pre):
                work = replace(work, seq=seq, prev=prev, pre=pre)
            performed = perform_recorded(self._programs, self._known, work)
            if performed.core_bytes != core_bytes:
                divergence = compare(core, performed.core)
            self._keep(performed)
        except (NeedsAnswer, TapeDiverged) as problem:
            divergence = Divergence(core.seq, "tape", "the recorded questions", str(problem))
        except (LedgerError, ModuleNotAdmitted) as problem:
            raise BrokenHistory(core.seq, "blocks", str(problem)) from problem
        self.last = core, cid_of_block(core_bytes)
        return Replayed(core.seq, core.kind, core.fuel, divergence)


def perform_recorded(programs: Programs, blocks: Blocks, work: Work) -> Performed:
    """Runs what somebody recorded. Raises NeedsAnswer, TapeDiverged, LedgerError, EngineFault.

    What only a host writes into a state is read without suspicion, and a forged state may hold
    anything: then it is the record that is wrong.
    """
    try:
        return perform(programs, blocks, work)
    except (EngineFault, LedgerError, OperatorError, NeedsAnswer, TapeDiverged):
        raise
    except Exception as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise CodecError(f"the run breaks down: {what}") from problem


def work_of(core: Core, blocks: Blocks) -> Work:
    """What a recorded transition was given, to be run again. Raises LedgerError."""
    return Work(
        pico=core.pico,
        seq=core.seq,
        prev=core.prev,
        given=decode_input(blocks.block(core.event)),
        time_ms=core.time,
        seed=core.seed,
        fuel_limit=core.fuel_limit,
        pre=core.pre,
        tape=decode_tape(blocks.block(core.tape)),
    )


def compare(recorded: Core, replayed: Core) -> Divergence | None:
    """The first field in which two cores differ, in the order of the format page."""
    for field in fields(Core):
        a, b = getattr(recorded, field.name), getattr(replayed, field.name)
        if a != b:
            return Divergence(recorded.seq, field.name, describe_field(a), describe_field(b))
    return None


def describe_field(value: object) -> str:
    """A field's value for people."""
    match value:
        case bytes():
            return value.hex()
        case tuple():
            return f"{len(value)} entries: " + "; ".join(_entry(item) for item in value[:8])
        case _:
            return str(value)


def _entry(item: object) -> str:
    path = getattr(item, "path", None)
    if isinstance(path, bytes):
        return f"{path.decode('utf-8', 'replace')} = {getattr(item, 'value', None)}"
    return str(getattr(item, "rid", item))


_EMPTY_LIST = b"\x80"
_BYTES, _TEXT = 2, 3  # major types


def decode_tape(data: bytes) -> tuple[Answer, ...]:
    """The answers of a tape block. Raises CodecError."""
    if data == _EMPTY_LIST:
        return ()
    rows = decode_block(data)
    tape: list[Answer] = []
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [bytes(question), bytes(answer)]:
                tape.append(Answer(question, answer))
            case _:
                raise CodecError("a tape is not a list of [question, answer]")
    return tuple(tape)


def decode_outbox(data: bytes) -> list[tuple[str, bytes]]:
    """Kind and bytes of the effects of an outbox block. Raises CodecError."""
    effects = _read_outbox(data)
    return _decode_outbox(data) if effects is None else effects


def _read_outbox(data: bytes) -> list[tuple[str, bytes]] | None:
    """A short outbox as `encode_outbox` writes it, much faster; None says nothing."""
    effects: list[tuple[str, bytes]] = []
    try:
        count, at = data[0] - 0x80, 1
        for _ in range(count):
            if data[at] != 0x83:
                return None
            start, end = span_at(data, at + 1, _TEXT)
            kind = data[start:end].decode()
            start, end = span_at(data, end, _TEXT)
            data[start:end].decode()
            start, at = span_at(data, end, _BYTES)
            effects.append((kind, data[start:at]))
    except (ValueError, IndexError):
        return None
    return effects if 0 <= count < 24 and at == len(data) else None


def _decode_outbox(data: bytes) -> list[tuple[str, bytes]]:
    """The same for any bytes; says what is wrong with them."""
    rows = decode_block(data)
    effects: list[tuple[str, bytes]] = []
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [str(kind), str(), bytes(effect)]:
                effects.append((kind, effect))
            case _:
                raise CodecError("an outbox is not a list of [kind, ruleset, effect]")
    return effects


def _decode(row: StoredReceipt) -> Core:
    try:
        return decode_core(row.core)
    except LedgerError as problem:
        raise BrokenHistory(row.seq, "core", str(problem)) from problem


def _cid(row: StoredReceipt) -> Cid:
    return cid_of_block(row.core)
