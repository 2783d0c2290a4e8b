"""Many events at once: the same receipts as one by one, durable together, under one signature."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine import Engine, OperatorError, Options, sealing
from picomesh.engine.answers import Answerer
from picomesh.engine.engine import Response, Sending
from picomesh.engine.history import verify_home
from picomesh.engine.native import Native
from picomesh.ledger.receipt import is_envelope_signed
from picomesh.ledger.value import Value
from picomesh.sandbox.interface import EngineFault
from picomesh.scenario.world import VirtualWorld
from picomesh.store.errors import StoreError
from picomesh.store.held import Held
from wat_guests import Guest, counter, thrower

COUNT = Sending("me", "a", "b", {"n": 1})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(tmp_path / "home", Options(world=VirtualWorld())) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        yield engine


def responses(results: list[Response | Exception]) -> list[Response]:
    assert all(isinstance(item, Response) for item in results), results
    return [item for item in results if isinstance(item, Response)]


def check(engine: Engine) -> None:
    assert verify_home(engine.store, engine.public_key).problems == ()


def inbox_of(engine: Engine) -> int:
    """What another process would find in the inbox: only what is durable."""
    (_, _, path) = engine.store._database.execute("PRAGMA database_list").fetchone()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (count,) = database.execute("SELECT COUNT(*) FROM inbox").fetchone()
    database.close()
    return int(count)


def test_many_events_have_the_receipts_that_they_have_one_by_one(engine: Engine) -> None:
    with Engine.ephemeral(Options(world=VirtualWorld())) as single:
        single.create("me")
        single.install_module("me", counter().build())
        assert single.eci(single.find("me")), "the same as the other, but for the engine's key"
        alone = [single.send("me", "a", "b", {"n": 1}) for _ in range(5)]
    together = responses(engine.send_many([COUNT] * 5))
    for one, other in zip(alone, together, strict=True):
        a, b = one.receipt.core, other.receipt.core
        assert (a.seq, a.time, a.seed, a.fuel, a.writes) == (
            b.seq,
            b.time,
            b.seed,
            b.fuel,
            b.writes,
        )
        assert one.eid == other.eid and one.directives == other.directives
    check(engine)


def test_one_signature_covers_them_and_each_shows_it_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH_MAX", 8)
    done = responses(engine.send_many([COUNT] * 11))
    envelopes = [response.receipt.envelope for response in done]
    assert len({envelope.signature for envelope in envelopes}) == 2
    assert all(is_envelope_signed(envelope) for envelope in envelopes)
    assert engine.query("me", "t", "n") == 11
    check(engine)


def test_what_is_refused_or_fails_stands_in_its_place(engine: Engine) -> None:
    engine.install_module("me", thrower("bad").build())
    nobody = Sending("nobody", "a", "b")
    wrong = Sending("me", "a", "b", {"n": "x" * 2_000_000})
    first, second, third, fourth = engine.send_many([COUNT, nobody, wrong, COUNT])
    assert isinstance(second, OperatorError) and isinstance(third, OperatorError)
    assert [item.transition.outcome for item in responses([first, fourth])] == ["throw", "throw"]
    assert engine.store.waiting() == []
    check(engine)


def test_picos_that_send_to_each_other_are_done_with_as_well(engine: Engine) -> None:
    engine.create("you")
    engine.install_module("you", counter().build())
    sender = Guest("sender", (("go", "on"),))
    message = sender.message(kind="send", eci=engine.eci(engine.find("you")), domain="a", name="b")
    sender.handle = f"(call $emit {message})"
    engine.install_module("me", sender.build())
    responses(engine.send_many([Sending("me", "go", "on")] * 3))
    assert engine.query("you", "t", "n") == 3
    check(engine)


def test_a_store_that_fails_undoes_all_of_them_and_the_engine_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses(engine.send_many([COUNT] * 2))

    def full(self: Held, database: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Held, "write", full)
        with pytest.raises(StoreError, match="full"):
            engine.send_many([COUNT] * 3)
        with pytest.raises(StoreError, match="full"):
            engine.send("me", "a", "b")
    assert len(engine.log("me")) == 4 and engine.store.waiting() == []
    responses(engine.send_many([COUNT]))
    assert engine.query("me", "t", "n") == 3
    check(engine)


def test_what_ends_early_keeps_what_was_done_and_what_was_accepted(engine: Engine) -> None:
    with pytest.raises(KeyboardInterrupt), engine.together():
        engine.send("me", "a", "b")
        engine.accept("me", "a", "b")
        raise KeyboardInterrupt
    assert len(engine.log("me")) == 3 and len(engine.store.waiting()) == 1
    engine.process_waiting()
    assert engine.query("me", "t", "n") == 2
    check(engine)


def test_an_event_that_this_machine_fails_waits(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise EngineFault("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine.programs, "native", Native(engine.programs.sandbox, False))
        patch.setattr(engine.programs.sandbox, "machine", fail)
        (failed,) = engine.send_many([COUNT])
        assert isinstance(failed, EngineFault)
    assert len(engine.store.waiting()) == 1 == inbox_of(engine)
    responses(engine.send_many([COUNT]))
    assert engine.query("me", "t", "n") == 2


class Outside:
    """A network that looks at what is durable when it is asked."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.durable: list[tuple[int, int]] = []

    def request(self, *_: Any) -> dict[str, Value]:
        assert self.engine is not None
        self.durable.append((inbox_of(self.engine), len(self.engine.log("me"))))
        return {"status_code": 200}


def test_before_anything_happens_outside_the_group_so_far_is_durable(tmp_path: Path) -> None:
    outside = Outside()
    options = Options(answerer=Answerer(outside), world=VirtualWorld())
    with Engine.open(tmp_path / "home", options) as engine:
        outside.engine = engine
        engine.create("me")
        engine.install_module("me", counter().build())
        asker = Guest("asker", (("go", "ask"),))
        request = {"method": "GET", "url": "http://x", "headers": {}}
        question = asker.message(fn="http:get", args=[request])
        asker.handle = f"(call $ask {question} (i32.const 200))"
        engine.install_module("me", asker.build())
        responses(engine.send_many([COUNT, Sending("me", "go", "ask"), COUNT]))
        assert outside.durable == [(1, 4)], "the event that asks waits, the one before has run"
        assert engine.query("me", "t", "n") == 2
        check(engine)


def test_what_is_in_a_group_can_be_read_in_it(engine: Engine) -> None:
    with engine.together():
        engine.send("me", "a", "b")
        receipt = engine.log("me")[-1]
        assert receipt.core.seq == 2 and is_envelope_signed(receipt.envelope)
        engine.send("me", "a", "b")
        assert engine.query("me", "t", "n") == 2
    check(engine)


def test_an_event_that_was_run_in_its_group_left_no_row(engine: Engine) -> None:
    before = engine.store._database.total_changes
    responses(engine.send_many([COUNT] * 10))
    rows = engine.store._database.total_changes - before
    assert rows <= 10 * 5 + 2, "a receipt, an input, an outbox, a value and a node each"
