"""The engine: receipts for everything, durable events, questions, sends, schedules, replay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from picomesh.engine import Engine, OperatorError, Options, QueryFailed
from picomesh.engine.answers import Answerer
from picomesh.engine.engine import GIVEN_BYTES_MAX
from picomesh.engine.network import NetworkError
from picomesh.engine.replay import replay
from picomesh.ledger.errors import MissingBlock
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.ledger.value import Value, decode_value, encode_value
from picomesh.ledger.verify import Chain
from picomesh.scenario.world import VirtualWorld
from picomesh.transition.calls import QUESTIONS_MAX
from wat_guests import Guest, counter, thrower


class Internet:
    """A network that says what it was asked; `fails` of its answers are lost first."""

    def __init__(self, fails: int = 0) -> None:
        self.requests: list[str] = []
        self.fails = fails

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        self.requests.append(f"{method} {url} {headers} {body} {follow}")
        if len(self.requests) <= self.fails:
            raise NetworkError("request failed")
        return {"content": f"answer {len(self.requests)}", "status_code": 200}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.ephemeral(Options(world=VirtualWorld())) as engine:
        engine.create("me")
        yield engine


def install(engine: Engine, guest: Guest, **options: Any) -> None:
    response = engine.install_module("me", guest.build(), **options)
    assert response.transition.outcome == "ok", response.transition.message


def check_history(engine: Engine, pico: str = "me", backend: str = "pulley") -> None:
    """Everything recorded is believed, and comes out again on another backend."""
    pico = engine.find(pico)
    rows = engine.store.receipts(pico)
    chain = Chain(pico, engine.public_key)
    for row in rows:
        chain.accept(row.core, row.envelope)
    programs = Options(backend=backend).programs(None)
    done = list(replay(programs, engine.store, rows))
    assert [item.divergence for item in done] == [None] * len(rows)


def test_everything_that_happens_to_a_pico_is_a_receipt(engine: Engine) -> None:
    install(engine, counter())
    engine.send("me", "a", "b")
    install(engine, thrower("bad"))
    engine.send("me", "a", "b")
    engine.uninstall("me", "bad")
    engine.send("me", "nobody", "listens")
    cores = [receipt.core for receipt in engine.log("me")]
    assert [(core.kind, core.outcome) for core in cores] == [
        ("create", "ok"),
        ("install", "ok"),
        ("event", "ok"),
        ("install", "ok"),
        ("event", "throw"),
        ("uninstall", "ok"),
        ("event", "ok"),
    ]
    assert cores[0].pre == EMPTY_ROOT and cores[0].prev is None
    assert [code.rid for code in cores[4].code] == ["t", "bad"]
    assert [code.rid for code in cores[5].code] == ["t"]
    check_history(engine)


def test_a_throw_leaves_the_state_as_it_was_and_the_next_event_is_served(engine: Engine) -> None:
    install(engine, counter())
    guest = thrower("bad")
    guest.events = (("a", "throw"),)
    install(engine, guest)
    engine.send("me", "a", "b")
    thrown = engine.send("me", "a", "throw")
    assert thrown.receipt.core.post == thrown.receipt.core.pre
    assert thrown.transition.message == "no"
    assert engine.send("me", "a", "b").transition.outcome == "ok"
    assert engine.query("me", "t", "n") == 2
    check_history(engine)


def test_the_id_of_a_pico_is_the_hash_of_the_event_that_made_it(engine: Engine) -> None:
    (receipt,) = engine.log("me")
    assert str(receipt.core.event) == receipt.core.pico == engine.find("me")


def test_two_picos_share_nothing(engine: Engine) -> None:
    engine.create("you")
    for name in ("me", "you"):
        engine.install_module(name, counter().build())
    engine.send("me", "a", "b")
    assert engine.query("me", "t", "n") == 1
    assert engine.state("you").get(b"ent/t/n") is None


def test_a_pico_is_found_by_name_id_and_beginning_of_its_id(engine: Engine) -> None:
    pico = engine.find("me")
    for name in (pico, pico[:20], pico[7:15]):
        assert engine.find(name) == pico
    for name in ("mee", "", "bafy", "bafyr4i", pico + "a"):
        with pytest.raises(OperatorError):
            engine.find(name)
    with pytest.raises(OperatorError) as told:
        engine.find("mee")
    assert told.value.hint == "did you mean me?"
    with pytest.raises(OperatorError, match="already"):
        engine.create("me")


def test_a_new_version_of_a_ruleset_keeps_what_it_stored_and_its_place(engine: Engine) -> None:
    install(engine, counter("first"))
    install(engine, counter("second"))
    engine.send("me", "a", "b")
    again = counter("first")
    again.manifest["meta"] = {"version": "2"}
    install(engine, again)
    assert [record.rid for record in engine.state("me").rulesets()] == ["first", "second"]
    assert engine.query("me", "first", "n") == 1
    check_history(engine)


def test_a_new_version_of_a_ruleset_starts_with_fresh_event_expressions(engine: Engine) -> None:
    guest = Guest()
    guest.handle = f"""
      (call $put {guest.data(b"ent/kept")} {guest.value(1)})
      (call $put {guest.data(b"select/r")} {guest.value(1)})"""
    install(engine, guest)
    engine.send("me", "a", "b")
    guest.manifest["meta"] = {"version": "2"}
    install(engine, guest)
    assert engine.state("me").get(b"select/t/r") is None
    assert engine.state("me").get(b"ent/t/kept") is not None


def test_uninstalling_removes_what_the_ruleset_stored_and_nothing_else(engine: Engine) -> None:
    for rid in ("t", "t2"):
        install(engine, counter(rid))
    engine.send("me", "a", "b")
    engine.uninstall("me", "t")
    assert [path for path, _ in engine.state("me").items(b"ent/")] == [b"ent/t2/n"]
    with pytest.raises(OperatorError):
        engine.uninstall("me", "t")
    with pytest.raises(QueryFailed):
        engine.query("me", "t", "n")
    check_history(engine)


def test_config_and_url_reach_the_ruleset(engine: Engine) -> None:
    guest = Guest()
    guest.handle = f"(call $put {guest.data(b'ent/got')} (local.get 0) (local.get 1))"
    install(engine, guest, config={"key": [1]}, url="http://x/t.krl")
    engine.send("me", "a", "b", {"k": "v"})
    got = cbor2.loads(engine.state("me").get(b"ent/t/got") or b"")
    assert (got["config"], got["url"], got["attrs"]) == (
        {"key": [1]},
        "http://x/t.krl",
        {"k": "v"},
    )


def asking(*questions: dict[str, Any]) -> Guest:
    """Asks, and stores each answer."""
    guest = Guest()
    for number, question in enumerate(questions):
        guest.handle += f"""
          (call $ask {guest.message(**question)} (i32.const 200))
          (call $put {guest.data(b"ent/answer%d" % number)}
            (i32.load (i32.const 200)) (i32.load (i32.const 204)))"""
    return guest


def answers(engine: Engine) -> list[Value]:
    return [decode_value(data) for _, data in engine.state("me").items(b"ent/t/answer")]


GET: dict[str, Any] = {
    "fn": "http:get",
    "args": [{"method": "GET", "url": "http://x/", "headers": {"a": "b"}, "redirect": "follow"}],
}


def test_a_question_is_answered_once_and_replayed_from_the_tape() -> None:
    internet = Internet()
    options = Options(answerer=Answerer(internet), world=VirtualWorld())
    with Engine.ephemeral(options) as engine:
        engine.create("me")
        install(engine, asking(GET, GET))
        done = engine.send("me", "a", "b")
        assert done.transition.outcome == "ok", done.transition.message
        assert internet.requests == ["GET http://x/ {'a': 'b'} None True"] * 2
        assert answers(engine) == [
            {"ok": {"content": "answer 1", "status_code": 200}},
            {"ok": {"content": "answer 2", "status_code": 200}},
        ]
        check_history(engine)
        assert len(internet.requests) == 2, "replay needs no network"


def test_a_request_that_fails_is_an_answer_too() -> None:
    with Engine.ephemeral(Options(answerer=Answerer(Internet(fails=1)))) as engine:
        engine.create("me")
        install(engine, asking(GET))
        engine.send("me", "a", "b")
        assert answers(engine) == [{"error": "request failed"}]


@pytest.mark.parametrize(
    "question",
    [
        {"fn": "http:get", "args": []},
        {"fn": "http:get", "args": [{"url": 5}]},
        {"fn": "ctx:moonPhase", "args": []},
        {"fn": "ctx:query", "args": ["nowhere", "a", "b"]},
        {"fn": "ctx:query", "args": []},
        {"fn": 5, "args": []},
        {"question": "none"},
        {"fn": "ctx:newChannel", "args": [["system"]]},
        {"fn": "ctx:delChannel", "args": ["nowhere"]},
    ],
    ids=str,
)
def test_a_question_that_cannot_be_answered_has_an_error_for_an_answer(
    engine: Engine, question: dict[str, Any]
) -> None:
    install(engine, asking(question))
    assert engine.send("me", "a", "b").transition.outcome == "ok"
    ((answer),) = answers(engine)
    assert isinstance(answer, dict) and list(answer) == ["error"]


def test_a_pico_knows_its_channels_and_rulesets(engine: Engine) -> None:
    names = ("ctx:channels", "ctx:rulesets", "ctx:rid_url")
    questions: list[dict[str, Any]] = [{"fn": name, "args": []} for name in names]
    install(engine, asking(*questions), url="http://x/t.krl", config={"c": 1})
    engine.send("me", "a", "b")
    channels, rulesets, url = (item["ok"] for item in answers(engine) if isinstance(item, dict))
    assert isinstance(channels, list) and isinstance(rulesets, list) and len(channels) == 2
    (ruleset,) = rulesets
    assert isinstance(ruleset, dict) and ruleset.pop("meta")
    assert ruleset == {"rid": "t", "url": "http://x/t.krl", "config": {"c": 1}}
    assert url == "http://x/t.krl"


def test_a_channel_is_made_with_the_commit_and_enforced(engine: Engine) -> None:
    policy = {"allow": [{"domain": "a", "name": "b"}], "deny": []}
    guest = asking({"fn": "ctx:newChannel", "args": [["Some Tag"], policy]})
    install(engine, guest)
    engine.send("me", "a", "b")
    (answer,) = answers(engine)
    assert isinstance(answer, dict) and isinstance(answer["ok"], dict)
    eci = str(answer["ok"]["id"])
    assert answer["ok"]["tags"] == ["some-tag"]
    assert engine.state("me").channel(eci) is None, "asking reserves and changes nothing"
    acting = Guest("acting", (("make", "it"),))
    made = {"args": [["Some Tag"], policy], "answer": {"id": "an identifier of its own choice"}}
    acting.handle = f"(call $emit {acting.message(kind='ctx.newChannel', **made)})"
    install(engine, acting)
    assert engine.send("me", "make", "it").transition.outcome == "ok"
    (made_now,) = (item for item in engine.state("me").channels() if item["tags"] == ["some-tag"])
    eci = str(made_now["id"])
    assert made_now == answer["ok"] | {"id": eci} and len(eci) == 24
    assert engine.send("me", "a", "b", eci=eci).transition.outcome == "ok"
    with pytest.raises(OperatorError, match="Not allowed"):
        engine.send("me", "a", "c", eci=eci)
    with pytest.raises(OperatorError, match="ECI not found"):
        engine.send("me", "a", "b", eci="nowhere")
    check_history(engine)


def test_a_made_up_channel_effect_does_no_harm(engine: Engine) -> None:
    bad = {"allow": 5}
    for number, args in enumerate([[5], [[""]], [["system"]], [[], bad], [[], None, bad], [5, 6]]):
        guest = Guest(f"g{number}", (("do", str(number)),))
        message = guest.message(kind="ctx.newChannel", args=args, answer={"id": "a/b"})
        guest.handle = f"(call $emit {message})"
        install(engine, guest)
        assert engine.send("me", "do", str(number)).transition.outcome == "trap"
    assert len(engine.state("me").channels()) == 1


def sending(eci: str, **more: Any) -> Guest:
    guest = Guest("sender", (("please", "send"),))
    message = guest.message(kind="send", eci=eci, domain="a", name="b", attrs={}, **more)
    guest.handle = f"(call $emit {message})"
    return guest


def test_a_sent_event_reaches_another_pico_after_the_commit(engine: Engine) -> None:
    engine.create("you")
    engine.install_module("you", counter().build())
    install(engine, sending(engine.eci("you"), eid="chosen"))
    engine.send("me", "please", "send")
    assert engine.query("you", "t", "n") == 1
    assert engine.store.waiting() == []
    check_history(engine, "you")


def test_a_failed_transition_sends_nothing(engine: Engine) -> None:
    install(engine, counter())
    guest = sending(engine.eci("me"))
    guest.handle += "(unreachable)"
    install(engine, guest)
    engine.send("me", "please", "send")
    assert len(engine.log("me")) == 4 and engine.store.waiting() == []


def test_an_event_sent_to_nowhere_is_dropped(engine: Engine) -> None:
    install(engine, sending("nowhere"))
    assert engine.send("me", "please", "send").transition.outcome == "ok"
    assert engine.store.waiting() == []


def test_picos_that_send_each_other_without_end_do_not_hold_the_engine(engine: Engine) -> None:
    guest = sending(engine.eci("me"))
    guest.events = (("a", "b"),)
    install(engine, guest)
    engine.accept("me", "a", "b")
    assert engine.settle(events_max=20) == 20
    assert len(engine.store.waiting()) == 1


def scheduler(entry: dict[str, Any]) -> Guest:
    """Puts an entry on its schedule, counts ticks."""
    guest = Guest("s", (("set", "it"),))
    data = guest.data(encode_value({"id1": {"id": "id1", **entry}}))
    guest.handle = f"(call $put {guest.data(b'ent/_schedule')} {data})"
    return guest


def event_for(engine: Engine) -> dict[str, Any]:
    attrs = {"attrs": {"x": 1}}
    return {"eci": engine.eci("me"), "domain": "a", "name": "b", "data": attrs, "time": 0}


def test_a_scheduled_event_fires_once_at_its_time(engine: Engine) -> None:
    world = engine.options.world
    assert isinstance(world, VirtualWorld)
    install(engine, counter())
    entry = {"type": "at", "time": world.clock_ms + 5000, "event": event_for(engine)}
    install(engine, scheduler(entry))
    engine.send("me", "set", "it")
    assert engine.run_due() == []
    world.clock_ms += 60_000
    (fired,) = engine.run_due()
    assert fired.receipt.core.kind == "event" and engine.query("me", "t", "n") == 1
    assert decode_value(engine.state("me").get(b"ent/s/_schedule") or b"") == {}
    assert engine.run_due() == []
    check_history(engine)


def test_a_repeated_event_fires_again_and_again_and_is_not_made_up_for(engine: Engine) -> None:
    world = engine.options.world
    assert isinstance(world, VirtualWorld)
    install(engine, counter())
    entry = {"type": "repeat", "timespec": "*/10 * * * * *", "event": event_for(engine)}
    install(engine, scheduler(entry))
    engine.send("me", "set", "it")
    due = engine.next_due()
    assert due is not None and due.at_ms == world.clock_ms + 10_000
    for expected in (1, 2):
        world.clock_ms += 10_000
        assert len(engine.run_due()) == 1
        assert engine.query("me", "t", "n") == expected
    world.clock_ms += 3_600_000
    assert len(engine.run_due()) == 1
    check_history(engine)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "at", "time": "soon"},
        {"type": "repeat", "timespec": "never ever"},
        {"type": "repeat", "timespec": "0 0 30 2 *"},
        {"type": "at", "time": 0, "event": 5},
        {"type": "at", "time": 0, "event": {"eci": 5}},
        {},
    ],
    ids=str,
)
def test_a_schedule_that_is_none_is_left_alone(engine: Engine, entry: dict[str, Any]) -> None:
    install(engine, scheduler(entry))
    engine.send("me", "set", "it")
    assert engine.next_due() is None


def test_an_accepted_event_is_run_after_a_restart(tmp_path: Path) -> None:
    with Engine.open(tmp_path) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        engine.accept("me", "a", "b")
    with Engine.open(tmp_path) as engine:
        assert len(engine.store.waiting()) == 1
        engine.send("me", "a", "b")
        assert engine.query("me", "t", "n") == 2
        assert engine.store.waiting() == []
        check_history(engine)


def test_answers_are_kept_when_the_engine_stops_in_between(tmp_path: Path) -> None:
    """The first answer is not asked for again: what it cost outside happens once."""

    class Stopping(Internet):
        def request(self, *given: Any) -> dict[str, Value]:
            if len(self.requests) == 1:
                raise KeyboardInterrupt
            return super().request(*given)

    internet = Stopping()
    with Engine.open(tmp_path, Options(answerer=Answerer(internet))) as engine:
        engine.create("me")
        install(engine, asking(GET, GET))
        with pytest.raises(KeyboardInterrupt):
            engine.send("me", "a", "b")
        assert len(engine.log("me")) == 2
    fresh = Internet()
    with Engine.open(tmp_path, Options(answerer=Answerer(fresh))) as engine:
        engine.process_waiting()
        assert len(fresh.requests) == 1
        contents = [item["ok"] for item in answers(engine) if isinstance(item, dict)]
        assert contents == [{"content": "answer 1", "status_code": 200}] * 2
        check_history(engine)


def test_a_failing_store_loses_nothing_and_records_nothing(tmp_path: Path) -> None:
    """A value that cannot be read is the engine's fault: no receipt, and the event waits."""
    with Engine.open(tmp_path) as engine:
        engine.create("me")
        engine.install_module("me", counter().build())
        engine.send("me", "a", "b")
    with sqlite3.connect(tmp_path / "picomesh.sqlite3") as database:
        (data,) = database.execute("SELECT data FROM block WHERE data = x'01'").fetchone()
        (cid,) = database.execute("SELECT cid FROM block WHERE data = x'01'").fetchone()
        database.execute("DELETE FROM block WHERE data = x'01'")
    database.close()
    with Engine.open(tmp_path) as engine:
        with pytest.raises(MissingBlock):
            engine.send("me", "a", "b")
        assert len(engine.log("me")) == 3 and len(engine.store.waiting()) == 1
    with sqlite3.connect(tmp_path / "picomesh.sqlite3") as database:
        database.execute("INSERT INTO block VALUES (?, ?)", (cid, data))
    database.close()
    with Engine.open(tmp_path) as engine:
        engine.process_waiting()
        assert engine.query("me", "t", "n") == 2
        check_history(engine)


