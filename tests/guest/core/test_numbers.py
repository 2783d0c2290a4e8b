"""Numbers as text, against what JavaScript writes.

facts/numbers.json has [bits of a double, its text, its text in base 16 or null where not recorded].
"""

from __future__ import annotations

import json
import math
import random
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from guest.core.harness import NULL, Guest, number, number_of

FACTS = json.loads((Path(__file__).parent / "facts" / "numbers.json").read_text("utf-8"))


@pytest.fixture
def guest() -> Guest:
    guest = Guest()
    guest.begin_event()
    return guest


def test_a_number_is_written_as_javascript_writes_it(guest: Guest) -> None:
    values = [int(bits, 16) for bits, _, _ in FACTS]
    texts = guest.show(guest.library("join", guest.array(*values), guest.text(" ")))
    assert str(texts).split() == [text for _, text, _ in FACTS]


def test_a_number_in_base_16_is_written_as_javascript_writes_it(guest: Guest) -> None:
    for bits, text, hexadecimal in FACTS:
        if hexadecimal is not None:
            shown = guest.show(guest.library("as", int(bits, 16), guest.text("Hex")))
            assert shown == hexadecimal, text


def test_every_text_reads_back_as_its_number(guest: Guest) -> None:
    for bits, text, _ in FACTS:
        read = guest.library("as", guest.text(text), guest.text("Number"))
        assert number_of(read) == struct.unpack(">d", bytes.fromhex(bits))[0], text


def test_a_decimal_is_read_as_the_nearest_number(guest: Guest) -> None:
    choose = random.Random(11)
    for _ in range(400):
        text = f"{choose.randrange(10 ** choose.randrange(1, 20))}e{choose.randrange(-340, 309)}"
        wanted = float(text)
        read = guest.library("as", guest.text(text), guest.text("Number"))
        assert read == (number(wanted) if math.isfinite(wanted) else NULL), text


@pytest.mark.parametrize("text", ["1e309", "-1e309", "9" * 400, "Infinity", "-Infinity", "NaN"])
def test_what_no_double_holds_is_no_number(guest: Guest, text: str) -> None:
    assert guest.library("as", guest.text(text), guest.text("Number")) == NULL


def test_the_remainder_is_exact_and_has_the_dividends_sign(guest: Guest) -> None:
    choose = random.Random(5)
    pairs = [
        (5.5, 2),
        (-5, 3),
        (5, -3),
        (1e308, 3),
        (5e-324, 1),
        (1, 5e-324),
        (2**53, 3),
        (0.3, 0.1),
    ]
    pairs += [
        (
            math.ldexp(choose.random(), choose.randrange(-1060, 1020)) * choose.choice([1, -1]),
            divisor,
        )
        for divisor in (
            math.ldexp(choose.random() + 0.5, choose.randrange(-60, 60)) for _ in range(300)
        )
    ]
    for dividend, divisor in pairs:
        rest = number_of(guest.call("rt_modulo", number(dividend), number(divisor)))
        exact = Fraction(abs(dividend)) % Fraction(abs(divisor))
        assert Fraction(rest) == (exact if dividend >= 0 else -exact), (dividend, divisor)
