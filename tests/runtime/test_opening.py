"""Packs as a reader finds them: what was cut out is put back, and what is no pack is damage."""

from __future__ import annotations

import zlib
from typing import Any

import cbor2
import pytest

from picomesh.kernel.opener import find_opener
from picomesh.ledger.cid import raw_cid_of_block, raw_cid_of_bytes
from picomesh.store import opening
from picomesh.store.errors import DamagedStore
from picomesh.store.opening import Opened, open_pack

EVENT, OUTBOX, NODE, LOOSE, VALUE = b"\x81\x01", b"\x81\x02", b"\x81\x03", b"\x81\x04", b"value"
A, B = raw_cid_of_block(EVENT), raw_cid_of_block(OUTBOX)


@pytest.fixture(autouse=True, params=["python", "kernel"])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who opens packs; what the kernel does not open, Python does."""
    if request.param == "kernel" and find_opener() is None:
        pytest.skip("there is no kernel: python runtime/picomesh/kernel/build.py makes one")
    if request.param == "python":
        monkeypatch.setattr(opening, "find_opener", lambda: None)
    return str(request.param)


def opened(receipts: Any, nodes: Any = (NODE,), loose: Any = (LOOSE,)) -> Opened:
    data = zlib.compress(cbor2.dumps([receipts, list(nodes)]))
    return open_pack(1, data, cbor2.dumps(list(loose)))


def test_names_are_put_back_and_blocks_are_found_by_name() -> None:
    core = b"core " + A + b" between " + B + b" end"
    name = raw_cid_of_block(core)
    following = b"after " + name + b"."
    pack = opened(
        [
            ["p", 7, b"core  between  end", b"envelope .", [9, 0, 5, 50], EVENT, OUTBOX, [VALUE]],
            ["q", 7, b"alone", b"plain", [0, 0]],
            ["p", 8, b"after .", b"x", [1, 6]],
        ]
    )
    assert pack.receipts["p", 7].core == core
    assert pack.receipts["p", 7].envelope == b"envelope " + name + b"."
    assert pack.receipts["q", 7].core == b"alone" and pack.receipts["q", 7].envelope == b"plain"
    assert pack.receipts["p", 8].core == following, "the name of the pico's receipt before it"
    assert pack.beside == {A: EVENT, B: OUTBOX}
    for data in (EVENT, OUTBOX, NODE, LOOSE):
        assert pack.block(raw_cid_of_block(data)) == data
    assert pack.block(raw_cid_of_bytes(VALUE)) == VALUE
    assert pack.block(raw_cid_of_block(VALUE)) is None
    assert len(pack.names()) == 5
    assert pack.runs() == [("p", 7, 2), ("q", 7, 1)]


ITEM: list[Any] = ["p", 7, b"core", b"envelope", [0, 0, 0], EVENT]


def changed(at: int, value: Any) -> list[Any]:
    return [*ITEM[:at], value, *ITEM[at + 1 :]]


KINDS: list[Any] = [None, 1.5, {}, "\x00", [b"x"]]


@pytest.mark.parametrize(
    "item",
    [
        *(changed(at, wrong) for at in range(5) for wrong in KINDS if (at, wrong) != (0, "\x00")),
        changed(0, b"p"),
        changed(1, True),
        changed(2, "core"),
        changed(4, []),
        changed(4, [0]),
        changed(4, [0, 0]),
        changed(4, [0, 0, 0, 0]),
        changed(4, ["1", 0, 0]),
        changed(4, [0, "1", 0]),
        changed(4, [0, 3, 1]),
        changed(4, [0, -3, 0]),
        changed(5, "a block"),
        changed(5, []),
        changed(5, [VALUE, VALUE]),
        changed(5, [5]),
        changed(5, [[VALUE]]),
        ITEM[:4],
        [],
        5,
        None,
        "p",
        {"p": 1},
    ],
    ids=repr,
)
def test_what_is_no_receipt_is_damage(item: Any) -> None:
    assert opened([ITEM])
    with pytest.raises(DamagedStore, match="pack 1 is damaged"):
        opened([ITEM, item])


@pytest.mark.parametrize(
    ("receipts", "nodes", "loose"),
    [
        (5, (), ()),
        ({}, (5,), ()),
        ([], ("node",), ()),
        ([], (), (5,)),
        ([], (), ([NODE],)),
    ],
)
def test_what_is_no_list_of_receipts_and_nodes_is_damage(
    receipts: Any, nodes: Any, loose: Any
) -> None:
    with pytest.raises(DamagedStore):
        opened(receipts, nodes, loose)


@pytest.mark.parametrize("plain", [b"\x80", b"\x83\x80\x80\x80", b"\x82\x80\x80\x00", b"\xa0", b""])
def test_what_is_no_pack_is_damage(plain: bytes) -> None:
    with pytest.raises(DamagedStore):
        open_pack(1, zlib.compress(plain), b"\x80")


@pytest.mark.parametrize("wrong", [None, 5, "text", b"", b"not zlib"])
def test_what_is_not_bytes_or_not_compressed_is_damage(wrong: object) -> None:
    good = zlib.compress(b"\x82\x80\x80")
    assert open_pack(1, good, b"\x80").receipts == {}
    with pytest.raises(DamagedStore):
        open_pack(1, wrong, b"\x80")
    with pytest.raises(DamagedStore):
        open_pack(1, good + b"\x00", b"\x80")
    if not isinstance(wrong, bytes) or not wrong:
        with pytest.raises(DamagedStore):
            open_pack(1, good, wrong)
