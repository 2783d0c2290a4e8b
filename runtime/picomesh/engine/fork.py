"""What if: the real events of a pico, run under another ruleset, next to what really happened.

A fork begins with the state behind a receipt, installs the edited ruleset there, and runs the
inputs behind it with their own times, seeds and fuel limits. Questions are answered from the tapes
of the past; one that nobody asked then has no answer, and its event is left out of the fork.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from picomesh.engine.inputs import Input, Install, Uninstall, decode_input
from picomesh.engine.moment import source_behind, state_behind
from picomesh.engine.perform import perform
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import RULESETS, Layered, PicoState
from picomesh.engine.replay import decode_outbox, decode_tape, work_of
from picomesh.engine.sources import Source, get_receipt
from picomesh.ledger.cid import Cid, cid_of_bytes
from picomesh.ledger.errors import MissingBlock
from picomesh.ledger.receipt import Core, decode_core
from picomesh.store.store import StoredReceipt
from picomesh.transition import Answer, NeedsAnswer, TapeDiverged

ATTEMPTS_MAX = 200  # of one event; each brings one more answer


@dataclass(frozen=True, slots=True)
class Past:
    """What an event of the past wrote and sent, as far as the source has kept it."""

    values: dict[bytes, bytes | None]
    effects: list[tuple[str, bytes]] | None


@dataclass(frozen=True, slots=True)
class Forked:
    """One event of the past, as it went and as it would have gone."""

    seq: int
    given: Input
    core: Core
    performed: Performed | None
    skipped: str = ""  # why it was not run
    past: Past = field(default_factory=lambda: Past({}, None))

    @property
    def is_same(self) -> bool:
        """The same outcome, the same state and the same effects as in the past."""
        if self.performed is None:
            return False
        now = self.performed.core
        return (now.outcome, now.writes, now.outbox) == (
            self.core.outcome,
            self.core.writes,
            self.core.outbox,
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A path whose value differs at the end."""

    path: bytes
    past: bytes | None
    forked: bytes | None


class Fork:
    """A pico's history from a receipt on, under another ruleset."""

    def __init__(self, source: Source, programs: Programs, pico: str, seq: int) -> None:
        """Begins with the state that a receipt left. Raises OperatorError."""
        self.pico = pico
        self.programs = programs
        self._source = source
        self._seq = seq
        self._root = decode_core(get_receipt(source, pico, seq).core).post
        self._blocks = Layered(source_behind(source, programs, pico, seq))
        self._replaced = ""

    @property
    def state(self) -> PicoState:
        """The fork's state now."""
        return PicoState(self._blocks, self._root)

    def install(self, raw: bytes, source: str | None, url: str) -> Performed:
        """Installs the edited ruleset with the configuration that it had, if it was there."""
        _, manifest = self.programs.admit(raw)
        before = next((item for item in self.state.rulesets() if item.rid == manifest.rid), None)
        text = None if source is None else source.encode()
        for data in (raw, text):
            if data is not None:
                self._blocks.new[cid_of_bytes(data)] = data
        given = Install(
            rid=manifest.rid,
            raw=cid_of_bytes(raw),
            source=None if text is None else cid_of_bytes(text),
            url=url,
            config=b"\xa0" if before is None else before.config,
        )
        self._replaced = manifest.rid
        row = self._source.receipt(self.pico, self._seq)
        assert row is not None, "the fork began there"
        core = decode_core(row.core)
        work = replace(
            work_of(core, self._blocks), given=given, pre=self._root, seq=core.seq + 1, tape=()
        )
        return self._take(perform(self.programs, self._blocks, work))

    def _take(self, performed: Performed) -> Performed:
        self._blocks.new.update(performed.blocks)
        self._root = performed.core.post
        return performed

    def replay(self, last: int | None = None) -> Iterator[Forked]:
        """Runs what came behind the beginning, in order."""
        head = self._source.head(self.pico)
        end = head.seq if last is None and head is not None else last
        assert end is not None, "the fork began behind a receipt"
        self._source = source_behind(self._source, self.programs, self.pico, end)
        for row in self._source.receipts(self.pico, self._seq + 1, end):
            yield self._one(row)

    def _one(self, row: StoredReceipt) -> Forked:
        core = decode_core(row.core)
        given = decode_input(self._blocks.block(core.event))
        if isinstance(given, Install | Uninstall) and given.rid == self._replaced:
            return Forked(row.seq, given, core, None, "the edited ruleset stays")
        work = replace(work_of(core, self._blocks), pre=self._root, tape=())
        try:
            performed = self._answered(work, list(decode_tape(self._blocks.block(core.tape))))
        except _Unanswered as problem:
            return Forked(row.seq, given, core, None, str(problem))
        return Forked(row.seq, given, core, self._take(performed), "", self._past(core))

    def _past(self, core: Core) -> Past:
        values: dict[bytes, bytes | None] = {}
        for write in core.writes:
            with suppress(MissingBlock):  # of a file that was made by somebody else
                values[write.path] = None if write.value is None else self._get(write.value)
        try:
            return Past(values, decode_outbox(self._get(core.outbox)))
        except MissingBlock:
            return Past(values, None)

    def _get(self, cid: Cid) -> bytes:
        return self._source.block(cid)

    def _answered(self, work: Work, past: list[Answer]) -> Performed:
        """Runs an event, and again with one more answer, until it asks nothing new."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return perform(self.programs, self._blocks, work)
            except NeedsAnswer as need:
                found = next((item for item in past if item.question == need.question), None)
                if found is None:
                    raise _Unanswered("it asks what nobody asked then") from need
                past.remove(found)
                work = replace(work, tape=(*work.tape, found))
            except TapeDiverged as problem:
                raise _Unanswered(str(problem)) from problem
        raise _Unanswered("it asks too much")

    def differences(self, last: int | None = None) -> list[Difference]:
        """What is another in the state at the end, but for the ruleset itself."""
        end = self._source.head(self.pico) if last is None else None
        seq = last if end is None else end.seq
        assert seq is not None, "a pico has receipts"
        past = dict(state_behind(self._source, self.programs, self.pico, seq).items())
        forked = dict(self.state.items())
        return [
            Difference(path, past.get(path), forked.get(path))
            for path in sorted(past.keys() | forked.keys())
            if past.get(path) != forked.get(path) and not path.startswith(RULESETS)
        ]


class _Unanswered(Exception):
    """An event of the past asks something now that its tape does not answer."""
