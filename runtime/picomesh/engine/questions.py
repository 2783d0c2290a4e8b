"""What picos ask: queries from outside, and what rulesets ask while they run.

An answer is found outside of any transition. One that takes long (the network, an event to another
pico) is waited for by whoever runs the engine, if that can wait; otherwise here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh import transition
from picomesh.engine.answers import is_slow
from picomesh.engine.asking import SLICE_US, AnswerLater, Asker, Asking, HadItsTurn
from picomesh.engine.errors import OperatorError, QueryFailed
from picomesh.engine.inputs import Event, Input, decode_input
from picomesh.engine.library import Found
from picomesh.engine.logs import LOGS_MS, QueryLines, Wanted, logs_of
from picomesh.engine.lookup import Lookup
from picomesh.engine.model import EID_BYTES, Response, encode_given
from picomesh.engine.naming import cid_of_url, find_named
from picomesh.engine.options import Options
from picomesh.engine.perform import acts_of
from picomesh.engine.performed import Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered, PicoState
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.signature import SEED_BYTES
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.ledger.value import Value, decode_value
from picomesh.store.store import Accepted, Store
from picomesh.transition import Circumstances, NeedsAnswer, Transition

LOG_LINES_MAX = 1_000  # that a rule gets to see
LOG_RECEIPTS_MAX = 1_000  # that are looked through for them


class Questions(Lookup):
    """The asking half of an engine."""

    def __init__(self, store: Store, programs: Programs, options: Options) -> None:
        super().__init__(store, programs, options)
        self._library = options.library()
        self.asking = Asking()
        self.query_lines = QueryLines()
        self.can_wait = False  # for slow answers: whoever runs the engine finds them elsewhere

    @abstractmethod
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

    @abstractmethod
    def _run_up_to(self, pico: str, arrival: int) -> Response:
        """Runs what waits for a pico, up to a place in the order of arrival."""

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
        asker: Asker | None = None,
    ) -> Transition:
        """Runs a query to its end, whatever it is. `asker` holds what was answered before."""
        pico = self.find(pico)
        state = self.state(pico)
        blocks = Layered(self.store)
        eci = eci or self.eci(pico)
        self._check_policy(pico, eci, "query", rid, name, sender)
        given_args = encode_given(args, "the arguments")
        nested = self.asking.current
        asker = nested or asker or self.asker_of_query(pico)
        moment = (asker.time_ms, asker.seed)
        if nested is not None:
            key = nested.key(pico, encode_given({"rid": rid, "name": name}, "") + given_args)
            moment = nested.moments.setdefault(key, (self._world.now_ms(), self._seed()))
        else:
            asker.begin()
        query = transition.Query(eci, rid, name, given_args, self.new_eid())
        tape = asker.tape if nested is None else []
        began_us = self._world.elapsed_us()
        while True:
            fuel = self.options.fuel_limit if nested is None else nested.fuel_left
            given = Circumstances(pico, self.host, *moment, fuel, STACK_WORDS_MAX, tape)
            try:
                done = self._ask(state, blocks, query, given)
            except NeedsAnswer as need:
                answer = self._answer(asker, pico, need, nested is None)
                tape.append(transition.Answer(need.question, answer))
                self._take_turns(asker, began_us)
            else:
                if nested is not None:
                    nested.fuel_left -= done.fuel
                self.query_lines.add(pico, moment[0], done)
                return done

    def _ask(
        self, state: PicoState, blocks: Layered, query: transition.Query, given: Circumstances
    ) -> Transition:
        """Raises NeedsAnswer."""
        programs = self.programs
        found = programs.native.ask(programs, blocks, state.root, query, given)
        if found is not None:
            return found
        asked = Event(query.eci, query.rid, query.name, query.args, query.eid, given.host)
        work = self._work(given.pico, asked, given.time_ms, given.seed)
        given.acts = acts_of(programs, blocks, work)
        installed = programs.installed(state, blocks)
        return transition.ask(programs.sandbox, state, query, installed, given)

    # -- answers

    def _asker_of(self, accepted: Accepted) -> Asker:
        fuel = self.options.fuel_limit
        return Asker(accepted.pico, accepted.seed, accepted.time_ms, fuel, accepted.arrival)

    def asker_of_query(self, pico: str) -> Asker:
        """Who a query from outside is, in all runs of it."""
        return Asker(pico, self._seed(), self._world.now_ms(), self.options.fuel_limit)

    def _take_turns(self, asker: Asker, began_us: int) -> None:
        """Runs that follow each other for long let the others have their turn."""
        is_long = self._world.elapsed_us() - began_us > SLICE_US
        if is_long and self.can_wait and not self.asking.stack:
            raise HadItsTurn(asker)

    def _answer(self, asker: Asker, pico: str, need: NeedsAnswer, is_own: bool) -> bytes:
        """An answer, found now; `is_own`: the asker has a tape for it. Raises Postponed."""
        slow = is_slow(need.question)
        key = asker.key_at(need.position) if is_own else asker.key(pico, need.question)
        if not is_own and key in asker.found:
            return asker.found[key]
        if slow and self.can_wait:
            raise AnswerLater(asker, pico, need, key, is_own)
        if slow:  # what happens outside cannot be undone with a group
            self.store.sync()
        with self.asking.asked_by(asker, pico):
            return self.options.answerer.answer(self, pico, need.rid, need.question, key)

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
        """An event of a pico whose transition waits until it is done (`ctx:eventQuery`).

        It is sent once, however often the one that waits runs.
        """
        self.asking.check_cycle(pico)
        asker = self.asking.current
        assert asker is not None, "only a transition asks for this"
        what = encode_given({"eci": eci, "domain": domain, "name": name}, "the event")
        key = asker.key(pico, what)
        if key not in asker.sent:
            asker.sent[key] = self._accept_once(pico, domain, name, attrs, eci, sender, key)
        arrival = asker.sent[key]
        if self.can_wait and arrival:
            ended = self.asking.wait_for(asker, pico, arrival)
            outcome, message = ended.outcome, ended.message
        elif arrival:
            done = self._run_up_to(pico, arrival).transition
            outcome, message = done.outcome, done.message
        else:
            return
        if outcome != "ok":
            raise OperatorError(message or outcome)

    def _accept_once(
        self,
        pico: str,
        domain: str,
        name: str,
        attrs: dict[str, Value],
        eci: str,
        sender: str,
        key: str,
    ) -> int:
        """Where the event waits; 0 when it was done before this engine was started again."""
        eid = self.store.seen(key)
        if eid is None:
            return self.accept(pico, domain, name, attrs, eci=eci, sender=sender, key=key)
        for waiting in self.store.waiting_for(pico):
            given = decode_input(waiting.event)
            if isinstance(given, Event) and given.eid == eid:
                return waiting.arrival
        return 0

    def library_find(self, url: str, fresh: bool) -> None:
        """Fetches and compiles in any thread, so that `module` finds it ready."""
        if cid_of_url(url) is None:
            self._library.find(url, fresh)

    def find_module(self, url: str, fresh: bool = False) -> Found:
        """What is behind a URL, or has this content id. Raises OperatorError."""
        cid = cid_of_url(url)
        return self._library.find(url, fresh) if cid is None else find_named(self.store, cid)

    def module(self, url: str, fresh: bool = False) -> Value:
        """The module behind a URL by its hashes, kept where transitions find it."""
        found = self.find_module(url, fresh)
        _, manifest = self.programs.admit(found.raw)
        blocks = {cid_of_bytes(data): data for data in (found.raw, found.source) if data}
        self.store.keep_blocks(blocks)
        source = None if found.source is None else cid_of_bytes(found.source).raw.hex()
        raw = cid_of_bytes(found.raw).raw.hex()
        return {"rid": manifest.rid, "raw": raw, "source": source, "url": url}

    def recent_logs(self, pico: str) -> Value:
        """What the rules of a pico logged in the last twelve hours."""
        since_ms = self._world.now_ms() - LOGS_MS
        wanted = Wanted(since_ms, lines_max=LOG_LINES_MAX, receipts_max=LOG_RECEIPTS_MAX)
        return [line.as_value() for line in logs_of(self.store, pico, wanted)]

    # -- what transitions are made of

    def _seed(self) -> bytes:
        return self._world.random_bytes(SEED_BYTES)

    def new_eid(self) -> str:
        return self._world.random_bytes(EID_BYTES).hex()

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
