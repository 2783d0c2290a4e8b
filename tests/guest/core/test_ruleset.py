"""One event or query: context, entity variables, what statements emit, what is returned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import wasmtime

from guest.core.harness import NULL, SEED, UNDEFINED, Guest, Thrown, number
from picomesh.ledger.value import Value, decode_value, encode_value


def entity(guest: Guest, name: str) -> Value:
    return guest.show(guest.call("rt_entity_get", guest.text(name)))


def put(guest: Guest, name: str, value: int) -> None:
    guest.call("rt_entity_put", guest.text(name), value)


def after_event(guest: Guest) -> dict[str, Value]:
    guest.end_event()
    return {path: decode_value(data) for path, data in guest.state.items()}


@pytest.fixture
def guest() -> Guest:
    guest = Guest()
    guest.begin_event()
    return guest


# -- entity variables


def test_a_variable_that_was_never_set_is_null(guest: Guest) -> None:
    assert guest.call("rt_entity_get", guest.text("x")) == NULL


def test_a_write_is_seen_at_once_and_stored_once_at_the_end(guest: Guest) -> None:
    for count in range(5):
        put(guest, "x", number(count))
        assert entity(guest, "x") == count
    put(guest, "y", guest.text("other"))
    assert guest.puts == []
    assert after_event(guest) == {"ent/x": 4, "ent/y": "other"}
    assert guest.puts == ["ent/x", "ent/y"]


def test_what_was_only_read_is_not_written(guest: Guest) -> None:
    guest.state["ent/x"] = encode_value({"a": 1})
    assert entity(guest, "x") == {"a": 1}
    after_event(guest)
    assert guest.puts == []


@pytest.mark.parametrize("nothing", [NULL, UNDEFINED, number(float("nan")), number(float("inf"))])
def test_storing_nothing_deletes(guest: Guest, nothing: int) -> None:
    guest.state["ent/x"] = encode_value(1)
    put(guest, "x", nothing)
    assert guest.call("rt_entity_get", guest.text("x")) == NULL
    assert after_event(guest) == {}


def test_what_json_has_no_place_for_is_gone_before_it_is_read_again(guest: Guest) -> None:
    function = guest.call("rt_library_function", 1, 0)
    value = guest.map(
        *(guest.text("r"), guest.regexp("a"), guest.text("f"), function),
        *(guest.text("n"), UNDEFINED, guest.text("z"), number(-0.0)),
        *(guest.text("l"), guest.array(UNDEFINED, function, number(float("nan")))),
        *(guest.text("s"), guest.text("\ud800")),
    )
    put(guest, "x", value)
    expected: Value = {"r": {}, "z": 0, "l": [None, None, None], "s": "\ufffd"}
    assert guest.show(guest.library("keys", guest.call("rt_entity_get", guest.text("x")))) == [
        *("r", "z", "l", "s"),
    ]
    assert entity(guest, "x") == expected
    assert after_event(guest) == {"ent/x": expected}


def test_a_function_cannot_be_stored(guest: Guest) -> None:
    with pytest.raises(Thrown, match="a function cannot be stored"):
        put(guest, "x", guest.call("rt_library_function", 1, 0))


PATHS: list[tuple[Value, Value, Value, Value]] = [
    (None, "a", 1, {"a": 1}),
    (5, ["a", 0], 1, {"a": [1]}),
    ("text", "a", 1, {"a": 1}),
    ([1, 2], 5, 3, [1, 2, None, None, None, 3]),
    ({"a": 1}, "a", None, {}),
    ([1, 2, 3], 1, None, [1, None, 3]),
    ({"a": 1}, [], 7, {"a": 1}),
    ({"a": 1, "b": {"c": 1}}, ["b", "d"], 2, {"a": 1, "b": {"c": 1, "d": 2}}),
]


@pytest.mark.parametrize(("before", "path", "value", "after"), PATHS)
def test_a_part_of_a_variable_is_set(
    guest: Guest, before: Value, path: Value, value: Value, after: Value
) -> None:
    if before is not None:
        guest.state["ent/x"] = encode_value(before)
    literal = UNDEFINED if value is None else number(float(str(value)))
    guest.call("rt_entity_put_path", guest.text("x"), guest.array(*_keys(guest, path)), literal)
    assert entity(guest, "x") == after
    assert after_event(guest)["ent/x"] == after


def _keys(guest: Guest, path: Value) -> list[int]:
    keys = path if isinstance(path, list) else [path]
    return [guest.text(key) if isinstance(key, str) else number(int(str(key))) for key in keys]


def test_a_part_of_a_variable_is_cleared_and_an_array_keeps_a_hole(guest: Guest) -> None:
    guest.state["ent/x"] = encode_value([1, 2, 3])
    guest.state["ent/y"] = encode_value({"a": {"b": 1, "c": 2}})
    guest.call("rt_entity_clear_path", guest.text("x"), number(1))
    path = guest.array(guest.text("a"), guest.text("b"))
    guest.call("rt_entity_clear_path", guest.text("y"), path)
    guest.call("rt_entity_clear", guest.text("z"))
    assert after_event(guest) == {"ent/x": [1, None, 3], "ent/y": {"a": {"c": 2}}}


def test_the_next_event_of_an_instance_reads_the_state_anew(guest: Guest) -> None:
    put(guest, "x", number(1))
    guest.end_event()
    guest.state["ent/x"] = encode_value(2)  # another instance of the same ruleset wrote it
    guest.begin_event()
    assert entity(guest, "x") == 2


# -- events and rules


def test_an_event_is_recognised_by_domain_and_name(guest: Guest) -> None:
    guest.begin_event(domain="store", name="opened")
    for domain, name, is_it in [
        ("store", "opened", 1),
        ("store", "open", 0),
        ("opened", "store", 0),
        ("Store", "opened", 0),
    ]:
        assert guest.call("rt_event_is", guest.text(domain), guest.text(name)) == is_it


def test_the_rules_that_ran_are_returned_in_order(guest: Guest) -> None:
    for name, fired in [("first", 1), ("second", 0), ("first", 1)]:
        guest.call("rt_rule_begin", guest.text(name))
        guest.call("rt_rule_end", fired)
    assert guest.end_event() == [["first", True], ["second", False], ["first", True]]
    guest.begin_event()
    assert guest.end_event() == []


ATTRIBUTES: Value = {"name": "Ann Lee", "age": 7, "none": None, "list": [1]}


@pytest.mark.parametrize(
    ("attribute", "pattern", "captures"),
    [
        ("name", "^(\\w+) (\\w+)$", ["Ann", "Lee"]),
        ("name", "Ann", []),
        ("name", "(Ann)|(Bob)", ["Ann", None]),
        ("name", "Bob", None),
        ("age", "(\\d+)", ["7"]),
        ("absent", "(.*)", [""]),
        ("absent", ".", None),
        ("none", "(.*)", ["null"]),
        ("list", "(.*)", ["[Array]"]),
    ],
)
def test_an_attribute_is_matched_as_text(
    attribute: str, pattern: str, captures: list[Value] | None
) -> None:
    guest = Guest()
    guest.begin_event(attrs=ATTRIBUTES)
    found = guest.call(
        "rt_attribute_match", UNDEFINED, guest.text(attribute), guest.regexp(pattern)
    )
    assert (None if found == NULL else guest.show(found)) == captures


def test_captures_of_several_attributes_follow_each_other() -> None:
    guest = Guest()
    guest.begin_event(attrs=ATTRIBUTES)
    first = guest.call("rt_attribute_match", UNDEFINED, guest.text("name"), guest.regexp("(A)(x)?"))
    both = guest.call("rt_attribute_match", first, guest.text("age"), guest.regexp("(.)"))
    assert guest.call("rt_capture", both, 1) == UNDEFINED
    assert guest.show(guest.call("rt_capture", both, 2)) == "7"
    assert guest.call("rt_capture", both, 9) == UNDEFINED


# -- effects


def test_raising_cleans_the_event(guest: Guest) -> None:
    function = guest.call("rt_library_function", 1, 0)
    attributes = guest.map(
        *(guest.text("a"), UNDEFINED, guest.text("b"), function, guest.text("c"), guest.regexp("x"))
    )
    guest.call("rt_raise", guest.text(" d "), guest.text("n\n"), attributes)
    guest.call("rt_raise", guest.text("d"), guest.text("n"), UNDEFINED)
    assert guest.effects == [
        {"kind": "raise", "domain": "d", "name": "n", "attrs": {"c": {}}},
        {"kind": "raise", "domain": "d", "name": "n", "attrs": {}},
    ]


@pytest.mark.parametrize(
    ("text", "domain", "name"),
    [("d:n", "d", "n"), (" d : n x ", "d", "nx"), ("d:n:m", "d", "n:m")],
)
def test_an_event_is_raised_by_one_text(guest: Guest, text: str, domain: str, name: str) -> None:
    guest.call("rt_raise_dynamic", guest.text(text), NULL)
    assert guest.effects == [{"kind": "raise", "domain": domain, "name": name, "attrs": {}}]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "domain"), (":n", "domain"), ("d", "name"), ("d:", "name"), (" : ", "domain")],
)
def test_an_event_without_domain_or_name_throws(guest: Guest, text: str, message: str) -> None:
    with pytest.raises(Thrown, match=f"missing event.{message}"):
        guest.call("rt_raise_dynamic", guest.text(text), NULL)


def test_attributes_that_are_no_map_throw(guest: Guest) -> None:
    for value in (guest.array(), guest.text("x"), number(1), guest.regexp("x")):
        with pytest.raises(Thrown, match="Expected a JSON map"):
            guest.call("rt_raise", guest.text("d"), guest.text("n"), value)
    with pytest.raises(Thrown, match=r"missing event\.name"):
        guest.call("rt_raise", guest.text("d"), number(5), UNDEFINED)


def test_a_log_line_knows_its_rule(guest: Guest) -> None:
    guest.call("rt_rule_begin", guest.text("r"))
    guest.call("rt_log", guest.text("info"), guest.map(guest.text("b"), UNDEFINED))
    assert guest.effects == [
        {"kind": "log", "level": "info", "message": "", "value": {}, "rule": "r"}
    ]


def test_a_division_by_zero_is_zero_and_noted_once(guest: Guest) -> None:
    for operator in ("rt_divide", "rt_modulo", "rt_divide"):
        assert guest.call(operator, number(7), number(0)) == number(0)
    (line,) = guest.effects
    assert (line["kind"], line["level"], line["value"]) == ("log", "debug", 7)


def test_an_error_is_an_event_of_this_ruleset(guest: Guest) -> None:
    guest.call("rt_rule_begin", guest.text("r"))
    guest.call("rt_error", guest.text("warn"), guest.text("oh"))
    (effect,) = guest.effects
    attrs = effect["attrs"]
    assert (effect["kind"], effect["domain"], effect["name"]) == ("raise", "system", "error")
    assert attrs == {"level": "warn", "data": "oh", "rid": None, "rule_name": "r", "genus": "user"}


def test_a_throw_is_an_effect_that_never_returns(guest: Guest) -> None:
    with pytest.raises(Thrown, match=r"^oh$"):
        guest.call("rt_throw", guest.text("oh"))
    with pytest.raises(Thrown, match="Cannot access 'x' before initialization"):
        guest.call("rt_check_set", 0xFFF9 << 48 | 4, guest.text("x"))
    assert guest.call("rt_check_set", number(1), guest.text("x")) == number(1)


def test_the_state_is_scanned_in_order(guest: Guest) -> None:
    for name in ("b", "a", "c/1", "c/2"):
        guest.state[f"ent/{name}"] = encode_value(name)
    found = guest.call("rt_state_scan", guest.text("ent/"), guest.text("ent/a"), 2)
    assert guest.show(found) == [["ent/b", "b"], ["ent/c/1", "c/1"]]


# -- queries


def test_a_shared_value_is_its_own_answer(guest: Guest) -> None:
    guest.begin_query("x")
    assert guest.call("rt_query_is", guest.text("x")) == 1
    assert guest.call("rt_query_is", guest.text("y")) == 0
    assert guest.call("rt_query_call", number(7)) == number(7)


def test_an_unknown_query_throws(guest: Guest) -> None:
    guest.begin_query("nope")
    with pytest.raises(Thrown, match='does not have query function "nope"'):
        guest.call("rt_query_unknown")


@pytest.mark.parametrize("answer", [UNDEFINED, NULL, number(float("nan"))])
def test_no_answer_is_null(guest: Guest, answer: int) -> None:
    assert guest.show(answer) is None


# -- hostile hosts


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xa0",
        b"\x80",
        b"\xf6",
        b"\xa1\x64seed\x01",
        b"\xa1\x64name\x41x",
        b"\xff" * 100,
    ],
)
def test_an_event_that_is_not_one_traps(data: bytes) -> None:
    for entry in ("rt_event_begin", "rt_query_begin"):
        guest = Guest()
        with pytest.raises(wasmtime.Trap):
            guest.call(entry, guest.place(data), len(data))
        assert not guest.effects


def test_state_that_is_damaged_traps(guest: Guest) -> None:
    guest.state["ent/x"] = b"\xa2\x61b\x01\x61a\x02"
    with pytest.raises(wasmtime.Trap):
        entity(guest, "x")
    assert not guest.effects


# -- random numbers


def samples(seed: bytes, count: int = 50) -> list[int]:
    guest = Guest()
    guest.begin_event(seed=seed)
    return [guest.call("rt_sample", 1000) for _ in range(count)]


def xoshiro(seed: bytes) -> Iterator[int]:
    """xoshiro256** by its definition; the first eight numbers only stir the state."""
    s = [int.from_bytes(seed[i : i + 8], "little") for i in range(0, 32, 8)]
    mask = (1 << 64) - 1

    def rotated(number: int, count: int) -> int:
        return (number << count | number >> (64 - count)) & mask

    for step in itertools.count():
        result = rotated(s[1] * 5 & mask, 7) * 9 & mask
        shifted = s[1] << 17 & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 45)
        if step >= 8:
            yield result


def test_a_seed_gives_the_same_numbers_everywhere() -> None:
    expected = [int((bits >> 11) / 2**53 * 1000) for bits in itertools.islice(xoshiro(SEED), 50)]
    assert samples(SEED) == expected


def test_seeds_that_differ_in_one_bit_give_other_numbers() -> None:
    changed = [bytes([*SEED[:i], SEED[i] ^ 1, *SEED[i + 1 :]]) for i in range(32)]
    runs = [samples(seed) for seed in [SEED, bytes(32), *changed]]
    assert len({tuple(run) for run in runs}) == len(runs)
    assert all(0 <= number < 1000 for run in runs for number in run)


def test_the_second_event_of_an_instance_does_not_start_over() -> None:
    guest = Guest()
    guest.begin_event()
    first = [guest.call("rt_sample", 1 << 30) for _ in range(4)]
    guest.begin_event()
    assert [guest.call("rt_sample", 1 << 30) for _ in range(4)] != first


def test_samples_are_spread_evenly() -> None:
    counts = [0] * 10
    guest = Guest()
    guest.begin_event()
    for _ in range(5_000):
        counts[guest.call("rt_sample", 10)] += 1
    assert all(400 < count < 600 for count in counts)