def test_the_kill_switch_writes_no_receipt_and_the_event_waits() -> None:
    options = Options(kill_after_ms=200, fuel_limit=10**15)
    with Engine.ephemeral(options) as engine:
        engine.create("me")
        install(engine, Guest(handle="(loop $again (br $again))"))
        from picomesh.sandbox.interface import EngineFault

        with pytest.raises(EngineFault):
            engine.send("me", "a", "b")
        assert len(engine.log("me")) == 2 and len(engine.store.waiting()) == 1


def test_the_same_events_in_the_same_world_give_the_same_receipts() -> None:
    heads = set()
    for _ in range(2):
        with Engine.ephemeral(Options(world=VirtualWorld())) as engine:
            engine.create("me")
            install(engine, counter())
            engine.send("me", "a", "b", {"x": 1.5})
            heads.add(engine.log("me")[-1].cid)
    assert len(heads) == 1


def test_a_ruleset_whose_modules_are_not_there_is_not_installed(engine: Engine) -> None:
    def using(rid: str, *used: str) -> bytes:
        uses = [{"rid": item, "alias": item} for item in used]
        return Guest(rid, manifest={"uses": uses}).build()

    with pytest.raises(OperatorError, match="Dependant module not loaded: b"):
        engine.install_module("me", using("a", "b"))
    engine.install_module("me", using("b"))
    engine.install_module("me", using("a", "b"))
    with pytest.raises(OperatorError, match="Dependency Cycle Found: b -> a -> b"):
        engine.install_module("me", using("b", "a"))
    with pytest.raises(OperatorError, match="Dependency Cycle Found: c -> c"):
        engine.install_module("me", using("c", "c"))
    with pytest.raises(OperatorError, match="b is used by a"):
        engine.uninstall("me", "b")
    engine.uninstall("me", "a")
    engine.uninstall("me", "b")
    check_history(engine)


