"""Envelopes and packs of the kernel are those of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.model import Sending
from picomesh.kernel.group import BATCH_MAX, NO_LOGS, Group, open_group, pack_row
from picomesh.kernel.parts import parts_of
from picomesh.ledger.cid import block_cid_of_digest, raw_cid_of_block, raw_cid_of_bytes
from picomesh.ledger.receipt import (
    BATCH_DOMAIN,
    DOMAIN,
    Sender,
    decode_envelope,
    envelope_message,
    is_envelope_signed,
    seal_batch,
)
from picomesh.ledger.signature import Signer
from picomesh.scenario.world import VirtualWorld
from picomesh.store import held
from picomesh.store.packing import (
    LIMITS,
    NewReceipt,
    NewRun,
    each_of,
    make_packs,
    packs_of_packets,
    staying,
)

SIGNER = Signer(bytes(32))
SENDER = Sender.of(SIGNER.public_key, "cranelift", {"b": "1", "a": "2", "longer": "3"})
KRL = """ruleset a {
  rule put { select when a put foreach event:attrs{"keys"} setting(key)
    send_directive("put", {"key": key})
    always { ent:m{key} := event:attrs{"v"} ent:v := event:attrs{"v"}
      log info "put " + key if key == "k" || event:attrs{"v"} == 1 } }
}"""


def group_of(limits: tuple[int, ...] = LIMITS) -> Group:
    group = open_group(limits)
    assert group is not None, "python runtime/picomesh/kernel/build.py makes it"
    group.set_sender(SENDER.before, SENDER.between)
    return group


GROUP = group_of()
_digests = st.binary(min_size=32, max_size=32)
_rows = st.tuples(
    _digests, st.integers(-(2**40), 2**60), st.integers(0, 2**40), _digests | st.just(NO_LOGS)
)


@given(st.lists(_rows, min_size=1, max_size=BATCH_MAX))
@settings(max_examples=150, deadline=None)
def test_envelopes_are_the_same_bytes_and_hold(rows: list[tuple[bytes, int, int, bytes]]) -> None:
    domain = DOMAIN if len(rows) == 1 else BATCH_DOMAIN
    rows_given = [pack_row(*row) for row in rows]
    made = list(parts_of(GROUP.envelopes(rows_given, lambda it: SIGNER.sign(domain, it))))
    messages = [
        envelope_message(
            block_cid_of_digest(core).raw,
            SENDER,
            received_ms,
            elapsed_us,
            None if logs == NO_LOGS else block_cid_of_digest(logs).raw,
        )
        for core, received_ms, elapsed_us, logs in rows
    ]
    assert made == seal_batch(SENDER, messages, SIGNER)
    assert is_envelope_signed(decode_envelope(made[-1]))


def test_more_envelopes_than_a_signature_covers_are_refused() -> None:
    row = pack_row(bytes(32), 0, 0, NO_LOGS)
    for count in (0, BATCH_MAX + 1):
        with pytest.raises(MemoryError):
            GROUP.envelopes([row] * count, lambda _: bytes(64))


def held_of(events: list[tuple[int, list[str], Any]]) -> list[NewReceipt | NewRun]:
    """What a group holds when it is written; picos have `k` to `n` already."""
    module = compile_source(Source("a.krl", KRL)).module
    assert module is not None
    kept: list[list[NewReceipt | NewRun]] = []
    real = held.Held.write

    def keeping(self: held.Held, database: Any) -> None:
        kept.append(list(self.items))
        real(self, database)

    with Engine.ephemeral(Options(world=VirtualWorld())) as engine:
        picos = [engine.create(name).pico for name in ("one", "two", "three")]
        for pico in picos:
            engine.install_module(pico, module)
            engine.send(pico, "a", "put", {"keys": list("klmn"), "v": -1})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(held.Held, "write", keeping)
            engine.send_many(
                [
                    Sending(picos[at], "a", "put", {"keys": [*keys], "v": v})
                    for at, keys, v in events
                ]
            )
    return [item for rows in kept for item in rows]


_events = st.tuples(
    st.integers(0, 2),
    st.lists(st.sampled_from("klmn"), max_size=3, unique=True),
    st.sampled_from([0, 1, [], "x" * 100]),
)


@given(st.lists(_events, min_size=1, max_size=30), st.sampled_from([3, 16, 256]))
@settings(max_examples=40, deadline=None)
def test_packs_hold_the_same_and_the_same_stays(
    events: list[tuple[int, list[str], Any]], receipts_max: int
) -> None:
    items = held_of(events)
    receipts = list(each_of(items))
    assert all(item.made.packet for item in receipts)
    rest = {block_cid_of_digest(bytes(32)).raw}
    group = group_of((receipts_max, *LIMITS[1:]))
    rows, packs = packs_of_packets(group, items, rest)
    stay = staying(receipts)
    assert {raw for raw, _ in rows} == stay and len(rows) == len(stay)
    if receipts_max == LIMITS[0]:
        others = make_packs(receipts, rest | stay)
        assert [(it.data, it.names, it.nodes, it.runs) for it in packs] == [
            (it.data, it.names, it.nodes, it.runs) for it in others
        ]
    assert sum(count for pack in packs for _, _, count in pack.runs) == len(receipts)


def test_a_value_that_has_the_bytes_of_a_block_is_kept_beside_it() -> None:
    """The empty list is a value, and the block of most tapes: one hash, two names."""
    receipts = list(each_of(held_of([(0, ["k"], []), (0, ["l"], 1)])))
    rows, _ = packs_of_packets(GROUP, receipts[:1], {raw_cid_of_block(b"\x80")})
    assert raw_cid_of_bytes(b"\x80") in {raw for raw, _ in rows}


def test_a_home_that_the_kernel_wrote_is_read_without_it(tmp_path: Path) -> None:
    module = compile_source(Source("a.krl", KRL)).module
    assert module is not None
    with Engine.open(tmp_path / "home", Options()) as engine:
        pico = engine.create("one").pico
        engine.install_module(pico, module)
        many = [Sending(pico, "a", "put", {"keys": ["k", "l"], "v": at}) for at in range(100)]
        engine.send_many(many)
    with Engine.open(tmp_path / "home", Options(kernel=False)) as engine:
        assert len(engine.log("one")) == 102
        assert engine.send("one", "a", "put", {"keys": ["k"], "v": 1}).receipt.core.seq == 102
