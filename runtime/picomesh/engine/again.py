"""Runs receipts of a pico again without decoding them: bytes are compared with bytes.

Of a recorded core only what the transition was given is looked at, where it has to stand. When the
run comes to the same bytes, they are a core of this pico, at this place, canonical and of the right
kinds, for our own code made them; the envelope is believed as `ledger.seals` says. That is all that
`ledger.verify` and `replay` would find out. Whatever is not so in the first moment is left to those
two, which say what is wrong, if anything is.
"""

from __future__ import annotations

from picomesh.engine.inputs import Event, decode_input
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.replay import CheckedBlocks, decode_tape, perform_recorded
from picomesh.kernel.library import Again as RanAgain
from picomesh.kernel.opener import Span
from picomesh.kernel.packet import Packet
from picomesh.kernel.parts import parts_of
from picomesh.ledger.cid import (
    CID_BYTES,
    DAG_CBOR,
    RAW,
    Cid,
    block_cid_of_digest,
    trusted_cid,
)
from picomesh.ledger.codec import read_argument
from picomesh.ledger.pieces import LINK, head, key, number, text
from picomesh.ledger.receipt import PROFILE, SEED_BYTES, Core, code_block
from picomesh.ledger.seals import Seals
from picomesh.ledger.tree import Blocks
from picomesh.ledger.verify import EMPTY_LIST
from picomesh.sandbox.interface import EngineFault
from picomesh.store.opening import SeenReceipt, Stretch
from picomesh.store.past import Past
from picomesh.store.store import StoredReceipt
from picomesh.transition import Answer

TOGETHER_MIN = 2
WAITING_MAX = 16_384  # runs whose blocks are not sorted in yet, 2 KiB each or a little more

_BEFORE_SEQ = len(
    b"\xb2" + key("v") + number(1) + key("pre") + LINK + bytes(CID_BYTES) + key("seq")
)
_FUEL, _TAPE, _TIME, _EVENT = key("fuel"), key("tape") + LINK, key("time"), key("event") + LINK
_PREV, _SEED = key("prev"), key("seed") + head(2, SEED_BYTES)
_NO_TAPE, _EMPTY_LIST = EMPTY_LIST.raw, b"\x80"
_NODE, _VALUE = bytes((1, DAG_CBOR, 0x1E, 0x20)), bytes((1, RAW, 0x1E, 0x20))


class Made:
    """What runs have made, in front of a store of which no block is believed unchecked."""

    __slots__ = ("_behind", "_blocks", "_count", "_waiting", "keeps_all")

    def __init__(self, behind: Blocks, keeps_all: bool) -> None:
        """Keeps all blocks, or of states only what the last one is made of."""
        self._behind = CheckedBlocks(behind)
        self.keeps_all = keeps_all
        self._blocks: dict[bytes, bytes] = {}
        self._waiting: list[Performed | RanAgain] = []
        self._count = 0  # of runs in there

    def keep(self, done: Performed | RanAgain) -> None:
        """What runs made, sorted in when somebody asks: what follows seldom does."""
        self._waiting.append(done)
        self._count += done.count if isinstance(done, RanAgain) else 1
        if self._count > WAITING_MAX:
            self._sort_in()

    def block(self, cid: Cid) -> bytes:
        if self._waiting:
            self._sort_in()
        found = self._blocks.get(cid.raw)
        return self._behind.block(cid) if found is None else found

    def stored(self, cid: Cid) -> bytes:
        """A block that no run makes: an input, a tape."""
        return self._behind.block(cid)

    def blocks(self) -> dict[Cid, bytes]:
        """All that is kept."""
        self._sort_in()
        return {trusted_cid(raw): data for raw, data in self._blocks.items()}

    def _sort_in(self) -> None:
        for done in self._waiting:
            if isinstance(done, RanAgain):
                for data in parts_of(done.packets):
                    self._take_packet(Packet(data))
            elif self.keeps_all:
                self._blocks.update((cid.raw, data) for cid, data in done.blocks.items())
            else:
                self._take(done)
        self._waiting.clear()
        self._count = 0

    def _take(self, done: Performed) -> None:
        blocks = self._blocks
        for cid in done.replaced:
            blocks.pop(cid.raw, None)
        for cid, data in done.nodes:
            blocks[cid.raw] = data
        for _, cid, data in done.values:
            blocks[cid.raw] = data
        for cid, data in done.others.items():
            blocks[cid.raw] = data

    def _take_packet(self, packet: Packet) -> None:
        """The same from what the kernel left; it makes no other blocks."""
        blocks = self._blocks
        nodes = list(packet.nodes())
        if self.keeps_all:
            blocks[_NO_TAPE] = _EMPTY_LIST
            blocks.update((_NODE + digest, data) for digest, data in packet.record())
        else:
            for before, _, _ in nodes:
                blocks.pop(_NODE + before, None)
        blocks.update((_NODE + digest, data) for _, digest, data in nodes)
        written = ((digest, data) for _, digest, data in packet.writes() if data is not None)
        blocks.update((_VALUE + digest, data) for digest, data in written)


