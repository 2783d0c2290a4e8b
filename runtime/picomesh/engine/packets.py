"""Transitions that the kernel performed; its packets are taken apart when somebody looks."""

from __future__ import annotations

from collections.abc import Sequence

from picomesh.engine.performed import Performed
from picomesh.kernel.packet import Packet
from picomesh.ledger.cid import block_cid_of_digest, bytes_cid_of_digest
from picomesh.ledger.value import decode_plain
from picomesh.transition import Effect, LogLine, Transition
from picomesh.transition.attempt import rules_of
from picomesh.transition.calls import log_line


class FromKernel(Performed):
    """A transition that the kernel performed; its packet is taken apart when somebody looks."""

    __slots__ = ("_eid", "_packet", "_rids", "is_plain", "packet")

    def __init__(self, packet: Packet, rids: Sequence[str], eid: str) -> None:
        """`rids` are those of the recipe, `eid` that of the event."""
        self._packet = packet
        self.packet = packet.data
        self._rids = rids
        self._eid = eid
        self._core = None
        self.core_bytes = packet.core
        self.is_plain = not packet.sends
        self.post = block_cid_of_digest(packet.post)
        self.cid = block_cid_of_digest(packet.core_digest)
        self.others = {}

    def parts(self) -> tuple[bytes, list[str], str]:
        """What it can be made of again."""
        return self.packet, list(self._rids), self._eid

    @property
    def has_logs(self) -> bool:
        return bool(self._packet.has_logs)

    @property
    def outcome(self) -> str:
        return "ok"  # the kernel leaves all others to Python

    @property
    def fuel(self) -> int:
        return int(self._packet.fuel)

    @property
    def message(self) -> str:
        return ""

    def __getattr__(self, name: str) -> object:
        """What was not looked at before."""
        match name:
            case "transition":
                self.transition = transition_of(self._packet, self._rids, self._eid)
            case "record":
                record = self._packet.record()
                self.record = [(block_cid_of_digest(digest), data) for digest, data in record]
            case "values" | "removed":
                writes = list(self._packet.writes())
                self.values = [
                    (path, bytes_cid_of_digest(digest), data)
                    for path, digest, data in writes
                    if data is not None
                ]
                self.removed = [path for path, _, data in writes if data is None]
            case "nodes" | "replaced":
                rows = list(self._packet.nodes())
                self.nodes = [(block_cid_of_digest(digest), data) for _, digest, data in rows]
                self.replaced = [
                    block_cid_of_digest(digest) for digest, _, _ in rows if any(digest)
                ]
            case _:
                raise AttributeError(name)
        return object.__getattribute__(self, name)


def transition_of(packet: Packet, rids: Sequence[str], eid: str) -> Transition:
    """What the run came to."""
    effects: list[Effect] = []
    logs: list[LogLine] = []
    for kind, ruleset, message in packet.effects():
        if kind == "log":
            logs.append(log_line(rids[ruleset], decode_plain(message)))
        elif kind == "send":
            effects.append(Effect("send", rids[ruleset], message))
        else:
            effects.append(Effect("directive", rids[ruleset], message, None, eid))
    rules = [
        (rids[ruleset], name, fired)
        for ruleset, ran in packet.answers()
        for name, fired in rules_of(ran)
    ]
    writes = tuple([(path, data) for path, _, data in packet.writes()])
    return Transition(
        "ok", packet.fuel, writes, tuple(effects), tuple(logs), (), tuple(rules), b"", ""
    )
