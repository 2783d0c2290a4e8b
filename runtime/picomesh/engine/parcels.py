"""A transition as bytes, for the way from a worker process to the engine.

Both ends are the same program on the same machine, started by each other, so the form is Python's
own (marshal) and may change with any release; nothing of it is ever stored.
"""

from __future__ import annotations

import marshal
from typing import Any, cast

from picomesh.engine.packets import FromKernel
from picomesh.engine.performed import Performed
from picomesh.kernel.packet import Packet
from picomesh.ledger.cid import Cid, trusted_cid
from picomesh.transition import Effect, LogLine, Transition

_KERNEL_PARTS = 3  # of a transition that the kernel performed


def pack(performed: Performed) -> bytes:
    if isinstance(performed, FromKernel):
        return marshal.dumps(performed.parts())
    done = performed.transition
    return marshal.dumps(
        (
            performed.core_bytes,
            performed.post.raw,
            [(cid.raw, data) for cid, data in performed.others.items()],
            [(cid.raw, data) for cid, data in performed.record],
            [(path, cid.raw, data) for path, cid, data in performed.values],
            performed.removed,
            [(cid.raw, data) for cid, data in performed.nodes],
            [cid.raw for cid in performed.replaced],
            (done.outcome, done.fuel, done.writes),
            [(item.kind, item.rid, item.data, item.rule, item.eid) for item in done.effects],
            [(item.rid, item.rule, item.level, item.message, item.value) for item in done.logs],
            (done.rules, done.answer, done.message),
        )
    )


def unpack(data: bytes) -> Performed:
    parts = cast("tuple[Any, ...]", marshal.loads(data))
    if len(parts) == _KERNEL_PARTS:
        packet, rids, eid = parts
        return FromKernel(Packet(packet), rids, eid)
    core, post, others, record, values, removed, nodes, replaced, run, effects, logs, rest = parts
    outcome, fuel, writes = run
    rules, answer, message = rest
    done = Transition(
        outcome,
        fuel,
        writes,
        tuple([Effect(*row) for row in effects]),
        tuple([LogLine(*row) for row in logs]),
        (),
        rules,
        answer,
        message,
    )
    performed = Performed(done, trusted_cid(post), dict(_named(others)))
    performed.record = _named(record)
    performed.values = [(path, trusted_cid(raw), value) for path, raw, value in values]
    performed.removed = removed
    performed.nodes = _named(nodes)
    performed.replaced = [trusted_cid(raw) for raw in replaced]
    performed.seal(core)
    return performed


def _named(rows: list[tuple[bytes, bytes]]) -> list[tuple[Cid, bytes]]:
    return [(trusted_cid(raw), data) for raw, data in rows]
