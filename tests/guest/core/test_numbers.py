"""Numbers as text, against what JavaScript writes.

facts/numbers.json has [bits of a double, its text, its text in base 16 or null where not recorded].
"""

from __future__ import annotations

import json
import math
import random
import struct
from decimal import Decimal
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


def javascript_text(d: float) -> str:
    """What JavaScript writes, from the shortest digits as Python finds them."""
    sign, digits, exponent = Decimal(repr(d)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if 0 < point <= 21:
        shown = text.ljust(point, "0")
        shown = shown[:point] + ("." + shown[point:] if shown[point:] else "")
    elif -6 < point <= 0:
        shown = "0." + "0" * -point + text
    else:
        rest = "." + text[1:] if text[1:] else ""
        shown = f"{text[0]}{rest}e{'-' if point < 1 else '+'}{abs(point - 1)}"
    return "-" * sign + shown


def any_double(choose: random.Random) -> float:
    """Of any size, near a power of two, or with few digits."""
    match choose.randrange(3):
        case 0:
            found = struct.unpack("<d", struct.pack("<Q", choose.getrandbits(63)))[0]
            return float(found) if math.isfinite(found) else 0.5
        case 1:
            return math.nextafter(2.0 ** choose.randrange(-1074, 1023), choose.choice([0, 9e99]))
        case _:
            return round(choose.random() * 1000, choose.randrange(1, 9)) or 1.5


def test_a_number_is_written_with_the_fewest_digits_that_read_back(guest: Guest) -> None:
    choose = random.Random(3)
    numbers = [any_double(choose) * choose.choice([1, -1]) for _ in range(1500)]
    numbers += [2251799813685247.75, 2.0**-44, 5e-324, 1e21, 1e-7, 123456789012345680.0, 1e15]
    values = guest.array(*(number(d) for d in numbers))
    texts = str(guest.show(guest.library("join", values, guest.text(" ")))).split()
    assert texts == [javascript_text(d) for d in numbers]


@pytest.mark.parametrize(
    "text",
    [
        *("." + "0" * 400 + "123e380", "1" + "0" * 900 + "e-900", "12.5" + "0" * 1000),
        # Half the way between two numbers, and a little more or less, hundreds of digits on.
        *(f"9007199254740993{more}" for more in ("", "." + "0" * 900 + "1", ".0")),
        "9007199254740992." + "9" * 900,
        *("2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623158e308"),
        *("1.7976931348623159e308", "2.2250738585072011e-308", "1e-999999999999", "0e999999999999"),
        "0." + "0" * 330 + "1e331",
    ],
)
def test_a_text_of_many_digits_is_read_as_the_nearest_number(guest: Guest, text: str) -> None:
    wanted = float(text)
    read = guest.library("as", guest.text(text), guest.text("Number"))
    assert read == (number(wanted) if math.isfinite(wanted) else NULL)


@pytest.mark.parametrize("text", ["0x" + "f" * 14, "0b1" + "0" * 53 + "1", "0x" + "f" * 256])
@pytest.mark.parametrize("more", ["", "1", "8", "0" * 1000])
def test_a_whole_number_in_another_base_is_read_as_the_nearest_number(
    guest: Guest, text: str, more: str
) -> None:
    text += more if text.startswith("0x") or "8" not in more else "1"
    read = guest.library("as", guest.text(text), guest.text("Number"))
    try:
        assert read == number(float(int(text, 0)))
    except OverflowError:
        assert read == NULL


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
