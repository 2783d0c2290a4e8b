"""Maps: order, sharing between copies, and size, against Python's dictionaries."""

from __future__ import annotations

import random

import pytest

from guest.core.harness import Guest, number
from picomesh.ledger.value import in_krl_order


@pytest.fixture
def guest() -> Guest:
    guest = Guest()
    guest.begin_event()
    return guest


def put(guest: Guest, value: int, key: str, item: int) -> int:
    return guest.library("put", value, guest.array(guest.text(key)), item)


def in_order(model: dict[str, int]) -> list[tuple[str, int]]:
    return [(key, model[key]) for key in in_krl_order(list(model))]


@pytest.mark.parametrize(
    "keys",
    [
        ["b", "2", "1", "a"],
        ["10", "9", "8", "x", "07", "7"],
        ["4294967294", "4294967295", "0"],
        ["-1", "1.5", "1e3", " 1", "1"],
        ["a", "0"],
        ["0", "a", "1"],
    ],
)
def test_array_index_like_keys_come_first_and_ascend(guest: Guest, keys: list[str]) -> None:
    value = guest.map(*(part for key in keys for part in (guest.text(key), number(0))))
    shown = guest.show(value)
    assert isinstance(shown, dict)
    assert list(shown) == in_krl_order(keys)


def test_a_key_set_again_keeps_its_place_and_a_removed_one_loses_it(guest: Guest) -> None:
    value = guest.value({"c": 1, "b": 2, "a": 3})
    again = put(guest, value, "b", number(9))
    removed = guest.library("delete", again, guest.text("c"))
    returned = put(guest, removed, "c", number(4))
    shown = guest.show(returned)
    assert isinstance(shown, dict)
    assert list(shown.items()) == [("b", 9), ("a", 3), ("c", 4)]
    assert guest.show(value) == {"c": 1, "b": 2, "a": 3}


@pytest.mark.parametrize("seed", range(12))
def test_copies_that_share_never_see_each_others_changes(guest: Guest, seed: int) -> None:
    choose = random.Random(seed)
    names = [f"k{i}" for i in range(choose.choice([4, 30, 200]))] + ["0", "7", "12"]
    versions: list[tuple[int, dict[str, int]]] = [(guest.map(), {})]
    for step in range(150):
        value, model = choose.choice(versions[-3:] if choose.random() < 0.9 else versions)
        key, changed = choose.choice(names), dict(model)
        if choose.random() < 0.25:
            value = guest.library("delete", value, guest.text(key))
            changed.pop(key, None)
        else:
            value = put(guest, value, key, number(step))
            changed[key] = step
        versions.append((value, changed))
    for value, model in versions:
        shown = guest.show(value)
        assert isinstance(shown, dict)
        assert list(shown.items()) == in_order(model)
        assert guest.call("rt_path", value, guest.text("absent")) == guest.call(
            "rt_path", guest.map(), guest.text("k")
        )
        for key in choose.sample(names, 4):
            found = guest.show(guest.call("rt_path", value, guest.text(key)))
            assert found == model.get(key)


def test_three_thousand_keys_are_put_one_by_one_into_copies(guest: Guest) -> None:
    value = guest.map()
    for count in range(3_000):
        value = put(guest, value, f"key{count}", number(count))
    assert guest.library("length", value) == number(3_000)
    assert guest.call("rt_path", value, guest.text("key2777")) == number(2777)
    assert guest.memory_bytes() < 2 << 20


def test_a_large_map_is_changed_a_thousand_times_without_copying_it(guest: Guest) -> None:
    value = guest.value({f"key{count}": count for count in range(10_000)})
    before = guest.memory_bytes()
    for count in range(1_000):
        value = put(guest, value, f"key{count * 7}", number(-1))
    shown = guest.show(value)
    assert isinstance(shown, dict)
    assert sum(item == -1 for item in shown.values()) == 1_000
    assert guest.memory_bytes() - before < 5 << 20


def test_keys_that_differ_only_in_width_or_normal_form_are_different(guest: Guest) -> None:
    keys = ["é", "e\u0301", "\u00e9\u0100", "\uff41", "a"]
    value = guest.map(
        *(part for i, key in enumerate(keys) for part in (guest.text(key), number(i)))
    )
    for i, key in enumerate(keys):
        assert guest.call("rt_path", value, guest.text(key)) == number(i)


def test_names_that_javascript_inherits_are_ordinary_keys(guest: Guest) -> None:
    names = ["__proto__", "constructor", "toString", "hasOwnProperty", "length"]
    for name in names:
        assert guest.show(guest.call("rt_path", guest.map(), guest.text(name))) is None
    value = guest.value({name: name for name in names})
    for name in names:
        assert guest.show(guest.call("rt_path", value, guest.text(name))) == name
