"""Packs are zlib's streams, whichever code wrote them and whichever reads them."""

from __future__ import annotations

import random
import zlib
from types import ModuleType

import pytest

from picomesh.store import streams

OURS = streams.zlib_of_this_system
PLAIN = b"".join(b"a receipt of pico %d, " % (at % 7) for at in range(2_000))


@pytest.fixture(params=[zlib, OURS], ids=["zlib", "of this system"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: ModuleType = request.param
    monkeypatch.setattr(streams, "zlib_of_this_system", module)
    return module


@pytest.mark.parametrize("writer", [zlib, OURS], ids=["zlib", "of this system"])
def test_what_one_writes_the_other_reads(reader: ModuleType, writer: ModuleType) -> None:
    data = writer.compress(PLAIN, 1)
    assert streams.inflated(data, len(PLAIN)) == PLAIN
    assert streams.inflated(streams.deflated(PLAIN), len(PLAIN)) == PLAIN


def test_a_stream_that_holds_more_than_it_may_is_refused(reader: ModuleType) -> None:
    data = zlib.compress(bytes(50_000_000), 9)
    assert len(data) < 100_000
    for bytes_max in (1, 1_000, 49_999_999):
        with pytest.raises(ValueError, match="one whole stream"):
            streams.inflated(data, bytes_max)
    assert len(streams.inflated(data, 50_000_000)) == 50_000_000


def test_only_one_whole_stream_is_read(reader: ModuleType) -> None:
    data = zlib.compress(PLAIN, 1)
    for broken in (b"", data[:1], data[:-1], data + b"\0", data + data, data[2:], PLAIN):
        with pytest.raises(ValueError):
            streams.inflated(broken, 2 * len(PLAIN))


def test_damage_is_refused_by_its_checksum_or_before(reader: ModuleType) -> None:
    data = zlib.compress(PLAIN, 1)
    chance = random.Random(5)
    for _ in range(3_000):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        if broken != data:
            try:
                assert streams.inflated(bytes(broken), 2 * len(PLAIN)) == PLAIN, "a flag, no more"
            except ValueError:
                continue
