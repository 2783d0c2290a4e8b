"""JSON text in and out, as JavaScript reads and writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.core.harness import NULL, UNDEFINED, Guest, number, shared_guest
from picomesh.ledger.value import Value

READ: list[tuple[str, object]] = [
    ("null", None),
    (" 1 ", 1),
    ("-0", 0),
    ("1e5", 100_000),
    ("-12.5E-1", -1.25),
    ("123456789012345678901", 123456789012345680000.0),
    ('"\\u00e9\\n\\/\\ud83d\\ude00"', "é\n/😀"),
    ('"\u2028 is plain"', "\u2028 is plain"),
    ("[]", []),
    ("[ [ ] , { } ]", [[], {}]),
    ('{"a" : [ ] }', {"a": []}),
    ('{"b":1,"a":2,"1":0}', {"1": 0, "b": 1, "a": 2}),
    ('{"a":1,"a":2}', {"a": 2}),
    ('{"__proto__":1}', {"__proto__": 1}),
    ("\t\n\r true", True),
]
NOT_JSON = [
    *("", " ", "[1,2", "[1,]", "{", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "01", "1.", ".5", "+1"),
    *("-", "1e", "1e+", "nul", "nulll", "True", '"', '"\\x"', '"\\u12g4"', '"\n"', '"\t"', "'a'"),
    *("1 2", "[1 2]", "[]]", "\u00a01", "NaN", "Infinity", "undefined", "0x10", "//", "[,1]"),
]


@pytest.fixture
def guest() -> Guest:
    guest = Guest()
    guest.begin_event()
    return guest


@pytest.mark.parametrize(("text", "value"), READ)
def test_json_text_is_read(guest: Guest, text: str, value: object) -> None:
    shown = guest.show(guest.library("decode", guest.text(text)))
    assert json.dumps(shown) == json.dumps(value)


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_not_json_stays_text(guest: Guest, text: str) -> None:
    assert guest.show(guest.library("decode", guest.text(text))) == text


def test_json_nested_a_hundred_thousand_deep_is_read_without_recursion(guest: Guest) -> None:
    text = "[" * 100_000 + "]" * 100_000
    assert guest.library("length", guest.library("decode", guest.text(text))) == number(1)
    assert guest.show(guest.library("decode", guest.text("[" * 100_000))) == "[" * 100_000


WRITTEN: list[tuple[Value, int, str]] = [
    ([], 2, "[]"),
    ([[], {}], 2, "[\n  [],\n  {}\n]"),
    ({"b": 1, "2": 2, "1": 3}, 2, '{\n  "1": 3,\n  "2": 2,\n  "b": 1\n}'),
    ({"a": 1}, 100, '{\n          "a": 1\n}'),
    (
        ["é日😀", '"\\\b\f\n\r\t\x01\x7f\u2028'],
        0,
        '["é日😀","\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\u2028"]',
    ),
    ([1.5, -0.0, 1e21, 1e-7, None, True], 0, "[1.5,0,1e+21,1e-7,null,true]"),
]


@pytest.mark.parametrize(("value", "indent", "text"), WRITTEN)
def test_a_value_is_written_as_json(guest: Guest, value: Value, indent: int, text: str) -> None:
    written = guest.library("encode", guest.value(value), number(indent))
    assert guest.show(written) == text


def test_encode_writes_what_json_has_not_as_text_or_null(guest: Guest) -> None:
    function = guest.call("rt_library_function", 1, 0)
    both = guest.call("rt_library_function", 1, 2)
    infinity = number(float("inf"))
    value = guest.array(UNDEFINED, NULL, number(float("nan")), infinity, function, both)
    assert guest.show(guest.library("encode", value)) == (
        '[null,null,null,"[JSObject]","[Function]",null]'
    )
    pattern = guest.map(guest.text("r"), guest.regexp("a/b", "gi"), guest.text("x"), both)
    assert guest.show(guest.library("encode", pattern)) == '{"r":"re#a\\\\/b#gi"}'


def test_a_lone_surrogate_is_escaped(guest: Guest) -> None:
    assert guest.show(guest.library("encode", guest.text("a\ud800b\udc00"))) == '"a\\ud800b\\udc00"'
    decoded = guest.library("decode", guest.text('"\\ud800"'))
    assert guest.call("rt_equal", decoded, guest.text("\ud800"))


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=4), inner)),
    max_leaves=20,
)


@settings(max_examples=80, deadline=None)
@given(JSON, st.sampled_from([None, 1, 3]))
def test_any_json_text_comes_back(value: object, indent: int | None) -> None:
    guest = shared_guest()
    text = json.dumps(value, indent=indent, ensure_ascii=indent == 1)
    shown = guest.show(guest.library("decode", guest.text(text)))
    assert shown == value
    again = guest.library("encode", guest.library("decode", guest.text(text)), number(indent or 0))
    assert json.loads(str(guest.show(again))) == value
