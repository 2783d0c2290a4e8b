"""Imports, which the host makes without a guest: the second verifier comes to the same state."""

from __future__ import annotations

import random
from collections.abc import Iterator

from picomesh.engine import Engine
from picomesh.engine.inputs import Import
from picomesh.engine.prove import prove
from picomesh.ledger.codec import Block
from picomesh.ledger.value import Value, encode_value
from verifier.node import audit_all, needs_node
from wat_guests import counter

pytestmark = needs_node
LONG = "é" * 200
POLICY: dict[str, Value] = {"allow": [{"domain": "*", "name": "x"}], "deny": []}
QUERIES: dict[str, Value] = {"allow": [{"rid": "*", "name": "*"}], "deny": []}


def channel(**changes: Value) -> bytes:
    record: dict[str, Value] = {
        "id": "door",
        "tags": ["a", "b-c"],
        "eventPolicy": POLICY,
        "queryPolicy": QUERIES,
        "familyChannelPicoID": None,
    }
    return encode_value(record | changes)


def entities(*values: tuple[str, Value]) -> Import:
    return Import("", None, [], None, [["t", name, encode_value(item)] for name, item in values])


def relatives(*rows: list[Block], parent: list[Block] | None = None) -> Import:
    return Import("", parent, [*rows], None, [])


def imports() -> Iterator[Import]:
    """What can be and what cannot, on the borders of what is spread and what is allowed."""
    yield Import("id000", ["up", "p0", "down"], [["c0", "p1", "o0"], ["c1", "p2", "o1"]], [], [])
    yield Import("id001", None, [], [channel(), channel(id="gate")], [])
    yield Import("", ["up2", "p0", "down2"], [], None, [])
    for count in (0, 1, 63, 64, 65, 200):
        yield entities(("list", list(range(count))), ("m", {f"k{n}": n for n in range(count)}))
    many: dict[str, Value] = {str(n): n / 3 for n in range(70, 0, -1)}
    yield entities(("m", many | {"b": None, "a": {"/": 1}}))
    yield entities(("m", dict.fromkeys([LONG, *map(str, range(80))], 1)))
    yield entities(("m", dict.fromkeys([LONG + "x", *map(str, range(80))], 1)))
    yield entities(("_schedule", list(range(80))), ("nothing", None), ("$x_1", "text"))
    yield entities(("twice", 1), ("twice", 2))
    yield entities(("n" * 1015, 1))
    yield entities(("n" * 1020, 1))
    yield entities(("n" * 5000, 1))
    yield entities(("big", "x" * (1024 * 1024)))
    deep: Value = 1
    for _ in range(128):
        deep = [deep]
    yield entities(("deep", deep))
    yield entities(("deep", [deep, *range(70)][1:]))
    for name in ("", "a/b", "1a", "a\n", "é"):
        yield entities((name, 1))
    yield Import("", None, [], None, [["other", "x", b"\x01"]])
    yield Import("", None, [], None, [["t", "x", b"\xff"]])
    for wrong in (b"\x01", b"\xff", channel(id="a/b"), channel(id=""), channel(id="x" * 257)):
        yield Import("", None, [], [wrong], [])
    for changes in ({"tags": ["A"]}, {"tags": ["system"]}, {"eventPolicy": None}, {"more": 1}):
        yield Import("", None, [], [channel(**changes)], [])
    yield Import("", None, [], [channel(familyChannelPicoID="p")], [])
    yield relatives(["a/b", "p", "c"])
    yield relatives(["a", "p", ""])
    yield relatives(parent=["a", "p", "x" * 257])
    yield Import("a/b", None, [], None, [])


def test_every_import_that_can_be_and_that_cannot_is_proved_by_both() -> None:
    chance = random.Random(5)
    with Engine.ephemeral() as engine:
        pico = engine.create("me").pico
        engine.install_module("me", counter().build())
        for given in imports():
            work = engine.next_work(pico, given, 1_700_000_000_000, chance.randbytes(32))
            engine._commit(work)  # as an engine might that is not ours: it keeps failures too
        cores = [receipt.core for receipt in engine.log("me")][2:]
        assert [core.kind for core in cores] == ["import"] * len(list(imports()))
        thrown = sum(core.outcome == "throw" for core in cores)
        assert thrown == 24 and {core.outcome for core in cores} == {"ok", "throw"}
        seqs = [core.seq for core in cores]
        files = [prove(engine.store, engine.programs, pico, seq, engine.signer) for seq in seqs]
    verdicts = [(item.verdict, item.text) for item in audit_all(files)]
    assert verdicts == [("proved", "")] * len(cores)