class Again:
    """The receipts of one pico, run again one behind the other."""

    def __init__(
        self, programs: Programs, made: Made, past: Past | None, pico: str, engine: bytes
    ) -> None:
        """`past` is where the receipts come from, if that is a home."""
        self._programs = programs
        self._made = made
        self._past = past
        self._pico = pico
        self._seals = Seals(engine)
        self._is_ready = False
        self._alone = 0  # receipts that are not run together

    def begin(self, core: Core, name: Cid) -> None:
        """Goes on behind a receipt that is believed and was run."""
        self._seq = core.seq + 1
        self._prev = name
        self._pre = core.post
        self._fuel_limit = core.fuel_limit
        # A core that ends otherwise is that of a failure, or was allowed another amount of fuel.
        parts = (key("outcome"), text("ok"), key("profile"), text(PROFILE), key("fuel_limit"))
        self._end = b"".join(parts) + number(core.fuel_limit)
        self._code_bytes = len(key("code")) + len(code_block(core.code))
        self._is_ready = True

    def run(self, row: StoredReceipt) -> int | None:
        """The fuel of the next receipt, if the run comes to the same; None says nothing."""
        core = row.core
        fuel: int
        if not self._is_ready or not core.endswith(self._end):
            return None
        try:
            span = self._span_of(row)
            if span is not None:
                signed: bytes | None = None  # it was seen to be of this core
                at = row.seq - span.seq
                (fuel,) = span.fuels(at, 1)
                work = self._seen_work(span, at)
            else:
                signed, fuel, work = self._search(core, row.envelope)
            done = perform_recorded(self._programs, self._made, work)
        except EngineFault:
            raise
        except Exception:  # whatever it is: the strict way meets it again, and says it
            return None
        if done.core_bytes != core or fuel > self._fuel_limit:
            return None
        if signed is not None and done.cid.raw != signed:
            return None
        self._made.keep(done)
        self._seq += 1
        self._pre = done.post
        self._prev = done.cid
        return fuel

    def run_together(self, stretch: Stretch) -> list[int]:
        """The fuel of the first of these receipts, as far as they are equal.

        In one call of the kernel. What it does not come to says nothing.
        """
        if self._alone:  # what the kernel has given up on, and the others that were with it
            self._alone -= 1
            return []
        span, at, count = stretch.span, stretch.at, stretch.count
        if not (self._is_ready and count >= TOGETHER_MIN and self._believes(span)):
            return []
        try:
            work, recorded = self._seen_work(span, at), span.rows(at, count)
            done = self._run_again(work, recorded)
        except EngineFault:
            raise
        except Exception:  # as in `run`
            return []
        if done is None:
            self._alone = count - 1
            return []
        self._made.keep(done)
        self._seq += done.count
        self._pre = block_cid_of_digest(done.post)
        self._prev = block_cid_of_digest(done.prev)
        return span.fuels(at, done.count)

    def _run_again(self, work: Work, recorded: bytes) -> RanAgain | None:
        """If nobody wants all that is made, only what it comes to in the end, when that is all."""
        native, programs, made = self._programs.native, self._programs, self._made
        done = native.again(programs, made, work, recorded, not made.keeps_all)
        if done is not None and not done.packets:
            return native.again(programs, made, work, recorded)
        return done

    def _span_of(self, row: StoredReceipt) -> Span | None:
        """What was seen of a receipt and those around it, if the engine has signed it."""
        # One that was made of another has none.
        span: Span | None = getattr(row, "span", None) if type(row) is SeenReceipt else None
        return span if span is not None and self._believes(span) else None

    def _believes(self, span: Span) -> bool:
        return self._past is not None and bool(span.key) and self._seals.holds(span.key)

    def _seen_work(self, span: Span, at: int) -> Work:
        row = span.row(at)
        event = Event(span.eci, span.domain, span.name, row.attrs, row.eid, span.host)
        return self._work(event, row.given, row.time_ms, row.seed)

    def _work(
        self, given: Event, data: bytes, time_ms: int, seed: bytes, tape: tuple[Answer, ...] = ()
    ) -> Work:
        limit, pre = self._fuel_limit, self._pre
        work = Work(self._pico, self._seq, self._prev, given, time_ms, seed, limit, pre, tape)
        work.given_bytes = data  # its hash is in what comes out
        return work

    def _search(self, core: bytes, envelope: bytes) -> tuple[bytes, int, Work]:
        """The name that the envelope is of, the fuel, and what the transition was given.

        Raises ValueError and others for what is not like most. `prev` is looked for; `seed`,
        `tape`, `time` and `event` follow it.
        """
        signed = self._seals.signed(envelope)
        begin = _PREV + LINK + self._prev.raw + _SEED
        at = core.find(begin)
        if signed is None or at < 0:
            raise ValueError("it has to be read strictly")
        fuel = self._fuel(core, _BEFORE_SEQ + len(number(self._seq)) + self._code_bytes)
        at += len(begin)
        seed = core[at : at + SEED_BYTES]
        at += SEED_BYTES + len(_TAPE)
        tape = core[at : at + CID_BYTES]
        at += CID_BYTES + len(_TIME)
        time_ms, at = read_argument(core, at + 1, core[at])
        at += len(_EVENT)
        event = core[at : at + CID_BYTES]
        data = None if self._past is None else self._past.near(event)
        if data is None:
            data = self._made.stored(Cid(event))
        given = decode_input(data)
        if type(given) is not Event:
            raise ValueError("not an event")
        answers = () if tape == _NO_TAPE else decode_tape(self._made.stored(Cid(tape)))
        return signed[0], fuel, self._work(given, data, time_ms, seed, answers)

    def _fuel(self, core: bytes, at: int) -> int:
        if not core.startswith(_FUEL, at):
            raise ValueError("another ruleset is installed now")
        at += len(_FUEL)
        return read_argument(core, at + 1, core[at])[0]
