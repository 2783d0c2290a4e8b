"""The engine: picos, their rulesets, events in, receipts out.

An event is durable before it is acknowledged. It then runs as a transition; when the guest asks
something that the tape does not answer, the answer is found outside, made durable, and the event
runs again from the start. The receipt, the new blocks and the end of the event's wait are one
commit; effects are released after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from picomesh import transition
from picomesh.engine.alike import groups_of, send_alike
from picomesh.engine.commit import NOTHING, Batch, Done, follow_up, indices_of
from picomesh.engine.errors import Conflict, NotFound, OperatorError
from picomesh.engine.inputs import (
    Create,
    Event,
    Install,
    Uninstall,
    decode_input,
    encode_input,
)
from picomesh.engine.model import GIVEN_BYTES_MAX as GIVEN_BYTES_MAX
from picomesh.engine.model import Response as Response
from picomesh.engine.model import Sending as Sending
from picomesh.engine.model import encode_given
from picomesh.engine.options import Options
from picomesh.engine.perform import perform
from picomesh.engine.performed import Head, Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.questions import Questions
from picomesh.engine.records import Layered
from picomesh.engine.room import Room
from picomesh.engine.runs import PlainRun
from picomesh.engine.schedules import Due, Schedules
from picomesh.engine.sealing import Sealer
from picomesh.engine.upgrades import run_first, upgrades_of, with_first
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.signature import SEED_BYTES, Signer
from picomesh.ledger.value import Value, encode_value
from picomesh.sandbox.interface import EngineFault
from picomesh.store.errors import StoreError
from picomesh.store.held import Sent
from picomesh.store.home import Home, load_signer, open_home
from picomesh.store.packing import NewReceipt
from picomesh.store.store import Accepted, Commit, Store
from picomesh.transition import NeedsAnswer, TapeDiverged

if TYPE_CHECKING:
    from picomesh.engine.workers import Workers

SETTLE_EVENTS_MAX = 1_000  # that picos send each other behind one event


class Engine(Questions):
    """Many picos in one process. Make one with `Engine.open` or `Engine.ephemeral`."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        programs: Programs,
        options: Options,
        home: Home | None = None,
    ) -> None:
        super().__init__(store, programs, options)
        self.public_key = signer.public_key
        self.signer = signer
        self._sealer = Sealer(signer, programs.sandbox, options.kernel)
        store.seal = self._sealer.seal
        self._home = home
        self._schedules = Schedules()
        self.workers: Workers | None = None
        self.room = Room(store)

    @classmethod
    def ephemeral(cls, options: Options | None = None) -> Self:
        """An engine whose picos are gone when it is closed."""
        options = options or Options()
        if options.workers:
            raise OperatorError("workers need a home that they can read", "open one")
        signer = Signer(options.world.random_bytes(SEED_BYTES))
        return cls(
            Store.in_memory(options.kernel), signer, options.programs(options.cache), options
        )

    @classmethod
    def open(cls, folder: Path, options: Options | None = None) -> Self:
        """The engine that lives in a folder; makes it when it is not there. Raises StoreError."""
        options = options or Options()
        home = open_home(folder)
        try:
            return cls._open(home, options)
        except BaseException:
            home.close()
            raise

    @classmethod
    def _open(cls, home: Home, options: Options) -> Self:
        store = Store.at(home.database, options.kernel)
        try:
            known = store.engine_key()
            signer = load_signer(home, known is None, options.world.random_bytes(SEED_BYTES))
            _check_key(store, known, signer)
            engine = cls(store, signer, options.programs(home.cache), options, home)
            if options.workers:
                from picomesh.engine.workers import hire  # few engines have some

                engine.workers = hire(home, options, engine._head)
                engine.programs.ahead.elsewhere = engine.workers
            return engine
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        if self.workers is not None:
            self.workers.close()
        self.store.close()
        if self._home is not None:
            self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    # -- changing picos

    def create(self, name: str = "") -> Response:
        """Makes a pico; its id is the hash of the event that made it."""
        if name and any(known == name for _, known in self.store.picos()):
            raise Conflict(f"there is a pico {name!r} already", "choose another name")
        given = Create(self.public_key, self._world.random_bytes(SEED_BYTES), name)
        pico = str(cid_of_block(encode_input(given)))
        work = self._work(pico, given, self._world.now_ms(), self._seed())
        return self._commit(work, name=name)

    def install(
        self,
        pico: str,
        source: str,
        *,
        url: str = "",
        config: Mapping[str, Value] | None = None,
    ) -> Response:
        """Compiles a ruleset and installs it. Raises what the compiler raises."""
        if self.options.compile is None:
            raise OperatorError("this engine has no compiler", "install a compiled module")
        raw = self.options.compile(source)
        return self.install_module(pico, raw, source=source, url=url, config=config)

    def install_module(
        self,
        pico: str,
        raw: bytes,
        *,
        source: str | None = None,
        url: str = "",
        config: Mapping[str, Value] | None = None,
    ) -> Response:
        """Installs a module. Raises ModuleNotAdmitted."""
        pico = self.find(pico)
        _, manifest = self.programs.admit(raw)
        self._check_uses(pico, manifest)
        blocks = {cid_of_bytes(raw): raw}
        text = None if source is None else source.encode()
        if text is not None:
            blocks[cid_of_bytes(text)] = text
        given = Install(
            rid=manifest.rid,
            raw=cid_of_bytes(raw),
            source=None if text is None else cid_of_bytes(text),
            url=url,
            config=encode_value(dict(config or {})),
        )
        work = self._work(pico, given, self._world.now_ms(), self._seed())
        return self._commit(work, blocks=blocks)

    def install_from(self, pico: str, url: str, config: Mapping[str, Value]) -> Response:
        """Installs what is behind a URL, or has this content id. Raises OperatorError."""
        found = self.find_module(url)
        text = None if found.source is None else found.source.decode("utf-8-sig", "replace")
        return self.install_module(pico, found.raw, source=text, url=url, config=config)

    def uninstall(self, pico: str, rid: str) -> Response:
        pico = self.find(pico)
        uses = self._uses(pico)
        if rid not in uses:
            raise NotFound(f"this pico has no ruleset {rid}", "`picomesh show` lists them")
        users = [user for user, used in uses.items() if rid in used and user != rid]
        if users:
            raise Conflict(f"{rid} is used by {', '.join(users)}", "uninstall that first")
        work = self._work(pico, Uninstall(rid), self._world.now_ms(), self._seed())
        return self._commit(work)

    # -- events

    def accept(
        self,
        pico: str,
        domain: str,
        name: str,
        attrs: Mapping[str, Value] | None = None,
        *,
        eci: str | None = None,
        eid: str | None = None,
        sender: str | None = None,
        key: str | None = None,
    ) -> int:
        """Makes an event durable and returns its place in the order of arrival."""
        pico = self.find(pico)
        eci = eci or self.eci(pico)
        self._check_policy(pico, eci, "event", domain, name, sender)
        event = self._event(eci, domain, name, attrs, eid)
        if sender is not None:
            self.room.check(pico)
        sent = self._sent(pico, event)
        arrival = self.store.accept(sent, key, event.eid)
        self._expect([sent])
        return arrival

    def _event(
        self,
        eci: str,
        domain: str,
        name: str,
        attrs: Mapping[str, Value] | None,
        eid: str | None,
    ) -> Event:
        data = encode_given(attrs, "the attributes")
        return Event(eci, domain, name, data, eid or self.new_eid(), self.host)

    def _expect(self, sent: Iterable[Sent | None]) -> None:
        """Has workers run ahead what will be run here, if there are some."""
        if self.workers is not None:
            for item in sent:
                if item is not None:
                    self.workers.expect(item, self.options.fuel_limit)
            self.workers.start()

    def _sent(self, pico: str, event: Event) -> Sent:
        return Sent(pico, encode_input(event), self._world.now_ms(), self._seed(), event)

    def send(
        self,
        pico: str,
        domain: str,
        name: str,
        attrs: Mapping[str, Value] | None = None,
        *,
        eci: str | None = None,
        eid: str | None = None,
    ) -> Response:
        """Accepts an event and runs everything that waits for this pico, this event last.

        What picos of this engine send each other in turn is run as well.
        """
        with self.together():
            response = self.send_one(Sending(pico, domain, name, attrs, eci, eid), None)
        self.settle()
        return response

    def send_many(self, sendings: Iterable[Sending]) -> list[Response | Exception]:
        """Sends events in order, all of them durable together.

        In the place of an event that is refused, or that this machine failed, is the exception.
        """
        results: list[Response | Exception] = []
        with self.together():
            for alike in groups_of(self._look_ahead(sendings)):
                results += send_alike(self, alike)
            self.settle()
        return results

    def _look_ahead(self, sendings: Iterable[Sending]) -> Iterable[tuple[Sending, Sent | None]]:
        """With each event as it will most likely be run, for workers to begin with."""
        if self.workers is None:
            return ((item, None) for item in sendings)
        ready: list[tuple[Sending, Sent | None]] = []
        for item in sendings:
            sent: Sent | None = None
            with suppress(OperatorError):
                pico = self.find(item.pico)
                eci = item.eci or self.eci(pico)
                self._check_policy(pico, eci, "event", item.domain, item.name, None)
                event = self._event(eci, item.domain, item.name, item.attrs, item.eid)
                sent = self._sent(pico, event)
            ready.append((item, sent))
        self._expect(sent for _, sent in ready)
        return ready

    def send_one(self, item: Sending, sent: Sent | None) -> Response:
        """`sent` is the event as it was made ahead; what came before may have made it another."""
        pico, eci = self.way_of(item)
        known = sent.given if sent is not None and sent.pico == pico else None
        if sent is None or not isinstance(known, Event) or known.eci != eci:
            event = self._event(eci, item.domain, item.name, item.attrs, item.eid)
            return self.run_event(pico, event, self._world.now_ms(), self._seed())
        return self.run_event(pico, known, sent.time_ms, sent.seed)

    def way_of(self, item: Sending) -> tuple[str, str]:
        """The pico and the channel that an event goes to. Raises OperatorError if it may not."""
        pico = self.find(item.pico)
        view = self._view(pico)
        eci = item.eci or view.first_eci or self.eci(pico)
        if not view.allows((eci, "event", item.domain, item.name, None)):
            self._check_policy(pico, eci, "event", item.domain, item.name, None)
        return pico, eci

    def run_event(self, pico: str, event: Event, time_ms: int, seed: bytes) -> Response:
        """Runs an event behind all that waits for its pico.

        If that is nothing it is run without waiting itself, unless it has to: for an answer, or
        because this machine failed.
        """
        problem: BaseException | None = None
        is_expected = self.workers is not None and self.workers.expects(pico)
        if not is_expected and not self.store.waiting_count(pico):
            try:
                return self._commit(self._work(pico, event, time_ms, seed))
            except NeedsAnswer:
                pass
            except StoreError:
                raise
            except BaseException as failed:  # whatever it is, the event is accepted
                problem = failed
        arrival = self.store.accept(Sent(pico, encode_input(event), time_ms, seed, event))
        if problem is not None:
            raise problem
        return self._run_up_to(pico, arrival)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is done inside becomes durable together, with one signature.

        Also when it ends early: what was accepted waits, and what was run has its receipt.
        """
        ended: BaseException | None = None
        try:
            with self.store.group():
                try:
                    yield
                except StoreError:
                    raise
                except BaseException as problem:
                    ended = problem
        except BaseException:
            self.forget()
            raise
        if ended is not None:
            raise ended

    def forget(self) -> None:
        """Drops what is remembered of the store, after something was undone there."""
        self._heads.clear()
        self._living.clear()
        self._sealer.forget()
        self.asking.forget()
        if self.workers is not None:
            self.workers.forget()

    def _run_up_to(self, pico: str, arrival: int) -> Response:
        response: Response | None = None
        for accepted in self.store.waiting_for(pico):
            if accepted.arrival <= arrival:
                response = self.process(accepted)
        assert response is not None, "the accepted event was waiting"
        return response

    def settle(self, events_max: int = SETTLE_EVENTS_MAX) -> int:
        """Runs what waits, and what that sends in turn; returns how many events it ran.

        Picos that send each other events without end go on with the next call. An event that this
        engine cannot run now goes on waiting, and so does what waits behind it.
        """
        count = 0
        stuck: set[str] = set()
        if not self.store.waiting_count():
            return 0
        with self.together():
            while count < events_max:
                waiting = self.store.next_waiting(stuck)
                if waiting is None:
                    break
                try:
                    self.run_waiting(waiting)
                    count += 1
                except EngineFault:
                    stuck.add(waiting.pico)
        return count

    def process_waiting(self) -> list[Response]:
        """Runs every accepted event that has no receipt yet, as after a crash."""
        done = (self.run_waiting(accepted) for accepted in self.store.waiting())
        return [response for response in done if response is not None]

    def run_waiting(self, accepted: Accepted) -> Response | None:
        """Runs an event; what was meant for a pico that is deleted is dropped."""
        if not self.store.is_gone(accepted.pico):
            return self.process(accepted)
        self.store.drop(accepted.arrival)
        self.asking.happened(accepted.arrival, "gone", "the pico is deleted")
        return None

    # -- schedules

    def next_due(self) -> Due | None:
        """The entry of a schedule that fires next, of all picos."""
        now_ms = self._world.now_ms()
        found = (
            item
            for pico in self.store.timed_picos()
            for item in self._schedules.due(pico, self.state(pico), now_ms)
        )
        return min(found, key=lambda item: item.at_ms, default=None)

    def fire(self, due: Due) -> Response:
        """Runs an entry of a schedule now, on its pico and past every policy.

        What failed would stay in the schedule; an event that says so takes it out, or nothing.
        """
        self._schedules.fired(due)
        response = self._run_up_to(
            due.pico, self.store.accept(self._sent(due.pico, due.event(self)))
        )
        if response.transition.outcome != "ok":
            failed = due.failed().event(self)
            done = self._run_up_to(due.pico, self.store.accept(self._sent(due.pico, failed)))
            if done.transition.outcome != "ok":
                self._schedules.ignore(due)
        self.settle()
        return response

    def run_due(self) -> list[Response]:
        """Fires every entry whose time has come."""
        responses: list[Response] = []
        while (due := self.next_due()) is not None and due.at_ms <= self._world.now_ms():
            responses.append(self.fire(due))
        return responses

    def process(self, accepted: Accepted) -> Response:
        """Runs an accepted event until it has a receipt. Raises Postponed."""
        given = accepted.given
        if not isinstance(given, Event):
            given = decode_input(accepted.event)
        arrival = accepted.arrival
        tape = [transition.Answer(*row) for row in self.store.answers(arrival)]
        began_us = self._world.elapsed_us() if tape else 0
        while True:
            self.asking.begins(arrival)
            work = self._work(accepted.pico, given, accepted.time_ms, accepted.seed, tuple(tape))
            work.given_bytes = accepted.event
            try:
                response = self._commit(work, arrival=arrival)
            except NeedsAnswer as need:
                asker = self.asking.event(arrival, partial(self._asker_of, accepted))
                answer = self._answer(asker, accepted.pico, need, True)
                self.store.keep_answer(arrival, need.position, need.question, answer)
                tape.append(transition.Answer(need.question, answer))
                began_us = began_us or self._world.elapsed_us()
                self._take_turns(asker, began_us)
            except TapeDiverged:  # the pico was changed since, so it asks something else
                self.store.forget_answers(arrival)
                tape.clear()
            else:
                done = response.performed
                self.asking.happened(arrival, done.outcome, done.message)
                return response

    # -- inside

    def _commit(
        self,
        work: Work,
        *,
        blocks: Mapping[Cid, bytes] | None = None,
        arrival: int | None = None,
        name: str | None = None,
    ) -> Response:
        """Performs, signs, and makes it durable."""
        layered = Layered(self.store)
        layered.new.update(blocks or {})
        started_us = self._world.elapsed_us()
        performed = perform(self.programs, layered, work)
        elapsed_us = self._world.elapsed_us() - started_us
        return self.commit_performed(work, layered, performed, elapsed_us, arrival, name)

    def commit_performed(
        self,
        work: Work,
        layered: Layered,
        performed: Performed,
        elapsed_us: int,
        arrival: int | None = None,
        name: str | None = None,
    ) -> Response:
        """Signs a transition, and makes it durable with what follows from it."""
        if performed.is_plain:
            return self._commit_plain(work, performed, elapsed_us, arrival)
        batch = follow_up(self, layered, work, performed)
        upgraded = list(upgrades_of(self.programs, layered, work, performed, self.host))
        if upgraded:
            batch = with_first(batch, upgraded)
        done = [(work, performed, elapsed_us), *((*member, 0) for member in batch.members)]
        receipts = self._keep(done, layered, batch, arrival, name)
        if upgraded:
            run_first(self, upgraded)
        eid = work.given.eid if isinstance(work.given, Event) else ""
        return Response(work.pico, eid, receipts[0], performed)

    def _commit_plain(
        self, work: Work, performed: Performed, elapsed_us: int, arrival: int | None
    ) -> Response:
        """The same for a transition of which nothing follows but its receipt."""
        row = self._sealer.add(work, performed, elapsed_us)
        self.store.commit_receipt(row, arrival)
        self._heads[work.pico] = Head(work.seq, performed.cid, performed.post)
        self._after(((work, performed, elapsed_us),), [row.receipt], NOTHING)
        assert isinstance(work.given, Event), "the kernel runs nothing else"
        return Response(work.pico, work.given.eid, row.receipt, performed)

    def commit_run(self, run: PlainRun, elapsed_us: int) -> list[Response]:
        """The same for many of one pico, each of which took so long."""
        self._sealer.add_run(run, elapsed_us)
        self.store.commit_run(run)
        self._heads[run.pico] = run.head()
        return run.responses()

    def _keep(
        self,
        done: Done,
        layered: Layered,
        batch: Batch,
        arrival: int | None = None,
        name: str | None = None,
    ) -> list[Receipt]:
        """Signs transitions and makes them durable together."""
        new = layered.new
        rows: list[NewReceipt] = []
        for work, performed, elapsed_us in done:
            called = None if work.seq else name or ""
            rows.append(self._sealer.add(work, performed, elapsed_us, called))
            if performed.others:
                new.update(performed.others)
        indices = indices_of(done)
        commit = Commit(
            rows,
            new,
            arrival,
            self.room.fitting(batch.sent) if batch.sent else batch.sent,
            batch.outgoing,
            indices.channels,
            indices.timed,
            indices.gone,
        )
        self.store.commit(commit)
        if commit.sent:
            self._expect(commit.sent)
        for work, performed, _ in done:
            self._heads[work.pico] = Head(work.seq, performed.cid, performed.post)
        if indices.gone:
            self._living.clear()
        receipts = [row.receipt for row in rows]
        self._after(done, receipts, batch)
        return receipts

    def _after(self, done: Done, receipts: list[Receipt], batch: Batch) -> None:
        """Transitions have receipts now, which become durable with their group."""
        if self.workers is not None:
            self.workers.note(done)

    def commit_together(self, works: Sequence[Work]) -> list[Receipt]:
        """Transitions of several picos that happen all, or none."""
        layered = Layered(self.store)
        done = [(work, perform(self.programs, layered, work), 0) for work in works]
        failed = next((item for _, item, _ in done if item.transition.outcome != "ok"), None)
        if failed is not None:
            raise OperatorError(failed.transition.message or failed.transition.outcome)
        return self._keep(done, layered, Batch())


def _check_key(store: Store, known: bytes | None, signer: Signer) -> None:
    if known is None:
        store.set_engine_key(signer.public_key)
    elif known != signer.public_key:
        raise StoreError(
            "engine.key is not the key that this home's receipts are signed with",
            "bring the file back from a backup",
        )
