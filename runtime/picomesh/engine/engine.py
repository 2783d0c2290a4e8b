"""The engine: picos, their rulesets, events in, receipts out.

An event is durable before it is acknowledged. It then runs as a transition; when the guest asks
something that the tape does not answer, the answer is found outside, made durable, and the event
runs again from the start. The receipt, the new blocks and the end of the event's wait are one
commit; effects are released after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh import transition
from picomesh.engine.answers import AnswerLater, is_slow
from picomesh.engine.commit import Batch, channel_changes, follow_up, timed_picos
from picomesh.engine.errors import OperatorError, Overloaded, QueryFailed
from picomesh.engine.inputs import (
    Create,
    Delete,
    Event,
    Input,
    Install,
    Uninstall,
    decode_input,
    encode_input,
)
from picomesh.engine.logs import LOGS_MS, logs_of
from picomesh.engine.lookup import Head, Lookup
from picomesh.engine.model import GIVEN_BYTES_MAX as GIVEN_BYTES_MAX
from picomesh.engine.model import Response as Response
from picomesh.engine.model import Sending as Sending
from picomesh.engine.model import encode_given
from picomesh.engine.options import Options
from picomesh.engine.perform import Performed, Work, acts_of, perform
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered
from picomesh.engine.schedules import Due, Schedules
from picomesh.engine.sealing import Sealer
from picomesh.ledger.cid import Cid, cid_of_block, cid_of_bytes
from picomesh.ledger.receipt import (
    Receipt,
)
from picomesh.ledger.signature import SEED_BYTES, Signer
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.ledger.value import Value, decode_value, encode_value
from picomesh.sandbox.interface import EngineFault
from picomesh.store.errors import StoreError
from picomesh.store.held import NewReceipt, Sent
from picomesh.store.home import Home, load_signer, open_home
from picomesh.store.store import Accepted, Commit, Store
from picomesh.transition import Circumstances, NeedsAnswer, Transition

WAITING_EVENTS_MAX = 10_000  # accepted from outside and not run yet
SETTLE_EVENTS_MAX = 1_000  # that picos send each other behind one event
QUESTION_DEPTH_MAX = 8  # queries that ask queries of other picos
_EID_BYTES = 12


class Engine(Lookup):
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
        self._sealer = Sealer(signer, programs.sandbox)
        store.seal = self._sealer.seal
        self._home = home
        self._schedules = Schedules()
        self._library = options.library()
        self.can_wait = False  # for slow answers: whoever runs the engine finds them elsewhere
        self._answering: list[str] = []  # picos whose transitions wait for an answer

    @classmethod
    def ephemeral(cls, options: Options | None = None) -> Self:
        """An engine whose picos are gone when it is closed."""
        options = options or Options()
        signer = Signer(options.world.random_bytes(SEED_BYTES))
        return cls(Store.in_memory(), signer, options.programs(options.cache), options)

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
        store = Store.at(home.database)
        try:
            known = store.engine_key()
            signer = load_signer(home, known is None, options.world.random_bytes(SEED_BYTES))
            _check_key(store, known, signer)
            return cls(store, signer, options.programs(home.cache), options, home)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
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
            raise OperatorError(f"there is a pico {name!r} already", "choose another name")
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

    def uninstall(self, pico: str, rid: str) -> Response:
        pico = self.find(pico)
        uses = self._uses(pico)
        if rid not in uses:
            raise OperatorError(f"this pico has no ruleset {rid}", "`picomesh show` lists them")
        users = [user for user, used in uses.items() if rid in used and user != rid]
        if users:
            raise OperatorError(f"{rid} is used by {', '.join(users)}", "uninstall that first")
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
        event = Event(
            eci=eci,
            domain=domain,
            name=name,
            attrs=encode_given(attrs, "the attributes"),
            eid=eid or self.new_eid(),
            host=self.host,
        )
        if sender is not None and self.store.waiting_count() >= WAITING_EVENTS_MAX:
            raise Overloaded(f"{WAITING_EVENTS_MAX} events wait already", "send it again later")
        return self.store.accept(self._sent(pico, event), key, event.eid)

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
            pico = self.find(pico)
            arrival = self.accept(pico, domain, name, attrs, eci=eci, eid=eid)
            response = self._run_up_to(pico, arrival)
        self.settle()
        return response

    def send_many(self, sendings: Iterable[Sending]) -> list[Response | Exception]:
        """Sends events in order, all of them durable together.

        In the place of an event that is refused, or that this machine failed, is the exception.
        """
        results: list[Response | Exception] = []
        with self.together():
            for item in sendings:
                try:
                    pico = self.find(item.pico)
                    arrival = self.accept(
                        pico, item.domain, item.name, item.attrs, eci=item.eci, eid=item.eid
                    )
                    results.append(self._run_up_to(pico, arrival))
                except (OperatorError, EngineFault) as problem:
                    results.append(problem)
            self.settle()
        return results

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

    def send_now(
        self,
        pico: str,
        domain: str,
        name: str,
        attrs: dict[str, Value],
        *,
        eci: str,
        sender: str,
    ) -> None:
        """An event of a pico whose transition waits until it is done (`ctx:eventQuery`)."""
        if pico in self._answering:
            raise OperatorError("a pico cannot wait for an event to itself")
        arrival = self.accept(pico, domain, name, attrs, eci=eci, sender=sender)
        response = self._run_up_to(pico, arrival)
        if response.transition.outcome != "ok":
            raise OperatorError(response.transition.message or response.transition.outcome)

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
        """Runs an accepted event until it has a receipt."""
        given = accepted.given
        if not isinstance(given, Event):
            given = decode_input(accepted.event)
        tape = [transition.Answer(*row) for row in self.store.answers(accepted.arrival)]
        while True:
            work = self._work(accepted.pico, given, accepted.time_ms, accepted.seed, tuple(tape))
            work.given_bytes = accepted.event
            try:
                return self._commit(work, arrival=accepted.arrival)
            except NeedsAnswer as need:
                answer = self._answer(accepted.pico, need)
                self.store.keep_answer(accepted.arrival, need.position, need.question, answer)
                tape.append(transition.Answer(need.question, answer))

    def _answer(self, pico: str, need: NeedsAnswer) -> bytes:
        if len(self._answering) >= QUESTION_DEPTH_MAX:
            raise OperatorError(f"queries ask each other more than {QUESTION_DEPTH_MAX} deep")
        if self.can_wait and not self._answering and is_slow(need.question):
            raise AnswerLater(pico, need)
        if is_slow(need.question):  # what happens outside cannot be undone with a group
            self.store.sync()
        self._answering.append(pico)
        try:
            return self.options.answerer.answer(self, pico, need.rid, need.question)
        finally:
            self._answering.pop()

    def library_find(self, url: str, fresh: bool) -> None:
        """Fetches and compiles in any thread, so that `module` finds it ready."""
        self._library.find(url, fresh)

    def module(self, url: str, fresh: bool = False) -> Value:
        """The module behind a URL by its hashes, kept where transitions find it."""
        found = self._library.find(url, fresh)
        _, manifest = self.programs.admit(found.raw)
        blocks = {cid_of_bytes(data): data for data in (found.raw, found.source) if data}
        self.store.keep_blocks(blocks)
        source = None if found.source is None else cid_of_bytes(found.source).raw.hex()
        raw = cid_of_bytes(found.raw).raw.hex()
        return {"rid": manifest.rid, "raw": raw, "source": source, "url": url}

    def recent_logs(self, pico: str) -> Value:
        """What the rules of a pico logged in the last twelve hours."""
        since_ms = self._world.now_ms() - LOGS_MS
        return [line.as_value() for line in logs_of(self.store, pico, since_ms)]

    # -- queries

    def query(
        self,
        pico: str,
        rid: str,
        name: str,
        args: Mapping[str, Value] | None = None,
        *,
        eci: str | None = None,
        sender: str | None = None,
    ) -> Value:
        """The answer of a shared function. Raises QueryFailed."""
        done = self.run_query(pico, rid, name, args, eci=eci, sender=sender)
        if done.outcome != "ok":
            raise QueryFailed(done.outcome, done.message)
        return decode_value(done.answer)

    def run_query(
        self,
        pico: str,
        rid: str,
        name: str,
        args: Mapping[str, Value] | None = None,
        *,
        eci: str | None = None,
        sender: str | None = None,
        tape: list[transition.Answer] | None = None,
    ) -> Transition:
        """Runs a query to its end, whatever it is. `tape` holds what was answered before."""
        pico = self.find(pico)
        state = self.state(pico)
        blocks = Layered(self.store)
        rulesets = [self.programs.ruleset(record, blocks) for record in state.rulesets()]
        eci = eci or self.eci(pico)
        self._check_policy(pico, eci, "query", rid, name, sender)
        given_args = encode_given(args, "the arguments")
        query = transition.Query(eci, rid, name, given_args, self.new_eid())
        tape = [] if tape is None else tape
        time_ms, seed = self._world.now_ms(), self._seed()
        asked = Event(eci, rid, name, given_args, query.eid, self.host)
        while True:
            given = Circumstances(
                pico,
                self.host,
                time_ms,
                seed,
                self.options.fuel_limit,
                STACK_WORDS_MAX,
                tape,
                acts_of(self.programs, blocks, self._work(pico, asked, time_ms, seed)),
            )
            try:
                return transition.ask(self.programs.sandbox, state, query, rulesets, given)
            except NeedsAnswer as need:
                tape.append(transition.Answer(need.question, self._answer(pico, need)))

    # -- inside

    def _seed(self) -> bytes:
        return self._world.random_bytes(SEED_BYTES)

    def new_eid(self) -> str:
        return self._world.random_bytes(_EID_BYTES).hex()

    def next_work(self, pico: str, given: Input, time_ms: int, seed: bytes) -> Work:
        """The work of a pico's next transition."""
        return self._work(pico, given, time_ms, seed)

    def _work(
        self,
        pico: str,
        given: Input,
        time_ms: int,
        seed: bytes,
        tape: tuple[transition.Answer, ...] = (),
    ) -> Work:
        head = self._head(pico)
        return Work(
            pico=pico,
            seq=0 if head is None else head.seq + 1,
            prev=None if head is None else head.cid,
            given=given,
            time_ms=time_ms,
            seed=seed,
            fuel_limit=self.options.fuel_limit,
            pre=EMPTY_ROOT if head is None else head.post,
            tape=tape,
        )

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
        batch = follow_up(self, layered, work, performed)
        elapsed_us = self._world.elapsed_us() - started_us
        done = [(work, performed, elapsed_us), *((*member, 0) for member in batch.members)]
        receipts = self._keep(done, layered, batch, arrival, name)
        eid = work.given.eid if isinstance(work.given, Event) else ""
        return Response(work.pico, eid, receipts[0], performed.transition)

    def _keep(
        self,
        done: Sequence[tuple[Work, Performed, int]],
        layered: Layered,
        batch: Batch,
        arrival: int | None = None,
        name: str | None = None,
    ) -> list[Receipt]:
        """Signs transitions and makes them durable together."""
        new = dict(layered.new)
        rows: list[NewReceipt] = []
        for work, performed, elapsed_us in done:
            receipt, logs = self._sealer.add(work, performed, elapsed_us)
            new.update(performed.blocks)
            new.update(logs)
            rows.append(
                NewReceipt(work.pico, work.seq, receipt, (name or "") if work.seq == 0 else None)
            )
        gone = [work.pico for work, _, _ in done if isinstance(work.given, Delete)]
        commit = Commit(
            rows,
            new,
            arrival,
            batch.sent,
            batch.outgoing,
            channel_changes(done),
            timed_picos(done),
            gone,
        )
        self.store.commit(commit)
        for work, performed, _ in done:
            self._heads[work.pico] = Head(work.seq, performed.cid, performed.post)
        if gone:
            self._living.clear()
        return [row.receipt for row in rows]

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
