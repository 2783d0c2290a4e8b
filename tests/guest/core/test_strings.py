"""Strings: two widths, shared buffers, UTF-8 at the edges."""

from __future__ import annotations

import itertools

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.core.harness import Guest, number, shared_guest

TEXTS = ["", "a", "abc", "é", "日", "😀", "a" * 31, "b" * 32, "c" * 100, "日本" * 40, "é" * 64]


@pytest.fixture
def guest() -> Guest:
    guest = Guest()
    guest.begin_event()
    return guest


def join(guest: Guest, *pieces: int) -> int:
    result = pieces[0]
    for piece in pieces[1:]:
        result = guest.call("rt_add", result, piece)
    return result


@pytest.mark.parametrize(("left", "right"), list(itertools.product(TEXTS, TEXTS)))
def test_joining_joins_whatever_the_widths(guest: Guest, left: str, right: str) -> None:
    joined = join(guest, guest.text(left), guest.text(right))
    assert guest.show(joined) == left + right
    assert guest.call("rt_equal", joined, guest.text(left + right)) == 1


def test_a_text_that_was_extended_stays_what_it_was(guest: Guest) -> None:
    start = join(guest, guest.text("x" * 40), guest.text("start"))
    first = join(guest, start, guest.text("|first"))
    second = join(guest, start, guest.text("|second"))
    third = join(guest, first, guest.text("|third"))
    wide = join(guest, first, guest.text("|日"))
    assert guest.show(start) == "x" * 40 + "start"
    assert guest.show(first) == "x" * 40 + "start|first"
    assert guest.show(second) == "x" * 40 + "start|second"
    assert guest.show(third) == "x" * 40 + "start|first|third"
    assert guest.show(wide) == "x" * 40 + "start|first|日"


@pytest.mark.parametrize("piece", ["0123456789", "日本語日本語日本語日"])
def test_appending_ten_thousand_times_takes_memory_in_proportion(guest: Guest, piece: str) -> None:
    text, more = guest.text(""), guest.text(piece)
    for _ in range(10_000):
        text = guest.call("rt_add", text, more)
    assert guest.show(text) == piece * 10_000
    assert guest.memory_bytes() < 3 << 20


def test_a_chevron_that_extends_a_text_takes_memory_in_proportion(guest: Guest) -> None:
    text = guest.text("")
    for count in range(2_000):
        pieces = [text, guest.text("item "), number(count), guest.text(";")]
        place = guest.place(b"".join(piece.to_bytes(8, "little") for piece in pieces))
        text = guest.call("rt_chevron", len(pieces), place)
    assert guest.show(text) == "".join(f"item {count};" for count in range(2_000))
    assert guest.memory_bytes() < 2 << 20


def test_a_part_of_a_wide_text_is_narrow_where_it_can_be(guest: Guest) -> None:
    inside = "plain ascii text that is longer than what is copied"
    part = guest.library("substr", guest.text(f"日{inside}本"), number(1), number(len(inside)))
    assert guest.call("rt_equal", part, guest.text(inside))
    value = guest.map(part, number(1))
    assert guest.call("rt_path", value, guest.text(inside)) == number(1)


@pytest.mark.parametrize("text", ["\ud800", "a\udc00", "\ud83d\ud83d\ude00", "\ude00\ud83d"])
def test_a_lone_surrogate_leaves_as_the_replacement_character(guest: Guest, text: str) -> None:
    units = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert guest.show(guest.text(text)) == units


def test_surrogates_that_meet_by_joining_are_one_character(guest: Guest) -> None:
    assert guest.show(join(guest, guest.text("\ud83d"), guest.text("\ude00"))) == "😀"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_text_is_ordered_by_code_units(left: str, right: str) -> None:
    guest = shared_guest()
    a, b = (text.encode("utf-16-be", "surrogatepass") for text in (left, right))
    assert guest.call("rt_compare", guest.text(left), guest.text(right)) == (a > b) - (a < b)


def test_a_text_beyond_the_limit_of_memory_traps_and_emits_nothing(guest: Guest) -> None:
    text = guest.text("x" * 1_000_000)
    with pytest.raises(wasmtime.Trap):
        for _ in range(10):
            text = guest.call("rt_add", text, text)
    assert not guest.effects
