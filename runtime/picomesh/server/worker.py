"""The one thread that owns the engine.

SQLite has one writing connection, and picos one transition at a time, so every use of the engine
is a job in the queue of this thread. Between jobs it runs what waits, fires schedules and hands
deliveries to threads that may wait for the network; so may the answers to slow questions, while
their picos wait and all others go on.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from picomesh.engine import Engine, Response
from picomesh.engine.answers import AnswerLater
from picomesh.engine.delivery import Delivered, answer_event, deliver, wait_ms
from picomesh.engine.errors import NotFound, Overloaded, QueryFailed
from picomesh.engine.inputs import encode_input
from picomesh.engine.service import Service
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.value import Value, decode_plain, decode_value
from picomesh.server.counts import Counts
from picomesh.store.errors import StoreError
from picomesh.store.held import Sent
from picomesh.store.store import Outgoing
from picomesh.transition import Answer, NeedsAnswer, Transition

JOBS_MAX = 2_000
NETWORK_THREADS = 16
IDLE_S = 0.5
SEEN_MS = 7 * 24 * 60 * 60 * 1000  # how long the keys of events are known
TIDY_MS = 60 * 60 * 1000
ROUND_S = 0.02  # of work that becomes durable together
ANSWER_S = 600.0  # until an answer from the network is given up
HELD_S = 30.0  # how long a pico rests after this machine failed it

_T = TypeVar("_T")


_Job = Callable[[], None]


class Worker:
    """Runs an engine in a thread of its own."""

    def __init__(self, engine: Service) -> None:
        self.engine = engine
        self.counts = Counts()
        self._jobs: queue.Queue[_Job] = queue.Queue(JOBS_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="picomesh engine")
        self._pool = ThreadPoolExecutor(NETWORK_THREADS, "picomesh network")
        self._waiters: dict[int, Future[Response]] = {}
        self._held: dict[str, int] = {}  # picos that cannot go on, until when
        self._in_flight: set[int] = set()
        self._tidy_ms = 0
        self._rest_until_ms: dict[int, int] = {}
        # What is said when a round is durable, and what instead when it is not.
        self._told: list[tuple[Callable[[], Any], Callable[[Exception], Any]]] = []

    def start(self) -> None:
        self.engine.can_wait = True
        self._thread.start()

    def stop(self) -> None:
        """Ends after the transition that runs now; what waits is durable."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(lambda: None)
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.engine.close()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # -- from other threads

    def call(self, work: Callable[[Service], _T]) -> Future[_T]:
        """Has the engine's thread do something. Raises Overloaded when too much waits."""
        future: Future[_T] = Future()
        self._put(lambda: self._settle(future, lambda: work(self.engine)))
        return future

    def event(self, accept: Callable[[Engine], int]) -> Future[Response]:
        """Accepts an event; the future is done when it has a receipt."""
        future: Future[Response] = Future()

        def run() -> None:
            try:
                arrival = accept(self.engine)
            except Exception as problem:
                self._fail(future, problem)
                return
            self._waiters[arrival] = future
            self._told.append((lambda: None, lambda problem: self._undone(arrival, problem)))

        self._put(run)
        return future

    def query(self, run: Callable[[Engine, list[Answer]], Transition]) -> Future[Value]:
        """A query; one that asks the network runs again when the answer is there."""
        future: Future[Value] = Future()
        self._put(lambda: self._query(run, [], future))
        return future

    def watch(self, tell: Callable[[list[Receipt]], None] | None) -> None:
        """Has receipts told in the engine's thread once they are durable; None: no more."""
        told = None if tell is None else partial(self._durable, tell)
        self.engine.watcher = told

    def _durable(self, tell: Callable[[list[Receipt]], None], receipts: list[Receipt]) -> None:
        self._told.append((partial(tell, receipts), lambda problem: None))

    def _put(self, job: _Job) -> None:
        try:
            if self._stopping.is_set():
                raise queue.Full
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Overloaded("the engine has too much to do", "try it again later") from None

    def post(self, run: _Job) -> None:
        """From threads that wait for the network: there is always room for an answer."""
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._jobs.put(run, timeout=IDLE_S)
                return

    # -- in the engine's thread

    def _loop(self) -> None:
        busy = True
        while not self._stopping.is_set():
            job: _Job | None = None
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=0 if busy else IDLE_S)
            busy = self._round(job)
            self._deliver()

    def _round(self, job: _Job | None) -> bool:
        """Does some of what waits, durable together; says what came of it when it is.

        Returns False when there is nothing more to do now.
        """
        self._told = []
        busy = True
        try:
            with self.engine.store.group():
                deadline_s = time.monotonic() + ROUND_S
                while busy and time.monotonic() < deadline_s:
                    if job is not None:
                        job()
                    stepped = self._step()
                    job = self._next_job()
                    busy = stepped or job is not None
                if job is not None:
                    job()
        except Exception as problem:  # the store failed, or we did: nothing of this happened
            self.engine.forget()
            self.counts.fault(str(problem))
            for _, undo in self._told:
                undo(problem)
            return False
        for tell, _ in self._told:
            tell()
        return busy

    def _next_job(self) -> _Job | None:
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _step(self) -> bool:
        """Something of what waits; False when nothing can be done now."""
        self.engine.fire_due()
        now_ms = self.engine.now_ms()
        self._held = {pico: until for pico, until in self._held.items() if until > now_ms}
        accepted = self.engine.store.next_waiting(list(self._held))
        if accepted is None:
            return False
        try:
            response = self.engine.run_waiting(accepted)
        except AnswerLater as later:
            self._hold(accepted.pico, ANSWER_S)
            self._find_answer(later, partial(self._answered, accepted.arrival))
        except StoreError:
            raise
        except Exception as problem:  # whatever it is, the others go on
            self._hold(accepted.pico, HELD_S)
            self.counts.fault(str(problem))
            self._tell(accepted.arrival, None, problem)
        else:
            self._tell(accepted.arrival, response, None)
        return True

    def _hold(self, pico: str, seconds: float) -> None:
        self._held[pico] = self.engine.now_ms() + int(seconds * 1000)

    def _tell(self, arrival: int, response: Response | None, problem: Exception | None) -> None:
        if response is not None:
            self.counts.transition(response)
        future = self._waiters.pop(arrival, None)
        if future is None:
            return
        if response is None:
            self._fail(future, problem or NotFound("the pico is deleted"))
        else:
            self._succeed(future, response)

    def _undone(self, arrival: int, problem: Exception) -> None:
        future = self._waiters.pop(arrival, None)
        if future is not None:
            _set(future, None, problem)

    def _settle(self, future: Future[Any], work: Callable[[], Any]) -> None:
        """The result of work, or its exception, becomes the future's when it is durable."""
        try:
            result = work()
        except StoreError:
            raise
        except Exception as problem:
            self._fail(future, problem)
        else:
            self._succeed(future, result)

    def _succeed(self, future: Future[Any], result: Any) -> None:
        self._told.append((partial(_set, future, result, None), partial(_set, future, None)))

    def _fail(self, future: Future[Any], problem: Exception) -> None:
        self._told.append((partial(_set, future, None, problem), partial(_set, future, None)))

    # -- slow answers

    def _find_answer(
        self, later: AnswerLater, done: Callable[[AnswerLater, bytes | None], None]
    ) -> None:
        def find() -> None:
            data = self._look_outside(later.pico, later.need)
            self.post(lambda: done(later, data))

        self._told.append((lambda: self._pool.submit(find), lambda problem: None))

    def _look_outside(self, pico: str, need: NeedsAnswer) -> bytes | None:
        """An answer from the network; None when it is ready for the engine to give itself."""
        question = decode_plain(need.question)
        match question:
            case {"fn": "ctx:module", "args": [str(url), bool(fresh)]}:
                with contextlib.suppress(Exception):
                    self.engine.library_find(url, fresh)
                    return None
        answerer = self.engine.options.answerer
        return answerer.answer(self.engine, pico, need.rid, need.question)

    def _answered(self, arrival: int, later: AnswerLater, data: bytes | None) -> None:
        answer = data if data is not None else self.engine.answer_module(later)
        need = later.need
        self.engine.store.keep_answer(arrival, need.position, need.question, answer)
        self._held.pop(later.pico, None)

    def _query(
        self,
        run: Callable[[Engine, list[Answer]], Transition],
        tape: list[Answer],
        future: Future[Value],
    ) -> None:
        def again(later: AnswerLater, data: bytes | None) -> None:
            answer = data if data is not None else self.engine.answer_module(later)
            self._query(run, [*tape, Answer(later.need.question, answer)], future)

        try:
            done = run(self.engine, list(tape))
        except AnswerLater as later:
            self._find_answer(later, again)
            return
        except Exception as problem:
            self._fail(future, problem)
            return
        self.counts.queries += 1
        self._settle(future, lambda: _answer_of(done))

    # -- deliveries

    def _deliver(self) -> None:
        now_ms = self.engine.now_ms()
        if now_ms >= self._tidy_ms:
            self._tidy_ms = now_ms + TIDY_MS
            self.engine.store.forget_seen(now_ms - SEEN_MS)
        for item in self.engine.store.outgoing():
            ready = self._rest_until_ms.get(item.position, 0) <= now_ms
            if ready and item.position not in self._in_flight:
                self._in_flight.add(item.position)
                self._pool.submit(self._try, item)

    def _try(self, item: Outgoing) -> None:
        done = deliver(self.engine.options.answerer.network, item)
        self.post(lambda: self._delivered(item, done))

    def _delivered(self, item: Outgoing, done: Delivered) -> None:
        self._in_flight.discard(item.position)
        engine = self.engine
        if done.done or engine.gives_up(item):
            self._rest_until_ms.pop(item.position, None)
            self.counts.delivered(done)
            event = answer_event(item, done.answer, engine.eci_or_none(item.pico), engine.host)
            target = None if event is None else engine.pico_of(event.eci)
            sent: list[Sent] = []
            if event is not None and target is not None and done.done:
                sent.append(engine.sent(target, encode_input(event)))
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
