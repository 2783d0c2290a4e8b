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
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from picomesh.engine import Engine, Response
from picomesh.engine.answers import AnswerLater
from picomesh.engine.delivery import Delivered, answer_event, deliver, wait_ms
from picomesh.engine.errors import OperatorError, Overloaded, QueryFailed
from picomesh.engine.inputs import encode_input
from picomesh.engine.service import Service
from picomesh.ledger.value import Value, decode_plain, decode_value
from picomesh.sandbox.interface import EngineFault
from picomesh.server.counts import Counts
from picomesh.store.store import Outgoing, Sent
from picomesh.transition import Answer, NeedsAnswer, Transition

JOBS_MAX = 2_000
NETWORK_THREADS = 16
IDLE_S = 0.5
HELD_S = 30.0  # how long a pico rests after this machine failed it

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[], None]


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
        self._rest_until_ms: dict[int, int] = {}

    def start(self) -> None:
        self.engine.can_wait = True
        self._thread.start()

    def stop(self) -> None:
        """Ends after the transition that runs now; what waits is durable."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(_Job(lambda: None))
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
        self._put(_Job(lambda: _settle(future, lambda: work(self.engine))))
        return future

    def event(self, accept: Callable[[Engine], int]) -> Future[Response]:
        """Accepts an event; the future is done when it has a receipt."""
        future: Future[Response] = Future()

        def run() -> None:
            try:
                self._waiters[accept(self.engine)] = future
            except Exception as problem:
                future.set_exception(problem)

        self._put(_Job(run))
        return future

    def query(self, run: Callable[[Engine, list[Answer]], Transition]) -> Future[Value]:
        """A query; one that asks the network runs again when the answer is there."""
        future: Future[Value] = Future()
        self._put(_Job(lambda: self._query(run, [], future)))
        return future

    def _put(self, job: _Job) -> None:
        try:
            if self._stopping.is_set():
                raise queue.Full
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Overloaded("the engine has too much to do", "try it again later") from None

    def post(self, run: Callable[[], None]) -> None:
        """From threads that wait for the network: there is always room for an answer."""
        if not self._stopping.is_set():
            self._jobs.put(_Job(run))

    # -- in the engine's thread

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=0 if self._step() else IDLE_S)
                job.run()

    def _step(self) -> bool:
        """Something of what waits; False when nothing can be done now."""
        try:
            self.engine.fire_due()
            self._deliver()
            return self._run_next()
        except (EngineFault, OperatorError) as problem:
            self.counts.fault(str(problem))
            return False

    def _run_next(self) -> bool:
        now_ms = self.engine.now_ms()
        self._held = {pico: until for pico, until in self._held.items() if until > now_ms}
        accepted = self.engine.store.next_waiting(list(self._held))
        if accepted is None:
            return False
        try:
            response = self.engine.run_waiting(accepted)
        except AnswerLater as later:
            self._hold(accepted.pico, 10 * 60)
            self._find_answer(later, partial(self._answered, accepted.arrival))
            return True
        except (EngineFault, OperatorError) as problem:
            self._hold(accepted.pico, HELD_S)
            self.counts.fault(str(problem))
            self._tell(accepted.arrival, None, problem)
            return True
        self._tell(accepted.arrival, response, None)
        return True

    def _hold(self, pico: str, seconds: float) -> None:
        self._held[pico] = self.engine.now_ms() + int(seconds * 1000)

    def _tell(self, arrival: int, response: Response | None, problem: Exception | None) -> None:
        if response is not None:
            self.counts.transition(response)
        future = self._waiters.pop(arrival, None)
        if future is None or future.cancelled():
            return
        if response is None:
            future.set_exception(problem or OperatorError("the pico is deleted"))
        else:
            future.set_result(response)

    # -- slow answers

    def _find_answer(
        self, later: AnswerLater, done: Callable[[AnswerLater, bytes | None], None]
    ) -> None:
        def find() -> None:
            data = self._look_outside(later.pico, later.need)
            self.post(lambda: done(later, data))

        self._pool.submit(find)

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
            future.set_exception(problem)
            return
        self.counts.queries += 1
        _settle(future, lambda: _answer_of(done))

    # -- deliveries

    def _deliver(self) -> None:
        now_ms = self.engine.now_ms()
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


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    """The result of work, or its exception, becomes the future's."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as problem:
        future.set_exception(problem)
    else:
        future.set_result(result)


def _answer_of(done: Transition) -> Value:
    if done.outcome != "ok":
        raise QueryFailed(done.outcome, done.message)
    return decode_value(done.answer)
