"""An engine that runs for long: what it does by itself, and what its operator may do to picos.

Schedules are fired by accepting events, so that a crash neither loses nor repeats one; deliveries
to other engines wait in the store; deleting and moving picos are transitions like all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from picomesh.engine.agenda import Agenda
from picomesh.engine.asking import AnswerLater
from picomesh.engine.commit import Batch, Done
from picomesh.engine.delivery import TRIES_MAX
from picomesh.engine.engine import Engine, Response
from picomesh.engine.errors import NotFound, OperatorError
from picomesh.engine.family import children_of, parent_of
from picomesh.engine.inputs import Adopt, Delete, Event, decode_input, encode_input
from picomesh.engine.options import Options
from picomesh.engine.performed import Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.runs import PlainRun
from picomesh.engine.schedules import FAILED, Due
from picomesh.engine.trouble import Trouble, trouble_of
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.signature import Signer
from picomesh.ledger.value import Value, decode_value, encode_value
from picomesh.store.held import Sent
from picomesh.store.home import Home
from picomesh.store.store import Accepted, Outgoing, Store

LOOKS_MAX = 100  # picos whose schedules are looked at before others go on
_SCHEDULE = b"/_schedule"
_Entry = tuple[str, str, str]  # pico, ruleset, entry of its schedule


class Service(Engine):
    """An engine with a life of its own."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        programs: Programs,
        options: Options,
        home: Home | None = None,
    ) -> None:
        super().__init__(store, signer, programs, options, home)
        self.has_sent_out = True  # something may wait for its delivery to elsewhere
        self.watcher: Callable[[list[Receipt]], None] | None = None  # is told of every commit
        self._agenda = Agenda()
        self._looked_ms = 0
        self._troubles: dict[str, Trouble] | None = None
        self._firing: set[_Entry] | None = None  # accepted and not run yet
        self._given_up: frozenset[_Entry] = frozenset()

    def now_ms(self) -> int:
        return self._world.now_ms()

    def forget(self) -> None:
        """Drops what is remembered of the store, after something was undone there."""
        super().forget()
        self._firing = None
        self._troubles = None

    def _after(self, done: Done, receipts: list[Receipt], batch: Batch) -> None:
        super()._after(done, receipts, batch)
        if batch.outgoing:
            self.has_sent_out = True
        for work, performed, _ in done:
            if not performed.is_plain and any(
                path.endswith(_SCHEDULE) for path, _ in performed.transition.writes
            ):
                self._agenda.look_at(work.pico)
            self._note(work, performed)
        if self.watcher is not None:
            self.watcher(receipts)

    def commit_run(self, run: PlainRun, elapsed_us: int) -> list[Response]:
        responses = super().commit_run(run, elapsed_us)
        if self._troubles is not None:
            self._troubles.pop(run.pico, None)
        if self.watcher is not None:
            self.watcher([run.receipt(at) for at in range(run.count)])
        return responses

    def _note(self, work: Work, performed: Performed) -> None:
        """Keeps what is known of picos in trouble as it is."""
        if self._troubles is None:
            return
        self._troubles.pop(work.pico, None)
        if performed.is_plain:
            return
        done = performed.transition
        if done.outcome != "ok":
            found = Trouble(work.seq, work.time_ms, done.outcome, done.message)
            self._troubles[work.pico] = found

    def troubles(self) -> dict[str, Trouble]:
        """The picos whose last transition did not end well; looked for when first asked."""
        if self._troubles is None:
            found = {pico: trouble_of(self.store, pico) for pico, _ in self.store.picos()}
            self._troubles = {pico: item for pico, item in found.items() if item is not None}
        return self._troubles

    # -- schedules

    def fire_due(self) -> int:
        """Accepts an event for every entry whose time has come; returns how many.

        Looks at few picos at once, and only at those whose schedules changed or are due.
        """
        now_ms, then_ms = self.now_ms(), self._looked_ms
        self._looked_ms = now_ms
        if self._firing is None or now_ms < then_ms:  # or the clock was set back
            self._firing = set(self._waiting_entries())
            self._agenda = Agenda(self.store.timed_picos())
        return sum(self._fire(pico, now_ms) for pico in self._agenda.take(now_ms, LOOKS_MAX))

    def _fire(self, pico: str, now_ms: int) -> int:
        """Accepts what is due of one pico, and notes when to look at it again."""
        assert self._firing is not None, "fire_due has made it"
        count = 0
        if self.store.is_gone(pico):
            return 0
        for due in self._schedules.due(pico, self.state(pico), now_ms):
            entry = (due.pico, due.rid, due.entry)
            if entry in self._firing or entry in self._given_up:
                continue
            if due.at_ms > now_ms:
                self._agenda.put(pico, due.at_ms)
                break
            self._accept_due(due)
            self._firing.add(entry)
            count += 1
        return count

    def _waiting_entries(self) -> list[_Entry]:
        found: list[_Entry] = []
        for accepted in self.store.waiting():
            given = decode_input(accepted.event)
            if isinstance(given, Event) and given.schedule is not None:
                rid, entry = map(str, given.schedule)
                found.append((accepted.pico, rid, entry))
        return found

    def _accept_due(self, due: Due) -> None:
        self._schedules.fired(due)
        self._accept_entry(
            due.pico, due.eci, (due.domain, due.name), encode_value(due.attrs), (due.rid, due.entry)
        )

    def _accept_entry(
        self, pico: str, eci: str, kind: tuple[str, str], attrs: bytes, entry: tuple[str, str]
    ) -> None:
        event = Event(eci, *kind, attrs, self.new_eid(), self.host, [*entry])
        self.store.accept(self.sent(pico, encode_input(event)))

    def process(self, accepted: Accepted) -> Response:
        """As an engine does; an entry of a schedule is done with when its event has run."""
        response = super().process(accepted)
        given = accepted.given
        if not isinstance(given, Event):
            given = decode_input(accepted.event)
        if isinstance(given, Event) and given.schedule is not None:
            self._agenda.look_at(accepted.pico)
            rid, entry = map(str, given.schedule)
            if response.transition.outcome != "ok":
                self._entry_failed(accepted.pico, given, (rid, entry))
            elif self._firing is not None:
                self._firing.discard((accepted.pico, rid, entry))
        return response

    def _entry_failed(self, pico: str, given: Event, entry: tuple[str, str]) -> None:
        """What failed stays in the schedule; an event that says so takes it out.

        When that fails as well, the entry is left alone until the next start.
        """
        known = (pico, *entry)
        if (given.domain, given.name) == FAILED:
            self._given_up |= {known}
            return
        attrs = encode_value({"domain": given.domain, "name": given.name})
        self._accept_entry(pico, given.eci, FAILED, attrs, entry)

    # -- what the worker needs

    def sent(self, pico: str, event: bytes) -> Sent:
        return Sent(pico, event, self.now_ms(), self._seed())

    def answer_module(self, later: AnswerLater) -> bytes:
        """The answer to a question for a module that was fetched meanwhile."""
        return self.options.answerer.answer_known_module(self, later.need.question)

    def told(self, sender: str, event: Event) -> list[Sent]:
        """An event that a pico wanted to have sent; none if no channel lets it through."""
        target = self.pico_of(event.eci)
        if target is None:
            return []
        refused = self.event_refusal(target, event.eci, event.domain, event.name, sender)
        return [] if refused is not None else [self.sent(target, encode_input(event))]

    def gives_up(self, item: Outgoing) -> bool:
        return item.tries + 1 >= TRIES_MAX

    def eci_or_none(self, pico: str) -> str:
        return "" if self.store.is_gone(pico) else self.eci(pico)

    # -- what the operator may do

    def library_fetch(self, url: str) -> bytes:
        """What is behind a URL now, in any thread."""
        return self._library.fetch(url)

    def flush(self, url: str) -> dict[str, Value]:
        """What is behind a URL now takes the place of what was, on every pico that has it.

        On a pico that cannot have it, what was there stays.
        """
        found = self.find_module(url)
        manifest, raw = self.programs.admit(found.raw)[1], cid_of_bytes(found.raw)
        changed: list[Value] = []
        failed: dict[str, Value] = {}
        for pico, _ in self.store.picos():
            for record in self.state(pico).rulesets():
                if (record.url, record.rid) != (url, manifest.rid) or record.raw == raw:
                    continue
                problem = self._replace(pico, url, record.config)
                if problem:
                    failed[pico] = problem
                else:
                    changed.append(pico)
        return {
            "url": url,
            "rid": manifest.rid,
            "hash": hashlib.sha256(found.source or found.raw).hexdigest(),
            "flushed": datetime.fromtimestamp(self.now_ms() / 1000, UTC).isoformat(
                timespec="milliseconds"
            ),
            "compiler": {"version": manifest.compiler, "warnings": []},
            "picos": changed,
            "failed": failed,
        }

    def _replace(self, pico: str, url: str, config: bytes) -> str:
        """Installs the new version on a pico; returns why not."""
        value = decode_value(config)
        try:
            done = self.install_from(pico, url, value if isinstance(value, dict) else {})
        except OperatorError as problem:
            return str(problem)
        outcome = done.transition.outcome
        return "" if outcome == "ok" else done.transition.message or outcome

    def delete(self, pico: str) -> int:
        """Deletes a pico and its subtree; returns how many. Their histories stay."""
        pico = self.find(pico)
        parent = parent_of(self.state(pico))
        works = [self._operator_work(item, Delete()) for item in self._subtree(pico)]
        if parent is not None:
            left = Adopt("leave", pico, parent.pico, parent.their_eci, parent.eci)
            works.append(self._operator_work(parent.pico, left))
        self.commit_together(works)
        return len(works) - (parent is not None)

    def _subtree(self, pico: str) -> list[str]:
        found = [pico]
        for item in found:
            found += [child.pico for child in children_of(self.state(item))]
        return found

    def adopt(self, child: str, parent: str) -> None:
        """Gives a pico another parent, or its first one."""
        child, parent = self.find(child), self.find(parent)
        if parent in self._subtree(child):
            raise OperatorError("a pico cannot be below itself")
        old = parent_of(self.state(child))
        eci, parent_eci = self.new_eid(), self.new_eid()
        works = [
            self._operator_work(child, Adopt("move", child, parent, eci, parent_eci)),
            self._operator_work(parent, Adopt("join", child, parent, eci, parent_eci)),
        ]
        if old is not None and old.pico == parent:
            raise OperatorError("it is a child of this pico already")
        if old is not None:
            gone = Adopt("leave", child, old.pico, old.their_eci, old.eci)
            works.append(self._operator_work(old.pico, gone))
        self.commit_together(works)

    def _operator_work(self, pico: str, given: Delete | Adopt) -> Work:
        return self._work(pico, given, self.now_ms(), self._seed())

    def pico_or_missing(self, name: str) -> str:
        """As `find`, for who asks over HTTP."""
        try:
            return self.find(name)
        except OperatorError as problem:
            raise NotFound(str(problem)) from problem
