"""What is run, and what came of it: the records that everything around a transition handles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from picomesh import transition
from picomesh.engine.inputs import Input
from picomesh.ledger.cid import Cid, cid_of_block, raw_cid_of_block, trusted_cid
from picomesh.ledger.codec import encode_block
from picomesh.ledger.receipt import Core, decode_core
from picomesh.transition import Transition

EMPTY_LIST = encode_block([])
EMPTY_LIST_CID = cid_of_block(EMPTY_LIST)  # of most tapes; every store has it


@dataclass(slots=True)
class Head:
    """A pico's newest receipt, and what the next one needs of it."""

    seq: int
    cid: Cid
    post: Cid


@dataclass(slots=True)
class Work:
    """All that decides a transition."""

    pico: str
    seq: int
    prev: Cid | None
    given: Input
    time_ms: int
    seed: bytes
    fuel_limit: int
    pre: Cid
    tape: tuple[transition.Answer, ...] = ()
    given_bytes: bytes = field(default=b"", init=False, compare=False)  # its block, if known


class Performed:
    """A transition that was run: its core, and the blocks that the core links to.

    `record` are blocks that no state links to; `values`, `removed`, `nodes` and `replaced` are how
    its state differs from the one before, as a `NewReceipt` has them; `others` is all the rest.
    """

    __slots__ = (
        "_core",
        "cid",
        "core_bytes",
        "nodes",
        "others",
        "post",
        "record",
        "removed",
        "replaced",
        "transition",
        "values",
    )

    packet = b""  # as the kernel left it (native.py), or nothing
    is_plain = False  # True: it wrote its rulesets' own states, and nothing follows from it

    def __init__(self, done: Transition, post: Cid, others: dict[Cid, bytes]) -> None:
        self.transition = done
        self.post = post
        self.others = others
        self.record: list[tuple[Cid, bytes]] = []
        self.values: list[tuple[bytes, Cid, bytes]] = []
        self.removed: list[bytes] = []
        self.nodes: Collection[tuple[Cid, bytes]] = ()
        self.replaced: Sequence[Cid] = ()
        self.core_bytes = b""
        self._core: Core | None = None

    @property
    def has_logs(self) -> bool:
        """Something for people: lines of its rules, or why it did not end well."""
        return bool(self.transition.logs or self.transition.message)

    @property
    def outcome(self) -> str:
        return self.transition.outcome

    @property
    def fuel(self) -> int:
        return self.transition.fuel

    @property
    def message(self) -> str:
        """Why it did not end well, for people."""
        return self.transition.message

    def keep(self, block: bytes) -> bytes:
        """A block of the record, by its name."""
        raw = raw_cid_of_block(block)
        self.record.append((trusted_cid(raw), block))
        return raw

    def seal(self, core_bytes: bytes) -> None:
        self.core_bytes = core_bytes
        self.cid = cid_of_block(core_bytes)

    @property
    def core(self) -> Core:
        """Decoded when somebody looks at it."""
        if self._core is None:
            self._core = decode_core(self.core_bytes)
        return self._core

    @property
    def blocks(self) -> dict[Cid, bytes]:
        """All that it made."""
        values = ((cid, data) for _, cid, data in self.values)
        empty = {EMPTY_LIST_CID: EMPTY_LIST}
        return {**self.others, **dict(self.record), **empty, **dict(values), **dict(self.nodes)}