def test_attributes_are_accepted_up_to_the_limit_and_not_one_byte_longer(engine: Engine) -> None:
    install(engine, Guest(pages=(32, 32)))
    overhead = len(encode_value({"k": "x" * 100_000})) - 100_000
    longest = "x" * (GIVEN_BYTES_MAX - overhead)
    assert engine.send("me", "a", "b", {"k": longest}).transition.outcome == "ok"
    with pytest.raises(OperatorError, match="the limit is"):
        engine.send("me", "a", "b", {"k": longest + "x"})
    with pytest.raises(OperatorError, match="the limit is"):
        engine.query("me", "t", "f", {"k": longest + "x"})
    deep: Value = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(OperatorError, match="cannot be encoded"):
        engine.send("me", "a", "b", {"k": deep})
    assert engine.store.waiting() == []


def test_a_ruleset_that_asks_without_end_is_stopped_and_blocks_nobody() -> None:
    with Engine.ephemeral() as engine:
        engine.create("me")
        guest = Guest(realloc="(i32.const 32768)")
        question = guest.message(fn="ctx:query", args=[])
        guest.handle = f"(loop $again (call $ask {question} (i32.const 200)) (br $again))"
        install(engine, guest)
        done = engine.send("me", "a", "b").transition
        assert (done.outcome, len(done.tape)) == ("trap", QUESTIONS_MAX)
        assert engine.send("me", "b", "c").transition.outcome == "ok"
        check_history(engine)
