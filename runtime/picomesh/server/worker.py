"""The one thread that owns the engine.

SQLite has one writing connection, and picos one transition at a time, so every use of the engine
is a job in the queue of this thread. Between jobs it runs what waits, fires schedules and hands
deliveries to threads that may wait for the network; so may the answers to slow questions, while
their picos wait and all others go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from picomesh.engine import Engine, Response
from picomesh.engine.asking import AnswerLater, Asker, HadItsTurn, Postponed, WaitsFor
from picomesh.engine.delivery import Delivered, answer_event, deliver, wait_ms
from picomesh.engine.errors import NotFound, Overloaded, QueryFailed
from picomesh.engine.service import Service
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.value import Value, decode_plain, decode_value
from picomesh.server.counts import Counts
from picomesh.server.errands import Errands
from picomesh.server.jobs import Job, Jobs
from picomesh.store.errors import StoreError
from picomesh.store.held import Sent
from picomesh.store.store import Outgoing
from picomesh.transition import Answer, Transition

IDLE_S = 0.5
SEEN_MS = 7 * 24 * 60 * 60 * 1000  # how long the keys of events are known
TIDY_MS = 60 * 60 * 1000
ROUND_S = 0.02  # of work that becomes durable together
SMALL_JOBS_MAX = 200  # between two events that run
LOOKS_SHARE = 10  # of the time, a tenth at most goes to looking for what is to be delivered
ANSWER_S = 600.0  # until an answer from the network is given up
HELD_S = 30.0  # how long a pico rests after this machine failed it

_T = TypeVar("_T")
Reply = Callable[[Any, Exception | None], None]  # is told a result, or why there is none
_log = logging.getLogger("picomesh.engine")


class Worker:
    """Runs an engine in a thread of its own."""

    def __init__(self, engine: Service) -> None:
        self.engine = engine
        self.counts = Counts()
        self._jobs = Jobs()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="picomesh engine")
        self._errands = Errands()
        self._waiters: dict[int, Reply] = {}
        self._held: dict[str, int] = {}  # picos that cannot go on, until when
        self.faults: dict[str, str] = {}  # why this machine could not run a pico's event
        self._followers: dict[int, str] = {}  # picos that wait for an event to another one
        self._in_flight: set[int] = set()
        self._tidy_ms = 0
        self._look_at_s = 0.0
        self._looked_s = 0.0
        self._rest_until_ms: dict[int, int] = {}
        # What is said when a round is durable. When it is not, all who wait are told so.
        self._replies: list[tuple[Reply, Any, Exception | None]] = []
        self._accepted: list[int] = []
        self._then: list[Callable[[], Any]] = []

    def start(self) -> None:
        self.engine.can_wait = True
        self._thread.start()

    def stop(self) -> None:
        """Ends after the transition that runs now; what waits is durable."""
        self._stopping.set()
        with contextlib.suppress(Overloaded):
            self._jobs.put(lambda: None)
        self._thread.join()
        self._errands.stop()
        self.engine.close()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # -- from other threads

    def call(self, work: Callable[[Service], _T]) -> Future[_T]:
        """Has the engine's thread do something. Raises Overloaded when too much waits."""
        future: Future[_T] = Future()
        self.ask(work, partial(_set, future), wakes=True)
        return future

    def event(self, accept: Callable[[Engine], int]) -> Future[Response]:
        """Accepts an event; the future is done when it has a receipt."""
        future: Future[Response] = Future()
        self.send(accept, partial(_set, future), wakes=True)
        return future

    def query(self, eci: str, run: Callable[[Engine, Asker], Transition]) -> Future[Value]:
        """A query over a channel; one that asks the network runs again when the answer is there."""
        future: Future[Value] = Future()
        self.look(eci, run, partial(_set, future), wakes=True)
        return future

    # The same for who gives several at once, and has the thread woken behind the last one; `reply`
    # is told in the engine's thread, and must not take long.

    def wake(self) -> None:
        self._jobs.wake()

    def ask(self, work: Callable[[Service], Any], reply: Reply, *, wakes: bool = False) -> None:
        """As `call`."""
        self._put(lambda: self._settle(reply, lambda: work(self.engine)), wakes)

    def send(self, accept: Callable[[Engine], int], reply: Reply, *, wakes: bool = False) -> None:
        """As `event`."""

        def run() -> None:
            try:
                arrival = accept(self.engine)
            except Exception as problem:
                self._replies.append((reply, None, problem))
                return
            self._waiters[arrival] = reply
            self._accepted.append(arrival)

        self._put(run, wakes)

    def look(
        self,
        eci: str,
        run: Callable[[Engine, Asker], Transition],
        reply: Reply,
        *,
        wakes: bool = False,
    ) -> None:
        """As `query`."""

        def begin() -> None:
            pico = self.engine.pico_of(eci) or ""
            self._take_turn(pico, run, self.engine.asker_of_query(pico), reply)

        self._put(begin, wakes)

    def watch(self, tell: Callable[[list[Receipt]], None] | None) -> None:
        """Has receipts told in the engine's thread once they are durable; None: no more."""
        told = None if tell is None else partial(self._durable, tell)
        self.engine.watcher = told

    def _durable(self, tell: Callable[[list[Receipt]], None], receipts: list[Receipt]) -> None:
        self._then.append(partial(tell, receipts))

    def _put(self, job: Job, wakes: bool) -> None:
        if self._stopping.is_set():
            raise Overloaded("the engine is stopping", "try it again later")
        self._jobs.put(job, wakes=wakes)

    def post(self, run: Job) -> None:
        """From threads that wait for the network: there is always room for an answer."""
        while not self._stopping.is_set():
            with contextlib.suppress(Overloaded):
                self._jobs.put(run, IDLE_S)
                return

    # -- in the engine's thread

    def _loop(self) -> None:
        busy = True
        while not self._stopping.is_set():
            if not busy:
                self._jobs.wait(IDLE_S)
            busy = self._round()
            try:
                self._deliver()
            except Exception as problem:  # the store, most likely: it may be there again later
                self._fault("deliveries", problem)
                busy = False

    def _fault(self, what: str, problem: Exception) -> None:
        """Something that should not be, and that only the operator can do something about."""
        _log.error("%s: %s: %s", what, type(problem).__name__, problem)
        self.counts.fault(f"{what}: {problem}")

    def _round(self) -> bool:
        """Does some of what waits, durable together; says what came of it when it is.

        Returns False when there is nothing more to do now.
        """
        self._replies, self._accepted, self._then = [], [], []
        busy = True
        try:
            with self.engine.store.group():
                deadline_s = time.monotonic() + ROUND_S
                while busy and time.monotonic() < deadline_s:
                    busy = self._small_jobs(deadline_s)
                    turn = self._jobs.next_turn()
                    if turn is not None:
                        turn()
                    busy = self._step() or busy or turn is not None
        except Exception as problem:  # the store failed, or we did: nothing of this happened
            self._fault("a round of work was undone", problem)
            self.engine.forget()
            self._undo(problem)
            return False
        for reply, result, failure in self._replies:
            reply(result, failure)
        for go_on in self._then:
            go_on()
        return busy

    def _undo(self, problem: Exception) -> None:
        """Tells everybody whose work was in a round that it did not happen."""
        for reply, _, _ in self._replies:
            reply(None, problem)
        for arrival in self._accepted:
            waiter = self._waiters.pop(arrival, None)
            if waiter is not None:
                waiter(None, problem)

    def _small_jobs(self, deadline_s: float) -> bool:
        """They come before what may take long: accepting an event is one of them."""
        count = 0
        while count < SMALL_JOBS_MAX and (job := self._jobs.next_plain()) is not None:
            job()
            count += 1
            if time.monotonic() > deadline_s:
                break
        return count > 0

    def _step(self) -> bool:
        """Something of what waits; False when nothing can be done now."""
        self.engine.fire_due()
        now_ms = self.engine.now_ms()
        if self._held:
            self._held = {pico: until for pico, until in self._held.items() if until > now_ms}
        accepted = self.engine.store.next_waiting(self._held)
        if accepted is None:
            return False
        try:
            response = self.engine.run_waiting(accepted)
        except Postponed as later:
            self._postpone(later)
        except StoreError:
            raise
        except Exception as problem:  # whatever it is, the others go on
            self._hold(accepted.pico, HELD_S)
            self.faults[accepted.pico] = f"{type(problem).__name__}: {problem}"
            self._fault(f"an event of {accepted.pico} waits", problem)
            self._tell(accepted.arrival, None, problem)
        else:
            self.faults.pop(accepted.pico, None)
            self._tell(accepted.arrival, response, None)
        return True

    def _postpone(self, later: Postponed) -> None:
        """A pico waits for an answer, or for another pico."""
        match later:
            case AnswerLater():
                self._hold(later.pico, ANSWER_S)
                self._find_answer(later, self._answered)
            case WaitsFor():
                self._hold(later.pico, ANSWER_S)
                self._followers[later.arrival] = later.pico

    def _hold(self, pico: str, seconds: float) -> None:
        self._held[pico] = self.engine.now_ms() + int(seconds * 1000)

    def _tell(self, arrival: int, response: Response | None, problem: Exception | None) -> None:
        if response is not None:
            self.counts.transition(response)
        follower = self._followers.pop(arrival, None)
        if follower is not None:
            self._held.pop(follower, None)
        reply = self._waiters.pop(arrival, None)
        if reply is None:
            return
        if response is None:
            problem = problem or NotFound("the pico is deleted")
        self._replies.append((reply, response, problem))

    def _settle(self, reply: Reply, work: Callable[[], Any]) -> None:
        """The result of work, or its exception, is told when it is durable."""
        try:
            result = work()
        except StoreError as problem:
            self._replies.append((reply, None, problem))
            raise
        except Exception as problem:
            self._replies.append((reply, None, problem))
        else:
            self._replies.append((reply, result, None))

    # -- slow answers

    def _find_answer(
        self, later: AnswerLater, done: Callable[[AnswerLater, bytes | None], None]
    ) -> None:
        def find() -> None:
            data = self._look_outside(later)
            self.post(lambda: done(later, data))

        self._then.append(partial(self._errands.submit, later.pico, find))

    def _look_outside(self, later: AnswerLater) -> bytes | None:
        """An answer from the network; None when it is ready for the engine to give itself."""
        need, answerer = later.need, self.engine.options.answerer
        try:
            match decode_plain(need.question):
                case {"fn": "ctx:module", "args": [str(url), bool(fresh)]}:
                    self.engine.library_find(url.strip(), fresh)
                    return None
            return answerer.answer(self.engine, later.asks, need.rid, need.question, later.key)
        except Exception as problem:  # whoever waits for it must not wait for ever
            return answerer.failure(problem)

    def _answered(self, later: AnswerLater, data: bytes | None) -> None:
        """An answer is there: it is kept where the next run of the one that asks finds it."""
        answer = data if data is not None else self.engine.answer_module(later)
        asker, need = later.asker, later.need
        if not later.is_own:
            asker.found[later.key] = answer
        elif asker.arrival is not None:
            self.engine.store.keep_answer(asker.arrival, need.position, need.question, answer)
        else:
            asker.tape.append(Answer(need.question, answer))
        self._held.pop(later.pico, None)

    # -- queries

    def _take_turn(
        self,
        pico: str,
        run: Callable[[Engine, Asker], Transition],
        asker: Asker,
        reply: Reply,
    ) -> None:
        try:
            self._jobs.put_turn(pico, lambda: self._query(pico, run, asker, reply))
        except Overloaded as problem:
            self._replies.append((reply, None, problem))

    def _query(
        self,
        pico: str,
        run: Callable[[Engine, Asker], Transition],
        asker: Asker,
        reply: Reply,
    ) -> None:
        def again(later: AnswerLater, data: bytes | None) -> None:
            self._answered(later, data)
            self._take_turn(pico, run, asker, reply)

        try:
            done = run(self.engine, asker)
        except AnswerLater as later:
            self._find_answer(later, again)
        except HadItsTurn:
            self._take_turn(pico, run, asker, reply)
        except Exception as problem:
            self._replies.append((reply, None, problem))
        else:
            self.counts.queries += 1
            self._settle(reply, lambda: _answer_of(done))

    # -- deliveries

    def _deliver(self) -> None:
        now_ms = self.engine.now_ms()
        if now_ms >= self._tidy_ms:
            self._tidy_ms = now_ms + TIDY_MS
            self.engine.store.forget_seen(now_ms - SEEN_MS)
        started_s = time.monotonic()
        if started_s < self._look_at_s or not self._may_deliver(started_s):
            return
        waiting = self.engine.store.outgoing()
        self.engine.has_sent_out = bool(waiting)
        self._looked_s = time.monotonic()
        # Many wait: looking takes long.
        self._look_at_s = started_s + (self._looked_s - started_s) * LOOKS_SHARE
        for item in waiting:
            ready = self._rest_until_ms.get(item.position, 0) <= now_ms
            if ready and item.position not in self._in_flight:
                self._in_flight.add(item.position)
                self._errands.submit(item.pico, partial(self._try, item))

    def _may_deliver(self, now_s: float) -> bool:
        """Whether something may wait; now and then it is looked whatever is known."""
        return self.engine.has_sent_out or now_s > self._looked_s + IDLE_S

    def _try(self, item: Outgoing) -> None:
        try:
            done = deliver(self.engine.options.answerer.network, item)
        except Exception as problem:
            done = Delivered(False, {}, str(problem))
        self.post(lambda: self._delivered(item, done))

    def _delivered(self, item: Outgoing, done: Delivered) -> None:
        self._in_flight.discard(item.position)
        engine = self.engine
        if done.done or engine.gives_up(item):
            self._rest_until_ms.pop(item.position, None)
            self.counts.delivered(done)
            event = answer_event(item, done.answer, engine.eci_or_none(item.pico), engine.host)
            sent: list[Sent] = []
            if event is not None and done.done:
                sent += engine.told(item.pico, event)
            if not done.done:
                _log.warning("%s: gave up %s: %s", item.pico, item.target, done.problem)
            engine.store.delivered(item.position, sent)
        else:
            engine.store.delivery_failed(item.position)
            self._rest_until_ms[item.position] = engine.now_ms() + wait_ms(item.tries)


def _set(future: Future[Any], result: Any, problem: Exception | None) -> None:
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)


def _answer_of(done: Transition) -> Value:
    if done.outcome != "ok":
        raise QueryFailed(done.outcome, done.message)
    return decode_value(done.answer)
