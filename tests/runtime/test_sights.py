"""What the kernel sees in packs: exactly what Python finds there, and what replay believes."""

from __future__ import annotations

import random
import sqlite3
import struct
import zlib
from contextlib import closing
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.engine import Engine
from picomesh.engine.inputs import Event, decode_input
from picomesh.engine.model import Sending
from picomesh.kernel.opener import Opener, find_opener
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.receipt import decode_core, decode_envelope, is_envelope_signed
from picomesh.ledger.seals import Seals
from picomesh.store import opening
from picomesh.store.opening import Opened, SeenReceipt
from wat_guests import counter


def kernel() -> Opener:
    opener = find_opener()
    if opener is None:
        pytest.skip("there is no kernel: python runtime/picomesh/kernel/build.py makes one")
    return opener


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[bytes]]:
    """The key of an engine, and packs of two picos, without their compression."""
    folder = tmp_path_factory.mktemp("opening") / "home"
    with Engine.open(folder) as engine:
        for name in ("me", "you"):
            engine.create(name)
            engine.install_module(name, counter().build())
        for count in (64, 21, 100):
            names = ["me" if at % 3 else "you" for at in range(count)]
            engine.send_many([Sending(name, "a", "b", {"at": "\u00e9" * 30}) for name in names])
        key = engine.public_key
    with closing(sqlite3.connect(folder / "picomesh.sqlite3")) as database:
        rows = database.execute("SELECT data FROM pack").fetchall()
    return key, [zlib.decompress(row[0]) for row in rows]


@pytest.fixture(scope="module")
def small(home: tuple[bytes, list[bytes]]) -> bytes:
    """A pack of a few receipts with all that belongs to them."""
    receipts, nodes = cbor2.loads(home[1][1])
    return cbor2.dumps([receipts[:3], nodes[:2]])


def by_python(plain: bytes) -> Opened | None:
    """What Python finds, or None for damage."""
    try:
        receipts, nodes = opening._list(plain)
        found = Opened([node for node in nodes if isinstance(node, bytes)])
        found.add(receipts)
    except (ValueError, TypeError, cbor2.CBORDecodeError):
        return None
    return found if all(isinstance(node, bytes) for node in nodes) else None


def check(plain: bytes, engine: bytes) -> int:
    """Compares both sides; returns how many receipts the kernel says more of."""
    found = kernel().open(plain)
    if found is None:
        return 0
    mine, theirs = Opened([]), by_python(plain)
    mine.add_found(plain, found)
    assert theirs is not None, "the kernel opens nothing that is damage"
    assert mine.receipts == theirs.receipts and list(mine.receipts) == list(theirs.receipts)
    assert mine.blocks == theirs.blocks and mine.beside == theirs.beside
    rows = [row for row in mine.receipts.values() if isinstance(row, SeenReceipt)]
    assert len(rows) == len(mine.receipts)
    seen = [row for row in rows if row.span.key]
    for row in seen:
        span, at = row.span, row.seq - row.span.seq
        assert row.pico == span.pico and 0 <= at < span.count
        (fuel,), again = span.fuels(at, 1), span.rows(at, 1)
        time_ms, seed, eid, attrs, block = span.row(at)
        event = (span.eci, span.domain, span.name, attrs, eid, span.host)
        envelope = decode_envelope(row.envelope)
        assert envelope.core == cid_of_block(row.core), "it is well formed and of this core"
        is_believed = envelope.engine == engine and is_envelope_signed(envelope)
        assert Seals(engine).holds(span.key) == is_believed
        assert encoded(decode_input(block)) == encoded(Event(*event))
        parts = (event[4].encode(), event[3], block, row.core)
        digests = (cid_of_block(block).digest, cid_of_block(row.core).digest)
        sizes = struct.pack("<Q32s32s32s4I", time_ms, seed, *digests, *map(len, parts))
        assert again == sizes + b"".join(parts), "as the kernel runs it again"
        try:
            core = decode_core(row.core)
        except CodecError:
            continue  # running comes to other bytes then
        assert (core.fuel, core.time, core.seed) == (fuel, time_ms, seed)
        assert core.event == cid_of_block(block)
    return len(seen)


def encoded(event: object) -> tuple[object, ...]:
    assert isinstance(event, Event) and event.schedule is None
    return (event.eci, event.domain, event.name, event.attrs, event.eid, event.host)


def test_the_kernel_sees_what_is_there(home: tuple[bytes, list[bytes]]) -> None:
    engine, packs = home
    for plain in packs:
        found = by_python(plain)
        assert found is not None
        envelopes = [decode_envelope(row.envelope) for row in found.receipts.values()]
        among = sum(envelope.batch is not None for envelope in envelopes)
        assert check(plain, engine) == check(plain, b"x" * 32) == among >= len(envelopes) - 1


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_kernel_opens_no_changed_pack_in_another_way(
    home: tuple[bytes, list[bytes]], small: bytes, data: st.DataObject
) -> None:
    plain = small
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(plain)))
        end = min(at + data.draw(st.sampled_from([0, 1, 1, 2, 36])), len(plain))
        piece = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from(PIECES)))
        plain = plain[:at] + piece + plain[end:]
    check(plain, home[0])


PIECES = [b"\x18\x17", b"\x19\x00\x01", b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\x9f"]
PIECES += [b"\xff", b"\xf6", b"\x80", b"\x81", b"\x40", b"\xc3\x28", b"\xed\xa0\x80", b"\x00"]


def test_every_byte_of_a_pack_counts_for_both(
    home: tuple[bytes, list[bytes]], small: bytes
) -> None:
    chance = random.Random(11)
    for at in range(len(small)):
        bit = 1 << chance.randrange(8)
        check(small[:at] + bytes((small[at] ^ bit,)) + small[at + 1 :], home[0])
    for at in range(0, len(small), 13):
        check(small[:at], home[0])
        check(small[:at] + small[at : at + 1] + small[at:], home[0])
    check(small + b"\x00", home[0])


def test_the_kernel_gives_up_on_what_claims_more_than_there_is() -> None:
    opener = kernel()
    for plain in (b"", b"\x82", b"\x82\x9b" + b"\xff" * 8, b"\x82\x80\x5b" + b"\xff" * 8):
        assert opener.open(plain) is None
    assert opener.open(b"\x82\x80\x41" + bytes(1)) is None, "nodes are a list"
    assert opener.open(b"\x82\x80\x80") is not None
    assert opener.open(b"\x82\x80\x80" + bytes(40_000_000)) is None


def test_a_receipt_is_what_it_is_however_it_was_read(home: tuple[bytes, list[bytes]]) -> None:
    plain = home[1][0]
    found, theirs = kernel().open(plain), by_python(plain)
    assert found is not None and theirs is not None
    mine = Opened([])
    mine.add_found(plain, found)
    for place, row in mine.receipts.items():
        other = theirs.receipts[place]
        assert row == other and other == row and hash(row) == hash(other)
        changed = replace(row, envelope=b"another")
        assert row != changed and changed != row and other != changed
        assert not hasattr(changed, "span"), "what was seen is not of this one"
