"""Modules that know the event, or that need the engine: what they read, ask and emit."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from guest.library.machine import NULL, Machine, Thrown

EVENT = {
    "attrs": {"x": 7, "5": "five", "none": None},
    "config": {"key": "value"},
    **{"domain": "door", "name": "opened", "eci": "eci-1", "eid": "eid-1", "txn": "txn-1"},
    **{"host": "https://pico.test", "pico": "pico-1", "seed": bytes(range(32))},
    "time": 1281225600123,
}
QUERY = {
    "args": {},
    "config": {},
    **{"eci": "eci-2", "host": "https://pico.test", "name": "q", "pico": "pico-1"},
    **{"seed": bytes(32), "time": 0, "txn": "txn-2"},
}


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.begin("event", EVENT)
    return made


@pytest.fixture
def asking() -> Machine:
    made = Machine()
    made.begin("query", QUERY)
    return made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_domain", "door"),
        ("event_name", "opened"),
        ("event_eci", "eci-1"),
        ("event_eid", "eid-1"),
        ("event_time", 1281225600123),
        ("meta_eci", "eci-1"),
        ("meta_host", "https://pico.test"),
        ("meta_inEvent", True),
        ("meta_inQuery", False),
        ("meta_picoId", "pico-1"),
        ("meta_txnId", "txn-1"),
        ("meta_rulesetConfig", {"key": "value"}),
        ("ctx_picoId", "pico-1"),
        ("ctx_rid_config", {"key": "value"}),
        ("time_now", "2010-08-08T00:00:00.123Z"),
    ],
)
def test_a_property_reads_the_event(machine: Machine, name: str, value: Any) -> None:
    assert machine.call(name) == value
    assert machine.host.questions == []


def test_attributes_are_found_by_name_and_a_missing_one_is_undefined(machine: Machine) -> None:
    assert machine.call("event_attr", "x") == 7
    assert machine.call("event_attr", 5) == "five"
    assert machine.call("event_attr", "none") is NULL
    assert machine.call("event_attr", "constructor") is None
    assert machine.call("event_attrs") == {"5": "five", "none": NULL, "x": 7}


@pytest.mark.parametrize("name", ["domain", "name", "eci", "eid", "time", "attrs", "attr"])
def test_outside_an_event_the_event_module_is_null(asking: Machine, name: str) -> None:
    assert asking.call(f"event_{name}") is NULL
    assert asking.call("meta_inQuery") is True


def test_a_directive_is_an_effect_and_its_record_is_the_result(machine: Machine) -> None:
    made = machine.call("send_directive", "say", {"text": "hi", "nothing": None})
    assert machine.host.effects == [
        {"kind": "directive", "name": "say", "options": {"text": "hi"}, "rule": None}
    ]
    assert (made["type"], made["name"]) == ("directive", "say")
    assert made["meta"]["txnId"] == "txn-1"
    machine.call("send_directive", "bare")
    assert machine.host.effects[1]["options"] == {}


def test_an_event_is_sent_to_an_eci_with_its_type_or_name(machine: Machine) -> None:
    eid = machine.call("event_send", {"eci": "far", "domain": "a", "type": "b", "attrs": {"n": 1}})
    (effect,) = machine.host.effects
    assert effect == {
        **{"kind": "send", "eci": "far", "domain": "a", "name": "b", "eid": eid},
        "attrs": {"n": 1},
    }


def test_an_event_for_a_subscription_goes_to_its_other_end(machine: Machine) -> None:
    subscription = {"Tx": "tx", "Tx_host": "https://other.test"}
    machine.call("event_send", {"sub": subscription, "domain": "a", "name": "b"})
    (effect,) = machine.host.effects
    assert (effect["eci"], effect["host"]) == ("tx", "https://other.test")


@pytest.mark.parametrize("options", [{}, {"eci": 5}, None, {"sub": {}}, {"did": "did:peer:2"}])
def test_an_event_without_a_place_to_go_throws(machine: Machine, options: Any) -> None:
    with pytest.raises(Thrown):
        machine.call("event_send", options)
    assert machine.host.effects == []


def test_klog_writes_a_line_and_gives_the_value_on(machine: Machine) -> None:
    assert machine.call("klog", [1], "seen") == [1]
    assert machine.host.effects == [
        {"kind": "log", "level": "klog", "message": "seen", "value": [1], "rule": None}
    ]


def test_a_question_names_the_function_and_its_arguments(machine: Machine) -> None:
    machine.host.answer = lambda question: {"ok": [{"id": "eci-1"}]}
    assert machine.call("ctx_channels") == [{"id": "eci-1"}]
    assert machine.host.questions == [{"fn": "ctx:channels", "args": []}]
    assert machine.host.effects == []


def test_an_answer_that_is_an_error_is_thrown(machine: Machine) -> None:
    machine.host.answer = lambda question: {"error": "no such ECI"}
    with pytest.raises(Thrown, match="no such ECI"):
        machine.call("ctx_query", "eci", "rid", "name", {"a": 1})
    assert machine.host.questions[0]["args"] == ["eci", "rid", "name", {"a": 1}]


def test_an_act_is_asked_for_first_and_is_then_an_effect_with_the_answer(
    machine: Machine,
) -> None:
    machine.host.answer = lambda question: {"ok": {"id": "new-eci"}}
    assert machine.call("ctx_newChannel", ["tag"]) == {"id": "new-eci"}
    assert machine.host.effects == [
        {"kind": "ctx.newChannel", "args": [["tag"]], "answer": {"id": "new-eci"}}
    ]


def test_an_act_that_is_refused_has_no_effect(machine: Machine) -> None:
    machine.host.answer = lambda question: {"error": "refused"}
    with pytest.raises(Thrown):
        machine.call("ctx_delChannel", "eci")
    assert machine.host.effects == []


RESPONSE = {
    **{"content": '{"a":1}', "content_type": "application/json", "content_length": 7},
    **{"headers": {}, "status_code": 200, "status_line": "OK"},
}


def test_a_request_is_complete_before_the_engine_sees_it(machine: Machine) -> None:
    machine.host.answer = lambda question: {"ok": RESPONSE}
    query = {"q": "a b&é", "list": [1, {"k": "v"}], "none": NULL, "gone": None}
    auth = {"username": "user", "password": "pä"}
    machine.call("http_post", "https://x.test/p", query, {"X": "1"}, None, auth, {"j": None})
    (question,) = machine.host.questions
    assert question["fn"] == "http:post"
    assert question["args"][0] == {
        "method": "POST",
        "url": "https://x.test/p?q=a%20b%26%C3%A9&list%5B0%5D=1&list%5B1%5D%5Bk%5D=v&none=",
        "headers": {
            "user-agent": "pico-engine-core-http",
            "X": "1",
            "Authorization": "Basic dXNlcjpww6Q=",
            "content-type": "application/json",
        },
        "redirect": "follow",
        "body": '{"j":null}',
    }


def test_a_form_is_encoded_and_keeps_the_content_type_that_was_given(machine: Machine) -> None:
    machine.host.answer = lambda question: {"ok": RESPONSE}
    headers = {"content-type": "text/x"}
    machine.call("http_get", "https://x.test", None, headers, None, None, None, {"a": True})
    request = machine.host.questions[0]["args"][0]
    assert request["body"] == "a=true"
    assert request["headers"]["content-type"] == "text/x"


def test_a_response_is_parsed_and_raised_when_that_is_asked_for(machine: Machine) -> None:
    machine.host.answer = lambda question: {"ok": RESPONSE}
    positional = ["https://x.test", *[None] * 6, True, "label"]
    assert machine.call("http_get", *positional)["content"] == {"a": 1}
    (effect,) = machine.host.effects
    assert (effect["kind"], effect["domain"], effect["name"]) == ("raise", "http", "get")
    assert effect["attrs"] == RESPONSE | {"content": {"a": 1}, "label": "label"}


def test_a_request_nobody_waits_for_is_an_effect(machine: Machine) -> None:
    event = {"eci": "eci-1", "domain": "a", "name": "b"}
    assert machine.call("http_get", "https://x.test", *[None] * 8, event) is None
    (effect,) = machine.host.effects
    assert (effect["kind"], effect["event"]) == ("request", event)
    assert machine.host.questions == []


@pytest.mark.parametrize("url", [None, "", 5, ["x"]])
def test_a_request_needs_a_url(machine: Machine, url: Any) -> None:
    with pytest.raises(Thrown, match="url string"):
        machine.call("http_get", url)


def test_random_functions_repeat_with_the_seed_and_stay_in_bounds() -> None:
    def drawn() -> list[Any]:
        machine = Machine()
        machine.begin("event", EVENT)
        integers = [machine.call("random_integer", 3, 1) for _ in range(60)]
        assert set(integers) == {1, 2, 3}
        numbers = [machine.call("random_number", -1, 1) for _ in range(20)]
        assert all(-1 <= number <= 1 for number in numbers)
        words = [machine.call("random_word") for _ in range(20)]
        assert len(set(words)) > 10
        identifiers = [machine.call("random_uuid") for _ in range(20)]
        assert all(re.fullmatch("c[0-9a-z]{24}", identifier) for identifier in identifiers)
        assert len(set(identifiers)) == 20
        return [integers, numbers, words, identifiers]

    assert drawn() == drawn()


def test_the_bounds_of_random_numbers_are_coerced_as_in_the_reference(machine: Machine) -> None:
    assert machine.call("random_integer", 5, 5) == 5
    assert machine.call("random_integer", None, None) == 0
    assert {machine.call("random_integer", "a", "b") for _ in range(40)} == {0, 1}
    assert {machine.call("random_integer") for _ in range(40)} == {0}
    assert machine.call("random_number", 2.5, 2.5) == 2.5


@pytest.mark.parametrize("length", [0, 1, 55, 56, 64, 72, 104, 111, 112, 128, 136, 144, 168, 300])
def test_a_hash_agrees_with_another_implementation(machine: Machine, length: int) -> None:
    message = "é" * (length // 2) + "x" * (length % 2)
    compared = 0
    for name in machine.call("math_hashAlgorithms"):
        try:
            digest = hashlib.new(name, message.encode())
        except ValueError:
            continue  # a name that Python does not have
        if digest.digest_size:
            assert machine.call("math_hash", name, message) == digest.hexdigest(), name
            compared += 1
    assert compared > 10


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("shake128", "5881092dd818bf5cf8a3ddb793fbcba7"),
        ("md5-sha1", "900150983cd24fb0d6963f7d28e17f72a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sm3", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        ("ripemd", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
    ],
)
def test_a_rare_hash_is_as_recorded(machine: Machine, name: str, digest: str) -> None:
    assert machine.call("math_hash", name, "abc") == digest


def test_an_extendable_output_function_makes_no_hmac(machine: Machine) -> None:
    with pytest.raises(Thrown):
        machine.call("math_hmac", "shake256", "key", "message")


def test_a_function_that_needs_keys_outside_the_sandbox_says_so(machine: Machine) -> None:
    with pytest.raises(Thrown, match="dido:send is not available in picomesh yet"):
        machine.call("unavailable", "dido:send")
